/*
 * mark.h - proof that a host made what a message says of itself.
 *
 * Properties that decide what happens to an event (`zingq-handled`, the idempotency key of a tick
 * or of a dead letter's announcement) travel over the broker, where a stranger can write them, too.
 * So each comes with a mark, `zingq-mark`: a hash of topic, id, property and value, keyed with the
 * secret of this host's store, or with the first of hosts.secret, which all hosts have in common.
 *
 * What hosts send each other alone (zingq/hosts, forward, receipt, ask, answer) has such a mark of
 * all its bytes.
 *
 * A mark fits one id on one topic: copied to another message, it proves nothing. The payload is not
 * part of it, because of one past limits.payload only the beginning comes back.
 */
#ifndef ZINGQ_ENGINE_MARK_H
#define ZINGQ_ENGINE_MARK_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_marks(struct engine *e);
void engine_free_marks(struct engine *e);
/* Derives the keys; once the journal is open. */
void engine_load_marks(struct engine *e);

/* Appends the property `name` and the mark that proves it. */
void engine_add_marked(const struct engine *e, struct slice topic, const struct uuid *id,
                       const char *name, struct slice value, struct buf *properties);
/* Whether the property, found on a message, is to be believed: by its mark, or because other hosts
 * are there whose marks this one cannot check. */
bool engine_believes(const struct engine *e, struct slice topic, struct slice properties,
                     const char *name, struct slice value);

#endif

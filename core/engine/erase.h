/*
 * erase.h - erases what the store has of a key, for an operator.
 */
#ifndef ZINGQ_ENGINE_ERASE_H
#define ZINGQ_ENGINE_ERASE_H

#include "engine/engine.h"

/* Whether the event has ended for good: no handler and no compensation is open. */
bool engine_may_erase(const struct event *event);
/* COMMAND_ERASE: an event of the key with its history and steps, or, without an id, some of the
 * key's state, locks and kept signals. */
int engine_erase(struct engine *e, struct command *c);

#endif

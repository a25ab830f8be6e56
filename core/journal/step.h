/*
 * step.h - steps: what an event has done for good. Part of the journal
 * (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_STEP_H
#define ZINGQ_JOURNAL_STEP_H

#include "journal/journal.h"

/* ERR_NOTFOUND. The value points into the store, the name is the one asked for. */
int journal_step_get(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name, struct step *out);
/* The same for a handler: ERR_CORRUPT. */
int journal_step_read(struct journal *j, const struct event *event, enum step_kind kind,
                      struct slice name, struct step *out);
int journal_step_put(struct journal *j, const struct event *event, const struct step *step);
/* ERR_NOTFOUND when there was none. */
int journal_step_del(struct journal *j, const struct event *event, enum step_kind kind,
                     struct slice name);
/* The next in the order of kind and name after *step (name.data NULL = the first); in/out.
 * ERR_NOTFOUND. */
int journal_step_next(struct journal *j, const struct event *event, struct step *step);
/* The event's records move to its other partition. ERR_MEMORY. */
int journal_step_move(struct journal *j, const struct event *from, const struct event *to);
/* All of them. */
int journal_step_clear(struct journal *j, const struct event *event);

#endif

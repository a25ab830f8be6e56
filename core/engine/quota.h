/*
 * quota.h - how many dead letters a service keeps: their rows, their size, which expire first.
 */
#ifndef ZINGQ_ENGINE_QUOTA_H
#define ZINGQ_ENGINE_QUOTA_H

#include "engine/services.h"
#include "journal/event.h"

/* ERR_MEMORY. */
int engine_make_quotas(struct engine *e);
void engine_free_quotas(struct engine *e);
/* Begins anew, after the journal has counted the letters (journal/kept.h). */
int engine_load_quotas(struct engine *e);

/* Call after journal_set_aside, before the journal forgets which rows were broken: if there were
 * letters among them, the rows of all are written anew, a few per turn. */
void engine_letters_set_aside(struct engine *e);

/* Writes the rows of a dead event, or replaces them. */
int engine_letter_put(struct engine *e, struct engine_service *s, const struct event *event);
/* Replaces the rows of a letter that was edited, and may have another key. */
int engine_letter_move(struct engine *e, struct engine_service *s, const struct event *from,
                       const struct event *to);
/* The event is no longer dead: deletes its rows, and the books no longer count it as dead. */
int engine_letter_del(struct engine *e, struct engine_service *s, const struct event *event);
/* The books no longer count a letter as dead. Damaged ones may not know of it: then it is one more
 * that was accepted. */
void engine_uncount_letter(struct engine *e, struct engine_service *s, bool person);
/* Deletes its rows, because another service has the letter from now on; the books stay. */
int engine_letter_give(struct engine *e, const struct event *event);
/* Deletes the rows of a letter whose record cannot be read. */
int engine_letter_lost(struct engine *e, const struct dead_row *dead);

/* True if a letter that never reached a handler keeps only its head, because such letters of the
 * service have used up their part of the store. */
bool engine_letters_full(const struct engine *e, const struct engine_service *s);
/* Expires letters beyond their quotas, oldest first: a bounded number per turn. */
int engine_expire_letters(struct engine *e);
/* When there may be such letters; INT64_MAX = not before another event dies. */
int64_t engine_next_expiry_ms(const struct engine *e);

#endif

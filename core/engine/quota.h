/*
 * quota.h - how many dead letters a service keeps: their rows, what they take, which go first.
 */
#ifndef ZINGQ_ENGINE_QUOTA_H
#define ZINGQ_ENGINE_QUOTA_H

#include "engine/services.h"
#include "journal/event.h"

/* ERR_MEMORY. */
int engine_make_quotas(struct engine *e);
void engine_free_quotas(struct engine *e);
/* Counts the letters of every service, as the store has them. */
int engine_load_quotas(struct engine *e);

/* The rows of an event that is dead, written or written anew. */
int engine_letter_put(struct engine *e, struct engine_service *s, const struct event *event);
/* The rows of a letter that was edited, and may have another key, replace those it had. */
int engine_letter_move(struct engine *e, struct engine_service *s, const struct event *from,
                       const struct event *to);
/* It is dead no more: its rows go, and the books no longer count it as dead. */
int engine_letter_del(struct engine *e, struct engine_service *s, const struct event *event);
/* The letter's record cannot be read: its row goes. */
int engine_letter_lost(struct engine *e, struct engine_service *s, const struct event *lost);

/* Whether a letter that never reached a handler keeps nothing but its head: what such letters of
 * the service may take is used up. */
bool engine_letters_full(const struct engine *e, const struct engine_service *s);
/* Takes letters past their quotas, the oldest first: a bounded number in a turn. */
int engine_expire_letters(struct engine *e);
/* When there may be such letters; INT64_MAX = when another event dies. */
int64_t engine_next_expiry_ms(const struct engine *e);

#endif

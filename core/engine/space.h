/*
 * space.h - room in the store.
 */
#ifndef ZINGQ_ENGINE_SPACE_H
#define ZINGQ_ENGINE_SPACE_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_space(struct engine *e);
void engine_free_space(struct engine *e);
/* Counts the free space, when it is due. */
int engine_look_at_space(struct engine *e);
/* Whether enough of a full store was freed to run waiting events, though not to accept new ones. */
bool engine_can_work_off(const struct engine *e);
/* Nothing is accepted; and nothing runs, the store is only tidied. */
bool engine_is_low(const struct engine *e);
bool engine_is_full(const struct engine *e);
/* A turn, or loading, found no room. */
int engine_become_full(struct engine *e);
/* While full: what was lent is used up. Between transactions. */
int engine_lend_again(struct engine *e);
/* After a turn that found no room: *gathered if enough pages are free, but scattered; then the file
 * may grow for a while, so that the turn can be tried again. Between transactions. */
int engine_gather_pieces(struct engine *e, bool *gathered);
/* That while is over. Between transactions. */
int engine_leave_pieces(struct engine *e);
/* There is room again, or enough to work off what waits. Between transactions. */
int engine_stop_tidying(struct engine *e);
/* A message about how full it is, what fills it, and what helps; NULL: there is room. */
const char *engine_space_words(const struct engine *e);
/* The reader that stays, once it is older than READER_OLD_MS; 0 = none. */
long engine_old_reader(const struct engine *e, int64_t *since_ms);
/* Bytes that a record of that size takes, with its rows and pages. */
uint64_t engine_bytes_stored(size_t record);
/* What one of the services gets of bytes that all of topics.conf share, of which there may be none
 * while the store still knows some. */
uint64_t engine_share_of(const struct engine *e, uint64_t bytes);
/* So many bytes will be stored. */
void engine_take_bytes(struct engine *e, size_t bytes);
/* The event was accepted. */
void engine_take_room(struct engine *e, const struct event *event);
/* How the turn ended: with a commit, or for want of room. */
void engine_turn_found_room(struct engine *e, bool found);
/* How much of `most` a turn may try; at least 1. */
size_t engine_space_share(const struct engine *e, size_t most);
/* When space must be looked at though nothing happens; INT64_MAX = never. */
int64_t engine_next_look_ms(const struct engine *e);
/* Whether it takes events for itself; our own forwards came before them. */
bool engine_has_room(const struct engine *e);

#endif

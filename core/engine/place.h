/*
 * place.h - the place of a waiting event: in memory, in the ready table, in the lane table.
 */
#ifndef ZINGQ_ENGINE_PLACE_H
#define ZINGQ_ENGINE_PLACE_H

#include "engine/item.h"

/* ERR_MEMORY. */
int engine_make_windows(struct engine *e);
void engine_free_windows(struct engine *e);
/* Puts a waiting event in its place, in memory or on disk; takes it over. */
int engine_place(struct engine *e, struct engine_service *s, struct event *event);
/* Its record and its row, if it is new, are written; memory over its budget is given back. */
int engine_seal_new(struct engine *e);
/* The lane's taken event has ended (or is gone): deletes its row and unblocks the next one. Frees
 * the item and its event. */
int engine_leave_lane(struct engine *e, struct lane_item *item);
/* Keeps the lane's taken event at its head with `flags`; the events behind are left on disk and the
 * lane leaves memory. Frees the item and its event. */
int engine_lane_block(struct engine *e, struct lane_item *item, uint8_t flags);
/* What is in memory of the service goes to disk and stays there: s->stored. None of its events may
 * be running. */
int engine_store_window(struct engine *e, struct engine_service *s);
/* Puts the row of a waiting event where it belongs by its arrival number, while the service is on
 * disk alone. */
int engine_place_stored(struct engine *e, struct engine_service *s, const struct row *row);
/* After that: what waits in the ready table goes before the newer rows of its lane. *at: where it
 * stands, zeroed at the start. Moves at most `rows` and looks at `passed`. ERR_NOTFOUND: all is in
 * order. */
int engine_order_ready(struct engine *e, struct engine_service *s, struct row *at, size_t rows,
                       size_t passed);
/* Deletes the row of an item in memory, wherever it is; the item is no longer new. */
int engine_unplace(struct engine *e, struct lane_item *item);
/* Deletes a ready row that is not in memory. ERR_NOTFOUND. */
int engine_take_ready(struct engine *e, struct engine_service *s, const struct row *row);
/* Loads ready rows into memory while there is room. */
int engine_refill(struct engine *e);
bool engine_wants_refill(const struct engine *e);
int64_t engine_earliest_room(const struct engine *e);
int engine_load_rows(struct engine *e); /* counts rows, wakes lanes: at the start */
/* The stored event, whose row was lost, gets one; while the store is loaded. */
int engine_place_again(struct engine *e, struct engine_service *s, struct event *event);
/* Rows of events that wait; while the store is loaded. */
uint64_t engine_waiting_rows(const struct engine_service *s);

#endif

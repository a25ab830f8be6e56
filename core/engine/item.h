/*
 * item.h - one waiting event in memory, and the list of those that are new in this turn.
 */
#ifndef ZINGQ_ENGINE_ITEM_H
#define ZINGQ_ENGINE_ITEM_H

#include "engine/lane.h"
#include "engine/services.h"
#include "journal/keyed.h"

/* ERR_MEMORY. */
int engine_make_items(struct engine *e);
void engine_free_items(struct engine *e);
/* An item for the row, without a lane; it takes the event over (NULL: its body is on disk). NULL:
 * out of memory. */
struct lane_item *engine_item_new(struct engine *e, const struct row *row, struct event *event,
                                  enum lane_place place);
/* With its event; the item is not new. */
void engine_item_free(struct engine *e, struct lane_item *item);
/* The item, which is in a lane or taken off it, gets its body / leaves it to the disk. */
int engine_load_body(struct engine *e, struct engine_service *s, struct lane_item *item);
void engine_drop_body(struct engine *e, struct lane_item *item);
/* Writes the event record, unless the seal will do it. */
int engine_save(struct engine *e, struct lane_item *item);
/* The row of an item, of an event; flags 0. */
struct row engine_item_row(const struct lane_item *item, const struct engine_service *s);
struct row engine_row(const struct event *event);
/* The same with the flows that its service's rules give the event. ERR_MEMORY. */
int engine_new_row(struct engine *e, struct engine_service *s, struct event *event,
                   struct row *row);
/* The flows of a row. */
struct lane_flows engine_row_flows(const struct row *row);
struct cell engine_cell(const struct event *event, struct slice name);
/* Marks the item as accepted in this turn; and as no longer new. */
void engine_link_new(struct engine *e, struct lane_item *item);
void engine_unlink_new(struct engine *e, struct lane_item *item);
/* Whether an event of the service has the id already, stored or accepted in this turn: 0, or
 * ERR_NOTFOUND. */
int engine_find_id(struct engine *e, const struct engine_service *s, uint8_t partition,
                   const struct uuid *id);
/* The first of those; NULL: there is none. */
struct lane_item *engine_first_new(const struct engine *e);
/* Whether what waits may stay in memory: the other half of the share is for what comes and runs. */
bool engine_keeps_bodies(const struct engine *e);
/* The turn is rolled back: no item is new any more, or in memory. The items are freed with what
 * holds them. */
void engine_forget_items(struct engine *e);

#endif

/*
 * rows.h - the rows of the lane table, counted for each service.
 */
#ifndef ZINGQ_ENGINE_ROWS_H
#define ZINGQ_ENGINE_ROWS_H

#include "engine/services.h"
#include "journal/event.h"

/* What a service has in the lane table. */
struct rows_state {
    uint64_t lane_rows;
    uint64_t parked_rows; /* of them, when the store was loaded: heads that are parked */
    uint64_t put_off;     /* heads that wait for another try */
    uint64_t asleep;      /* heads put off without a failure */
    uint64_t queued;      /* heads that wait for their tenant's turn */
};

/* ERR_MEMORY. */
int engine_make_rows(struct engine *e);
void engine_free_rows(struct engine *e);
void engine_look_at_rows(const struct engine_service *s, struct rows_state *out);
/* A head with these flags is put off or queued, or (by -1) no longer. */
void engine_count_head(struct engine_service *s, uint8_t flags, int by);
int engine_put_lane_row(struct engine *e, struct engine_service *s, const struct row *row);
/* ERR_CORRUPT: there is none. */
int engine_del_lane_row(struct engine *e, struct engine_service *s, const struct row *row);
/* Whether the lane, which is not in memory, has rows that come before new events. */
int engine_lane_has_rows(struct engine *e, const struct engine_service *s, const struct row *row,
                         bool *has);
/* Counts them, and wakes the heads: at the start. */
int engine_load_lane_rows(struct engine *e);
/* The stored event, whose row was lost, gets that one. *ready: it belongs into the ready table. */
int engine_restore_lane_row(struct engine *e, struct engine_service *s, const struct event *event,
                            const struct row *place, bool *ready);

#endif

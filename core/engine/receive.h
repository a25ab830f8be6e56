/*
 * receive.h - forwards from other hosts.
 */
#ifndef ZINGQ_ENGINE_RECEIVE_H
#define ZINGQ_ENGINE_RECEIVE_H

#include "engine/engine.h"

/* ERR_MEMORY. */
int engine_make_sources(struct engine *e);
void engine_free_sources(struct engine *e);
/* Makes messages of the rows that wait; before the commit. */
int engine_build_forwards(struct engine *e);
/* Takes the forwards in a message of another host (EVENT_FORWARD). Takes the event over; *count
 * grows by the number of forwards in it. */
int engine_admit_forward(struct engine *e, struct event *event, size_t *count);
/* Takes rows of partitions that have become this host's own, or waited for their service. */
int engine_take_own_forwards(struct engine *e);
/* Stores the positions in the forwards of other hosts; in the transaction that took them. */
int engine_write_cursors(struct engine *e);
/* Sends the receipts; after the commit. */
void engine_send_receipts(struct engine *e);
/* The turn was dropped: nothing of it was taken. */
void engine_forget_receipts(struct engine *e);

#endif

/*
 * stand_in.h - standing in for hosts that are away: reading their broker sessions.
 */
#ifndef ZINGQ_HOST_STAND_IN_H
#define ZINGQ_HOST_STAND_IN_H

#include "host/impl.h"

int host_stand_in_open(struct host *h);
/* Ends the connections; those that are wanted begin anew. When nothing read is uncommitted. */
void host_stand_in_end(struct host *h);
/* Ends the connections; before the loop is closed. */
void host_stand_in_close(struct host *h);
/* The same steps of a turn as for h->subscriber: is there input, read some of it, flush after the
 * commit, drop after a failed one, hold for back-pressure. */
bool host_stand_in_readable(const struct host *h);
void host_stand_in_collect(struct host *h, size_t messages_max);
void host_stand_in_flush(struct host *h);
void host_stand_in_drop(struct host *h);
void host_stand_in_hold(struct host *h, bool hold);
/* Starts and stops standing in; between turns. The second is when time alone makes that due:
 * INT64_MAX = never. */
void host_stand_in_turn(struct host *h, int64_t now_ms);
int64_t host_stand_in_next_ms(const struct host *h, int64_t now_ms);
void host_stand_in_metrics(const struct host *h, struct buf *out);
void host_each_stand_in(const struct host *h, host_tell *tell, void *ctx);

#endif

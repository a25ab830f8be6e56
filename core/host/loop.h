/*
 * loop.h - what the host's files ask of its loop.
 */
#ifndef ZINGQ_HOST_LOOP_H
#define ZINGQ_HOST_LOOP_H

#include "host/impl.h"

/* Lets the loop run the next turn without sleeping. */
void host_wake(struct host *h);
/* Accepts no more work and ends when all calls have returned; a second call ends at once. */
void host_stop(struct host *h, int status);
/* Ends the loop; the host then closes everything. */
void host_end_loop(struct host *h);
/* Timer callback that wakes the loop; the timer's `data` is the host. */
void host_on_timer(uv_timer_t *timer);
/* Monotonic time. */
int64_t host_now_ms(const struct host *h);
/* Logs an error of libuv. */
void host_check_uv(int rc, const char *what);
/* Sends one line to the service manager, if there is one. */
void host_tell_manager(const char *text);

#endif

/*
 * loop.h - the host's loop: what every file of the host asks of it.
 */
#ifndef ZINGQ_HOST_LOOP_H
#define ZINGQ_HOST_LOOP_H

#include "host/impl.h"

/* The loop does not sleep before the next turn. */
void host_wake(struct host *h);
/* Stops new work and ends when what waits for a call is through; called again: at once. */
void host_stop(struct host *h, int status);
/* Ends the loop; the host closes everything then. */
void host_end_loop(struct host *h);
/* Wakes the loop: for timers whose `data` is the host. */
void host_on_timer(uv_timer_t *timer);
/* The monotonic clock. */
int64_t host_now_ms(const struct host *h);
/* Logs what libuv refused. */
void host_check_uv(int rc, const char *what);
/* One line for the service manager, if there is one. */
void host_tell_manager(const char *text);

#endif

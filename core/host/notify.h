/*
 * notify.h - messages to the service manager that started the host, in systemd's notify protocol.
 * Without NOTIFY_SOCKET in the environment, all functions do nothing.
 */
#ifndef ZINGQ_HOST_NOTIFY_H
#define ZINGQ_HOST_NOTIFY_H

#include <stdint.h>

/* Sends one message, such as "READY=1". 0, or ERR_SYSTEM with errno if it was not delivered. */
int host_notify(const char *text);
/* Interval of "WATCHDOG=1" messages in ms, half of what the manager allows; 0 = it does not watch
 * this process. */
uint64_t host_notify_interval_ms(void);
/* A store of many millions of keys on a slow disk is opened within that. */
enum { HOST_OPEN_MS = 600000 };
/* From now on a manager that watches this process is to wait so long for its messages; 0 = as long as it
 * said at the start. As host_notify. */
int host_notify_wait(int64_t ms);

#endif

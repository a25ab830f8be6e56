/*
 * notify.h - what the host tells the service manager that started it: systemd's notify
 * protocol. Without NOTIFY_SOCKET in the environment every call does nothing.
 */
#ifndef ZINGQ_HOST_NOTIFY_H
#define ZINGQ_HOST_NOTIFY_H

#include <stdint.h>

/* Sends one message, such as "READY=1". 0, or ERR_SYSTEM with errno: it did not arrive. */
int host_notify(const char *text);
/* How often the manager is to hear "WATCHDOG=1", half of what it allows, in ms; 0 = it does not
 * watch this process. */
uint64_t host_notify_interval_ms(void);

#endif

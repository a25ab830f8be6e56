/*
 * broker.h - which broker the host uses, and what a lost connection means.
 */
#ifndef ZINGQ_HOST_BROKER_H
#define ZINGQ_HOST_BROKER_H

#include "host/impl.h"

/* Selects the first broker of the list. */
void host_choose_broker(struct host *h);
/* The subscribing connection is up. */
void host_broker_up(struct host *h);
/* A connection was lost or could not be made. Logs it if worth a line, ends the host if retrying is
 * pointless, and switches to the next broker if there is one. `publishing` says which
 * connection. */
void host_broker_down(struct host *h, bool publishing, enum mqtt_down why, const char *text);

#endif

/*
 * broker.h - which broker, and what a lost connection means.
 */
#ifndef ZINGQ_HOST_BROKER_H
#define ZINGQ_HOST_BROKER_H

#include "host/impl.h"

/* Which of the brokers: at first the first. */
void host_choose_broker(struct host *h);
/* The connection that subscribes stands. */
void host_broker_up(struct host *h);
/* A connection is lost, or could not be had. Says what is worth saying, ends a host for which there
 * is no use in trying, goes to the next broker when there is one. `publishing`: the connection. */
void host_broker_down(struct host *h, bool publishing, enum mqtt_down why, const char *text);

#endif

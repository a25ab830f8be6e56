/*
 * take.h - distributes messages from the broker to their services.
 */
#ifndef ZINGQ_HOST_TAKE_H
#define ZINGQ_HOST_TAKE_H

#include "host/impl.h"

/* Passes a message from the broker to the engine. `host` is the absent host whose session it came
 * from; 0 = our own. False: no service wants it. */
bool host_take(struct host *h, const struct mqtt_message *m, uint16_t host);

#endif

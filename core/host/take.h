/*
 * take.h - what comes from the broker goes to the services it is for.
 */
#ifndef ZINGQ_HOST_TAKE_H
#define ZINGQ_HOST_TAKE_H

#include "host/impl.h"

/* What came from the broker goes to the engine. `host`: whose session it is from, when that one is
 * away; 0 = ours. False: no service wants it. */
bool host_take(struct host *h, const struct mqtt_message *m, uint16_t host);

#endif

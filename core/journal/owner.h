/*
 * owner.h - which host has something, by topics.conf and its key; see conf/division.h.
 */
#ifndef ZINGQ_JOURNAL_OWNER_H
#define ZINGQ_JOURNAL_OWNER_H

#include "base/buf.h"
#include "conf/conf.h"
#include "base/limits.h"

#include <stdint.h>

enum { OWNER_TOPIC_BYTES = 64 + NAME_BYTES_MAX };

/* The topic on which that host of the division is spoken to: zingq/<kind>/<group>/<place>. Returns
 * `out`. */
const char *owner_topic(const struct conf *conf, const char *kind, uint16_t place,
                        char out[OWNER_TOPIC_BYTES]);
/* The number of the host that handles the key of a service, from 1. 0: it is no one host's, because
 * nothing is divided, the service is not divided, or there is none of that name. */
uint16_t owner_of_key(const struct conf *conf, struct slice service, struct slice key);
/* The number of the host that decides whether a publish under an Idempotency-Key is a repetition; 0
 * where nothing is divided. */
uint16_t owner_of_once(const struct conf *conf, struct slice topic, struct slice once);
/* The partition whose host fires the schedule: that of a key of its name. */
uint8_t owner_partition_of_schedule(const char *name);
/* Where each host keeps the publishes it was asked for from outside: they are of no service and no
 * key yet. */
uint8_t owner_partition_of_publish(void);

#endif

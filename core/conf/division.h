/*
 * division.h - which host owns which keys, when several divide them by number.
 *
 * Every (service, key) belongs to one of PARTITIONS partitions, and every partition to one host, by
 * its number modulo the count. Nothing moves while hosts run; `zingq reshard` changes the count.
 */
#ifndef ZINGQ_CONF_DIVISION_H
#define ZINGQ_CONF_DIVISION_H

#include <stdbool.h>
#include <stdint.h>

struct division {
    uint16_t count; /* hosts; 1 = not divided */
    uint16_t place; /* this host's number, from 1 */
};

/* The number of the host that has the partition, from 1. */
static inline uint16_t division_owner(const struct division *d, uint8_t partition) {
    return (uint16_t)(partition % d->count + 1);
}

static inline bool division_owns(const struct division *d, uint8_t partition) {
    return division_owner(d, partition) == d->place;
}

/* Whether there are other hosts. */
static inline bool division_is_divided(const struct division *d) {
    return d->count > 1;
}

#endif

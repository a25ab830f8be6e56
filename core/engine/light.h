/*
 * light.h - which keys of a service had a short run last: a table of fixed size, in memory only.
 *
 * A key whose mark collides with another's, once in 32,768 times, is confused with it. If two keys
 * need the same slot, the newer one gets it.
 */
#ifndef ZINGQ_ENGINE_LIGHT_H
#define ZINGQ_ENGINE_LIGHT_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct lights {
    uint16_t marks[LANES_LIGHT_MAX]; /* 0 = none */
};

bool lights_have(const struct lights *lights, uint64_t hash);
/* Its run was short, or it was not. */
void lights_note(struct lights *lights, uint64_t hash, bool light);

#endif

/*
 * light.h - which keys of a service had a short run last, as far as a table of fixed size remembers.
 * Pure memory.
 *
 * A key that meets another's mark by chance, once in 32,768 times, is taken for it. The younger of
 * two that want the same place has it.
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

/* light.c - see engine/light.h. */
#include "engine/light.h"

#include <stddef.h>

static uint16_t mark_of(uint64_t hash, size_t *at) {
    uint64_t mixed = hash * 0x9e3779b97f4a7c15u;
    *at = (size_t)(mixed >> 40) % LANES_LIGHT_MAX;
    return (uint16_t)(mixed >> 24 | 1);
}

bool lights_have(const struct lights *lights, uint64_t hash) {
    size_t at;
    uint16_t mark = mark_of(hash, &at);
    return lights->marks[at] == mark;
}

void lights_note(struct lights *lights, uint64_t hash, bool light) {
    size_t at;
    uint16_t mark = mark_of(hash, &at);
    if (light) {
        lights->marks[at] = mark;
    } else if (lights->marks[at] == mark) {
        lights->marks[at] = 0;
    }
}

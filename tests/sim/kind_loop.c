/*
 * kind_loop.c - handlers that loop, allocate, recurse, raise what cannot be shown, ask for too much:
 * each dies with a reason that says what it did, and nobody else suffers. Most of this kind are
 * harmless, since each of the others costs as much as a hundred.
 */
#include "sim.h"

#include <string.h>

enum { HARMLESS = 94 };

static const struct {
    const char *name, *reason; /* NULL: it is done */
} deeds[] = {
    {"nothing", NULL},
    {"many", NULL},
    {"state", NULL},
    {"loop", "of CPU time (limits.lua_time)"},
    {"pcall", "of CPU time (limits.lua_time)"},
    {"close", "of CPU time (limits.lua_time)"},
    {"pattern", ""},
    {"alloc", "of memory (limits.lua_memory)"},
    {"rep", ""},
    {"deep", ""},
    {"huge", "xxxxxxxx"},
    {"object", ""},
    {"sort", ""},
    {"too many", "effects"},
    {"too large", ""},
    {"json", ""},
    {"yield", ""},
    {"coroutine", ""},
};

enum { DEEDS = sizeof deeds / sizeof *deeds, PATTERN = 6, SPARED = 80 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->flags = (uint8_t)(sim_chance(s, HARMLESS) ? 0 : sim_below(s, DEEDS));
    if (one->flags == PATTERN && sim_chance(s, SPARED)) { /* it costs as much as all others */
        one->flags = 0;
    }
    buf_printf(payload, ",\"deed\":\"%s\"", deeds[one->flags].name);
}

/* What is stored by then may leave no room for it in a small store. */
static bool may_lack_room(const struct sim *s, const struct said *one) {
    const char *name = deeds[one->flags].name;
    return s->traits.small_stores && (strcmp(name, "state") == 0 || strcmp(name, "too many") == 0);
}

static void died(struct sim *s, struct said *one, struct slice reason) {
    static const char no_room[] = "take its part of the store";
    const char *part = deeds[one->flags].reason;
    if (may_lack_room(s, one) &&
        memmem(reason.data, reason.len, no_room, strlen(no_room)) != NULL) {
        part = no_room;
    }
    sim_tell(s, "  %s: %.*s", deeds[one->flags].name, (int)reason.len, reason.data);
    if (part != NULL && load_is_fault(reason)) {
        return; /* it took the last attempt */
    }
    if (part == NULL || reason.len == 0 ||
        memmem(reason.data, reason.len, part, strlen(part)) == NULL) {
        sim_fail(s, "loop %u (%s) dies: %.*s", one->number, deeds[one->flags].name, (int)reason.len,
                 reason.data);
    }
}

static void check(struct sim *s, const struct said *one) {
    bool dies = deeds[one->flags].reason != NULL;
    if (!dies && may_lack_room(s, one) && one->deaths == 1) {
        dies = true;
    }
    if (one->ends != (dies ? 0 : 1) || one->deaths != (dies ? 1 : 0)) {
        sim_fail(s, "loop %u (%s) has ended %u times and died %u times", one->number,
                 deeds[one->flags].name, one->ends, one->deaths);
    }
}

const struct load_kind kind_loop = {.name = "loop",
                                    .refused = true,
                                    .weight = 1,
                                    .ordered = true,
                                    .say = say,
                                    .died = died,
                                    .check = check};

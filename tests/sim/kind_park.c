/*
 * kind_park.c - on_dead = "park": what dies holds its key until somebody decides. Replayed, it is
 * done, in its place; skipped, what waits behind it goes on, and it may end later, or never.
 */
#include "sim.h"

#include <string.h>

enum { DIES = 1 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->flags = sim_chance(s, 20) ? DIES : 0;
    buf_printf(payload, ",\"dies\":%s", one->flags == DIES ? "true" : "false");
}

static void died(struct sim *s, struct said *one, struct slice reason) {
    if (one->flags != DIES || memmem(reason.data, reason.len, "parked", 6) == NULL) {
        sim_fail(s, "park %u dies: %.*s", one->number, (int)reason.len, reason.data);
    }
}

static bool revives(const struct said *one) {
    (void)one;
    return true;
}

static void check(struct sim *s, const struct said *one) {
    unsigned deaths = one->flags == DIES ? 1 : 0;
    bool ends = one->ends >= 1 || one->may_be_gone;
    bool dies = one->deaths == deaths || (one->may_be_gone && one->deaths == 0);
    if (!ends || !dies || (one->gone && one->ends > one->reruns)) {
        sim_fail(s, "park %u of key k%u has ended %u times and died %u times%s", one->number,
                 one->key, one->ends, one->deaths, one->gone ? ", and was discarded" : "");
    }
}

const struct load_kind kind_park = {.name = "park",
                                    .refused = true,
                                    .weight = 2,
                                    .ordered = true,
                                    .mortal = true,
                                    .say = say,
                                    .died = died,
                                    .revives = revives,
                                    .check = check};

/*
 * kind_guest.c - a service that topics.conf has, has no more, has again, or has under another name
 * (node_reload.c). What the broker has dealt to it ends, in order, once it is there again; what was
 * said while it had no subscription reaches nobody.
 *
 * The end is "17 <count>": how many of the key have ended by then.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static void say(struct sim *s, struct said *one, struct buf *payload) {
    static const char letters[] = "nnnecs";
    (void)one;
    buf_printf(payload, ",\"fate\":\"%c\"", letters[sim_below(s, sizeof letters - 1)]);
}

static void heard(struct sim *s, struct said *one, const char *text) {
    (void)s;
    one->value = (uint32_t)strtoul(text, NULL, 10);
}

static void check(struct sim *s, const struct said *one) {
    unsigned ends = one->deals > 0 ? 1 : 0;
    if (one->ends != ends || one->deaths != 0) {
        sim_fail(s, "guest %u of key k%u, dealt %u times, has ended %u times and died %u times",
                 one->number, one->key, one->deals, one->ends, one->deaths);
    }
}

/* Its state is what it was, too. */
static void check_all(struct sim *s) {
    long long count[KEYS] = {0};
    for (size_t i = 0; i < s->load.count; i++) {
        const struct said *one = &s->load.said[i];
        count[one->key] += load_is(one, &kind_guest) && one->ends > 0 ? 1 : 0;
        if (load_is(one, &kind_guest) && one->ends > 0 && s->count == 1 &&
            one->value != count[one->key]) {
            sim_fail(s, "guest %u of key k%u is the %lld. to end, and has counted %u", one->number,
                     one->key, count[one->key], one->value);
        }
    }
    for (unsigned key = 0; key < KEYS && !s->failed; key++) {
        char name[8];
        (void)snprintf(name, sizeof name, "k%u", key);
        long long counted = check_state(s, "guest", name, "count");
        if (counted != count[key]) {
            sim_fail(s, "key %s of guest has counted to %lld, and %lld have ended", name, counted,
                     count[key]);
        }
    }
}

const struct load_kind kind_guest = {.name = "guest",
                                     .weight = 3,
                                     .ordered = true,
                                     .say = say,
                                     .heard = heard,
                                     .check = check,
                                     .check_all = check_all};

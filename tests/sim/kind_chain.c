/*
 * kind_chain.c - long ways through services: over some keys one after the other, then to several
 * children at once, which meet again under one key. On two hosts or three most of it are forwards.
 *
 * The end is "17 <children> <sum of their numbers>"; a child that comes twice says "17 twice <which>".
 */
#include "sim.h"

#include <stdlib.h>

enum { HOPS = 6, CHILDREN = 6 };

/* one->value: children. */
static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->value = 1 + (uint32_t)sim_below(s, CHILDREN);
    buf_printf(payload, ",\"hops\":%u,\"fan\":%u", (unsigned)sim_below(s, HOPS), one->value);
}

static void heard(struct sim *s, struct said *one, const char *text) {
    char *rest;
    unsigned long count = strtoul(text, &rest, 10);
    unsigned long sum = strtoul(rest, NULL, 10);
    if (count != one->value || sum != one->value * (one->value + 1) / 2) {
        sim_fail(s, "chain %u of key k%u, of %u children, ends as: %s", one->number, one->key,
                 one->value, text);
    }
}

const struct load_kind kind_chain = {.name = "chain", .weight = 2, .say = say, .heard = heard};

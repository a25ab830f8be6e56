/*
 * kind_steps.c - handlers of many steps, each of which says something, counts, makes up a result, and,
 * some of them, asks a peer. What a step has done stays done, and its result stays what it was,
 * wherever the host goes down.
 *
 * A step says "17 step <i> <result>"; the end is "17 <count> <sum of the results>". "fail" is a step
 * that fails twice after it has said, counted and asked: nothing of that may be seen.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_MOST = 9, WORDS = 32, NAP_MS = 500 /* as in the script */ };
enum { NAPS = 1 }; /* flags */

/* one->value: how many steps; one->other: a bit for each that was heard, and from SUMMED on the sum
 * of their results; one->moment_ms: what they come to in the end. */
enum { SUMMED = 12 };

static void say(struct sim *s, struct said *one, struct buf *payload) {
    one->value = 1 + (uint32_t)sim_below(s, STEPS_MOST);
    buf_printf(payload, ",\"steps\":%u,\"calls\":%u", one->value,
               (unsigned)(sim_chance(s, 40) ? 1 + sim_below(s, one->value) : 0));
    if (sim_chance(s, 40)) {
        buf_printf(payload, ",\"fail\":%u", (unsigned)(1 + sim_below(s, one->value)));
    }
    if (sim_chance(s, 20)) {
        one->flags |= NAPS;
        buf_printf(payload, ",\"nap\":%u", (unsigned)(1 + sim_below(s, one->value)));
    }
}

static bool aside(struct sim *s, struct said *one, const char *text) {
    unsigned long step;
    unsigned long result;
    char *rest;
    if (strncmp(text, "step ", 5) != 0) {
        return false;
    }
    step = strtoul(text + 5, &rest, 10);
    result = strtoul(rest, NULL, 10);
    bool late = one->ends > 0 && !s->traits.refuses;
    if (step == 0 || step > one->value || (one->other & (1u << step)) != 0 || late) {
        sim_fail(s, "steps %u: its step %lu of %u is heard%s", one->number, step, one->value,
                 late ? " after its end" : " again");
    }
    one->other |= 1u << step;
    one->other += (uint32_t)result << SUMMED;
    return true;
}

static void heard(struct sim *s, struct said *one, const char *text) {
    char *rest;
    unsigned long count = strtoul(text, &rest, 10);
    one->moment_ms = strtol(rest, NULL, 10);
    if ((one->flags & NAPS) != 0 && load_waited_ms(s, one) < NAP_MS) {
        sim_fail(s, "steps %u of key k%u wakes up early", one->number, one->key);
    } else if (count != one->value) {
        sim_fail(s, "steps %u of key k%u: %lu of %u steps counted", one->number, one->key, count,
                 one->value);
    }
}

/* What it said in its steps, and in the end. */
static void check_results(struct sim *s, const struct said *one) {
    uint32_t all = (1u << (one->value + 1)) - 2;
    uint32_t seen = one->other & ((1u << SUMMED) - 1);
    if (seen != all || one->moment_ms != one->other >> SUMMED) {
        sim_fail(s,
                 "steps %u of key k%u: of %u steps %x were heard; its results come to %lld, those "
                 "that were heard to %u",
                 one->number, one->key, one->value, seen, (long long)one->moment_ms,
                 one->other >> SUMMED);
    }
}

static void check(struct sim *s, const struct said *one) {
    char note[WORDS];
    for (unsigned i = 1; i <= one->value; i++) {
        (void)snprintf(note, sizeof note, "%u step %u", one->number, i);
        size_t count = peer_deeds(s, "/note", note);
        if (count > 1) {
            sim_fail(s, "steps %u: the peer has noted step %u %zu times", one->number, i, count);
        }
    }
    check_results(s, one);
    if (one->ends != 1 || one->deaths != 0) {
        sim_fail(s, "steps %u of key k%u has ended %u times and died %u times", one->number,
                 one->key, one->ends, one->deaths);
    }
}

const struct load_kind kind_steps = {.name = "steps",
                                     .weight = 2,
                                     .ordered = true,
                                     .say = say,
                                     .aside = aside,
                                     .heard = heard,
                                     .check = check};

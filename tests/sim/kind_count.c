/*
 * kind_count.c - counting in order: what fails is tried again, what calls waits, and a second
 * service, of the same key, says that it is through. Each key's count must come to what was said.
 *
 * "fate" says what happens in each attempt, a letter each; then it succeeds.
 *   e an error   r zing.retry   s zing.snooze   t zing.throttle   c a call   w a long one
 */
#include "sim.h"

#include <stdio.h>

/* How long the attempt that follows is put off at least; see topics.conf and count.lua. */
static uint32_t least_ms(char letter) {
    static const struct {
        char letter;
        uint32_t ms;
    } least[] = {{'e', 150}, {'r', 100}, {'s', 700}, {'t', 200}};
    for (size_t i = 0; i < sizeof least / sizeof *least; i++) {
        if (least[i].letter == letter) {
            return least[i].ms;
        }
    }
    return 0;
}

static void say(struct sim *s, struct said *one, struct buf *payload) {
    static const char letters[] = "erstcw";
    bool calls = false;
    unsigned crowd = s->load.crowd; /* who is first of one holds up the others */
    buf_add_str(payload, ",\"fate\":\"");
    for (unsigned i = 0; i < 4 && (crowd == 2 || sim_chance(s, crowd > 0 ? 1 : 25)); i++) {
        const char *letter = crowd == 2 ? "w" : &letters[sim_below(s, sizeof letters - 1)];
        buf_add(payload, letter, 1);
        one->value += calls ? 0 : least_ms(*letter);
        calls = calls || *letter == 'c' || *letter == 'w'; /* which succeed: it is through */
    }
    buf_add_str(payload, "\"");
}

static void heard(struct sim *s, struct said *one, const char *text) {
    (void)text;
    if (load_waited_ms(s, one) < (int64_t)one->value) {
        sim_fail(s, "count %u of key k%u ends %lld ms after it was said: its timers come to %u ms",
                 one->number, one->key, (long long)(s->true_ms - one->said_ms), one->value);
    }
}

/* What the handler wrote with each end. */
static void check_all(struct sim *s) {
    long long count[KEYS] = {0};
    long long sum[KEYS] = {0};
    for (size_t i = 0; i < s->load.count; i++) {
        const struct said *one = &s->load.said[i];
        if (load_is(one, &kind_count)) {
            count[one->key]++;
            sum[one->key] += one->number;
        }
    }
    for (unsigned key = 0; key < KEYS && !s->failed; key++) {
        char name[8];
        (void)snprintf(name, sizeof name, "k%u", key);
        long long counted = check_state(s, "count", name, "count");
        long long summed = check_state(s, "count", name, "sum");
        if (counted != count[key] || summed != sum[key]) {
            sim_fail(s, "key %s has counted %lld to %lld: it was told %lld that come to %lld", name,
                     counted, summed, count[key], sum[key]);
        }
    }
}

const struct load_kind kind_count = {.name = "count",
                                     .refused = true,
                                     .weight = 10,
                                     .ordered = true,
                                     .say = say,
                                     .heard = heard,
                                     .check_all = check_all};

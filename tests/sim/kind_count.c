/*
 * kind_count.c - counting in order: what fails is tried again, what calls waits, and a second
 * service, of the same key, says that it is through. Each key's count must come to what was said.
 *
 * "fate" says what happens in each attempt, a letter each; then it succeeds.
 *   e an error   r zing.retry   s zing.snooze   t zing.throttle   c a call   w a long one
 */
#include "sim.h"

static void say(struct sim *s, struct said *one, struct buf *payload) {
    static const char letters[] = "erstcw";
    (void)one;
    buf_add_str(payload, ",\"fate\":\"");
    for (unsigned i = 0; i < 4 && sim_chance(s, 25); i++) {
        buf_add(payload, &letters[sim_below(s, sizeof letters - 1)], 1);
    }
    buf_add_str(payload, "\"");
}

const struct load_kind kind_count = {.name = "count", .weight = 10, .ordered = true, .say = say};

/*
 * slew.c - see base/slew.h.
 */
#include "base/slew.h"

static int64_t within(int64_t value, int64_t least, int64_t most) {
    return value < least ? least : value > most ? most : value;
}

void slew_answer(struct slew_source *s, int64_t asked_ms, int64_t answered_ms, int64_t shown_ms) {
    int64_t least_ms = shown_ms - answered_ms - 1; /* for what was rounded */
    int64_t most_ms = shown_ms + 1 - asked_ms;
    s->ahead_ms =
        s->known ? within(s->ahead_ms, least_ms, most_ms) : least_ms + (most_ms - least_ms) / 2;
    s->known = true;
}

int64_t slew_apart_ms(const struct slew_source *s, const struct clock_reading *now) {
    return s->known ? now->wall_ms - now->boottime_ms - s->ahead_ms : 0;
}

void slew_begin(struct slew *s, int64_t now_ms, int64_t ahead_ms) {
    *s = (struct slew){.from_ms = now_ms, .ahead_ms = ahead_ms, .to_ms = ahead_ms};
}

/* Where it is on its way. */
static int64_t reached_ms(const struct slew *s, int64_t now_ms) {
    int64_t most_ms = (now_ms - s->from_ms) / SLEW_PART;
    return s->ahead_ms + within(s->to_ms - s->ahead_ms, -most_ms, most_ms);
}

int64_t slew_ahead_ms(struct slew *s, int64_t now_ms, int64_t to_ms) {
    int64_t ahead_ms = reached_ms(s, now_ms);
    if (to_ms != s->to_ms) {
        *s = (struct slew){.from_ms = now_ms, .ahead_ms = ahead_ms, .to_ms = to_ms};
    }
    return ahead_ms;
}

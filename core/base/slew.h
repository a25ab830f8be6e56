/*
 * slew.h - following the clock of another machine: how far it is ahead of our CLOCK_BOOTTIME, from
 * its answers, and a clock that gets there without a step. docs/time.md has the reasons.
 *
 * An answer was read from that clock after it was asked for, and before it came: so it says between
 * which two values the difference is, and the longer it took, the less it says. What we take for the
 * difference changes only as far as an answer proves it wrong. It is then never further off than the
 * shortest answer took, and than the clocks have drifted apart since.
 */
#ifndef ZINGQ_BASE_SLEW_H
#define ZINGQ_BASE_SLEW_H

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

/* How much faster or slower it is meanwhile: a twentieth. A wait of a minute is at most 3 s off, and a
 * minute is caught up in 20. */
enum { SLEW_PART = 20 };

enum { SLEW_APART_MS = 1000 }; /* a machine's clock that is further off than that is worth a word */

/* Another clock. */
struct slew_source {
    bool known; /* it has answered */
    int64_t ahead_ms;
};

/* It showed that time at some moment between the two, which are of CLOCK_BOOTTIME. All of them are
 * rounded down. */
void slew_answer(struct slew_source *s, int64_t asked_ms, int64_t answered_ms, int64_t shown_ms);

/* What the machine's own wall clock is ahead of it; 0 = not known. */
int64_t slew_apart_ms(const struct slew_source *s, const struct clock_reading *now);

/* Our clock, which follows. */
struct slew {
    int64_t from_ms;  /* CLOCK_BOOTTIME when it set out for `to_ms`, */
    int64_t ahead_ms; /* what it was ahead then, */
    int64_t to_ms;    /* and what it is to be ahead */
};

void slew_begin(struct slew *s, int64_t now_ms, int64_t ahead_ms);
/* What it is ahead of CLOCK_BOOTTIME now, when it is to be ahead by `to_ms`. `now_ms` never goes back. */
int64_t slew_ahead_ms(struct slew *s, int64_t now_ms, int64_t to_ms);

#endif

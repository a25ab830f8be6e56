/*
 * phases.c - see engine/phases.h. A stay that lasts over the end of a second is divided.
 */
#include "engine/phases.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

enum { SECOND_US = 1000000 };

static struct phases_second *newest(struct phases *p) {
    return &p->seconds[p->second % PHASES_SECONDS];
}

static void roll(struct phases *p, int64_t second) {
    if (second - p->second >= PHASES_SECONDS) {
        memset(p->seconds, 0, sizeof p->seconds);
        p->second = second;
    }
    while (p->second < second) {
        p->second++;
        memset(newest(p), 0, sizeof *newest(p));
    }
}

/* The time from p->since_us to until_us. */
static void charge(struct phases *p, enum phase phase, int64_t until_us) {
    int64_t us = until_us - p->since_us;
    int64_t oldest_us = (until_us / SECOND_US - PHASES_SECONDS + 1) * SECOND_US;
    p->total_us[phase] += (uint64_t)us;
    if (p->since_us < oldest_us) {
        p->since_us = oldest_us;
    }
    for (int64_t end_us = 0; p->since_us < until_us; p->since_us = end_us) {
        int64_t second = p->since_us / SECOND_US;
        end_us = (second + 1) * SECOND_US;
        end_us = end_us < until_us ? end_us : until_us;
        roll(p, second);
        newest(p)->us[phase] += end_us - p->since_us;
    }
    int64_t *longest_us = &newest(p)->longest_us[phase];
    *longest_us = us > *longest_us ? us : *longest_us;
}

void phases_enter(struct phases *p, int64_t now_us, int64_t idle_us, enum phase phase) {
    assert(phase < PHASES);
    if (p->since_us == 0) {
        p->since_us = now_us;
    }
    now_us = now_us < p->since_us ? p->since_us : now_us;
    int64_t slept_until_us = p->since_us + (idle_us - p->idle_us);
    charge(p, PHASE_IDLE, slept_until_us < now_us ? slept_until_us : now_us);
    charge(p, p->now, now_us);
    p->idle_us = idle_us;
    p->now = phase;
}

void phases_count(struct phases *p, enum phase_count what, uint64_t n) {
    newest(p)->counts[what] += n;
}

void phases_queue(struct phases *p, enum phase_queue which, uint64_t length) {
    uint64_t *most = &newest(p)->most[which];
    *most = length > *most ? length : *most;
}

void phases_sum(const struct phases *p, struct phases_second *out) {
    *out = (struct phases_second){.us = {0}};
    for (size_t s = 0; s < PHASES_SECONDS; s++) {
        const struct phases_second *one = &p->seconds[s];
        for (size_t i = 0; i < PHASES; i++) {
            out->us[i] += one->us[i];
            out->longest_us[i] =
                one->longest_us[i] > out->longest_us[i] ? one->longest_us[i] : out->longest_us[i];
        }
        for (size_t i = 0; i < PHASE_COUNTS; i++) {
            out->counts[i] += one->counts[i];
        }
        for (size_t i = 0; i < PHASE_QUEUES; i++) {
            out->most[i] = one->most[i] > out->most[i] ? one->most[i] : out->most[i];
        }
    }
}

const char *phase_name(enum phase phase) {
    static const char *const names[PHASES] = {"idle",   "other",  "collect",
                                              "decide", "commit", "send"};
    return names[phase];
}

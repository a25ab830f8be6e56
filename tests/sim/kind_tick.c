/*
 * kind_tick.c - schedules: no tick runs twice, none before its time, and none is lost while its host
 * is up. Nothing is said: the schedules of topics.conf are "each" (every minute; missed ones run
 * once), "skip" and "berlin" (every other minute; missed ones are let go).
 *
 * What must run is noted after each turn that left nothing to do: the last tick before it, where it
 * would not count as missed, or since its host first knew of the schedule. Only where the host's
 * clock was never set; set clocks are followed.
 */
#include "sim.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MINUTE_MS = 60000, MISSED_MS = 59000 };

static const struct {
    const char *name;
    unsigned minutes;
    bool once;
} schedules[TICK_SCHEDULES] = {{"each", 1, true}, {"skip", 2, false}, {"berlin", 2, false}};

static uint8_t *bit_of(uint8_t bits[TICK_MINUTES / 8], int64_t minute, uint8_t *mask) {
    *mask = (uint8_t)(1u << (minute % 8));
    return &bits[minute / 8];
}

/* Minutes since the first of the world; -1 = none of it. */
static int64_t minute_of(int64_t tick_ms) {
    int64_t minute = (tick_ms - NODE_WALL_START_MS / MINUTE_MS * MINUTE_MS) / MINUTE_MS;
    return minute >= 0 && minute < TICK_MINUTES ? minute : -1;
}

static void ran(struct sim *s, size_t schedule, const char *text, int64_t tick_ms) {
    int64_t minute = minute_of(tick_ms);
    uint8_t mask;
    if (tick_ms > NODE_WALL_START_MS + s->true_ms + s->load.most_ahead_ms) {
        sim_fail(s, "schedule %s runs %s before its time", schedules[schedule].name, text);
    }
    if (minute < 0) {
        return;
    }
    uint8_t *byte = bit_of(s->load.ticks[schedule].ran, minute, &mask);
    if ((*byte & mask) != 0) {
        sim_fail(s, "schedule %s runs %s twice", schedules[schedule].name, text);
    }
    *byte |= mask;
}

static void overheard(struct sim *s, const char *about, const char *text) {
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != '\0') {
        sim_fail(s, "schedule %s runs at no time: %s", about, text);
        return;
    }
    for (size_t i = 0; i < TICK_SCHEDULES; i++) {
        if (strcmp(schedules[i].name, about) == 0) {
            ran(s, i, text, (int64_t)timegm(&tm) * 1000);
        }
    }
}

static void must_run(struct sim *s, const struct node *n, size_t schedule) {
    int64_t span_ms = (int64_t)schedules[schedule].minutes * MINUTE_MS;
    int64_t now_ms = NODE_WALL_START_MS + s->true_ms;
    int64_t tick_ms = now_ms / span_ms * span_ms;
    int64_t up_ms = NODE_WALL_START_MS + n->up_ms;
    bool in_time = tick_ms > up_ms + 1000 && now_ms - tick_ms < MISSED_MS;
    int64_t *known_ms = &s->load.ticks[schedule].known_ms;
    *known_ms = *known_ms == 0 ? now_ms : *known_ms;
    bool missed = schedules[schedule].once && tick_ms > *known_ms;
    int64_t minute = minute_of(tick_ms);
    uint8_t mask = 0;
    if (minute > 0 && (missed || in_time)) {
        uint8_t *bits = bit_of(s->load.ticks[schedule].must, minute, &mask);
        *bits |= mask;
    }
}

static void turned(struct sim *s, struct node *n) {
    struct engine_schedule_status v;
    for (size_t i = 0; !n->stepped && engine_schedule_status(n->engine, i, &v) == 0; i++) {
        for (size_t k = 0; v.host == n->number && k < TICK_SCHEDULES; k++) {
            if (strcmp(schedules[k].name, v.name) == 0) {
                must_run(s, n, k);
            }
        }
    }
}

static void check_all(struct sim *s) {
    for (size_t i = 0; i < TICK_SCHEDULES; i++) {
        for (int64_t minute = 0; minute < TICK_MINUTES; minute++) {
            uint8_t mask;
            const uint8_t *must = bit_of(s->load.ticks[i].must, minute, &mask);
            const uint8_t *did = bit_of(s->load.ticks[i].ran, minute, &mask);
            if ((*must & mask) != 0 && (*did & mask) == 0) {
                sim_fail(s, "schedule %s has not run in minute %lld", schedules[i].name,
                         (long long)minute);
            }
        }
    }
}

const struct load_kind kind_tick = {.name = "tick",
                                    .refused = true,
                                    .overheard = overheard,
                                    .turned = turned,
                                    .check_all = check_all};

/*
 * pace.h - how fast a service may start events: its rate, and pauses that the other side asked for.
 * Part of lane.c. Pure: the caller says what time it is.
 */
#ifndef ZINGQ_ENGINE_PACE_H
#define ZINGQ_ENGINE_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace {
    double rate_per_s; /* 0 = no limit */
    double tokens;
    int64_t tokens_ms; /* when tokens were last counted */
    int64_t not_before_ms;
    uint32_t ramp;         /* invocations at once after a throttle; 0 = no limit of its own */
    uint32_t ramp_running; /* of those that were started since */
    uint32_t throttles;    /* so many: tells them from those that were started before */
};

/* The bucket is full. */
void pace_limit(struct pace *p, double rate_per_s);
/* It was empty at that time, for all that is known. */
void pace_begin_empty(struct pace *p, int64_t since_ms);
/* No starts before until_ms; then one, and with each that ends one more at once. */
void pace_throttle(struct pace *p, int64_t until_ms);
/* An invocation was started; returns what pace_ended wants to know of it. */
uint32_t pace_started(struct pace *p);
/* Another event has joined it: a batch. */
void pace_joined(struct pace *p);
/* An invocation has ended; `most` run at once, 0 = no limit. */
void pace_ended(struct pace *p, uint32_t started, uint32_t most);
/* 0 = one may start; > 0 = not before that time; -1 = when one ends. */
int64_t pace_held_until(struct pace *p, int64_t now_ms);
/* When the bucket is full again, if nothing starts: all there is to know of it later; 0 = it is.
 * And the bucket of a service that starts again: it owes a batch at most, whatever its rate was
 * before. */
int64_t pace_full_ms(const struct pace *p);
void pace_resume(struct pace *p, int64_t full_ms, int64_t now_ms, uint32_t batch);

#endif

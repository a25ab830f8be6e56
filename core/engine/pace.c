/*
 * pace.c - rates and throttles.
 *
 * The rate is a token bucket that holds a tenth of a second's starts, at least one: bursts stay
 * small, and any full second has at most 1.1 times the rate. A batch takes a token for each of its
 * events, more than there are if need be, and the next one waits until that is made up for.
 *
 * After a throttle everything that had to wait would start at once, at a peer that has just asked
 * for less. So it begins with one invocation; each that ends lets another one run beside: twice as
 * many with each round, until the service's own limit is reached. A throttle during this begins
 * again; what was started before it does not count.
 */
#include "engine/pace.h"

#include "base/limits.h"

#include <assert.h>

static double most_tokens(const struct pace *p) {
    return p->rate_per_s / 10 < 1 ? 1 : p->rate_per_s / 10;
}

void pace_limit(struct pace *p, double rate_per_s) {
    p->rate_per_s = rate_per_s;
    p->tokens = most_tokens(p);
}

void pace_begin_empty(struct pace *p, int64_t since_ms) {
    p->tokens = 0;
    p->tokens_ms = since_ms;
}

void pace_throttle(struct pace *p, int64_t until_ms) {
    p->not_before_ms = until_ms > p->not_before_ms ? until_ms : p->not_before_ms;
    p->ramp = 1;
    p->ramp_running = 0;
    p->throttles++;
}

uint32_t pace_started(struct pace *p) {
    pace_joined(p);
    p->ramp_running += p->ramp > 0 ? 1 : 0;
    return p->throttles;
}

void pace_joined(struct pace *p) {
    p->tokens -= p->rate_per_s > 0 ? 1 : 0;
}

void pace_ended(struct pace *p, uint32_t started, uint32_t most) {
    if (p->ramp == 0 || started != p->throttles) {
        return;
    }
    assert(p->ramp_running > 0);
    p->ramp_running--;
    p->ramp++;
    if (p->ramp >= (most > 0 && most < RAMP_MAX ? most : RAMP_MAX)) {
        p->ramp = 0;
    }
}

static void count_tokens(struct pace *p, int64_t now_ms) {
    double most = most_tokens(p);
    if (now_ms > p->tokens_ms) {
        p->tokens += (double)(now_ms - p->tokens_ms) * p->rate_per_s / 1000;
    }
    p->tokens_ms = now_ms;
    p->tokens = p->tokens > most ? most : p->tokens;
}

int64_t pace_held_until(struct pace *p, int64_t now_ms) {
    if (p->not_before_ms > now_ms) {
        return p->not_before_ms;
    }
    if (p->ramp > 0 && p->ramp_running >= p->ramp) {
        return -1;
    }
    if (p->rate_per_s > 0) {
        count_tokens(p, now_ms);
        if (p->tokens < 1) {
            return now_ms + 1 + (int64_t)((1 - p->tokens) * 1000 / p->rate_per_s);
        }
    }
    return 0;
}

int64_t pace_full_ms(const struct pace *p) {
    double missing = p->rate_per_s > 0 ? most_tokens(p) - p->tokens : 0;
    return missing > 0 ? p->tokens_ms + (int64_t)(missing * 1000 / p->rate_per_s) : 0;
}

void pace_resume(struct pace *p, int64_t full_ms, int64_t now_ms, uint32_t batch) {
    p->tokens_ms = now_ms;
    if (full_ms > now_ms) {
        double tokens = most_tokens(p) - (double)(full_ms - now_ms) * p->rate_per_s / 1000;
        p->tokens = tokens < -(double)batch ? -(double)batch : tokens;
    }
}

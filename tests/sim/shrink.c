/*
 * shrink.c - see report.h: a plan is made as short as it can be while it fails for the same reason.
 *
 * Hosts go first, then steps, many at once at the beginning, then crashes, then what publishers say
 * at once; and again from the start as long as something still goes.
 */
#include "report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REASON_BYTES = 48 };

struct shrink {
    struct plan *plan;
    struct sim_tally *tally;
    char reason[REASON_BYTES];
    time_t end;
    bool gained;
};

/* The beginning of it, without numbers: two seeds that find the same have the same. */
static void reason_of(const char *why, char out[REASON_BYTES]) {
    size_t len = 0;
    for (; *why != '\0' && len < REASON_BYTES - 1; why++) {
        if (!isdigit((unsigned char)*why)) {
            out[len++] = *why;
        }
    }
    out[len] = '\0';
}

static bool goes_on(const struct shrink *s) {
    return time(NULL) < s->end;
}

/* Takes the candidate over; it is the plan from now on if it fails for the same reason. */
static bool take_if_it_fails(struct shrink *s, struct plan *candidate) {
    char why[WHY_BYTES];
    char reason[REASON_BYTES];
    bool same = false;
    if (report_try(candidate, s->tally, why, NULL) != 0) {
        reason_of(why, reason);
        same = strcmp(reason, s->reason) == 0;
    }
    if (same) {
        plan_clear(s->plan);
        *s->plan = *candidate;
        s->gained = true;
    } else {
        plan_clear(candidate);
    }
    return same;
}

static void fewer_hosts(struct shrink *s) {
    for (unsigned nodes = 1; nodes < s->plan->nodes && goes_on(s); nodes++) {
        struct plan fewer;
        plan_without(&fewer, s->plan, 0, 0);
        fewer.nodes = nodes;
        if (take_if_it_fails(s, &fewer)) {
            return;
        }
    }
}

static void fewer_steps(struct shrink *s) {
    for (size_t piece = (s->plan->count + 1) / 2; piece > 0; piece /= 2) {
        /* From the end: what comes last is often only there to let time pass. */
        size_t end = s->plan->count;
        while (end > 0 && goes_on(s)) {
            struct plan without;
            size_t take = piece < end ? piece : end;
            plan_without(&without, s->plan, end - take, take);
            (void)take_if_it_fails(s, &without);
            end -= take;
        }
    }
}

static void fewer_crashes(struct shrink *s) {
    struct plan none;
    bool any = false;
    plan_without(&none, s->plan, 0, 0);
    for (size_t i = 0; i < none.count; i++) {
        any = any || none.steps[i].crash > 0;
        none.steps[i].crash = 0;
    }
    if (!any) {
        plan_clear(&none);
        return;
    }
    if (take_if_it_fails(s, &none)) {
        return;
    }
    for (size_t i = 0; i < s->plan->count && goes_on(s); i++) {
        if (s->plan->steps[i].crash > 0) {
            struct plan without;
            plan_without(&without, s->plan, 0, 0);
            without.steps[i].crash = 0;
            (void)take_if_it_fails(s, &without);
        }
    }
}

static void fewer_messages(struct shrink *s) {
    unsigned now = s->plan->say_most == 0 ? UINT16_MAX : s->plan->say_most;
    for (unsigned most = 1; most < now && most <= 16 && goes_on(s); most *= 2) {
        struct plan fewer;
        plan_without(&fewer, s->plan, 0, 0);
        fewer.say_most = most;
        if (take_if_it_fails(s, &fewer)) {
            return;
        }
    }
}

void report_shrink(struct plan *plan, const char *why, unsigned seconds) {
    struct shrink s = {.plan = plan,
                       .tally = calloc(1, sizeof *s.tally),
                       .end = time(NULL) + (time_t)seconds,
                       .gained = true};
    if (s.tally == NULL) {
        abort();
    }
    reason_of(why, s.reason);
    while (s.gained && goes_on(&s)) {
        s.gained = false;
        fewer_hosts(&s);
        fewer_steps(&s);
        fewer_crashes(&s);
        fewer_messages(&s);
    }
    free(s.tally);
}

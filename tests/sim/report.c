/* report.c - see report.h. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct sim *new_sim(void) {
    struct sim *s = calloc(1, sizeof *s);
    if (s == NULL) {
        abort();
    }
    return s;
}

int report_try(const struct plan *plan, struct sim_tally *tally, char why[WHY_BYTES],
               uint64_t *hash) {
    struct sim *s = new_sim();
    int failed = sim_run(s, plan, tally);
    (void)snprintf(why, WHY_BYTES, "%s", s->why);
    if (hash != NULL) {
        *hash = s->hash;
    }
    free(s);
    return failed;
}

static void take_if_it_fails(struct plan *plan, struct plan *without, size_t *at) {
    struct sim_tally *tally = calloc(1, sizeof *tally);
    char why[WHY_BYTES];
    if (tally == NULL) {
        abort();
    }
    if (report_try(without, tally, why, NULL) != 0) {
        plan_clear(plan);
        *plan = *without;
    } else {
        *at += plan->count - without->count;
        plan_clear(without);
    }
    free(tally);
}

void report_shrink(struct plan *plan, unsigned seconds) {
    time_t end = time(NULL) + (time_t)seconds;
    for (size_t piece = plan->count / 2; piece > 0; piece /= 2) {
        size_t at = 0;
        while (at < plan->count && time(NULL) < end) {
            struct plan without;
            size_t take = piece < plan->count - at ? piece : plan->count - at;
            plan_without(&without, plan, at, take);
            take_if_it_fails(plan, &without, &at);
        }
    }
}

void report_story(const struct plan *plan) {
    struct sim *s = new_sim();
    struct sim_tally *tally = calloc(1, sizeof *tally);
    if (tally == NULL) {
        abort();
    }
    s->talks = true;
    (void)sim_run(s, plan, tally);
    free(tally);
    free(s);
}

void report_figures(const struct sim_tally *t, double seconds) {
    double hours = seconds / 3600;
    (void)printf("%llu worlds, %llu steps, %.1f days of theirs in %.0f s\n",
                 (unsigned long long)t->runs, (unsigned long long)t->steps,
                 (double)t->virtual_ms / 86400000.0, seconds);
    (void)printf("%llu turns, %llu commits (%llu refused), %llu messages, %llu publishes, %llu "
                 "calls, %llu forwards, %llu ends\n",
                 (unsigned long long)t->turns, (unsigned long long)t->commits,
                 (unsigned long long)t->refused_commits, (unsigned long long)t->offered,
                 (unsigned long long)t->published, (unsigned long long)t->calls,
                 (unsigned long long)t->forwarded, (unsigned long long)t->ended);
    (void)printf("%llu crashes (%.0f an hour), %llu of them with 50 events or more; %llu distinct "
                 "points; %llu machines started anew\n",
                 (unsigned long long)t->crashes, (double)t->crashes / hours,
                 (unsigned long long)t->crashes_loaded, (unsigned long long)t->points,
                 (unsigned long long)t->reboots);
}

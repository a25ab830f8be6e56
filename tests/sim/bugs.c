/* bugs.c - see bugs.h. */
#include "bugs_impl.h"

#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name, *promise;
} bugs[BUGS] = {
#define X(bug, name, promise) [BUG_##bug] = {name, promise},
    BUG_LIST(X)
#undef X
};

static enum bug planted;
static unsigned times;

bool bug_is(enum bug bug) {
    return planted == bug;
}

bool bug_strikes(enum bug bug, unsigned every) {
    return planted == bug && ++times % every == 0;
}

void bugs_begin(void) {
    times = 0;
    bugs_turn_begin();
    bugs_store_begin();
}

bool bugs_plant(const char *name) {
    for (enum bug bug = BUG_NONE + 1; bug < BUGS; bug++) {
        planted = strcmp(name, bugs[bug].name) == 0 ? bug : planted;
    }
    return planted != BUG_NONE;
}

/* --- hunting --- */

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool fails(const struct plan *plan, enum bug bug, struct sim_tally *tally,
                  char why[WHY_BYTES]) {
    planted = bug;
    int failed = report_try(plan, tally, why, NULL);
    planted = BUG_NONE;
    return failed != 0;
}

/* A seed that fails without the bug, too, has found something else. */
static bool hunt(enum bug bug, uint64_t from, unsigned seconds, bool cluster) {
    double begin = now_s();
    char why[WHY_BYTES];
    char other[WHY_BYTES];
    bool found = false;
    uint64_t seed = from;
    struct sim_tally *tally = calloc(1, sizeof *tally);
    (void)printf("%-17s %-46s ", bugs[bug].name, bugs[bug].promise);
    (void)fflush(stdout);
    for (; tally != NULL && !found && now_s() - begin < seconds; seed++) {
        struct plan plan;
        plan_make(&plan, seed, SIM_STEPS);
        found = (!cluster || sim_has_cluster(&plan)) && fails(&plan, bug, tally, why) &&
                !fails(&plan, BUG_NONE, tally, other);
        plan_clear(&plan);
    }
    (void)printf("%5llu %6.1f  ", (unsigned long long)(seed - from), now_s() - begin);
    if (found) {
        (void)printf("%llu: %s\n", (unsigned long long)seed - 1, why);
    } else {
        (void)printf("NOT FOUND\n");
    }
    free(tally);
    return found;
}

/* Whether the name is one of the list, "a,b,c". */
static bool lists(const char *list, const char *name) {
    size_t len = strlen(name);
    while (*list != '\0') {
        size_t word = strcspn(list, ",");
        if (word == len && memcmp(list, name, len) == 0) {
            return true;
        }
        list += word + (list[word] == ',' ? 1 : 0);
    }
    return false;
}

int bugs_hunt(const char *names, uint64_t from, unsigned seconds, bool cluster) {
    int missed = 0;
    int hunted = 0;
    (void)printf("%-17s %-46s %5s %6s  %s\n", "planted", "what it breaks", "seeds", "s",
                 "found by seed, and what was seen");
    for (enum bug bug = BUG_NONE + 1; bug < BUGS; bug++) {
        if (names == NULL || lists(names, bugs[bug].name)) {
            hunted++;
            missed += hunt(bug, from, seconds, cluster) ? 0 : 1;
        }
    }
    (void)printf("%d of %d found\n", hunted - missed, hunted);
    return hunted > 0 && missed == 0 ? 0 : 1;
}

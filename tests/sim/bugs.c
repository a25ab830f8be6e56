/* bugs.c - see bugs.h. */
#include "bugs_impl.h"

#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_S = 30 };

/* What a hunter tells: written as soon as a seed is over, so that it stands when it dies in the next.
 */
struct catch {
    unsigned seeds;
    uint64_t seed; /* of the one that is under way, or found it */
    double seconds;
    bool found;
    char why[WHY_BYTES];
};

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

static void tell(int to, const struct catch *c) {
    if (write(to, c, sizeof *c) != (ssize_t)sizeof *c) {
        _exit(1);
    }
}

/* A seed that fails without the bug, too, has found something else. */
static void hunt(int to, enum bug bug, uint64_t from, unsigned seconds) {
    double begin = now_s();
    struct catch c = {.seed = from};
    struct sim_tally *tally = calloc(1, sizeof *tally);
    char other[WHY_BYTES];
    (void)alarm(seconds + GRACE_S);
    while (tally != NULL && !c.found && c.seconds < seconds) {
        struct plan plan;
        plan_make(&plan, c.seed, SIM_STEPS);
        tell(to, &c);
        c.seeds++;
        c.found = fails(&plan, bug, tally, c.why) && !fails(&plan, BUG_NONE, tally, other);
        c.seconds = now_s() - begin;
        c.seed += c.found ? 0 : 1;
        plan_clear(&plan);
    }
    tell(to, &c);
    free(tally);
}

/* What a hunter that died left in memory. */
static void sweep(pid_t pid) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf /dev/shm/zingq-sim-%d-*", (int)pid);
    (void)system(command); /* NOLINT(cert-env33-c): a fixed command of a test */
}

static void read_catch(int from, struct catch *c) {
    struct catch next;
    ssize_t got;
    while ((got = read(from, &next, sizeof next)) == (ssize_t)sizeof next ||
           (got < 0 && errno == EINTR)) {
        *c = got > 0 ? next : *c;
    }
}

/* The program's assertions find some bugs, the processor others, an endless loop is one. */
static void read_end(pid_t pid, struct catch *c, double begin) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);
        c->found = true;
        c->seeds++;
        c->seconds = now_s() - begin;
        (void)snprintf(c->why, sizeof c->why, "%s",
                       sig == SIGABRT   ? "an assertion of the program fails"
                       : sig == SIGALRM ? "a turn never ends"
                                        : strsignal(sig));
        sweep(pid);
    }
}

static bool hunt_apart(enum bug bug, uint64_t from, unsigned seconds) {
    int ends[2];
    double begin = now_s();
    struct catch c = {0};
    (void)fflush(stdout);
    if (pipe(ends) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        (void)freopen("/dev/null", "w", stderr); /* what an assertion says */
        hunt(ends[1], bug, from, seconds);
        _exit(0);
    }
    (void)close(ends[1]);
    if (pid > 0) {
        read_catch(ends[0], &c);
        read_end(pid, &c, begin);
    }
    (void)close(ends[0]);
    (void)printf("%-17s %-46s %5u %6.1f  ", bugs[bug].name, bugs[bug].promise, c.seeds, c.seconds);
    if (c.found) {
        (void)printf("%llu: %s\n", (unsigned long long)c.seed, c.why);
    } else {
        (void)printf("NOT FOUND\n");
    }
    return c.found;
}

int bugs_hunt(const char *name, uint64_t from, unsigned seconds) {
    int missed = 0;
    bool any = false;
    (void)printf("%-17s %-46s %5s %6s  %s\n", "planted", "what it breaks", "seeds", "s",
                 "found by seed, and what was seen");
    for (enum bug bug = BUG_NONE + 1; bug < BUGS; bug++) {
        if (name == NULL || strcmp(name, bugs[bug].name) == 0) {
            any = true;
            missed += hunt_apart(bug, from, seconds) ? 0 : 1;
        }
    }
    if (!any) {
        (void)fprintf(stderr, "sim: there is no bug \"%s\" to plant\n", name);
        return 1;
    }
    (void)printf("%d not found\n", missed);
    return missed == 0 ? 0 : 1;
}

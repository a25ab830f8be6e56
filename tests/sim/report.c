/* report.c - see report.h. */
#include "report.h"

#include "memory.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

enum { WORLD_S_MAX = 180, BUSY = 10, SAID_BYTES = 400 };

/* What a world that runs in a process of its own leaves. */
struct outcome {
    bool over; /* it came to its end */
    int failed;
    char why[WHY_BYTES];
    uint64_t hash;
    struct sim_tally tally;
};

static struct sim *new_sim(void) {
    struct sim *s = made(calloc(1, sizeof *s));
    return s;
}

static struct outcome *shared(void) {
    static struct outcome *o;
    if (o == NULL) {
        o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (o == MAP_FAILED) {
            abort();
        }
    }
    return o;
}

/* Of the processor: others may have the machine meanwhile; by the clock, much more. */
static void limit_time(void) {
    const struct rlimit processor = {.rlim_cur = WORLD_S_MAX, .rlim_max = RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CPU, &processor);
    (void)alarm(BUSY * WORLD_S_MAX);
}

/* In the child: what it says on stderr is its last words. */
static void run_apart(const struct plan *plan, struct outcome *o, int words) {
    struct sim *s = new_sim();
    (void)dup2(words, STDERR_FILENO);
    limit_time();
    o->failed = sim_run(s, plan, &o->tally);
    (void)snprintf(o->why, sizeof o->why, "%s", s->why);
    o->hash = s->hash;
    o->over = true;
    free(s);
    (void)fflush(stdout);
#ifdef __SANITIZE_ADDRESS__
    __lsan_do_leak_check();
#endif
    _exit(0); /* exit() would turn back files that the parent reads */
}

/* What a world that died left in memory. */
static void sweep(pid_t pid) {
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf /dev/shm/zingq-sim-%d-*", (int)pid);
    (void)system(command); /* NOLINT(cert-env33-c): it is made of a number */
}

/* An assertion's words begin with the program's name. */
static void quote(int words, struct outcome *o) {
    char said[SAID_BYTES] = "";
    ssize_t got = pread(words, said, sizeof said - 1, 0);
    const char *from = got > 0 && strncmp(said, "sim: ", 5) == 0 ? said + 5 : said;
    size_t len = strlen(o->why);
    (void)snprintf(o->why + len, sizeof o->why - len, ": %.*s", (int)strcspn(from, "\n"), from);
}

static void read_end(pid_t pid, int words, struct outcome *o) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (o->over && status == 0) {
        return;
    }
    o->failed = 1;
    int by = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    bool endless = by == SIGALRM || by == SIGXCPU;
    (void)snprintf(o->why, sizeof o->why, "%s",
                   by == 0   ? "the process ends early"
                   : endless ? "the world never ends"
                             : strsignal(by));
    quote(words, o);
    sweep(pid);
}

int report_try(const struct plan *plan, struct sim_tally *tally, char why[WHY_BYTES],
               uint64_t *hash) {
    struct outcome *o = shared();
    int words = memfd_create("sim", MFD_CLOEXEC);
    *o = (struct outcome){.tally = *tally};
    (void)fflush(NULL);
    pid_t pid = words < 0 ? -1 : fork();
    if (pid == 0) {
        run_apart(plan, o, words);
    }
    if (pid < 0) {
        abort();
    }
    read_end(pid, words, o);
    (void)close(words);
    *tally = o->tally;
    (void)snprintf(why, WHY_BYTES, "%s", o->why);
    if (hash != NULL) {
        *hash = o->hash;
    }
    return o->failed;
}

void report_story(const struct plan *plan) {
    struct sim *s = new_sim();
    struct sim_tally *tally = made(calloc(1, sizeof *tally));
    s->talks = true;
    if (sim_run(s, plan, tally) == 0) {
        (void)printf("All promises are kept.\n");
    }
    free(tally);
    free(s);
}

static uint64_t unite(uint64_t seen[], const uint64_t more[]) {
    uint64_t count = 0;
    for (size_t i = 0; i < CRASH_POINTS / 64; i++) {
        seen[i] |= more[i];
        count += (uint64_t)__builtin_popcountll(seen[i]);
    }
    return count;
}

void report_add(struct sim_tally *t, const struct sim_tally *part) {
    t->runs += part->runs;
    t->steps += part->steps;
    t->turns += part->turns;
    t->commits += part->commits;
    t->crashes += part->crashes;
    t->crashes_loaded += part->crashes_loaded;
    t->moves += part->moves;
    t->old_owners += part->old_owners;
    t->reboots += part->reboots;
    t->refused_commits += part->refused_commits;
    t->faults += part->faults;
    t->offered += part->offered;
    t->published += part->published;
    t->forwarded += part->forwarded;
    t->calls += part->calls;
    t->ended += part->ended;
    t->virtual_ms += part->virtual_ms;
    t->points = unite(t->seen, part->seen);
    t->points_loaded = unite(t->seen_loaded, part->seen_loaded);
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
    (void)printf("%llu crashes (%.0f an hour), %llu of them with 50 events or more; %llu machines "
                 "started anew; %llu single calls failed\n",
                 (unsigned long long)t->crashes, (double)t->crashes / hours,
                 (unsigned long long)t->crashes_loaded, (unsigned long long)t->reboots,
                 (unsigned long long)t->faults);
    (void)printf(
        "%llu times a host moved to another machine, %llu of them from a process that lived on\n",
        (unsigned long long)t->moves, (unsigned long long)t->old_owners);
    (void)printf("%llu distinct crash points, %llu of them with 50 events or more\n",
                 (unsigned long long)t->points, (unsigned long long)t->points_loaded);
}

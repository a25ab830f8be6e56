/* fault.c - see fault.h: the loop. */
#include "impl.h"

#include "test.h"
#include "wait.h"

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
enum { POINTS = 4 }; /* what is slow here; the other build tries more */
#else
enum { POINTS = 12 };
static int __lsan_do_recoverable_leak_check(void) {
    return 0;
}
#endif

enum { STACK = 24, WARM = 2, SPREAD = 2, SETTLE_SECONDS = 5 };

static const struct {
    enum fault kind;
    const char *name;
} kinds_known[] = {
    {FAULT_MEMORY, "memory"}, {FAULT_SYSTEM, "system"},   {FAULT_INTERRUPT, "interrupt"},
    {FAULT_SHORT, "short"},   {FAULT_LIBRARY, "library"}, {FAULT_STORE, "store"},
};

/* What is under way. */
static struct {
    const char *story, *kind;
    enum fault fails;
    unsigned long at, left; /* the call that fails; calls until then: 0 = it has failed */
    const char *call;
    void *stack[STACK];
    int depth;
    char error[256]; /* what the story said of it */
    bool under_way;
} point;

static _Thread_local bool counts;

void fault_on(void) {
    heap_watch(true);
    counts = true;
}

void fault_off(void) {
    counts = false;
    heap_watch(false);
}

bool fault_named(const char *sentence) {
    assert_string_not_equal(sentence, "");
    (void)snprintf(point.error, sizeof point.error, "%s", sentence);
    return false;
}

bool fault_strikes(enum fault kind, const char *call) {
    if (!counts || (point.fails & kind) == 0 || point.left == 0 || --point.left > 0) {
        return false;
    }
    point.call = call;
    point.depth = backtrace(point.stack, STACK);
    return true;
}

static void tell_point(void) {
    char text[256];
    int len = snprintf(text, sizeof text, "%s: ZINGQ_FAULT=%s:%lu, %s fails:\n", point.story,
                       point.kind, point.at, point.call != NULL ? point.call : "nothing");
    (void)!write(STDERR_FILENO, text, (size_t)len);
    backtrace_symbols_fd(point.stack, point.depth, STDERR_FILENO);
}

/* An assertion of cmocka's leaves the loop. */
static void on_exit_of_program(void) {
    if (point.under_way) {
        tell_point();
    }
}

static void on_end(int signal_number) {
    counts = false;
    tell_point();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

static size_t descriptors_open(void) {
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}

/* Once. True: the fault has struck. */
static bool tell(fault_story *story, void *ctx, enum fault kind, unsigned long at, bool stacks) {
    heap_forget(stacks);
    point.fails = kind;
    point.at = point.left = at;
    point.call = NULL;
    point.depth = 0;
    size_t descriptors = descriptors_open();
    (void)alarm(FAULT_SECONDS);
    point.under_way = true;
    bool well = story(ctx);
    point.under_way = false;
    (void)alarm(0);
    fault_off();
    bool struck = at > 0 && point.left == 0;
    if (!struck && !well) {
        fail_msg("%s: an error, although nothing failed: %s", point.story, point.error);
    }
    struct wait wait = wait_of(SETTLE_SECONDS); /* a server may be a thread of this program */
    while (at > 0 && descriptors_open() > descriptors) {
        if (!wait_more(&wait)) {
            tell_point();
            fail_msg("%s: %zu descriptors were open before, and %zu after", point.story,
                     descriptors, descriptors_open());
        }
    }
    return struck;
}

/* A library may keep what it allocated for the first time, but not each time. */
static bool tell_tightly(fault_story *story, void *ctx, enum fault kind, unsigned long at) {
    bool struck = tell(story, ctx, kind, at, false);
    for (int again = 0; heap_left() > 0; again++) {
        if (again == WARM) {
            tell_point();
            heap_tell();
            fail_msg("%s: %zu blocks are left", point.story, heap_left());
        }
        (void)tell(story, ctx, kind, at, true);
    }
    return struck;
}

/* The points are dense at first; `points` of them, and then each one is further by half. */
static unsigned long next_point(unsigned long at, unsigned long points) {
    return at < points ? at + 1 : at + 1 + at / SPREAD;
}

static unsigned long points_wanted(void) {
    const char *wanted = getenv("ZINGQ_FAULTS");
    if (wanted == NULL) {
        return POINTS;
    }
    return strcmp(wanted, "all") == 0 ? (unsigned long)-1 : strtoul(wanted, NULL, 10);
}

/* $ZINGQ_FAULT, if it is of this kind; else 0. */
static unsigned long point_alone(const char *kind) {
    const char *alone = getenv("ZINGQ_FAULT");
    size_t len = strlen(kind);
    bool ours = alone != NULL && strncmp(alone, kind, len) == 0 && alone[len] == ':';
    return ours ? strtoul(alone + len + 1, NULL, 10) : 0;
}

static void on_exit_of_host(void) {
    (void)fprintf(stderr, "%s: %lu of %lu calls\n", point.kind, point.at - point.left, point.at);
    if (point.left == 0) {
        tell_point();
    }
}

void fault_one(void) {
    point.story = "zingq";
    (void)backtrace(point.stack, STACK); /* which allocates, the first time */
    for (size_t i = 0; i < sizeof kinds_known / sizeof *kinds_known; i++) {
        point.kind = kinds_known[i].name;
        point.at = point.left = point_alone(point.kind);
        if (point.at > 0) {
            point.fails = kinds_known[i].kind;
            counts = atexit(on_exit_of_host) == 0 && unsetenv("ZINGQ_FAULT") == 0;
            return;
        }
    }
}

static void each_of_kind(fault_story *story, void *ctx, enum fault kind) {
    unsigned long points = points_wanted();
    unsigned long tried = 0, at = 1;
    while (tell_tightly(story, ctx, kind, at)) {
        tried++;
        at = next_point(at, points);
    }
    print_message("%-28s %-9s %5lu points tried\n", point.story, point.kind, tried);
    if (tried == 0) {
        fail_msg("%s: has no call of kind %s", point.story, point.kind);
    }
}

void fault_each(const char *name, unsigned kinds, fault_story *story, void *ctx) {
    static const int ends[] = {SIGABRT, SIGALRM, SIGBUS, SIGFPE};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        (void)signal(ends[i], on_end);
    }
    assert_true(point.story != NULL || atexit(on_exit_of_program) == 0);
    (void)backtrace(point.stack, STACK); /* which allocates, the first time */
    point.story = name;
    for (int i = 0; i < WARM; i++) {
        point.kind = "none";
        (void)tell(story, ctx, FAULT_MEMORY, 0, false);
    }
    for (size_t i = 0; i < sizeof kinds_known / sizeof *kinds_known; i++) {
        enum fault kind = kinds_known[i].kind;
        point.kind = kinds_known[i].name;
        unsigned long alone = point_alone(point.kind);
        if (alone > 0) {
            (void)tell_tightly(story, ctx, kind, alone);
            tell_point();
        } else if ((kinds & kind) != 0 && getenv("ZINGQ_FAULT") == NULL) {
            each_of_kind(story, ctx, kind);
        }
    }
    (void)tell(story, ctx, FAULT_MEMORY, 0, false);
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
}

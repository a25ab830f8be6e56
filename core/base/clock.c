/*
 * clock.c - see base/clock.h.
 */
#include "base/clock.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

static int64_t read_ns(clockid_t id) {
    struct timespec t = {0};
    (void)clock_gettime(id, &t); /* cannot fail: the clocks exist */
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* Rounds down, also before 1970. */
static int64_t read_ms(clockid_t id) {
    int64_t ns = read_ns(id);
    return ns / NS_PER_MS - (ns % NS_PER_MS < 0 ? 1 : 0);
}

static uint8_t digit(int c) {
    return (uint8_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
}

/* 32 hex digits with hyphens in between; if unreadable, the id stays zero. */
static void read_boot_id(uint8_t id[16]) {
    FILE *fp = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (fp == NULL) {
        return;
    }
    size_t digits = 0;
    for (int c = fgetc(fp); c != EOF && digits < 32; c = fgetc(fp)) {
        if (isxdigit(c)) {
            id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit(c));
            digits++;
        }
    }
    (void)fclose(fp); /* was only read */
}

static const struct clock_boot *boot(void) {
    static struct clock_boot here;
    static bool known;
    if (!known) {
        struct stat info;
        read_boot_id(here.id);
        here.time_namespace = stat("/proc/self/ns/time", &info) == 0 ? (uint64_t)info.st_ino : 0;
        known = true;
    }
    return &here;
}

void clock_read(struct clock_reading *out) {
    out->wall_ms = read_ms(CLOCK_REALTIME);
    out->boottime_ms = read_ms(CLOCK_BOOTTIME);
    out->shared = false;
    out->boot = *boot();
}

int64_t clock_wall_ms(void) {
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_boottime_ms(void) {
    return read_ms(CLOCK_BOOTTIME);
}

int64_t clock_monotonic_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_monotonic_us(void) {
    return clock_monotonic_ns() / NS_PER_US;
}

int64_t clock_monotonic_ms(void) {
    return clock_monotonic_ns() / NS_PER_MS;
}

int64_t clock_thread_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* --- for people --- */

enum { SHOWN_STEP_MS = 20 }; /* two clocks read one after the other differ by chance */

static int64_t shown_ahead_ms;

void clock_show_ahead(int64_t wall_ahead_ms) {
    int64_t step_ms = wall_ahead_ms - shown_ahead_ms;
    if (step_ms <= -SHOWN_STEP_MS || step_ms >= SHOWN_STEP_MS) {
        shown_ahead_ms = wall_ahead_ms;
    }
}

int64_t clock_to_wall(int64_t engine_ms) {
    return engine_ms == 0 || engine_ms == INT64_MAX ? engine_ms : engine_ms + shown_ahead_ms;
}

int64_t clock_to_engine(int64_t wall_ms) {
    return wall_ms == 0 || wall_ms == INT64_MAX ? wall_ms : wall_ms - shown_ahead_ms;
}

int64_t clock_due(int64_t due_ms, bool by_wall) {
    return by_wall ? clock_to_engine(due_ms) : due_ms;
}

/* --- engine time --- */

static bool same_boot(const struct clock_boot *a, const struct clock_boot *b) {
    static const uint8_t unknown[sizeof a->id];
    return memcmp(a->id, b->id, sizeof a->id) == 0 && a->time_namespace == b->time_namespace &&
           memcmp(a->id, unknown, sizeof unknown) != 0;
}

int64_t clock_resume(const struct clock_mark *mark, const struct clock_reading *now) {
    assert(mark->engine_ms >= 0);
    bool goes_on = mark->engine_ms != 0 && same_boot(&mark->at.boot, &now->boot) &&
                   now->boottime_ms >= mark->at.boottime_ms;
    int64_t begin_ms = mark->engine_ms + (goes_on ? now->boottime_ms - mark->at.boottime_ms : 0);
    if ((now->shared || !goes_on) && now->wall_ms > begin_ms) {
        begin_ms = now->wall_ms;
    }
    return begin_ms > 0 ? begin_ms : 1; /* a clock may be at or before 1970 */
}

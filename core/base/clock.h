/*
 * clock.h - the system's clocks, and the engine time made of them; docs/time.md says why. Nobody
 * else reads a clock; libuv's timers and the time-outs of libraries follow CLOCK_MONOTONIC.
 *
 * Engine time is milliseconds since 1970 that only go forward, at the pace of CLOCK_BOOTTIME.
 * Within one boot it goes on exactly where the store left it, whatever was done to the wall clock;
 * after another one it begins at the wall clock, or at the last committed time should that be
 * later.
 */
#ifndef ZINGQ_BASE_CLOCK_H
#define ZINGQ_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What CLOCK_BOOTTIME counts from: two readings compare only within one boot and one time
 * namespace. All zero: unknown, and equal to nothing. */
struct clock_boot {
    uint8_t id[16];
    uint64_t time_namespace; /* inode of /proc/self/ns/time */
};

struct clock_reading {
    int64_t wall_ms;
    int64_t boottime_ms;
    struct clock_boot boot;
};

/* One moment by all clocks, as a commit stores it. */
struct clock_mark {
    int64_t engine_ms;
    struct clock_reading at;
};

/* boot is read once a process. */
void clock_read(struct clock_reading *out);
int64_t clock_wall_ms(void);
/* CLOCK_MONOTONIC: the time the machine really ran. */
int64_t clock_monotonic_ns(void);
int64_t clock_monotonic_us(void);
int64_t clock_monotonic_ms(void);
/* Processor time of the calling thread. */
int64_t clock_thread_ns(void);

/* --- engine time as people see it: by the wall clock --- */

/* What the wall clock is ahead of engine time from now on, for this process; some
 * milliseconds more or less change nothing, so that one moment is always shown as the same. */
void clock_show_ahead(int64_t wall_ahead_ms);
/* 0 and INT64_MAX, which stand for no time, stay what they are. */
int64_t clock_to_wall(int64_t engine_ms);
int64_t clock_to_engine(int64_t wall_ms);
/* A due time in engine time; `by_wall`: it is one of the wall clock. */
int64_t clock_due(int64_t due_ms, bool by_wall);

/* --- engine time itself --- */

/* The engine time of the reading; `mark` is the last one stored, engine_ms 0 = there is none. */
int64_t clock_resume(const struct clock_mark *mark, const struct clock_reading *now);

#endif

/*
 * clock.h - the system's clocks, and the engine time derived from them; docs/time.md gives the
 * reasons. No other file reads a clock; libuv's timers and the timeouts of libraries follow
 * CLOCK_MONOTONIC.
 *
 * Engine time is milliseconds since 1970 that only go forward, at the pace of CLOCK_BOOTTIME.
 * Within one boot it continues exactly where the store left it, whatever happens to the wall clock;
 * after a reboot it begins at the wall clock, or at the last committed time if that is later. Where
 * hosts share a wall clock, it follows that one: base/slew.h.
 */
#ifndef ZINGQ_BASE_CLOCK_H
#define ZINGQ_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The origin of CLOCK_BOOTTIME: two readings can be compared only within one boot and one time
 * namespace. All zero: unknown, and equal to no other. */
struct clock_boot {
    uint8_t id[16];
    uint64_t time_namespace; /* inode of /proc/self/ns/time */
};

struct clock_reading {
    int64_t wall_ms;
    bool shared; /* that is the clock of a database, which hosts share: engine time follows it */
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
int64_t clock_boottime_ms(void);
/* CLOCK_MONOTONIC: the time during which the machine was running. */
int64_t clock_monotonic_ns(void);
int64_t clock_monotonic_us(void);
int64_t clock_monotonic_ms(void);
/* Processor time of the calling thread. */
int64_t clock_thread_ns(void);

/* --- engine time as people see it: by the wall clock --- */

/* Sets how far the wall clock is ahead of engine time, for this process. Changes of a few
 * milliseconds are ignored, so that one moment is always shown as the same time. */
void clock_show_ahead(int64_t wall_ahead_ms);
/* 0 and INT64_MAX, which mean "no time", are returned unchanged. */
int64_t clock_to_wall(int64_t engine_ms);
int64_t clock_to_engine(int64_t wall_ms);
/* A due time in engine time; `by_wall`: it is one of the wall clock. */
int64_t clock_due(int64_t due_ms, bool by_wall);

/* --- engine time itself --- */

/* The engine time of the reading; `mark` is the last one stored, engine_ms 0 = there is none. */
int64_t clock_resume(const struct clock_mark *mark, const struct clock_reading *now);

#endif

/*
 * cron.h - cron expressions and time zones: when a schedule ticks.
 *
 * Owns: the five fields of crontab(5) and POSIX, their meaning on the wall clock, and the wall
 * clock of a named zone. Never does: read a clock, publish, store. A parsed expression is plain
 * data; a zone is read once and never changes.
 *
 * Times are milliseconds since 1970 unless a name ends in _s.
 */
#ifndef ZINGQ_CONF_CRON_H
#define ZINGQ_CONF_CRON_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CRON_LOCAL_BYTES = 32, /* "Sun 2026-03-29 03:00 +02:00" */
    CRON_UTC_BYTES = 24,   /* "2026-03-29T01:00:00Z" */
};

/* Which minutes match: bit n of a field is the value n. */
struct cron {
    uint64_t minutes;
    uint32_t hours;
    uint32_t days;
    uint16_t months;
    uint8_t weekdays; /* bit 0 = Sunday */
    bool any_hour;    /* the hour begins with *: it goes by real time when the clocks change */
    bool any_day;     /* the day begins with *: the weekday must match, too */
    bool any_weekday; /* the other way round */
};

/* Reads "0 3 * * 1-5", "@daily" and the like. ERR_INVALID: r names the field and the fix. An
 * expression that never matches, such as "0 0 30 2 *", is refused as well. */
int cron_parse(const char *text, struct cron *out, struct report *r);

struct cron_zone;

/* The zone "UTC" or one of the time zone database, "Europe/Berlin". ERR_INVALID when there is none
 * of that name, ERR_MEMORY. The caller frees *out. */
int cron_zone_new(struct cron_zone **out, const char *name, struct report *r);
/* NULL is fine. */
void cron_zone_free(struct cron_zone *zone);

/* The first tick after `after_ms`; INT64_MAX when there is none within CRON_YEARS_MAX years.
 *
 * When the clocks change: a fixed hour that is skipped ticks at the first moment after the gap, one
 * that occurs twice ticks the first time only. With an hour that begins with *, real minutes count.
 */
int64_t cron_next(const struct cron *cron, const struct cron_zone *zone, int64_t after_ms);
/* The last tick after `after_ms` and not after `until_ms`; 0 when there is none. */
int64_t cron_latest(const struct cron *cron, const struct cron_zone *zone, int64_t after_ms,
                    int64_t until_ms);

/* The first minute at or after `wall_s` that matches, on a wall clock that never changes: seconds
 * as if it were UTC. False when there is none within CRON_YEARS_MAX years. */
bool cron_wall_next(const struct cron *cron, int64_t wall_s, int64_t *out_s);

/* "Sun 2026-03-29 03:00 +02:00": weekday, local time and its offset. Returns `out`. */
const char *cron_local_text(const struct cron_zone *zone, int64_t ms, char out[CRON_LOCAL_BYTES]);
/* RFC 3339 in UTC, to the second. Returns `out`. */
const char *cron_utc_text(int64_t ms, char out[CRON_UTC_BYTES]);

#endif

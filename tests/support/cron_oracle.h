/*
 * cron_oracle.h - when cron expressions tick, a minute at a time: every minute of some years as libc's
 * time zones show it, which knows nothing of GLib's or of conf/cron.c's calendar. Without cmocka: a
 * fuzzer uses it, too.
 */
#ifndef TESTS_CRON_ORACLE_H
#define TESTS_CRON_ORACLE_H

#include "conf/cron.h"

#include <stddef.h>

struct cron_minute;

struct cron_oracle {
    size_t count; /* minutes; the first one is known only as what comes before the second */
    int64_t first_s;
    struct cron_minute *minutes;
};

/* The minutes of so many days from then on. `zone` is a name of the time zone database. */
struct cron_oracle cron_oracle_of(const char *zone, int64_t from_s, size_t days);
void cron_oracle_clear(struct cron_oracle *o);
/* Whether a job ticks in the minute of that number, from 1. */
bool cron_oracle_ticks(const struct cron_oracle *o, const struct cron *cron, size_t minute);

#endif

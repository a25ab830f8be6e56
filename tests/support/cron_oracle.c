/* cron_oracle.c - see cron_oracle.h. */
#include "cron_oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

struct fields {
    uint8_t minute, hour, day, month, weekday;
};

struct cron_minute {
    int64_t wall;         /* what the clock shows, as minutes of UTC */
    int64_t shown;        /* the latest that it showed before */
    struct fields fields; /* of `wall` */
};

static struct fields fields_of(int64_t wall) {
    time_t at = (time_t)(wall * 60);
    struct tm tm = {0};
    struct tm *split = gmtime_r(&at, &tm);
    assert(split == &tm);
    return (struct fields){.minute = (uint8_t)tm.tm_min,
                           .hour = (uint8_t)tm.tm_hour,
                           .day = (uint8_t)tm.tm_mday,
                           .month = (uint8_t)(tm.tm_mon + 1),
                           .weekday = (uint8_t)tm.tm_wday};
}

struct cron_oracle cron_oracle_of(const char *zone, int64_t from_s, size_t days) {
    struct cron_oracle o = {.count = days * 1440, .first_s = from_s};
    o.minutes = calloc(o.count, sizeof *o.minutes);
    int set = setenv("TZ", zone, 1);
    assert(o.minutes != NULL && set == 0);
    tzset();
    int64_t shown = INT64_MIN;
    for (size_t i = 0; i < o.count; i++) {
        time_t at = (time_t)(from_s + (int64_t)i * 60);
        struct tm tm = {0};
        struct tm *split = localtime_r(&at, &tm);
        assert(split == &tm);
        int64_t wall = (int64_t)timegm(&tm) / 60;
        o.minutes[i] = (struct cron_minute){wall, shown, fields_of(wall)};
        shown = wall > shown ? wall : shown;
    }
    (void)unsetenv("TZ");
    tzset();
    return o;
}

void cron_oracle_clear(struct cron_oracle *o) {
    free(o->minutes);
}

static bool matches(const struct cron *c, const struct fields *f) {
    bool day = (c->days >> f->day & 1) != 0;
    bool weekday = (c->weekdays >> f->weekday & 1) != 0;
    return (c->minutes >> f->minute & 1) != 0 && (c->hours >> f->hour & 1) != 0 &&
           (c->months >> f->month & 1) != 0 &&
           (c->any_day || c->any_weekday ? day && weekday : day || weekday);
}

bool cron_oracle_ticks(const struct cron_oracle *o, const struct cron *cron, size_t minute) {
    const struct cron_minute *m = &o->minutes[minute];
    if (cron->any_hour) {
        return matches(cron, &m->fields);
    }
    for (int64_t one = m->shown + 1; one < m->wall; one++) { /* a gap */
        struct fields skipped = fields_of(one);
        if (matches(cron, &skipped)) {
            return true;
        }
    }
    return m->wall > m->shown && matches(cron, &m->fields); /* else it comes again */
}

/*
 * cron_zone.c - ticks on the clock of a zone.
 *
 * GLib reads the zones (GTimeZone, from the system's time zone database). libc knows only one zone,
 * that of the variable TZ: a global state that all threads see, and tzset() silently takes an
 * unknown name for UTC. GLib ends the program when memory runs out; zones are read together with
 * topics.conf, when nothing can be lost by that.
 *
 * GLib only supplies the offset at a moment. Which moment a wall clock time is, and what happens to
 * one that is skipped or occurs twice, is decided here.
 *
 * A job with a fixed hour refers to the wall clock: each of its times is one tick, at the moment
 * when it first occurs, or at the end of the gap it falls into. That never goes backwards, so ticks
 * are in the order of the wall clock. A job whose hour begins with * goes by real minutes, and
 * checks what the clock shows. Vixie cron and its successors distinguish the two in the same way.
 */
#include "conf/cron.h"

#include "base/limits.h"

#include <assert.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DAY_S = 86400, REPEATED_MINUTES_MAX = 2 * 1440 };

struct cron_zone {
    GTimeZone *zone; /* NULL = UTC, which needs no database */
};

/* "Europe/Berlin", "EST5EDT": nothing that names a file elsewhere, or an offset of the user's own.
 */
static bool is_name(const char *name) {
    static const char legal[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-";
    return name[0] >= 'A' && name[0] <= 'Z' && strspn(name, legal) == strlen(name);
}

/* True if the database has a file of that name. GLib would also accept the rules that POSIX allows
 * in TZ, where "UTC+1" is an hour behind UTC: hardly anyone means that. */
static bool is_in_database(const char *name) {
    static const char magic[] = "TZif"; /* RFC 8536 */
    char path[512];
    char start[sizeof magic - 1];
    const char *folder = getenv("TZDIR"); /* as GLib does */
    int len = snprintf(path, sizeof path, "%s/%s",
                       folder == NULL || folder[0] == '\0' ? "/usr/share/zoneinfo" : folder, name);
    FILE *file = len > 0 && (size_t)len < sizeof path ? fopen(path, "re") : NULL;
    if (file == NULL) {
        return false;
    }
    bool is_one =
        fread(start, sizeof start, 1, file) == 1 && memcmp(start, magic, sizeof start) == 0;
    (void)fclose(file);
    return is_one;
}

/* "UTC+1", "GMT-05:00": the hours that were meant, and the name for them. */
static bool is_offset(const char *name, char mend[128]) {
    enum { AHEAD_MAX = 14, BEHIND_MAX = 12 }; /* of the names Etc/GMT-14 to Etc/GMT+12 */
    bool known = strncmp(name, "UTC", 3) == 0 || strncmp(name, "GMT", 3) == 0;
    const char *sign = known ? name + 3 : name;
    size_t digits = *sign == '+' || *sign == '-' ? strspn(sign + 1, "0123456789") : 0;
    const char *rest = sign + 1 + digits;
    if (digits == 0 || digits > 2 || (*rest != '\0' && strcmp(rest, ":00") != 0)) {
        return false;
    }
    long hours = strtol(sign + 1, NULL, 10);
    if (hours == 0 || hours > (*sign == '+' ? AHEAD_MAX : BEHIND_MAX)) {
        return false;
    }
    (void)snprintf(mend, 128, "; a clock %ld h %s UTC is \"Etc/GMT%c%ld\", with the sign turned",
                   hours, *sign == '+' ? "ahead of" : "behind", *sign == '+' ? '-' : '+', hours);
    return true;
}

static int no_zone(const char *name, struct report *r) {
    char mend[128] = "";
    (void)is_offset(name, mend);
    return report(
        r, ERR_INVALID,
        "there is no time zone \"%s\": write \"UTC\" or a name as in \"Europe/Berlin\" (they "
        "are in the package tzdata)%s",
        name, mend);
}

int cron_zone_new(struct cron_zone **out, const char *name, struct report *r) {
    struct cron_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    if (strcmp(name, "UTC") != 0) {
        bool known = is_name(name) && is_in_database(name);
        zone->zone = known ? g_time_zone_new_identifier(name) : NULL;
        if (zone->zone == NULL) {
            cron_zone_free(zone);
            return no_zone(name, r);
        }
    }
    *out = zone;
    return 0;
}

void cron_zone_free(struct cron_zone *zone) {
    if (zone != NULL && zone->zone != NULL) {
        g_time_zone_unref(zone->zone);
    }
    free(zone);
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

/* Seconds that the zone's clock is ahead of UTC. */
static int64_t offset_at(const struct cron_zone *zone, int64_t utc_s) {
    if (zone->zone == NULL) {
        return 0;
    }
    int interval = g_time_zone_find_interval(zone->zone, G_TIME_TYPE_UNIVERSAL, utc_s);
    return g_time_zone_get_offset(zone->zone, interval);
}

/* The first second whose offset is not that of `from`; it is after `from` and not after `to`. */
static int64_t change_between(const struct cron_zone *zone, int64_t from, int64_t to) {
    int64_t before = offset_at(zone, from);
    assert(from < to && offset_at(zone, to) != before);
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (offset_at(zone, middle) == before) {
            from = middle;
        } else {
            to = middle;
        }
    }
    return to;
}

/* When the wall clock shows that time first; in a gap, the moment the gap ends. A day on either
 * side is further than any clock is from UTC, and no zone changes twice within two days. */
static int64_t moment_of(const struct cron_zone *zone, int64_t wall_s) {
    int64_t before = offset_at(zone, wall_s - DAY_S);
    int64_t after = offset_at(zone, wall_s + DAY_S);
    if (before == after || offset_at(zone, wall_s - before) == before) {
        return wall_s - before;
    }
    if (offset_at(zone, wall_s - after) == after) {
        return wall_s - after;
    }
    return change_between(zone, wall_s - DAY_S, wall_s + DAY_S);
}

static int64_t next_on_the_wall(const struct cron *cron, const struct cron_zone *zone,
                                int64_t after_s) {
    int64_t wall_s = after_s + offset_at(zone, after_s);
    /* What comes a second time is passed over, a minute at a time. */
    for (int i = 0; i < REPEATED_MINUTES_MAX; i++) {
        if (!cron_wall_next(cron, wall_s + 1, &wall_s)) {
            return INT64_MAX;
        }
        int64_t moment_s = moment_of(zone, wall_s);
        if (moment_s > after_s) {
            return moment_s;
        }
    }
    return INT64_MAX;
}

/* Whether the clocks change after `from` and not after `to`, and when they do so first. */
static bool changes(const struct cron_zone *zone, int64_t from, int64_t to, int64_t *at) {
    int64_t offset = offset_at(zone, from);
    while (from < to) {
        int64_t step = to - from > DAY_S ? from + DAY_S : to;
        if (offset_at(zone, step) != offset) {
            *at = change_between(zone, from, step);
            return true;
        }
        from = step;
    }
    return false;
}

static int64_t next_in_real_time(const struct cron *cron, const struct cron_zone *zone,
                                 int64_t after_s) {
    int64_t from = after_s + 1;
    int64_t last = after_s + (int64_t)CRON_YEARS_MAX * 366 * DAY_S;
    while (from <= last) {
        int64_t offset = offset_at(zone, from);
        int64_t wall_s;
        if (!cron_wall_next(cron, from + offset, &wall_s)) {
            return INT64_MAX;
        }
        /* True as long as the clocks do not change on the way. */
        if (!changes(zone, from, wall_s - offset, &from)) {
            return wall_s - offset;
        }
    }
    return INT64_MAX;
}

int64_t cron_next(const struct cron *cron, const struct cron_zone *zone, int64_t after_ms) {
    int64_t after_s = floor_div(after_ms, 1000);
    int64_t next_s = cron->any_hour ? next_in_real_time(cron, zone, after_s)
                                    : next_on_the_wall(cron, zone, after_s);
    assert(next_s > after_s);
    return next_s == INT64_MAX ? INT64_MAX : next_s * 1000;
}

int64_t cron_latest(const struct cron *cron, const struct cron_zone *zone, int64_t after_ms,
                    int64_t until_ms) {
    if (after_ms >= until_ms || cron_next(cron, zone, after_ms) > until_ms) {
        return 0;
    }
    /* The last moment that is followed by a tick in time: halving finds it however many there are.
     */
    int64_t followed = after_ms;
    int64_t not_followed = until_ms;
    while (not_followed - followed > 1) {
        int64_t middle = followed + (not_followed - followed) / 2;
        if (cron_next(cron, zone, middle) <= until_ms) {
            followed = middle;
        } else {
            not_followed = middle;
        }
    }
    return cron_next(cron, zone, followed);
}

const char *cron_local_text(const struct cron_zone *zone, int64_t ms, char out[CRON_LOCAL_BYTES]) {
    static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    int64_t offset = offset_at(zone, floor_div(ms, 1000));
    time_t wall = (time_t)(floor_div(ms, 1000) + offset);
    int64_t minutes = llabs(offset) / 60;
    char day[CRON_LOCAL_BYTES] = "?";
    struct tm tm;
    if (gmtime_r(&wall, &tm) != NULL) {
        (void)strftime(day, sizeof day, "%Y-%m-%d %H:%M", &tm);
        (void)snprintf(out, CRON_LOCAL_BYTES, "%s %.16s %c%02d:%02d", weekdays[tm.tm_wday], day,
                       offset < 0 ? '-' : '+', (int)(minutes / 60), (int)(minutes % 60));
        return out;
    }
    (void)snprintf(out, CRON_LOCAL_BYTES, "%s", day);
    return out;
}

const char *cron_utc_text(int64_t ms, char out[CRON_UTC_BYTES]) {
    time_t seconds = (time_t)floor_div(ms, 1000);
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL ||
        strftime(out, CRON_UTC_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
        out[0] = '\0';
    }
    return out;
}

/*
 * fuzz_cron.c - any text as a cron expression, any moment as the one after which it ticks.
 *
 * Input: a byte for the zone, three for the moment, the expression. Promises: a text is refused with a
 * sentence, or written as lists of numbers it says the same; each tick is the next one that a walk
 * through all minutes finds, and the latest one, too.
 */
#include "fuzz.h"

#include "cron_oracle.h"

#include "conf/cron.h"

#include <stdio.h>

enum { DAYS = 275, TICKS_MOST = 40 };

/* The clocks change twice in each. */
static const struct {
    const char *name;
    int64_t from_s;
} zones[] = {{"UTC", 1832976000},                 /* February 2028 */
             {"Europe/Berlin", 1832976000},       /* the same */
             {"Australia/Lord_Howe", 1832976000}, /* by half an hour */
             {"America/St_Johns", 1110844800},    /* March 2005: at 00:01 */
             {"Pacific/Apia", 1314835200}};       /* September 2011: it lost a day */

enum { ZONES = sizeof zones / sizeof *zones };

static struct {
    struct cron_oracle oracle;
    struct cron_zone *zone;
} worlds[ZONES];

static void end_worlds(void) {
    for (size_t i = 0; i < ZONES; i++) {
        cron_oracle_clear(&worlds[i].oracle);
        cron_zone_free(worlds[i].zone);
    }
}

static void make_world(size_t world) {
    static bool any;
    if (worlds[world].zone == NULL) {
        worlds[world].oracle = cron_oracle_of(zones[world].name, zones[world].from_s, DAYS);
        assert(cron_zone_new(&worlds[world].zone, zones[world].name, NULL) == 0);
        assert(any || atexit(end_worlds) == 0);
        any = true;
    }
}

static void add_list(struct buf *out, uint64_t bits, bool any) {
    buf_add_str(out, any ? "*" : "");
    for (unsigned i = 0; !any && i < 64; i++) {
        if ((bits >> i & 1) != 0) {
            buf_printf(out, "%u,", i);
        }
    }
    if (!any) {
        out->len--; /* the last comma */
    }
    buf_add_str(out, " ");
}

/* A field that begins with * and does not say * cannot be written as a list: it stands as it is. */
static void read_again(const struct cron *cron) {
    struct cron again;
    struct buf text;
    buf_init(&text, 1 << 12);
    add_list(&text, cron->minutes, false);
    add_list(&text, cron->hours, cron->any_hour && cron->hours == 0xffffff);
    add_list(&text, cron->days, cron->any_day && cron->days == 0xfffffffe);
    add_list(&text, cron->months, false);
    add_list(&text, cron->weekdays, cron->any_weekday && cron->weekdays == 0x7f);
    bool starred = strchr(buf_str(&text), '*') != NULL;
    if (starred == (cron->any_hour || cron->any_day || cron->any_weekday)) {
        assert(cron_parse(buf_str(&text), &again, NULL) == 0);
        assert(again.minutes == cron->minutes && again.hours == cron->hours);
        assert(again.days == cron->days && again.months == cron->months);
        assert(again.weekdays == cron->weekdays);
    }
    buf_clear(&text);
}

static void compare(const struct cron *cron, size_t world, size_t from) {
    const struct cron_oracle *o = &worlds[world].oracle;
    const struct cron_zone *zone = worlds[world].zone;
    int64_t start = (o->first_s + (int64_t)from * 60) * 1000;
    int64_t last = start;
    int64_t next = cron_next(cron, zone, start);
    int ticks = 0;
    for (size_t i = from + 1; i < o->count && ticks < TICKS_MOST; i++) {
        int64_t at = (o->first_s + (int64_t)i * 60) * 1000;
        bool expected = cron_oracle_ticks(o, cron, i);
        assert(expected == (at == next));
        if (expected) {
            ticks++;
            last = at;
            next = cron_next(cron, zone, at);
        }
    }
    assert(cron_latest(cron, zone, start, last) == (ticks == 0 ? 0 : last));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size);
    struct report r = {""};
    struct cron cron;
    size_t world = fuzz_byte(&rest) % ZONES;
    size_t from = fuzz_byte(&rest);
    from = from << 8 | fuzz_byte(&rest);
    from = (from << 8 | fuzz_byte(&rest)) % (DAYS * 1440);
    char *text = slice_dup(rest);
    assert(text != NULL);
    int code = cron_parse(text, &cron, &r);
    assert((code == 0) == (r.text[0] == '\0'));
    if (code == 0) {
        read_again(&cron);
        make_world(world);
        compare(&cron, world, from);
    }
    free(text);
    return 0;
}

/*
 * bench_scale.c - the engine alone (alone.h) beside much that it keeps.
 *
 *   bench_scale keys FOLDER EVENTS KEYS
 *   bench_scale loads FOLDER EVENTS ROWS
 *   bench_scale fill FOLDER ROWS
 *
 * keys: a store that knows KEYS keys with a state value each, and as many idempotency keys, against
 * one that knows a thousand; then the same of bare LMDB, which is what is possible. loads: with ROWS waiting events, timers, dead letters, and with 100
 * services, each against one that has nothing else. Turn about; what is printed last of each is the
 * ratio, by the clock and by processor time. fill: makes FOLDER with all of these loads and leaves it
 * there, for a host to be started on. The others remove theirs.
 */
#include "alone.h"
#include "bare.h"

#include "base/clock.h"
#include "base/limits.h"
#include "event/value.h"
#include "journal/dedupe.h"
#include "journal/keyed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    FEW = 1000,
    FILL_ROWS = 1000000, /* in one transaction */
    FILL_TRIM = 1000,
    SERVICES = 100,
    CONF_BYTES = 64 << 10,
    QUIET_TURNS = 10,
};

static const char handler[] = "return function(event)\n"
                              "  local order = event.json\n"
                              "  local n = zing.state.incr('n')\n"
                              "  zing.publish('out/' .. order.key, {id = order.id, n = n})\n"
                              "end\n";

/* --- keys --- */

/* A state value of one of the keys that alone_offer uses. */
static void put_state(struct journal *j, uint16_t service, uint64_t n, struct slice value) {
    char key[32];
    (void)snprintf(key, sizeof key, "k%" PRIu64, n);
    uint64_t lane = journal_lane_of(j, slice_of("bench"), slice_of(key));
    struct cell cell = {.partition = journal_partition(lane),
                        .service = service,
                        .key = slice_of(key),
                        .name = slice_of("n")};
    alone_need(journal_state_put(j, &cell, value, 0), "state");
}

/* An idempotency key of an earlier time: they came evenly, as long as they are kept. */
static void put_note(struct journal *j, uint64_t n, uint64_t keys, int64_t keep_ms) {
    struct slice key = {(const char *)&n, sizeof n};
    struct dedupe_hash hash = journal_dedupe_hash(j, slice_of("bench"), slice_of("past"), key);
    struct uuid id = {{0}};
    struct uuid earlier;
    struct dedupe_time time = {.now_ms = clock_wall_ms() - keep_ms +
                                         (int64_t)(n * 1000 / keys) * keep_ms / 1000,
                               .keep_ms = keep_ms};
    int64_t next_ms;
    alone_need(journal_dedupe(j, time, (uint8_t)(n % PARTITIONS), &hash, &id, &earlier),
               "idempotency key");
    if (n % FILL_TRIM == 0) {
        alone_need(journal_dedupe_trim(j, time.now_ms, FILL_TRIM, &next_ms), "trim");
    }
}

static void put_keys(struct journal *j, struct store *store, int64_t keep_ms, uint64_t keys) {
    struct report r = {""};
    struct buf one;
    uint16_t service;
    buf_init(&one, 64);
    alone_need(value_from_json(slice_of("1"), &one, &r), r.text);
    for (uint64_t n = 0; n < keys; n++) {
        if (n % FILL_ROWS == 0) {
            alone_need(store_begin(store), "begin");
            alone_need(journal_service_number(j, "bench", &service), "service");
        }
        put_state(j, service, n, buf_slice(&one));
        put_note(j, n, keys, keep_ms);
        if ((n + 1) % FILL_ROWS == 0 || n + 1 == keys) {
            alone_need(store_commit(store), "commit");
        }
    }
    buf_clear(&one);
}

/* Turns without events, until the filters of that many idempotency keys have been read. */
static void settle(struct alone *a, uint64_t keys) {
    const struct timespec pause = {.tv_nsec = 12000000};
    for (uint64_t i = 0; i < keys / FILTER_ROWS + 2 * DEDUPE_BUCKETS; i++) {
        alone_turn(a);
        (void)nanosleep(&pause, NULL);
    }
}

static struct alone_rate with_keys(const char *folder, uint64_t events, uint64_t keys) {
    static const struct alone_script scripts[] = {{"h.lua", handler}, {NULL, NULL}};
    const struct alone_plan plan = {.conf = "store { path = \"data\" max_size = \"64GiB\" }\n"
                                            "service \"bench\" {\n"
                                            "  subscribe = {\"in\"} handler = \"h.lua\"\n"
                                            "  key = \"json:/key\" idempotency = \"json:/id\"\n"
                                            "}\n",
                                    .scripts = scripts,
                                    .still = true,
                                    .fill = put_keys,
                                    .rows = keys};
    struct alone *a = alone_start(folder, &plan);
    settle(a, keys);
    struct alone_rate rate = alone_run(a, events, keys, STILL_EVENTS);
    (void)printf("  the engine started in %.1f ms\n", (double)alone_start_us(a) / 1e3);
    alone_stop(a, false);
    return rate;
}

static void print_ratio(const char *of, struct alone_rate before, struct alone_rate at,
                        struct alone_rate after, const char *goal) {
    (void)printf("%s: %.2f of the events a second, %.2f by processor time (goal %s)\n", of,
                 2 * at.by_clock / (before.by_clock + after.by_clock),
                 2 * at.by_cpu / (before.by_cpu + after.by_cpu), goal);
    (void)fflush(stdout);
}

/* What LMDB alone needs more with that many keys is what an engine on LMDB needs more at least; `us`
 * is what an event takes with few. */
static void compare_bare(const char *folder, uint64_t events, uint64_t keys, double us) {
    double few_us = bare_run(folder, events, FEW);
    double many_us = bare_run(folder, events, keys);
    (void)printf("bare LMDB: %.2f; so an event of %.1f us can reach %.2f on it at most\n",
                 few_us / many_us, us, us / (us + many_us - few_us));
}

static void compare_keys(const char *folder, uint64_t events, uint64_t keys) {
    char of[64];
    struct alone_rate before = with_keys(folder, events, FEW);
    struct alone_rate many = with_keys(folder, events, keys);
    struct alone_rate after = with_keys(folder, events, FEW);
    (void)snprintf(of, sizeof of, "%" PRIu64 " keys and idempotency keys", keys);
    print_ratio(of, before, many, after, "0.7");
    compare_bare(folder, events, keys, 2e6 / (before.by_cpu + after.by_cpu));
}

/* --- loads --- */

/* Events of a service that leaves each of them as it says. */
struct load {
    const char *name, *service;
};

static const struct load waiting = {
    "waiting events",
    "service \"held\" { subscribe = {\"held\"} handler = \"h.lua\" key = \"json:/id\"\n"
    "                 rate = \"1/h\" }\n"};
static const struct load timers = {
    "timers",
    "service \"asleep\" { subscribe = {\"asleep\"} handler = \"sleep.lua\" key = \"json:/id\" }\n"};
static const struct load letters = {
    "dead letters",
    "service \"fails\" { subscribe = {\"fails\"} handler = \"fail.lua\" key = \"json:/id\"\n"
    "                  retries = 0 }\n"};

static const struct alone_script scripts[] = {
    {"h.lua", handler},
    {"sleep.lua", "return function(event) zing.sleep('90d') end\n"},
    {"fail.lua", "return function(event) error('always') end\n"},
    {NULL, NULL}};

static void write_conf(char *conf, size_t size, const struct load *const *loads, size_t services) {
    int len = snprintf(conf, size,
                       "store { path = \"data\" max_size = \"64GiB\" }\n"
                       "limits { backlog = 1000000000 }\n"
                       "service \"bench\" { subscribe = {\"in\"} handler = \"h.lua\"\n"
                       "                  key = \"json:/key\" }\n");
    for (; *loads != NULL; loads++) {
        len += snprintf(conf + len, size - (size_t)len, "%s", (*loads)->service);
    }
    for (size_t i = 0; i < services; i++) {
        len += snprintf(conf + len, size - (size_t)len,
                        "service \"s%zu\" { subscribe = {\"s/%zu\"} handler = \"h.lua\" }\n", i, i);
    }
}

/* Turns, until none of them has anything to store. */
static void take(struct alone *a, size_t service, uint64_t rows) {
    struct engine_status status;
    uint64_t commits = 0;
    for (uint64_t n = 0; n < rows;) {
        for (size_t i = 0; i < STILL_EVENTS && n < rows; i++) {
            alone_offer(a, service, n++, rows);
        }
        alone_turn(a);
    }
    for (unsigned quiet = 0; quiet < QUIET_TURNS; quiet++) {
        alone_turn(a);
        alone_status(a, &status);
        quiet = status.commits > commits ? 0 : quiet;
        commits = status.commits;
    }
}

static struct alone *start(const char *folder, const struct load *const *loads, uint64_t rows,
                           size_t services) {
    static char conf[CONF_BYTES];
    write_conf(conf, sizeof conf, loads, services);
    const struct alone_plan plan = {.conf = conf, .scripts = scripts, .still = true};
    struct alone *a = alone_start(folder, &plan);
    for (size_t i = 0; loads[i] != NULL; i++) {
        take(a, i + 1, rows); /* the first service is the one that is measured */
    }
    return a;
}

static struct alone_rate beside(const char *folder, const struct load *load, uint64_t events,
                                uint64_t rows, size_t services) {
    const struct load *const loads[] = {load, NULL};
    struct alone *a = start(folder, loads, rows, services);
    struct alone_rate rate = alone_run(a, events, FEW, STILL_EVENTS);
    alone_stop(a, false);
    return rate;
}

static void compare_loads(const char *folder, uint64_t events, uint64_t rows) {
    static const struct load *const loads[] = {&waiting, &timers, &letters, NULL};
    char of[64];
    struct alone_rate before = beside(folder, NULL, events, 0, 0);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        const struct load *load = loads[i]; /* none: many services */
        struct alone_rate rate = beside(folder, load, events, rows, load == NULL ? SERVICES : 0);
        struct alone_rate after = beside(folder, NULL, events, 0, 0);
        (void)snprintf(of, sizeof of, "%" PRIu64 " %s", load == NULL ? SERVICES : rows,
                       load == NULL ? "services" : load->name);
        print_ratio(of, before, rate, after, "0.9");
        before = after;
    }
}

static void fill_all(const char *folder, uint64_t rows) {
    static const struct load *const loads[] = {&waiting, &timers, &letters, NULL};
    alone_stop(start(folder, loads, rows, SERVICES), true);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "keys") == 0) {
        compare_keys(argv[2], alone_number(argv[3], "EVENTS"), alone_number(argv[4], "KEYS"));
    } else if (argc == 5 && strcmp(argv[1], "loads") == 0) {
        compare_loads(argv[2], alone_number(argv[3], "EVENTS"), alone_number(argv[4], "ROWS"));
    } else if (argc == 4 && strcmp(argv[1], "fill") == 0) {
        fill_all(argv[2], alone_number(argv[3], "ROWS"));
    } else {
        (void)fprintf(stderr, "usage: bench_scale keys FOLDER EVENTS KEYS\n"
                              "       bench_scale loads FOLDER EVENTS ROWS\n"
                              "       bench_scale fill FOLDER ROWS\n");
        return 2;
    }
    return 0;
}

/*
 * bench_hosts.c - one host and two that divide the keys: jobs a second of a handler that computes,
 * and how long a light event takes at the host that has its key, and by way of the other one.
 *
 *   bench_hosts loops                            rounds of the handler's loop in a millisecond
 *   bench_hosts jobs PORT SECONDS ROUNDS         bench/one/in: one host, bench/two/in: two, dealt
 *   bench_hosts latency PORT SECONDS ROUNDS      bench/1/in: to host 1 of two, bench/2/in: to host 2
 *
 * What handlers publish is seen on bench/out. Exit status 1 when an event was lost or doubled.
 */
#include "conf/division.h"
#include "figures.h"
#include "journal/journal.h"
#include "base/limits.h"
#include "load.h"

#include <inttypes.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEYS = 1000, WINDOW = 200, PROBE_S = 20, HOSTS = 2, LOOPS = 2000000 };

static const double WARM_S = 0.5, PACE = 500;
static const char service_name[] = "bench"; /* of all of them: it decides which host has a key */

/* ---- events ---- */

/* Where events go, and whose keys they have. */
struct kind {
    const char *name, *topic;
    uint16_t owner; /* 0 = anyone's */
};

/* The n-th key of those that the host has. */
static unsigned key_of(uint64_t n, uint16_t owner) {
    const struct division division = {.count = HOSTS, .place = 1};
    unsigned key = (unsigned)(n % KEYS);
    for (;; key++) {
        char text[16];
        int len = snprintf(text, sizeof text, "k%u", key);
        uint64_t lane = journal_lane(slice_of(service_name), (struct slice){text, (size_t)len});
        if (owner == 0 || division_owner(&division, journal_partition(lane)) == owner) {
            return key;
        }
    }
}

static size_t make_event(void *ctx, uint64_t n, char *payload, size_t size) {
    const struct kind *kind = ctx;
    return (size_t)snprintf(payload, size, "{\"n\":%" PRIu64 ",\"key\":\"k%u\"}", n,
                            key_of(n, kind->owner));
}

static bool read_event(void *ctx, const char *topic, const char *payload, size_t len, uint64_t *n) {
    (void)ctx;
    (void)topic;
    if (len < 6 || memcmp(payload, "{\"n\":", 5) != 0) {
        return false;
    }
    *n = strtoull(payload + 5, NULL, 10);
    return true;
}

/* ---- measuring ---- */

struct bench {
    struct load *load;
    double seconds;
    int rounds;
    uint64_t sent, lost, doubled;
};

static void run(struct bench *b, const struct kind *kind, double rate, struct load_result *out) {
    const struct load_path path = {.topic = kind->topic,
                                   .make = make_event,
                                   .read = read_event,
                                   .ctx = (void *)(uintptr_t)kind};
    const struct load_wish wish = {
        .warm_s = WARM_S, .seconds = b->seconds, .window = WINDOW, .rate = rate};
    if (!load_probe(b->load, &path, PROBE_S)) {
        give_up("no event comes back from %s", kind->name);
    }
    load_run(b->load, &path, &wish, out);
    b->sent += out->sent;
    b->lost += out->lost;
    b->doubled += out->doubled;
}

static void measure_jobs(struct bench *b) {
    static const struct kind kinds[] = {{"one host", "bench/one/in", 0},
                                        {"two hosts", "bench/two/in", 0}};
    struct figures rates[2] = {{{0}, 0}, {{0}, 0}};
    struct figures ratio = {{0}, 0};
    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < 2; i++) { /* each comes first in turn */
            struct load_result result;
            int which = (round + i) % 2;
            run(b, &kinds[which], 0, &result);
            figures_note(&rates[which], result.events_per_s);
        }
        figures_note(&ratio, rates[1].values[round] / rates[0].values[round]);
    }
    printf("handlers that compute 1 ms, medians of %d rounds of %g s\n", b->rounds, b->seconds);
    for (int i = 0; i < 2; i++) {
        printf("  %-22s %6.0f jobs/s\n", kinds[i].name, figures_median(&rates[i]));
    }
    printf("  two of one             %6.2f\n", figures_median(&ratio));
}

/* Each way between the two hosts counts as often as the other. */
static void measure_latency(struct bench *b) {
    static const struct kind kinds[2][2] = {
        {{"at its host", "bench/1/in", 1}, {"at its host", "bench/2/in", 2}},
        {{"by way of the other", "bench/1/in", 2}, {"by way of the other", "bench/2/in", 1}},
    };
    struct figures p50[2] = {{{0}, 0}, {{0}, 0}};
    struct figures p99[2] = {{{0}, 0}, {{0}, 0}};
    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < 4; i++) {
            struct load_result result;
            int forwarded = (round + i) % 2;
            run(b, &kinds[forwarded][i / 2], PACE, &result);
            figures_note(&p50[forwarded], result.p50_ms);
            figures_note(&p99[forwarded], result.p99_ms);
        }
    }
    printf("light events at %.0f/s, published to seen, medians of %d rounds of %g s\n", PACE,
           2 * b->rounds, b->seconds);
    for (int i = 0; i < 2; i++) {
        printf("  %-22s p50 %.2f ms   p99 %.2f ms\n", kinds[i][0].name, figures_median(&p50[i]),
               figures_median(&p99[i]));
    }
    printf("  aim: a forwarded one takes less than 3 times as long: p50 %.2f, p99 %.2f\n",
           figures_median(&p50[1]) / figures_median(&p50[0]),
           figures_median(&p99[1]) / figures_median(&p99[0]));
}

/* ---- the millisecond ---- */

static void on_count(lua_State *lua, lua_Debug *debug) {
    (void)lua;
    (void)debug;
}

/* The loop of tests/bench/busy.lua, counted as a handler's instructions are: that costs, too. */
static int print_loops(void) {
    lua_State *lua = luaL_newstate();
    struct timespec from;
    struct timespec to;
    if (lua == NULL || luaL_loadstring(lua, "local sum = 0\n"
                                            "for i = 1, ... do sum = sum + i % 7 end\n"
                                            "return sum") != LUA_OK) {
        give_up("no Lua");
    }
    lua_sethook(lua, on_count, LUA_MASKCOUNT, LUA_HOOK_INSTRUCTIONS);
    lua_pushinteger(lua, LOOPS);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    lua_call(lua, 1, 0);
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    lua_close(lua);
    double ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
    printf("%.0f\n", LOOPS / ms);
    return 0;
}

int main(int argc, char **argv) {
    static const char *const filters[] = {"bench/out"};
    if (argc == 2 && strcmp(argv[1], "loops") == 0) {
        return print_loops();
    }
    bool jobs = argc == 5 && strcmp(argv[1], "jobs") == 0;
    if (!jobs && (argc != 5 || strcmp(argv[1], "latency") != 0)) {
        (void)fprintf(stderr, "usage: bench_hosts loops | jobs PORT SECONDS ROUNDS | latency PORT "
                              "SECONDS ROUNDS\n");
        return 2;
    }
    struct bench b = {.seconds = strtod(argv[3], NULL), .rounds = (int)strtol(argv[4], NULL, 10)};
    if (b.rounds < 1 || 2 * b.rounds > FIGURES_MAX || b.seconds <= 0) {
        give_up("1 to %d rounds of some seconds", FIGURES_MAX / 2);
    }
    b.load = load_open((uint16_t)strtol(argv[2], NULL, 10), filters, 1);
    if (jobs) {
        measure_jobs(&b);
    } else {
        measure_latency(&b);
    }
    load_close(b.load);
    printf("%" PRIu64 " events: %" PRIu64 " lost, %" PRIu64 " doubled\n", b.sent, b.lost,
           b.doubled);
    return b.lost + b.doubled == 0 ? 0 : 1;
}

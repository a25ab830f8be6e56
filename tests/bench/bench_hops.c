/*
 * bench_hops.c - publisher -> broker -> worker -> broker -> observer: the same two hops with an
 * echo client and with zingq, turn about, so that what else the machine does falls on both.
 *
 *   bench_hops PORT BROKER_PID ECHO_PID ZINGQ_PID SECONDS ROUNDS LATENCY_ROUNDS
 *
 * The processes run already; SECONDS is what one stretch is measured for. With no LATENCY_ROUNDS
 * the rates are all that is reported. Exit status 1 when an event was lost or doubled.
 */
#include "figures.h"
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_BYTES = 200, WINDOW = 1000, PROBE_S = 10 };

static const double WARM_S = 0.3;
/* Events a second when the latency is measured; 0 = PART_OF_MAX of what the path can do. */
static const double paces[] = {500, 2000, 5000, 0};
enum { PACES = sizeof paces / sizeof *paces, AIM_PACE = 1 };
static const double PART_OF_MAX = 0.8;
static const double RATIO_AIM = 0.9, P99_MS_AIM = 3.0, IDLE_MIB_AIM = 24.0;

/* ---- the three paths ---- */

enum { ECHO, MANY_KEYS, ONE_KEY, PATHS };

struct kind {
    const char *name, *topic;
    unsigned keys;
};

static struct kind kinds[PATHS] = {
    [ECHO] = {"echo client", "bench/echo/in", 1000},
    [MANY_KEYS] = {"zingq, 1,000 keys", "bench/zingq/in", 1000},
    [ONE_KEY] = {"zingq, 1 key", "bench/zingq/in", 1},
};

static size_t make_order(void *ctx, uint64_t n, char *payload, size_t size) {
    const struct kind *kind = ctx;
    int len = snprintf(payload, size,
                       "{\"n\":%" PRIu64 ",\"key\":\"concert-%u\",\"user\":\"user-%" PRIu64
                       "\",\"amount\":4900,\"currency\":\"eur\",\"seats\":[\"A-12\",\"A-13\"],"
                       "\"note\":\"",
                       n, (unsigned)(n % kind->keys), n % 100000);
    memset(payload + len, 'x', (size_t)(PAYLOAD_BYTES - 2 - len));
    memcpy(payload + PAYLOAD_BYTES - 2, "\"}", 2);
    return PAYLOAD_BYTES;
}

static bool read_order(void *ctx, const char *topic, const char *payload, size_t len, uint64_t *n) {
    (void)ctx;
    (void)topic;
    if (len != PAYLOAD_BYTES || memcmp(payload, "{\"n\":", 5) != 0) {
        return false;
    }
    *n = strtoull(payload + 5, NULL, 10);
    return true;
}

static struct load_path path_of(struct kind *kind) {
    return (struct load_path){
        .topic = kind->topic, .make = make_order, .read = read_order, .ctx = kind};
}

/* ---- measuring ---- */

struct bench {
    struct load *load;
    long broker, workers[PATHS];
    int rounds, latency_rounds;
    double seconds;
    struct figures rate[PATHS], ratio[PATHS], broker_cpu[PATHS], worker_cpu[PATHS];
    struct latency {
        struct figures p50, p99, p999, max;
    } latency[PACES][PATHS];
    uint64_t sent, lost, doubled;
};

static void run(struct bench *b, int path, double rate, double seconds, struct load_result *out) {
    struct load_path p = path_of(&kinds[path]);
    struct load_wish wish = {.warm_s = WARM_S, .seconds = seconds, .window = WINDOW, .rate = rate};
    load_run(b->load, &p, &wish, out);
    b->sent += out->sent;
    b->lost += out->lost;
    b->doubled += out->doubled;
}

static void measure_rate(struct bench *b, int path) {
    struct load_result result;
    double broker = figures_cpu_s(b->broker);
    double worker = figures_cpu_s(b->workers[path]);
    run(b, path, 0, b->seconds, &result);
    double lots = (double)result.sent / 1e5;
    figures_note(&b->rate[path], result.events_per_s);
    figures_note(&b->broker_cpu[path], (figures_cpu_s(b->broker) - broker) / lots);
    figures_note(&b->worker_cpu[path], (figures_cpu_s(b->workers[path]) - worker) / lots);
}

static double pace_of(const struct bench *b, int pace, int path) {
    return paces[pace] > 0 ? paces[pace] : PART_OF_MAX * figures_median(&b->rate[path]);
}

static void measure_latency(struct bench *b, int pace, int path) {
    struct load_result result;
    struct latency *latency = &b->latency[pace][path];
    run(b, path, pace_of(b, pace, path), b->seconds, &result);
    figures_note(&latency->p50, result.p50_ms);
    figures_note(&latency->p99, result.p99_ms);
    figures_note(&latency->p999, result.p999_ms);
    figures_note(&latency->max, result.max_ms);
}

static void measure(struct bench *b) {
    printf("%-8s %14s %20s %16s\n", "round", "echo client", "zingq, 1,000 keys", "zingq, 1 key");
    for (int round = 0; round < b->rounds; round++) {
        for (int i = 0; i < PATHS; i++) { /* each path comes first in turn */
            measure_rate(b, (round + i) % PATHS);
        }
        for (int path = MANY_KEYS; path < PATHS; path++) {
            figures_note(&b->ratio[path],
                         b->rate[path].values[round] / b->rate[ECHO].values[round]);
        }
        printf("%-8d %10.0f /s %16.0f /s %12.0f /s\n", round + 1, b->rate[ECHO].values[round],
               b->rate[MANY_KEYS].values[round], b->rate[ONE_KEY].values[round]);
        (void)fflush(stdout);
    }
    for (int round = 0; round < b->latency_rounds; round++) {
        for (int pace = 0; pace < PACES; pace++) {
            measure_latency(b, pace, round % 2 == 0 ? ECHO : MANY_KEYS);
            measure_latency(b, pace, round % 2 == 0 ? MANY_KEYS : ECHO);
        }
    }
}

/* ---- the report ---- */

static void report_path(const struct bench *b, int path) {
    printf("%-18s %7.0f /s", kinds[path].name, figures_median(&b->rate[path]));
    if (path == ECHO) {
        printf("  %-16s", "");
    } else {
        printf("  %.2f of the echo", figures_median(&b->ratio[path]));
    }
    printf("   processor s per 100,000: broker %.2f, worker %.2f\n",
           figures_median(&b->broker_cpu[path]), figures_median(&b->worker_cpu[path]));
}

static const char *verdict(bool good) {
    return good ? "yes" : "NO";
}

static void report_rates(const struct bench *b) {
    printf("\nmedians of %d rounds of %g s, %d-byte payloads, %d on their way at most\n", b->rounds,
           b->seconds, PAYLOAD_BYTES, WINDOW);
    for (int path = 0; path < PATHS; path++) {
        report_path(b, path);
    }
    printf("%" PRIu64 " events: %" PRIu64 " lost, %" PRIu64 " doubled\n", b->sent, b->lost,
           b->doubled);
}

static void report_latency(const struct bench *b, int pace, int path) {
    const struct latency *latency = &b->latency[pace][path];
    printf("%7.0f /s  %-18s p50 %.2f   p99 %.2f   p99.9 %.2f   longest %.2f\n",
           pace_of(b, pace, path), kinds[path].name, figures_median(&latency->p50),
           figures_median(&latency->p99), figures_median(&latency->p999),
           figures_most(&latency->max));
}

static void report_rest(const struct bench *b, double idle_mib) {
    printf("\nlatency in ms from when an event was due, medians of %d rounds, the longest of all; "
           "the last pace is %g of the maximum\n",
           b->latency_rounds, PART_OF_MAX);
    for (int pace = 0; pace < PACES; pace++) {
        report_latency(b, pace, ECHO);
        report_latency(b, pace, MANY_KEYS);
    }
    printf("\nzingq's memory: %.1f MiB resident when idle; after the rounds %.1f MiB of its own\n",
           idle_mib, figures_memory_mib(b->workers[MANY_KEYS], "RssAnon"));
    double p99 = figures_median(&b->latency[AIM_PACE][MANY_KEYS].p99);
    printf("\naims: ratio %.1f or better with 1,000 keys: %s, with 1 key: %s; p99 at %.0f/s below "
           "%g ms: %s; below %g MiB idle: %s\n",
           RATIO_AIM, verdict(figures_median(&b->ratio[MANY_KEYS]) >= RATIO_AIM),
           verdict(figures_median(&b->ratio[ONE_KEY]) >= RATIO_AIM), paces[AIM_PACE], P99_MS_AIM,
           verdict(p99 < P99_MS_AIM), IDLE_MIB_AIM, verdict(idle_mib < IDLE_MIB_AIM));
}

static void await_workers(struct bench *b) {
    for (int path = 0; path <= MANY_KEYS; path++) {
        struct load_path p = path_of(&kinds[path]);
        if (!load_probe(b->load, &p, PROBE_S)) {
            give_up("no event comes back from %s", kinds[path].name);
        }
    }
}

int main(int argc, char **argv) {
    static const char *const filters[] = {"bench/+/out"};
    if (argc != 8) {
        (void)fprintf(stderr, "usage: bench_hops PORT BROKER_PID ECHO_PID ZINGQ_PID SECONDS ROUNDS "
                              "LATENCY_ROUNDS\n");
        return 2;
    }
    static struct bench b;
    b.broker = strtol(argv[2], NULL, 10);
    b.workers[ECHO] = strtol(argv[3], NULL, 10);
    b.workers[MANY_KEYS] = b.workers[ONE_KEY] = strtol(argv[4], NULL, 10);
    b.seconds = strtod(argv[5], NULL);
    b.rounds = (int)strtol(argv[6], NULL, 10);
    b.latency_rounds = (int)strtol(argv[7], NULL, 10);
    if (b.rounds < 1 || b.rounds > FIGURES_MAX || b.seconds <= 0 || b.latency_rounds < 0 ||
        b.latency_rounds > FIGURES_MAX) {
        give_up("1 to %d rounds of some seconds", FIGURES_MAX);
    }
    b.load = load_open((uint16_t)strtol(argv[1], NULL, 10), filters, 1);
    await_workers(&b);
    double idle_mib = figures_memory_mib(b.workers[MANY_KEYS], "VmRSS");
    measure(&b);
    report_rates(&b);
    if (b.latency_rounds > 0) {
        report_rest(&b, idle_mib);
    }
    load_close(b.load);
    return b.lost + b.doubled == 0 ? 0 : 1;
}

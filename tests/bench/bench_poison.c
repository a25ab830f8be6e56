/*
 * bench_poison.c - how long an event takes, published to observed, while 200 a second come over
 * 100 keys.
 *
 *   bench_poison PORT SECONDS
 *
 * Prints the median, the 99th of a hundred and the longest, in ms, on one line. It fails when an
 * event was lost or doubled. What else the service does meanwhile is the caller's.
 */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 100 };

static const double WARM_S = 1, RATE = 200;

static size_t make_event(void *ctx, uint64_t n, char *payload, size_t size) {
    (void)ctx;
    return (size_t)snprintf(payload, size, "{\"n\":%" PRIu64 ",\"key\":\"key-%u\"}", n,
                            (unsigned)(n % KEYS));
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

int main(int argc, char **argv) {
    static const char *const filters[] = {"bench/zingq/out"};
    const struct load_path path = {
        .topic = "bench/zingq/in", .make = make_event, .read = read_event};
    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench_poison PORT SECONDS\n");
        return 2;
    }
    struct load *load = load_open((uint16_t)strtol(argv[1], NULL, 10), filters, 1);
    struct load_wish wish = {.warm_s = WARM_S, .seconds = strtod(argv[2], NULL), .rate = RATE};
    struct load_result result;
    load_run(load, &path, &wish, &result);
    load_close(load);
    printf("%.1f %.1f %.1f\n", result.p50_ms, result.p99_ms, result.max_ms);
    if (result.lost + result.doubled > 0) {
        give_up("%" PRIu64 " events lost, %" PRIu64 " doubled", result.lost, result.doubled);
    }
    return 0;
}

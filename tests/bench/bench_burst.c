/*
 * bench_burst.c - how long events of a hundred tenants take, one of each, published at once.
 *
 *   bench_burst PORT TOPIC
 *
 * Prints the milliseconds from the first publish to the last answer, on bench/out. It fails when an event
 * was lost or doubled. What else the service does meanwhile is the caller's.
 */
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TENANTS = 100 };

static size_t make_event(void *ctx, uint64_t n, char *payload, size_t size) {
    (void)ctx;
    return (size_t)snprintf(payload, size,
                            "{\"n\":%" PRIu64 ",\"tenant\":\"small-%" PRIu64
                            "\",\"key\":\"small-%" PRIu64 "\"}",
                            n, n % TENANTS, n % TENANTS);
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
    static const char *const filters[] = {"bench/out"};
    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench_burst PORT TOPIC\n");
        return 2;
    }
    const struct load_path path = {.topic = argv[2], .make = make_event, .read = read_event};
    struct load *load = load_open((uint16_t)strtol(argv[1], NULL, 10), filters, 1);
    printf("%.1f\n", load_burst(load, &path, TENANTS) * 1e3);
    load_close(load);
    return 0;
}

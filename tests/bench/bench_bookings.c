/*
 * bench_bookings.c - the booking system as it ships, in a closed loop: booking/request in,
 * booking/confirmed out, with a seat locked, a charge made and a mail sent on the way.
 *
 *   bench_bookings PORT ZINGQ_PID SECONDS
 *
 * Every booking wants a seat of its own. Exit status 1 when one was lost, confirmed twice or
 * rejected. The last line begins with the number of confirmed bookings: as many mails must go out.
 */
#include "figures.h"
#include "load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONCERTS = 100, WINDOW = 200, PROBE_S = 10 };

static const double WARM_S = 0.5;

struct tally {
    uint64_t confirmed, rejected;
};

static size_t make_request(void *ctx, uint64_t n, char *payload, size_t size) {
    (void)ctx;
    return (size_t)snprintf(payload, size,
                            "{\"booking_id\":\"b-%" PRIu64 "\",\"event_id\":\"concert-%" PRIu64
                            "\",\"seat\":\"S-%" PRIu64 "\",\"user\":\"user-%" PRIu64
                            "\",\"email\":\"user-%" PRIu64
                            "@example.org\",\"amount\":4900,\"currency\":\"eur\"}",
                            n, n % CONCERTS, n / CONCERTS, n, n);
}

static bool read_answer(void *ctx, const char *topic, const char *payload, size_t len,
                        uint64_t *n) {
    (void)payload;
    (void)len;
    struct tally *tally = ctx;
    const char *id = strrchr(topic, '/');
    if (id == NULL || strncmp(id, "/b-", 3) != 0) {
        return false;
    }
    *n = strtoull(id + 3, NULL, 10);
    if (strncmp(topic, "booking/confirmed/", 18) == 0) {
        tally->confirmed++;
    } else {
        tally->rejected++;
    }
    return true;
}

int main(int argc, char **argv) {
    static const char *const filters[] = {"booking/confirmed/+", "booking/rejected/+"};
    if (argc != 4) {
        (void)fprintf(stderr, "usage: bench_bookings PORT ZINGQ_PID SECONDS\n");
        return 2;
    }
    long zingq = strtol(argv[2], NULL, 10);
    struct tally tally = {0};
    struct load_path path = {
        .topic = "booking/request", .make = make_request, .read = read_answer, .ctx = &tally};
    struct load_wish wish = {.warm_s = WARM_S, .seconds = strtod(argv[3], NULL), .window = WINDOW};
    struct load_result result;
    struct load *load = load_open((uint16_t)strtol(argv[1], NULL, 10), filters, 2);
    if (!load_probe(load, &path, PROBE_S)) {
        give_up("no booking is answered");
    }
    double cpu = figures_cpu_s(zingq);
    load_run(load, &path, &wish, &result);
    cpu = figures_cpu_s(zingq) - cpu;
    load_close(load);
    printf("bookings through seats, payments and emails: %.0f /s, %d on their way at most\n"
           "answered after p50 %.0f ms, p99 %.0f ms; zingq used %.2f processor s per 1,000\n"
           "%" PRIu64 " bookings confirmed: %" PRIu64 " lost, %" PRIu64 " answered twice, %" PRIu64
           " rejected\n",
           result.events_per_s, WINDOW, result.p50_ms, result.p99_ms,
           cpu / (double)result.sent * 1e3, tally.confirmed, result.lost, result.doubled,
           tally.rejected);
    return result.lost + result.doubled + tally.rejected == 0 ? 0 : 1;
}

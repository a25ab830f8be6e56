/*
 * flash_sale.c - the buyers, the observer and the auditor of the demo: build/tests/flash_sale.
 *
 *   flash_sale [--killed] [--seed N] [--hosts N] PORT FOLDER
 *
 * PORT is the broker's, FOLDER holds the host's data/ (of several hosts data/1 and so on), gateway.log
 * and mail.log. It sends the
 * requests of the sale, prints a line a second, waits until everything has come to rest, and then
 * holds what everyone has in their books against what was promised. Exit status: 0 when all of it
 * holds, 1 when not, 3 when there was no sale.
 */
#include "audit.h"
#include "wait.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEP_MS = 10, READY_S = 60, SETTLE_S = 200, HEAD_LINES = 15 };

struct options {
    uint16_t port;
    struct host_folders hosts;
    uint64_t seed;
    bool killed;
};

/* Keeps the pace of the buyers. */
static void pause_step(void) {
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    (void)nanosleep(&step, NULL);
}

static bool wait_for_host(const struct options *o) {
    struct host_books host = {0};
    struct wait w = wait_of(READY_S);
    while (!books_ask_hosts(&o->hosts, &host) || !host.ready) {
        if (!wait_more(&w)) {
            (void)fprintf(stderr, "demo: not every host got ready\n");
            return false;
        }
    }
    return true;
}

static void print_line(const struct audit *a, const char *folder, unsigned second) {
    const struct sale *s = a->sale;
    if (second % HEAD_LINES == 1) {
        (void)printf("\n  time    sent  locked    paid  confirmed  rejected  retried  emails"
                     "    dead  waiting\n");
    }
    (void)printf(
        "  %3u s %6zu  %6zu  %6zu  %9zu  %8zu  %7" PRId64 "  %6zu  %6" PRId64 "  %7" PRId64 "\n",
        second, s->letters_sent, s->locked, s->paid, s->confirmed, s->rejected,
        books_sum(&a->host, offsetof(struct service_books, retries)), books_count_mails(folder),
        books_sum(&a->host, offsetof(struct service_books, dead)),
        books_sum(&a->host, offsetof(struct service_books, waiting)));
    (void)fflush(stdout);
}

/* Everything was sent, answered and worked off. The observer is last: what the host has handed to
 * the broker may still be on its way to us, so all answers must have come. */
static bool has_settled(const struct audit *a) {
    return sale_is_sent(a->sale) && a->sale->answered == BUYERS && books_are_closed(&a->host);
}

static void run_sale(const struct options *o, struct audit *a) {
    int64_t start_ms = monotonic_ms();
    int64_t end_ms = start_ms + RUSH_MS + SECOND_MS + (int64_t)SETTLE_S * 1000;
    unsigned second = 0;
    int64_t now_ms = start_ms;
    while (!a->settled && now_ms < end_ms) {
        (void)sale_send(a->sale, now_ms - start_ms);
        sale_watch(a->sale);
        if (now_ms - start_ms >= (int64_t)(second + 1) * 1000) {
            (void)books_ask_hosts(&o->hosts, &a->host); /* a killed host is asked again later */
            print_line(a, o->hosts.folder, ++second);
            a->settled = has_settled(a);
        }
        pause_step();
        now_ms = monotonic_ms();
    }
    a->seconds = (double)(now_ms - start_ms) / 1000;
}

static int hold_sale(const struct options *o) {
    if (!wait_for_host(o)) {
        return 3;
    }
    struct audit a = {.sale = sale_new(o->port, o->seed), .killed = o->killed};
    if (a.sale == NULL) {
        (void)fprintf(stderr, "demo: out of memory\n");
        return 3;
    }
    run_sale(o, &a);
    sale_watch(a.sale);
    int status = 3;
    if (!books_read_gateway(o->hosts.folder, a.sale, &a.gateway) ||
        !books_read_mails(o->hosts.folder, a.sale, &a.mail_strangers)) {
        (void)fprintf(stderr, "demo: no books of the gateway or the mail server in %s\n",
                      o->hosts.folder);
    } else {
        audit_print_summary(&a);
        status = audit_print_promises(&a) == 0 ? 0 : 1;
        audit_print_unanswered(&a, &o->hosts);
    }
    sale_free(a.sale);
    return status;
}

static bool parse(int argc, char **argv, struct options *o) {
    static const struct option names[] = {{"killed", no_argument, NULL, 'k'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"hosts", required_argument, NULL, 'h'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'k':
            o->killed = true;
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'h':
            o->hosts.count = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            return false;
        }
    }
    if (argc - optind != 2) {
        return false;
    }
    char *end = NULL;
    unsigned long port = strtoul(argv[optind], &end, 10);
    o->port = (uint16_t)port;
    o->hosts.folder = argv[optind + 1];
    return *end == '\0' && port > 0 && port <= UINT16_MAX && o->hosts.count > 0;
}

int main(int argc, char **argv) {
    struct options o = {.seed = 1, .hosts = {.count = 1}};
    if (!parse(argc, argv, &o)) {
        (void)fprintf(stderr, "usage: flash_sale [--killed] [--seed N] [--hosts N] PORT FOLDER\n");
        return 2;
    }
    return hold_sale(&o);
}

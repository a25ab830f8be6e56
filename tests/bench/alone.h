/*
 * alone.h - the engine alone, for benchmarks: no broker, full-sync commits on a real disk. What it
 * publishes is acknowledged at once.
 *
 * Payloads are 200 bytes of JSON. Events are offered as long as the engine accepts and its turn has
 * not what a turn takes, as the host does with what it reads from a socket. A failure ends the
 * program with a sentence.
 */
#ifndef ZINGQ_BENCH_ALONE_H
#define ZINGQ_BENCH_ALONE_H

#include "engine/engine.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STILL_EVENTS = 256,
    ALONE_KEY_STEP = 7919 /* so that neighbours in time are none in the store */
};

struct alone;

struct alone_script {
    const char *name, *text;
};

struct alone_plan {
    const char *conf;                   /* topics.conf, but for the store's path */
    const struct alone_script *scripts; /* the last one has no name */
    bool still; /* the engine's clocks stand almost still, so that a turn has STILL_EVENTS events
                   however slowly this runs: for counting instructions */
    /* What the store knows before the engine starts; NULL: nothing. */
    void (*fill)(struct journal *j, struct store *store, int64_t keep_ms, uint64_t rows);
    uint64_t rows;       /* for fill */
    const char *log_url; /* of a PostgreSQL in which the store has a log of its own; NULL: none */
};

/* Makes the folder. */
struct alone *alone_start(const char *folder, const struct alone_plan *plan);
/* How long the last start of the engine took, on a store that was there. */
int64_t alone_start_us(const struct alone *a);
/* Removes the folder, unless it is to be kept. */
void alone_stop(struct alone *a, bool keep);

/* Event n to the service of that number, in the order of topics.conf. Its key is one of so many, but
 * not that of its neighbours. */
void alone_offer(struct alone *a, size_t service, uint64_t n, uint64_t keys);
void alone_turn(struct alone *a);
void alone_status(struct alone *a, struct engine_status *out);

struct alone_rate {
    double by_clock, by_cpu; /* events a second */
};

/* Offers that many to the first service until all have been published and acknowledged, and prints
 * what a turn was made of. */
struct alone_rate alone_run(struct alone *a, uint64_t events, uint64_t keys, size_t at_once);

/* The number in an argument; `what` it is, for the sentence if it is none. */
uint64_t alone_number(const char *text, const char *what);
void alone_need(int code, const char *what);

#endif

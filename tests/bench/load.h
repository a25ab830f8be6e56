/*
 * load.h - one publisher and one observer, and what the observer saw.
 *
 * Events are numbered. In a closed loop a new one is published for every one that came back, so
 * that no more than `window` are on their way and nothing queues without bound. In an open loop
 * they are published by the clock, whatever comes back; an event's time then runs from the moment
 * it was due, so that a path that stalls cannot hide it by holding the publisher up. Nor does it
 * matter when the answer comes: the slowest ones come when no more is published.
 *
 * A failure of the machinery (no broker, no memory) ends the program with a sentence.
 */
#ifndef ZINGQ_BENCH_LOAD_H
#define ZINGQ_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load;

/* What is published, and which event an answer belongs to. */
struct load_path {
    const char *topic; /* to publish to */
    /* Writes the payload of event n; returns its length. */
    size_t (*make)(void *ctx, uint64_t n, char *payload, size_t size);
    /* Whether an observed message answers an event, and which. */
    bool (*read)(void *ctx, const char *topic, const char *payload, size_t len, uint64_t *n);
    void *ctx;
};

struct load_wish {
    double warm_s;   /* under load, before anything is measured */
    double seconds;  /* measured */
    unsigned window; /* closed loop: events on their way at once */
    double rate;     /* open loop: events a second; 0 = closed loop */
};

struct load_result {
    uint64_t sent; /* everything, warming up and draining included */
    uint64_t lost, doubled;
    double events_per_s; /* at the observer, while measured */
    /* From publish (or due) to observed, of the events published while measured. */
    double p50_ms, p99_ms, p999_ms, max_ms;
};

/* Connects both to the broker on a loopback port; the observer subscribes to `filters`. */
struct load *load_open(uint16_t port, const char *const *filters, size_t filter_count);
void load_close(struct load *l);

/* Publishes single events until one comes back, for at most `seconds`; false when none did. */
bool load_probe(struct load *l, const struct load_path *path, double seconds);
/* Publishes `count` events at once; returns the seconds until all have come back, and gives up when one
 * does not. */
double load_burst(struct load *l, const struct load_path *path, uint64_t count);
void load_run(struct load *l, const struct load_path *path, const struct load_wish *wish,
              struct load_result *out);

__attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...);

#endif

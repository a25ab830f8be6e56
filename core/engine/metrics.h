/*
 * metrics.h - what has happened lately in one service: rates over a minute, latency quantiles.
 *
 * Totals are the books (journal/journal.h), on disk; this is memory only and begins at zero with
 * the host.
 */
#ifndef ZINGQ_ENGINE_METRICS_H
#define ZINGQ_ENGINE_METRICS_H

#include <stddef.h>
#include <stdint.h>

enum {
    METRICS_SECONDS = 60,  /* the window of the rates */
    METRICS_BUCKETS = 128, /* of the latency histogram: 4 per power of two, microseconds */
};

struct metrics {
    int64_t second; /* the newest one counted */
    uint32_t done[METRICS_SECONDS], failed[METRICS_SECONDS];
    /* Two halves of two minutes: quantiles come from both, the older one is dropped whole. */
    uint64_t latency[2][METRICS_BUCKETS];
    int64_t latency_half; /* minutes since 1970 of latency[latency_half % 2] */
};

/* Durations since the start, for Prometheus: powers of two from 64 microseconds up. */
enum { HISTOGRAM_BUCKETS = 21 }; /* the last one has no bound */

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS]; /* not cumulative */
    uint64_t sum_us;
};

void histogram_add(struct histogram *h, int64_t us);
/* The upper bound of a bucket, seconds. */
double histogram_bound(size_t bucket);

/* An event ended well; latency from its acceptance, microseconds. */
void metrics_done(struct metrics *m, int64_t now_ms, int64_t latency_us);
/* An attempt failed. */
void metrics_failed(struct metrics *m, int64_t now_ms);

struct metrics_summary {
    uint32_t done_1min, failures_1min;
    double failure_rate;    /* failures / attempts ended in the last minute, 0..1 */
    int64_t p50_us, p99_us; /* 0 = nothing ended in the last two minutes */
};

/* The last minute's rates, the last two minutes' quantiles. */
void metrics_summarise(struct metrics *m, int64_t now_ms, struct metrics_summary *out);

#endif

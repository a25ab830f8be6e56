/* metrics.c - rates in second buckets, latencies in quarter-octave buckets (error under 19 %). */
#include "engine/metrics.h"

#include <assert.h>
#include <string.h>

static void roll_seconds(struct metrics *m, int64_t now_ms) {
    int64_t second = now_ms / 1000;
    if (second - m->second >= METRICS_SECONDS) {
        memset(m->done, 0, sizeof m->done);
        memset(m->failed, 0, sizeof m->failed);
        m->second = second;
    }
    while (m->second < second) {
        m->second++;
        m->done[m->second % METRICS_SECONDS] = 0;
        m->failed[m->second % METRICS_SECONDS] = 0;
    }
}

static void roll_latency(struct metrics *m, int64_t now_ms) {
    int64_t minute = now_ms / 60000;
    if (minute - m->latency_half >= 2) {
        memset(m->latency, 0, sizeof m->latency);
    } else if (minute > m->latency_half) {
        memset(m->latency[minute % 2], 0, sizeof m->latency[0]);
    }
    m->latency_half = minute > m->latency_half ? minute : m->latency_half;
}

/* Bucket number: 4 * log2 plus the next two bits. */
static unsigned bucket_of(int64_t us) {
    if (us < 4) {
        return us < 0 ? 0 : (unsigned)us;
    }
    unsigned log2 = 63u - (unsigned)__builtin_clzll((unsigned long long)us);
    unsigned quarter = (unsigned)(us >> (log2 - 2)) & 3u;
    unsigned bucket = (log2 - 1) * 4 + quarter;
    return bucket < METRICS_BUCKETS ? bucket : METRICS_BUCKETS - 1;
}

/* The middle of a bucket. */
static int64_t bucket_us(unsigned bucket) {
    if (bucket < 4) {
        return bucket;
    }
    unsigned log2 = bucket / 4 + 1;
    int64_t low = (int64_t)(4 + bucket % 4) << (log2 - 2);
    int64_t width = (int64_t)1 << (log2 - 2);
    return low + width / 2;
}

void metrics_done(struct metrics *m, int64_t now_ms, int64_t latency_us) {
    roll_seconds(m, now_ms);
    roll_latency(m, now_ms);
    m->done[m->second % METRICS_SECONDS]++;
    m->latency[m->latency_half % 2][bucket_of(latency_us)]++;
}

void metrics_failed(struct metrics *m, int64_t now_ms) {
    roll_seconds(m, now_ms);
    m->failed[m->second % METRICS_SECONDS]++;
}

static int64_t quantile(const struct metrics *m, double q) {
    uint64_t total = 0;
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        total += m->latency[0][i] + m->latency[1][i];
    }
    if (total == 0) {
        return 0;
    }
    uint64_t rank = (uint64_t)((double)(total - 1) * q);
    uint64_t seen = 0;
    for (unsigned i = 0; i < METRICS_BUCKETS; i++) {
        seen += m->latency[0][i] + m->latency[1][i];
        if (seen > rank) {
            return bucket_us(i);
        }
    }
    return bucket_us(METRICS_BUCKETS - 1);
}

void metrics_summarise(struct metrics *m, int64_t now_ms, struct metrics_summary *out) {
    roll_seconds(m, now_ms);
    roll_latency(m, now_ms);
    *out = (struct metrics_summary){0};
    for (unsigned i = 0; i < METRICS_SECONDS; i++) {
        out->done_1min += m->done[i];
        out->failures_1min += m->failed[i];
    }
    uint32_t ended = out->done_1min + out->failures_1min;
    out->failure_rate = ended == 0 ? 0 : (double)out->failures_1min / ended;
    out->p50_us = quantile(m, 0.50);
    out->p99_us = quantile(m, 0.99);
}

void histogram_add(struct histogram *h, int64_t us) {
    size_t bucket = 0;
    while (bucket + 1 < HISTOGRAM_BUCKETS && us > (int64_t)64 << bucket) {
        bucket++;
    }
    h->counts[bucket]++;
    h->sum_us += us > 0 ? (uint64_t)us : 0;
}

double histogram_bound(size_t bucket) {
    return (double)((int64_t)64 << bucket) / 1e6;
}

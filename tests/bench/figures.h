/*
 * figures.h - the numbers of the benchmark: what processes use, read from /proc, and medians.
 */
#ifndef ZINGQ_BENCH_FIGURES_H
#define ZINGQ_BENCH_FIGURES_H

#include <stddef.h>

enum { FIGURES_MAX = 100 };

/* One figure a round. */
struct figures {
    double values[FIGURES_MAX];
    size_t count;
};

void figures_note(struct figures *f, double value);
double figures_median(const struct figures *f); /* 0 when there are none */
double figures_most(const struct figures *f);   /* the same */

/* Seconds of processor time since the process began. */
double figures_cpu_s(long pid);
/* A field of /proc/PID/status, such as "VmRSS". */
double figures_memory_mib(long pid, const char *field);

#endif

/* figures.c - what processes use, and medians. */
#include "figures.h"

#include "load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what the processes use ---- */

double figures_cpu_s(long pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &t) != 0) {
        give_up("process %ld is gone", pid);
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double figures_memory_mib(long pid, const char *field) {
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/%ld/status", pid);
    FILE *f = fopen(name, "r");
    char line[256];
    size_t len = strlen(field);
    double mib = -1;
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            mib = (double)strtoul(line + len + 1, NULL, 10) / 1024;
        }
    }
    if (f == NULL || mib < 0) {
        give_up("cannot read %s", name);
    }
    (void)fclose(f);
    return mib;
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b) {
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

double figures_median(const struct figures *f) {
    double sorted[FIGURES_MAX];
    if (f->count == 0) {
        return 0;
    }
    memcpy(sorted, f->values, f->count * sizeof *sorted);
    qsort(sorted, f->count, sizeof *sorted, by_value);
    return (sorted[(f->count - 1) / 2] + sorted[f->count / 2]) / 2;
}

double figures_most(const struct figures *f) {
    double most = 0;
    for (size_t i = 0; i < f->count; i++) {
        most = f->values[i] > most ? f->values[i] : most;
    }
    return most;
}

void figures_note(struct figures *f, double value) {
    assert(f->count < FIGURES_MAX);
    f->values[f->count++] = value;
}

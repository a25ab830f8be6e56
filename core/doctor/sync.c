/*
 * sync.c - see doctor/sync.h.
 */
#include "doctor/sync.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SYNC_BYTES = 4096 }; /* one page, as LMDB writes */

static int compare_us(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The first one, which creates the file, is not counted. */
static int measure(int file, int64_t *us, size_t count) {
    char page[SYNC_BYTES] = {0};
    for (size_t i = 0; i <= count; i++) {
        int64_t start = clock_monotonic_us();
        if (pwrite(file, page, sizeof page, 0) != (ssize_t)sizeof page || fsync(file) != 0) {
            int err = errno; /* a short write sets none */
            return err != 0 ? err : EIO;
        }
        if (i > 0) {
            us[i - 1] = clock_monotonic_us() - start;
        }
    }
    qsort(us, count, sizeof us[0], compare_us);
    return 0;
}

int sync_measure(const char *folder, int64_t *us, size_t count) {
    char path[4096 + 32];
    (void)snprintf(path, sizeof path, "%s/.zingq-doctor-XXXXXX", folder);
    int file = mkstemp(path);
    if (file < 0) {
        return errno;
    }
    (void)unlink(path);
    int err = measure(file, us, count);
    (void)close(file);
    return err;
}

/* As long as the commit itself takes: the disk works half of the time, and the other half belongs
 * to publishes and their PUBACKs. */
int64_t sync_linger_ms(int64_t sync_us) {
    int64_t ms = (sync_us + 500) / 1000;
    return ms < LINGER_MS_MIN ? LINGER_MS_MIN : ms > LINGER_MS_MAX ? LINGER_MS_MAX : ms;
}

/*
 * tell.h - results as they come, for people or as TAP, and all of them as JUnit's XML at the end.
 */
#ifndef ZINGQ_TRIAL_TELL_H
#define ZINGQ_TRIAL_TELL_H

#include "base/buf.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* One test that ran. */
struct tell_result {
    const char *file; /* as the user names it */
    const char *name;
    const json_t *failure; /* as trial/run.h; NULL = it passed */
    struct slice log;      /* what the host logged; shown if it failed */
    size_t crashes;        /* how often it ran with a crash, */
    size_t crash_points;   /* and how often it could have */
    int64_t took_ns;
};

/* All results so far. */
struct tell {
    bool tap, colour;
    size_t passed, failed, crashes;
    int64_t took_ns;
    struct buf xml;   /* test cases of JUnit */
    const char *file; /* the one whose heading stands there; borrowed */
};

void tell_init(struct tell *t, bool tap, bool colour);
void tell_clear(struct tell *t);
void tell_result(struct tell *t, const struct tell_result *result);
/* The totals. */
void tell_end(struct tell *t);
/* ERR_SYSTEM with a sentence. */
int tell_write_junit(struct tell *t, const char *path, struct report *r);

#endif

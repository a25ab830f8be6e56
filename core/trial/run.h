/*
 * run.h - one test of a file, in a Lua state of its own.
 */
#ifndef ZINGQ_TRIAL_RUN_H
#define ZINGQ_TRIAL_RUN_H

#include "base/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where tests run. */
struct run_place {
    const char *conf_file;   /* topics.conf */
    const char *scripts_dir; /* what tests `require` */
    const char *folder;      /* for stores; each run leaves it empty */
    int64_t time_ms;         /* that a test may take */
};

/* Runs the chunk of the file, and of its tests the one of that number (from 1; 0: the chunk alone).
 * `plan` is a crash as kit/test.lua reads it, or NULL. The outcome as kit/test.lua tells it:
 *
 *   {"names": ["..."],                                     the tests of the file
 *    "failure": {"text", "file"?, "line"?, "trace"?},      if it failed
 *    "points": [{"turn": 7, "what": "..."}],               where it could have crashed
 *    "effects": {"published on x": 1}}
 *
 * The caller's; NULL when out of memory. */
json_t *run_test(const struct run_place *place, const char *file, size_t number,
                 const json_t *plan);

/* Whether SIGINT or SIGTERM came since run_catch_signals: the test that ran was ended. */
bool run_interrupted(void);
void run_catch_signals(void);

#endif

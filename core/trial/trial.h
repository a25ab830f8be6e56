/*
 * trial.h - zingq test: finds the tests of a project, runs them and tells what came of it.
 */
#ifndef ZINGQ_TRIAL_TRIAL_H
#define ZINGQ_TRIAL_TRIAL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What to run, and how to tell it; borrowed. */
struct trial_options {
    const char *conf_file;   /* topics.conf */
    const char *scripts_dir; /* its scripts */
    const char *path;        /* a file, or a folder of *_test.lua; NULL = scripts_dir */
    const char *name;        /* only tests whose names contain this text; NULL = all */
    int64_t time_ms;         /* that one test may take */
    bool crash_everywhere;   /* each test again, with a crash at each point */
    bool tap;                /* TAP 14 instead of lines for people */
    bool colour;
    const char *junit; /* a file for JUnit's XML; NULL = none */
};

/* Runs the tests; what they came to is on standard output. *failed: how many failed. ERR_NOTFOUND:
 * there are none. Otherwise the system's errors, with a sentence. */
int trial_run(const struct trial_options *options, size_t *failed, struct report *r);

/* Whether SIGINT or SIGTERM ended it. */
bool trial_was_interrupted(void);

#endif

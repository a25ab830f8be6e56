/*
 * cancel_world.h - what the tests of cancels share.
 */
#ifndef TESTS_CANCEL_WORLD_H
#define TESTS_CANCEL_WORLD_H

#include "engine_fixture.h"

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 delay = \"10s\" "       \
    "retries = 5 " options " }\n"
#define KEYED(options) SERVICE("key = \"property:k\" " options)

/* Cancels the event of "s" with this payload; the command's code. */
int cancel_with(struct engine_fixture *f, const char *payload, struct command c);
int cancel(struct engine_fixture *f, const char *payload);
/* Pauses or resumes "s". */
void pause_service(struct engine_fixture *f, bool paused);
/* An event of that key for "s". */
void offer_of_key(struct engine_fixture *f, const char *payload, const char *key);
/* What was published on "out"; valid until the next call. */
const char *what_left(const struct engine_fixture *f);
/* The reason of an event of "s" that is discarded, in `out`. */
const char *why(struct engine_fixture *f, const char *payload, char out[512]);
/* Answers every open call, and runs dry. */
void answer_all(struct engine_fixture *f);

#endif

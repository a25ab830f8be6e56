/*
 * batch_world.h - what the tests of services with `batch` share.
 */
#ifndef TESTS_BATCH_WORLD_H
#define TESTS_BATCH_WORLD_H

#include "engine_fixture.h"

/* Service "s", which takes in/# and retries after a second. */
#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" jitter = 0 delay = "               \
    "\"1s\" " options " }\n"

/* Lines of its handler: publishes how many it was given, and their payloads. */
#define TELL                                                                                       \
    "  local all = {}\n"                                                                           \
    "  for i, e in ipairs(events) do all[i] = e.payload end\n"                                     \
    "  zing.publish('out', #events .. ':' .. table.concat(all, ','))\n"

/* Offers payloads "1" to `count`. */
void offer_many(struct engine_fixture *f, size_t count);
/* What TELL published; valid until the next call. */
const char *out_of(const struct engine_fixture *f);

#endif

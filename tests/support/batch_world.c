/* batch_world.c - what the tests of services with `batch` share. */
#include "batch_world.h"

#include <stdio.h>

void offer_many(struct engine_fixture *f, size_t count) {
    for (size_t i = 1; i <= count; i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%zu", i);
        offer(f, "s", "in", payload, NULL);
    }
}

const char *out_of(const struct engine_fixture *f) {
    static char text[8192];
    return payloads(f, "out", text, sizeof text);
}

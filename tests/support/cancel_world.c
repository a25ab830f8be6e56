/* cancel_world.c - see cancel_world.h. */
#include "cancel_world.h"

#include "test.h"

#include <stdio.h>

int cancel_with(struct engine_fixture *f, const char *payload, struct command c) {
    c.kind = COMMAND_CANCEL;
    c.id = id_of(f, "s", payload);
    return command(f, c);
}

int cancel(struct engine_fixture *f, const char *payload) {
    return cancel_with(f, payload, (struct command){.service = slice_of("s")});
}

void pause_service(struct engine_fixture *f, bool paused) {
    struct command c = {.kind = paused ? COMMAND_PAUSE : COMMAND_RESUME, .service = slice_of("s")};
    assert_int_equal(command(f, c), 0);
}

void offer_of_key(struct engine_fixture *f, const char *payload, const char *key) {
    offer(f, "s", "in/x", payload, "k", key, NULL);
}

const char *what_left(const struct engine_fixture *f) {
    static char out[4096];
    return payloads(f, "out", out, sizeof out);
}

const char *why(struct engine_fixture *f, const char *payload, char out[512]) {
    struct event *event = event_with(f, "s", payload);
    assert_int_equal(event->state, EVENT_DISCARDED);
    (void)snprintf(out, 512, "%.*s", (int)event->reason.len, event->reason.data);
    event_free(event);
    return out;
}

void answer_all(struct engine_fixture *f) {
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].open) {
            answer(f, i, 200, "");
            run_dry(f);
        }
    }
}

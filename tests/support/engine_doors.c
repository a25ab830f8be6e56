/* engine_doors.c - what the engine under test asks of the world is noted in its fixture. */
#include "engine_doors.h"

#include "test.h"

#include "journal/outbox.h"

#include <stdlib.h>
#include <string.h>

static void door_read_clocks(void *ctx, struct clock_reading *out) {
    const struct engine_fixture *f = ctx;
    *out = (struct clock_reading){.wall_ms = f->now_ms + f->wall_ahead_ms,
                                  .boottime_ms = f->now_ms,
                                  .shared = f->shared,
                                  .boot = {.id = {1, f->boot}}};
}

/* The page of who is on the processor knows whose time it is. */
static int64_t door_monotonic_us(void *ctx) {
    struct engine_fixture *f = ctx;
    const struct culprit_record *now = culprit_now(f->culprit);
    unsigned run = culprit_turn(f->culprit);
    size_t service;
    if (run != f->run_seen && (now->phase == CULPRIT_RUN || now->phase == CULPRIT_APPLY) &&
        engine_service_by_number(f->engine, now->events[0].service, &service) &&
        service < sizeof f->run_us / sizeof f->run_us[0]) {
        f->run_seen = run;
        f->monotonic_us += f->run_us[service];
        f->processor_us += f->run_us[service];
    }
    f->monotonic_us += now->phase == CULPRIT_COMMIT ? f->commit_us : 0;
    return f->monotonic_us;
}

static int64_t door_processor_us(void *ctx) {
    struct engine_fixture *f = ctx;
    return f->processor_us;
}

char *fixture_copy(const char *data, size_t len) {
    char *text = slice_dup((struct slice){data, len});
    assert_non_null(text);
    return text;
}

void *fixture_grow(void *items, size_t count, size_t *cap, size_t size) {
    if (count < *cap) {
        return items;
    }
    *cap = *cap * 2 + 16;
    void *more = realloc(items, *cap * size);
    assert_non_null(more);
    return more;
}

/* Whether a publish with this id left before; notes it. */
static bool left_before(struct engine_fixture *f, const struct publication *p) {
    struct uuid id = p->id;
    uint64_t hash;
    memcpy(&hash, id.bytes + UUID_BYTES - sizeof hash, sizeof hash); /* random bits */
    for (size_t i = hash % FIXTURE_IDS;; i = (i + 1) % FIXTURE_IDS) {
        if (f->ids[i] == 0) {
            f->ids[i] = hash;
            return false;
        }
        if (f->ids[i] == hash) {
            return true;
        }
    }
}

static int door_publish(void *ctx, const struct publication *p, int *mid) {
    struct engine_fixture *f = ctx;
    assert_false(store_active(f->store));
    f->published =
        fixture_grow(f->published, f->published_count, &f->published_cap, sizeof *f->published);
    f->last_mid = f->last_mid % 65535 + 1;
    f->published[f->published_count++] =
        (struct published){.topic = fixture_copy(p->topic.data, p->topic.len),
                           .payload = fixture_copy(p->payload.data, p->payload.len),
                           .payload_len = p->payload.len,
                           .properties = fixture_copy(p->properties.data, p->properties.len),
                           .properties_len = p->properties.len,
                           .qos = p->qos,
                           .retain = p->retain,
                           .again = left_before(f, p),
                           .mid = f->last_mid};
    *mid = f->last_mid;
    return 0;
}

static char *join_headers(const struct call_request *request) {
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < request->header_count; i++) {
        buf_printf(&b, "%s\n", request->headers[i]);
    }
    char *text = fixture_copy(buf_str(&b), b.len);
    buf_clear(&b);
    return text;
}

static int door_forward(void *ctx, uint16_t host, struct slice message) {
    struct engine_fixture *f = ctx;
    assert_false(store_active(f->store));
    return f->post == NULL ? ERR_NETWORK : f->post(f, host, false, message);
}

static int door_receipt(void *ctx, uint16_t host, struct slice receipt) {
    struct engine_fixture *f = ctx;
    assert_false(store_active(f->store));
    return f->post == NULL ? ERR_NETWORK : f->post(f, host, true, receipt);
}

static int door_call_start(void *ctx, uint64_t id, const struct call_request *request) {
    struct engine_fixture *f = ctx;
    assert_false(store_active(f->store));
    f->asked = fixture_grow(f->asked, f->asked_count, &f->asked_cap, sizeof *f->asked);
    struct slice method = slice_of(request->method);
    struct slice url = slice_of(request->url);
    f->asked[f->asked_count++] =
        (struct asked){.id = id,
                       .method = fixture_copy(method.data, method.len),
                       .url = fixture_copy(url.data, url.len),
                       .body = fixture_copy(request->body, request->body_len),
                       .headers = join_headers(request),
                       .open = true};
    return 0;
}

static void door_call_cancel(void *ctx, uint64_t id) {
    struct engine_fixture *f = ctx;
    for (size_t i = 0; i < f->asked_count; i++) {
        if (f->asked[i].id == id && f->asked[i].open) {
            f->asked[i].open = false;
            return;
        }
    }
    f->cancelled = id;
}

static void door_command_done(void *ctx, struct command *command) {
    struct engine_fixture *f = ctx;
    f->code = command->code;
    f->report = command->report;
    f->made = command->made;
}

static void door_spans(void *ctx, struct slice spans, size_t count, uint64_t dropped) {
    struct engine_fixture *f = ctx;
    assert_int_equal(dropped, 0);
    buf_add_str(&f->spans, f->spans.len > 0 ? "," : "");
    buf_add_slice(&f->spans, spans);
    f->span_count += count;
}

struct engine_doors fixture_doors(struct engine_fixture *f) {
    return (struct engine_doors){.ctx = f,
                                 .read_clocks = door_read_clocks,
                                 .monotonic_us = door_monotonic_us,
                                 .processor_us = door_processor_us,
                                 .publish = door_publish,
                                 .forward = door_forward,
                                 .receipt = door_receipt,
                                 .call_start = door_call_start,
                                 .call_cancel = door_call_cancel,
                                 .spans = door_spans,
                                 .command_done = door_command_done};
}

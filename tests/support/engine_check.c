/*
 * engine_check.c - what the store holds, compared with what the engine says (store_check.h), and
 * with what a test expects.
 */
#include "engine_fixture.h"
#include "test.h"

#include "store_check.h"
#include "event/value.h"
#include "journal/event.h"
#include "journal/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct engine_fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
}

static void end(struct engine_fixture *f) {
    store_abort(f->store);
}

/* Calls each(f, event, arg) for every stored event; the event is freed after it. */
static void for_each_event(struct engine_fixture *f, void *arg,
                           void (*each)(struct engine_fixture *f, const struct event *event,
                                        void *arg)) {
    struct event_place at = {0};
    struct event *event = NULL;
    int code;
    while ((code = journal_event_scan(f->view, &at, &event)) == 0) {
        each(f, event, arg);
        event_free(event);
    }
    assert_int_equal(code, ERR_NOTFOUND);
}

void engine_check(struct engine_fixture *f) {
    char why[STORE_CHECK_BYTES];
    assert_int_equal(journal_reload(f->view), 0); /* the engine writes by another */
    if (!store_check(f->view, f->engine, f->conf, why)) {
        fail_msg("%s", why);
    }
    f->turns_unchecked = 0;
}

/* --- questions --- */

void assert_books(struct engine_fixture *f, const char *service, struct books expected) {
    struct books b = service_status(f, service).books;
    assert_int_equal(b.accepted, expected.accepted);
    assert_int_equal(b.done, expected.done);
    assert_int_equal(b.dead, expected.dead);
    assert_int_equal(b.discarded, expected.discarded);
    assert_int_equal(b.expired, expected.expired);
    assert_int_equal(b.duplicates, expected.duplicates);
    assert_int_equal(b.handed_over, expected.handed_over);
    assert_int_equal(b.retries, expected.retries);
    assert_int_equal(b.timeouts, expected.timeouts);
    assert_int_equal(b.crashes, expected.crashes);
    assert_int_equal(b.snoozes, expected.snoozes);
    assert_int_equal(b.throttles, expected.throttles);
}

struct search {
    uint16_t service;
    enum event_state state;
    const char *payload;
    uint64_t count;
    struct uuid id;
    uint8_t partition;
};

static void compare(struct engine_fixture *f, const struct event *e, void *arg) {
    (void)f;
    struct search *s = arg;
    bool found = e->service == s->service && (s->payload != NULL ? slice_is(e->payload, s->payload)
                                                                 : e->state == (uint8_t)s->state);
    if (found) {
        s->count++;
        s->id = e->id;
        s->partition = e->partition;
    }
}

uint64_t count_events(struct engine_fixture *f, const char *service, enum event_state state) {
    struct search s = {.state = state};
    begin(f);
    assert_int_equal(journal_service_number(f->view, service, &s.service), 0);
    for_each_event(f, &s, compare);
    end(f);
    return s.count;
}

/* Within a transaction. */
static struct event *take_event(struct engine_fixture *f, const char *service,
                                const char *payload) {
    struct search s = {.payload = payload};
    struct event *event = NULL;
    assert_int_equal(journal_service_number(f->view, service, &s.service), 0);
    for_each_event(f, &s, compare);
    if (s.count != 1) {
        fail_msg("%llu events of %s with payload %s", (unsigned long long)s.count, service,
                 payload);
    }
    assert_int_equal(journal_event_get(f->view, s.partition, &s.id, s.service, &event), 0);
    return event;
}

struct event *event_with(struct engine_fixture *f, const char *service, const char *payload) {
    begin(f);
    struct event *event = take_event(f, service, payload);
    end(f);
    return event;
}

enum event_state state_of(struct engine_fixture *f, const char *service, const char *payload) {
    struct event *event = event_with(f, service, payload);
    enum event_state state = (enum event_state)event->state;
    event_free(event);
    return state;
}

struct uuid id_of(struct engine_fixture *f, const char *service, const char *payload) {
    struct event *event = event_with(f, service, payload);
    struct uuid id = event->id;
    event_free(event);
    return id;
}

const char *reason_of(struct engine_fixture *f, const char *service, const char *payload,
                      char out[512]) {
    struct event *event = event_with(f, service, payload);
    assert_int_equal(event->state, EVENT_DEAD);
    (void)snprintf(out, 512, "%.*s", (int)event->reason.len, event->reason.data);
    event_free(event);
    return out;
}

const char *history_of(struct engine_fixture *f, const char *service, const char *payload,
                       char out[512]) {
    size_t len = 0;
    struct attempt a = {0};
    out[0] = '\0';
    begin(f);
    struct event *event = take_event(f, service, payload);
    while (journal_history_next(f->view, event, &a) == 0) {
        len += (size_t)snprintf(out + len, 512 - len, "%s%s", len == 0 ? "" : " ",
                                attempt_end_name(a.end));
        assert_true(len < 512);
    }
    end(f);
    event_free(event);
    return out;
}

const char *state_text(struct engine_fixture *f, const char *service, const char *key,
                       const char *name, char out[512]) {
    struct cell cell = {.key = slice_of(key), .name = slice_of(name)};
    struct slice value;
    struct buf text;
    int64_t expires;
    buf_init(&text, 500);
    cell.partition = journal_partition(journal_lane_of(f->view, slice_of(service), cell.key));
    begin(f);
    assert_int_equal(journal_service_number(f->view, service, &cell.service), 0);
    int code = journal_state_get(f->view, &cell, f->now_ms, &value, &expires);
    if (code == 0) {
        assert_int_equal(value_to_json(value, &text), 0);
    } else {
        assert_int_equal(code, ERR_NOTFOUND);
        buf_add_str(&text, "none");
    }
    end(f);
    (void)snprintf(out, 512, "%s", buf_str(&text));
    buf_clear(&text);
    return out;
}

uint64_t count_rows(struct engine_fixture *f, enum store_table table) {
    begin(f);
    uint64_t rows = store_rows(f->store, table);
    end(f);
    return rows;
}

size_t spoil_table(struct engine_fixture *f, enum store_table t) {
    char last[511] = "";
    struct slice key = {last, 0};
    struct slice value;
    size_t rows = 0;
    assert_int_equal(store_begin(f->store), 0);
    while (store_seek(f->store, t, key, key.len > 0, &key, &value) == 0) {
        memmove(last, key.data, key.len);
        key.data = last;
        if (t == TABLE_META && (slice_is(key, "schema") || memcmp(last, "text/", 5) == 0)) {
            continue;
        }
        assert_int_equal(store_put(f->store, t, key, (struct slice){"\xff", 1}), 0);
        rows++;
    }
    assert_int_equal(store_commit(f->store), 0);
    return rows;
}

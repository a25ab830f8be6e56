/* test_damage.c - records that cannot be read stop nobody else. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"
#include "journal/event.h"
#include "journal/later.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONF                                                                                       \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" jitter = 0"      \
    " retries = 1 delay = \"1m\" idempotency = \"json:/id\" }\n"

static void send(struct engine_fixture *f, const char *key, const char *what) {
    char topic[64];
    char payload[96];
    (void)snprintf(topic, sizeof topic, "in/%s", key);
    (void)snprintf(payload, sizeof payload, "{\"id\":\"%s-%s\",\"what\":\"%s\"}", key, what, what);
    deliver(f, "s", topic, payload);
}

/* Something in every table. */
static void fill(struct engine_fixture *f) {
    static const char *const whats[] = {"fine", "bad",  "once", "wait",
                                        "call", "step", "lock", "later"};
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        send(f, whats[i], whats[i]);
        send(f, whats[i], "fine"); /* stands behind it */
    }
    struct command signal = {.kind = COMMAND_SIGNAL,
                             .service = slice_of("s"),
                             .key = slice_of("nobody"),
                             .name = slice_of("go"),
                             .payload = slice_of("1")};
    assert_int_equal(command(f, signal), 0);
    f->hold_acks = true;
    send(f, "unsent", "fine");
}

/* Turns as they come due, some of which may be dropped: then the broker sends again. */
static void live(struct engine_fixture *f, int64_t ms) {
    enum { STEP_MS = 30000, TURNS_MAX = 200 };
    for (int64_t at = 0; at <= ms; at += STEP_MS) {
        int turns = 0;
        while (engine_due(f->engine)) {
            assert_true(++turns < TURNS_MAX);
            if (turn(f) != 0) {
                (void)redeliver(f);
            }
        }
        f->now_ms += STEP_MS;
        f->monotonic_us += (int64_t)STEP_MS * 1000;
    }
}

static void expect_life(struct engine_fixture *f) {
    f->hold_acks = false;
    acknowledge(f);
    offer(f, "s", "in/new", "{\"id\":\"new\",\"what\":\"fine\"}", NULL);
    live(f, (int64_t)3 * 3600 * 1000);
    assert_true(status(f).accepts);
    assert_int_equal(state_of(f, "s", "{\"id\":\"new\",\"what\":\"fine\"}"), EVENT_DONE);
}

static void check_table(struct engine_fixture *f, enum store_table t, bool restarts) {
    char name[STORE_TABLE_NAME_BYTES];
    f->unchecked = true;
    fixture_run(f, CONF, LUA(HANDLER));
    fill(f);
    size_t rows = spoil_table(f, t);
    if (restarts) {
        crash(f);
        run_dry(f);
    }
    expect_life(f);
    printf("%s: %zu rows spoiled, %llu set aside\n", store_table_name(t, name), rows,
           (unsigned long long)status(f).set_aside);
}

static void check_tables(void **state, bool restarts) {
    for (unsigned t = TABLE_META; t < TABLE_COUNT; t++) {
        if (t == TABLE_META && !restarts) {
            continue; /* read at the start alone */
        }
        check_table(*state, (enum store_table)t, restarts);
        fixture_free(*state);
        *state = fixture_new();
    }
}

static void whatever_cannot_be_read_at_the_start_the_rest_goes_on(void **state) {
    check_tables(state, true);
}

static void whatever_cannot_be_read_in_a_turn_the_rest_goes_on(void **state) {
    check_tables(state, false);
}

/* Rows under keys, and with values, of any bytes. */
static void litter(struct engine_fixture *f, enum store_table t) {
    uint32_t random = 7;
    char bytes[128];
    assert_int_equal(store_begin(f->store), 0);
    for (int i = 0; i < 200; i++) {
        for (size_t b = 0; b < sizeof bytes; b++) {
            random = random * 1103515245u + 12345u;
            bytes[b] = (char)(i % 3 == 0 ? 0 : random >> 16);
        }
        struct slice key = {bytes, 1 + (random >> 8) % 40};
        struct slice value = {bytes + 40, (random >> 16) % 80};
        bool own = t == TABLE_META && slice_is(key, "schema");
        assert_int_equal(own ? 0 : store_put(f->store, t, key, value), 0);
    }
    assert_int_equal(store_commit(f->store), 0);
}

static void whatever_rows_there_are_in_a_table_the_rest_goes_on(void **state) {
    for (unsigned t = TABLE_META; t < TABLE_COUNT; t++) {
        struct engine_fixture *f = *state;
        f->unchecked = true;
        fixture_run(f, CONF, LUA(HANDLER));
        fill(f);
        litter(f, (enum store_table)t);
        crash(f);
        expect_life(f);
        fixture_free(f);
        *state = fixture_new();
    }
}

static void answer_all(struct engine_fixture *f) {
    for (size_t call = 0; call < f->asked_count; call++) {
        if (f->asked[call].open) {
            answer(f, call, 200, "{}");
        }
    }
    run_dry(f);
}

static void an_event_whose_place_cannot_be_read_gets_another(void **state) {
    static const enum store_table places[] = {TABLE_READY, TABLE_LANE, TABLE_TIMER};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct engine_fixture *f = *state;
        fixture_run(f, CONF, LUA(HANDLER));
        send(f, "a", "once");
        send(f, "a", "fine");
        send(f, "b", "call");
        send(f, "b", "fine");
        size_t rows = spoil_table(f, places[i]);
        f->unchecked = true;
        crash(f);
        run_dry(f);
        f->unchecked = false;
        answer_all(f);
        advance(f, (int64_t)2 * 60 * 1000);
        answer_all(f);
        assert_true(rows > 0);
        assert_books(f, "s", (struct books){.accepted = 4, .done = 4, .retries = 1});
        fixture_free(f);
        *state = fixture_new();
    }
}

/* What stands behind the head of a lane waits for a time of its own. */
static void let_the_second_wait(struct engine_fixture *f, int64_t ms) {
    struct row row = {0};
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_lane_scan(f->view, &row), 0);
    assert_int_equal(journal_lane_scan(f->view, &row), 0);
    assert_int_equal(row.flags, LANE_BEHIND);
    row.flags = LANE_WAITING;
    const struct timer timer = {
        .kind = TIMER_EVENT, .partition = row.partition, .due_ms = f->now_ms + ms, .row = row};
    assert_int_equal(journal_lane_put(f->view, &row), 0);
    assert_int_equal(journal_timer_put(f->view, &timer), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void two_of_a_key_that_wait_run_one_after_the_other(void **state) {
    struct engine_fixture *f = *state;
    enum { MINUTE_MS = 60000, SOON_MS = 10000 };
    fixture_run(f, CONF, LUA(HANDLER));
    send(f, "a", "hold");
    send(f, "a", "fine");
    let_the_second_wait(f, MINUTE_MS + SOON_MS);
    f->unchecked = true;
    crash(f);
    advance(f, MINUTE_MS);
    assert_int_equal(engine_running(f->engine), 1); /* the first one, which asks somebody */
    advance(f, 2 * SOON_MS);
    answer_all(f);
    f->unchecked = false;
    advance(f, MINUTE_MS);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2, .retries = 1});
}

/* A bit of its number is another one: the row says that it came years from now. */
static void let_the_last_come_later(struct engine_fixture *f, int bit) {
    struct row row = {0};
    struct row last = {0};
    assert_int_equal(store_begin(f->store), 0);
    while (journal_ready_scan(f->view, &row) == 0) {
        last = row.seq > last.seq ? row : last;
    }
    assert_int_equal(journal_ready_del(f->view, &last), 0);
    last.seq |= UINT64_C(1) << bit;
    assert_int_equal(journal_ready_put(f->view, &last), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void a_row_from_the_future_holds_nobody_up(void **state) {
    static const int bits[] = {20, 40, 53, 56};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        struct engine_fixture *f = *state;
        fixture_run(f, CONF, LUA(HANDLER));
        send(f, "a", "call");
        send(f, "a", "fine"); /* waits behind it */
        let_the_last_come_later(f, bits[i]);
        f->unchecked = true;
        crash(f);
        run_dry(f);
        send(f, "a", "new");
        send(f, "a", "newer");
        answer_all(f);
        advance(f, (int64_t)2 * 60 * 1000);
        f->unchecked = false;
        send(f, "b", "fine");
        assert_books(f, "s", (struct books){.accepted = 5, .done = 5});
        fixture_free(f);
        *state = fixture_new();
    }
}

static void an_event_that_cannot_be_read_is_counted_and_set_aside(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    send(f, "a", "once");
    send(f, "b", "once");
    assert_int_equal(spoil_table(f, TABLE_EVENT), 2);
    f->unchecked = true;
    crash(f);
    advance(f, (int64_t)2 * 60 * 1000);
    assert_int_equal(count_rows(f, TABLE_EVENT), 0);
    assert_int_equal(status(f).set_aside, 2);
    assert_books(f, "s", (struct books){.accepted = 2, .discarded = 2, .retries = 2});
}

static void a_dead_letter_that_cannot_be_read_is_counted_as_discarded(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\""
                " retries = 0 on_dead = park }\n",
                LUA(HANDLER));
    send(f, "a", "bad");
    send(f, "a", "fine"); /* stands behind the parked one */
    struct books before = {.accepted = 2, .dead = 1};
    assert_books(f, "s", before);
    struct uuid id = id_of(f, "s", "{\"id\":\"a-bad\",\"what\":\"bad\"}");
    struct slice key;
    struct slice value;
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_seek(f->store, TABLE_EVENT, slice_of(""), false, &key, &value), 0);
    assert_memory_equal(key.data + 1, &id, sizeof id); /* the older of the two */
    char kept[32];
    memcpy(kept, key.data, key.len);
    assert_int_equal(store_put(f->store, TABLE_EVENT, (struct slice){kept, key.len}, slice_of("?")),
                     0);
    assert_int_equal(store_commit(f->store), 0);
    f->unchecked = true;
    crash(f);
    run_dry(f);
    f->unchecked = false;
    advance(f, 1000);
    assert_int_equal(count_rows(f, TABLE_DEAD), 0);
    assert_int_equal(count_rows(f, TABLE_HISTORY), 0);
    assert_int_equal(state_of(f, "s", "{\"id\":\"a-fine\",\"what\":\"fine\"}"), EVENT_DONE);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .discarded = 1});
}

static void a_dead_letter_that_the_books_do_not_know_runs_again(void **state) {
    struct engine_fixture *f = *state;
    const struct books none = {.accepted = 0};
    uint16_t number = 0;
    fixture_run(f, CONF, LUA(HANDLER));
    send(f, "a", "bad");
    struct command replay = {.kind = COMMAND_REPLAY,
                             .id = id_of(f, "s", "{\"id\":\"a-bad\",\"what\":\"bad\"}")};
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_service_number(f->view, "s", &number), 0);
    assert_int_equal(journal_books_put(f->view, number, &none), 0);
    assert_int_equal(store_commit(f->store), 0);
    f->unchecked = true;
    crash(f);
    f->unchecked = false;
    assert_int_equal(command(f, replay), 0);
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_handler_never_takes_state_that_cannot_be_read_for_none(void **state) {
    struct engine_fixture *f = *state;
    char reason[512];
    fixture_run(f, CONF, LUA(HANDLER));
    send(f, "a", "fine");
    assert_int_equal(spoil_table(f, TABLE_STATE), 1);
    f->unchecked = true;
    send(f, "a", "again");
    advance(f, (int64_t)2 * 60 * 1000);
    (void)reason_of(f, "s", "{\"id\":\"a-again\",\"what\":\"again\"}", reason);
    assert_non_null(strstr(reason, "cannot be read"));
    assert_int_equal(count_rows(f, TABLE_STATE), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(whatever_cannot_be_read_at_the_start_the_rest_goes_on),
        ENGINE_TEST(whatever_cannot_be_read_in_a_turn_the_rest_goes_on),
        ENGINE_TEST(whatever_rows_there_are_in_a_table_the_rest_goes_on),
        ENGINE_TEST(an_event_whose_place_cannot_be_read_gets_another),
        ENGINE_TEST(two_of_a_key_that_wait_run_one_after_the_other),
        ENGINE_TEST(a_row_from_the_future_holds_nobody_up),
        ENGINE_TEST(an_event_that_cannot_be_read_is_counted_and_set_aside),
        ENGINE_TEST(a_dead_letter_that_cannot_be_read_is_counted_as_discarded),
        ENGINE_TEST(a_dead_letter_that_the_books_do_not_know_runs_again),
        ENGINE_TEST(a_handler_never_takes_state_that_cannot_be_read_for_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_rerun_many.c - many events run again: found, sorted by arrival, commanded; each key keeps
 * its order, and a crash in the middle costs nothing. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "base/limits.h"
#include "query/rerun.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state) {
    struct engine_fixture *f = fixture_new();
    f->unchecked = true; /* many events: looked at when the test says so */
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture_free(*state);
    return 0;
}

static const char SERVICE[] =
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" }\n";

static int on_service(struct engine_fixture *f, enum command_kind kind) {
    return command(f, (struct command){.kind = kind, .service = slice_of("s")});
}

enum { KEYS = 4, EACH = LANE_QUEUE_MAX + 300 };

struct found {
    uint64_t order, seq;
    struct command command;
};

static int by_arrival(const void *a, const void *b) {
    const struct found *x = a;
    const struct found *y = b;
    if (x->order != y->order) {
        return x->order < y->order ? -1 : 1;
    }
    return x->seq < y->seq ? -1 : x->seq > y->seq ? 1 : 0;
}

/* All that can be replayed, in the order of arrival; the caller frees it. */
static struct found *find_all(struct engine_fixture *f, size_t max, size_t *count) {
    struct rerun_filter filter = {.to_ms = INT64_MAX, .ended_by_ms = INT64_MAX};
    struct rerun_walk walk;
    struct found *all = calloc(max, sizeof *all);
    struct event *event = NULL;
    assert_non_null(all);
    *count = 0;
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(journal_service_number(f->view, "s", &filter.service), 0);
    rerun_walk_init(&walk, f->view, &filter);
    while (rerun_walk_next(f->view, &filter, &walk, &event) == 0) {
        if (event != NULL && rerun_judge(&filter, event) == RERUN_GOOD) {
            assert_true(*count < max);
            all[(*count)++] = (struct found){.order = rerun_order(event),
                                             .seq = event->seq,
                                             .command = {.kind = COMMAND_RERUN,
                                                         .service = slice_of("s"),
                                                         .partition = event->partition,
                                                         .id = event->id}};
        }
        event_free(event);
    }
    store_abort(f->store);
    qsort(all, *count, sizeof *all, by_arrival);
    return all;
}

static void submit(struct engine_fixture *f, struct found *found, size_t count) {
    for (size_t i = 0; i < count; i++) {
        engine_submit(f->engine, &found[i].command);
        if (i % 32 == 31) {
            assert_int_equal(turn(f), 0);
        }
    }
    assert_int_equal(turn(f), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i].command.code, 0);
    }
}

/* Numbers 1 to `each` of every key, under ids that say the opposite of their order. */
static void offer_backwards(struct engine_fixture *f, unsigned each) {
    for (unsigned n = 1; n <= each; n++) {
        for (unsigned key = 0; key < KEYS; key++) {
            char topic[16];
            char payload[16];
            char id[UUID_TEXT_BYTES + 1];
            struct uuid_source ids;
            uuid_source_init(&ids, n * KEYS + key);
            struct uuid made = uuid_next(&ids, f->now_ms - n);
            (void)snprintf(topic, sizeof topic, "in/k%u", key);
            (void)snprintf(payload, sizeof payload, "%u", n);
            offer(f, "s", topic, payload, "zingq-id", uuid_text(&made, id), NULL);
        }
        if (n % 200 == 0) {
            assert_int_equal(turn(f), 0);
        }
    }
    run_dry(f);
}

static void assert_all_in_order(struct engine_fixture *f, unsigned each) {
    char text[512];
    char key[8];
    char expected[16];
    (void)snprintf(expected, sizeof expected, "%u", each);
    assert_int_equal(count_published(f, "wrong"), 0);
    for (unsigned i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        assert_string_equal(state_text(f, "s", key, "last", text), expected);
    }
}

static void keys_keep_their_order_whatever_the_ids_past_what_memory_holds(void **state) {
    struct engine_fixture *f = *state;
    size_t count;
    fixture_run(f, SERVICE, LUA(COUNTING));
    offer_backwards(f, EACH);
    on_service(f, COMMAND_PAUSE);
    struct found *all = find_all(f, KEYS * EACH, &count);
    assert_int_equal(count, KEYS * EACH);
    assert_true(count > SERVICE_WINDOW_MAX);
    submit(f, all, count);
    engine_check(f);
    crash(f);
    on_service(f, COMMAND_RESUME);
    advance(f, 1000);
    engine_check(f);
    assert_all_in_order(f, EACH);
    assert_books(f, "s", (struct books){.accepted = 2 * count, .done = 2 * count});
    free(all);
}

static void a_crash_in_the_middle_loses_and_doubles_nothing(void **state) {
    struct engine_fixture *f = *state;
    size_t count;
    size_t rest;
    fixture_run(f, SERVICE, LUA(COUNTING));
    offer_backwards(f, 100);
    int64_t asked_ms = f->now_ms;
    struct found *all = find_all(f, KEYS * 100, &count);
    advance(f, 1000);
    on_service(f, COMMAND_PAUSE);
    submit(f, all, count / 2);
    for (size_t i = count / 2; i < count; i++) { /* submitted, and the host is killed */
        engine_submit(f->engine, &all[i].command);
    }
    crash(f);
    engine_check(f);
    assert_books(f, "s", (struct books){.accepted = count + count / 2, .done = count});
    on_service(f, COMMAND_RESUME);
    advance(f, 1000);
    free(all);
    /* Asked again for what had ended when it was asked the first time: the rest, and only that. */
    all = find_all(f, KEYS * 100, &rest);
    size_t again = 0;
    for (size_t i = 0; i < rest; i++) {
        all[i].command.ended_by_ms = asked_ms;
        again += command(f, all[i].command) == 0 ? 1 : 0;
    }
    assert_int_equal(again, count - count / 2);
    engine_check(f);
    assert_all_in_order(f, 100);
    assert_books(f, "s", (struct books){.accepted = 2 * count, .done = 2 * count});
    free(all);
}

static void one_replayed_alone_keeps_its_place_in_a_replay_of_all(void **state) {
    struct engine_fixture *f = *state;
    char out[256];
    size_t count;
    fixture_run(f, SERVICE, LUA(one_replayed_alone_keeps_its_place_in_a_replay_of_all));
    deliver(f, "s", "in/a", "1");
    advance(f, 10);
    deliver(f, "s", "in/a", "2");
    advance(f, 10);
    deliver(f, "s", "in/a", "3");
    struct found *all = find_all(f, 3, &count);
    assert_int_equal(command(f, all[0].command), 0);
    free(all);
    all = find_all(f, 3, &count);
    submit(f, all, count);
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "1 2 3 1* 1* 2* 3*");
    free(all);
}

static void what_comes_is_done_in_its_turn_beside_a_job_that_replays(void **state) {
    enum { ROUNDS = 20, EACH_KEY = ROUNDS * JOB_COMMANDS_MAX / KEYS };
    struct engine_fixture *f = *state;
    size_t count;
    fixture_run(f, SERVICE, "return function(e) zing.publish(e.levels[2], e.payload) end");
    offer_backwards(f, EACH_KEY);
    struct found *all = find_all(f, KEYS * EACH_KEY, &count);
    assert_int_equal(count, ROUNDS * JOB_COMMANDS_MAX);
    for (size_t round = 1; round <= ROUNDS; round++) {
        for (size_t i = (round - 1) * JOB_COMMANDS_MAX; i < round * JOB_COMMANDS_MAX; i++) {
            engine_submit(f->engine, &all[i].command);
        }
        offer(f, "s", "in/live", "x", NULL);
        assert_int_equal(turn(f), 0);
        assert_int_equal(count_published(f, "live"), round);
        assert_int_equal(service_status(f, "s").books.done, count + round * (JOB_COMMANDS_MAX + 1));
    }
    free(all);
}

int main(void) {
#define MANY_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MANY_TEST(keys_keep_their_order_whatever_the_ids_past_what_memory_holds),
        MANY_TEST(a_crash_in_the_middle_loses_and_doubles_nothing),
        MANY_TEST(what_comes_is_done_in_its_turn_beside_a_job_that_replays),
        MANY_TEST(one_replayed_alone_keeps_its_place_in_a_replay_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

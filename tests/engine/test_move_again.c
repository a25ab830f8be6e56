/* test_move_again.c - a service takes over what another one had, after a failed turn, damage, or a
 * change of topics.conf that was taken back. */
#include "engine/command.h"
#include "engine/impl.h"
#include "engine/load.h"
#include "engine/services.h"
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>

#define RULES                                                                                      \
    " subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\" idempotency = \"json:/v\" "       \
    "retries = 0 }\n"
#define OLD "service \"old\" {" RULES
#define NEW "service \"new\" {" RULES
#define NEW_WAS "service \"new\" { was = {\"old\"}" RULES

static const struct command MOVE = {
    .kind = COMMAND_MOVE, .service = {"old", 3}, .name = {"new", 3}};

static void give(struct engine_fixture *f, const char *service, const char *key, const char *v,
                 const char *more) {
    char payload[256];
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"%s\"%s}", key, v, more);
    offer(f, service, "in", payload, NULL);
    run_dry(f);
}

#define assert_seen(f, key, expected)                                                              \
    do {                                                                                           \
        char out_[512];                                                                            \
        assert_string_equal(state_text(f, "new", key, "seen", out_), expected);                    \
    } while (0)

/* Restarts with another topics.conf. */
static void change(struct engine_fixture *f, const char *conf) {
    fixture_stop(f);
    fixture_conf(f, conf);
    fixture_start(f);
}

static struct engine_service *service(struct engine_fixture *f, const char *name) {
    return engine_service_left(f->engine, slice_of(name));
}

static void a_ready_event_stays_before_a_newer_one_that_is_moved(void **state) {
    struct engine_fixture *f = *state;
    const struct command pause = {.kind = COMMAND_PAUSE, .service = slice_of("new")};
    const struct command resume = {.kind = COMMAND_RESUME, .service = slice_of("new")};
    fixture_run(f, NEW, LUA(SLEEPS));
    assert_int_equal(command(f, pause), 0);
    give(f, "new", "a", "1", "");
    change(f, OLD);
    give(f, "old", "a", "2", ",\"sleep\":true");
    fixture_stop(f);
    f->now_ms += 70000; /* it may go on, as soon as it is there */
    fixture_conf(f, NEW_WAS);
    fixture_start(f);
    advance(f, 5000);
    assert_int_equal(command(f, resume), 0);
    advance(f, 5000);
    assert_seen(f, "a", "\"1 2 \"");
    assert_books(f, "new", (struct books){.accepted = 2, .done = 2});
}

static void a_move_whose_turn_fails_has_not_begun(void **state) {
    struct engine_fixture *f = *state;
    struct command move = MOVE;
    fixture_run(f, OLD, LUA(SLEEPS));
    give(f, "old", "a", "1", ",\"sleep\":true");
    change(f, NEW);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(engine_carry_out(f->engine, &move), 0);
    assert_true(service_status(f, "new").taking);
    store_abort(f->store);
    engine_start_over(f->engine, ERR_DISK, false);
    assert_false(service_status(f, "new").taking);
    give(f, "new", "b", "2", "");
    assert_seen(f, "b", "\"2 \"");
}

static void what_stays_is_counted_once_though_a_turn_fails(void **state) {
    struct engine_fixture *f = *state;
    struct command move = MOVE;
    fixture_run(f, OLD, LUA(SLEEPS));
    give(f, "old", "a", "1", "");
    for (int i = 0; i < 1000; i++) { /* more than a turn moves */
        char payload[64];
        (void)snprintf(payload, sizeof payload, "{\"k\":\"k%d\",\"v\":\"%d\"}", i, i + 10);
        offer(f, "old", "in", payload, NULL);
    }
    run_dry(f);
    change(f, NEW);
    give(f, "new", "a", "3", "");
    engine_submit(f->engine, &move);
    assert_int_equal(turn(f), 0);
    assert_int_equal(turn(f), 0);
    engine_start_over(f->engine, ERR_DISK, false);
    run_dry(f);
    assert_int_equal(service_status(f, "new").taken_left, 1);
}

static void a_letter_that_damaged_books_do_not_know_is_moved(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(SLEEPS));
    give(f, "old", "a", "1", ",\"dead\":true");
    change(f, NEW);
    service(f, "old")->books = (struct books){.accepted = 0}; /* as damaged ones are read */
    assert_int_equal(command(f, MOVE), 0);
    assert_int_equal(count_events(f, "new", EVENT_DEAD), 1);
    assert_books(f, "new", (struct books){.accepted = 1, .dead = 1});
}

static void a_name_that_was_taken_back_is_taken_over_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(SLEEPS));
    give(f, "old", "a", "1", "");
    change(f, NEW);
    give(f, "new", "b", "2", "");
    for (int i = 0; i < 2; i++) {
        char v[2] = {(char)('3' + i), '\0'};
        change(f, NEW_WAS);
        run_dry(f);
        change(f, OLD);
        give(f, "old", "c", v, ",\"sleep\":true");
    }
    change(f, NEW_WAS);
    advance(f, 130000);
    assert_seen(f, "a", "\"1 \"");
    assert_seen(f, "c", "\"3 4 \"");
    assert_books(f, "new", (struct books){.accepted = 4, .done = 4});
}

static void a_signal_under_an_earlier_name_is_for_the_service_that_has_it_now(void **state) {
    struct engine_fixture *f = *state;
    const struct command signal = {.kind = COMMAND_SIGNAL,
                                   .service = slice_of("old"),
                                   .key = slice_of("a"),
                                   .name = slice_of("go"),
                                   .payload = slice_of("true")};
    fixture_run(f, "hosts { count = 2 this = 1 }\nservice \"new\" { was = {\"first\"}" RULES OLD,
                LUA(SLEEPS));
    change(f, "hosts { count = 2 this = 1 }\nservice \"new\" { was = {\"first\", \"old\"}" RULES);
    assert_int_equal(command(f, signal), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_ready_event_stays_before_a_newer_one_that_is_moved),
        ENGINE_TEST(a_move_whose_turn_fails_has_not_begun),
        ENGINE_TEST(what_stays_is_counted_once_though_a_turn_fails),
        ENGINE_TEST(a_letter_that_damaged_books_do_not_know_is_moved),
        ENGINE_TEST(a_name_that_was_taken_back_is_taken_over_again),
        ENGINE_TEST(a_signal_under_an_earlier_name_is_for_the_service_that_has_it_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_move_waits.c - a service takes over what another one had: what waits for signals finds them,
 * whichever service had them, and an id that both have. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>

#define RULES                                                                                      \
    " subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\" idempotency = \"json:/v\" "       \
    "retries = 0 }\n"
#define OLD "service \"old\" {" RULES
#define NEW "service \"new\" {" RULES
#define ID "018bcfe5-6800-7000-8000-0289ec2d0a91"

static void give(struct engine_fixture *f, const char *service, const char *key, const char *v,
                 const char *more) {
    char payload[256];
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"%s\"%s}", key, v, more);
    offer(f, service, "in", payload, NULL);
    run_dry(f);
}

/* Both services may get the same message of another host. */
static void give_with_id(struct engine_fixture *f, const char *service, const char *key,
                         const char *v, const char *more) {
    char payload[256];
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"%s\"%s}", key, v, more);
    offer(f, service, "in", payload, "zingq-id", ID, NULL);
    run_dry(f);
}

#define assert_seen(f, key, expected)                                                              \
    do {                                                                                           \
        char out_[512];                                                                            \
        assert_string_equal(state_text(f, "new", key, "seen", out_), expected);                    \
    } while (0)

static struct command signal_of(const char *service, const char *key) {
    return (struct command){.kind = COMMAND_SIGNAL,
                            .service = slice_of(service),
                            .key = slice_of(key),
                            .name = slice_of("go"),
                            .payload = slice_of("true")};
}

static void send(struct engine_fixture *f, const char *service, const char *key) {
    assert_int_equal(command(f, signal_of(service, key)), 0);
}

/* Restarts with another topics.conf. */
static void change(struct engine_fixture *f, const char *conf) {
    fixture_stop(f);
    fixture_conf(f, conf);
    fixture_start(f);
}

/* --- signals --- */

enum { KEYS = 700 }; /* more than a turn moves */

static void a_signal_that_comes_in_the_middle_of_a_move_ends_the_wait(void **state) {
    (void)state;
    static struct command commands[KEYS];
    static char keys[KEYS][16];
    struct command move = {
        .kind = COMMAND_MOVE, .service = slice_of("old"), .name = slice_of("new")};
    for (int turns = 0; turns < 5; turns++) {
        struct engine_fixture *f = fixture_new();
        fixture_run(f, OLD, LUA(WAITS));
        for (int i = 0; i < KEYS; i++) {
            (void)snprintf(keys[i], sizeof keys[i], "k%d", i);
            char payload[64];
            (void)snprintf(payload, sizeof payload, "{\"k\":\"k%d\",\"v\":\"%d\",\"wait\":true}", i,
                           i);
            offer(f, "old", "in", payload, NULL);
        }
        run_dry(f);
        change(f, NEW);
        engine_submit(f->engine, &move);
        for (int i = 0; i < turns; i++) {
            assert_int_equal(turn(f), 0);
        }
        for (int i = 0; i < KEYS; i++) {
            commands[i] = signal_of("new", keys[i]);
            engine_submit(f->engine, &commands[i]);
        }
        advance(f, 10000);
        assert_books(f, "new", (struct books){.accepted = KEYS, .done = KEYS});
        fixture_free(f);
    }
}

static void signals_of_one_service_meet_the_waits_of_the_other(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(WAITS));
    give(f, "old", "a", "1", ",\"wait\":true");
    send(f, "old", "b");
    send(f, "old", "c");
    send(f, "old", "c");
    change(f, NEW);
    send(f, "new", "a");
    give(f, "new", "b", "2", ",\"wait\":true");
    give(f, "new", "c", "3", ",\"all\":3");
    const struct command move = {
        .kind = COMMAND_MOVE, .service = slice_of("old"), .name = slice_of("new")};
    assert_int_equal(command(f, move), 0);
    advance(f, 5000);
    assert_seen(f, "a", "\"1 \"");
    assert_seen(f, "b", "\"2 \"");
    assert_seen(f, "c", "none");
    send(f, "new", "c");
    advance(f, 5000);
    assert_seen(f, "c", "\"3 \"");
}

static void each_signal_that_moves_wakes_another_one_who_waits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(WAITS));
    for (int i = 0; i < 3; i++) {
        send(f, "old", "a");
    }
    change(f, "service \"new\" { order = \"none\"" RULES);
    for (int i = 0; i < 4; i++) {
        char v[2] = {(char)('1' + i), '\0'};
        give(f, "new", "a", v, ",\"wait\":true");
    }
    const struct command move = {
        .kind = COMMAND_MOVE, .service = slice_of("old"), .name = slice_of("new")};
    assert_int_equal(command(f, move), 0);
    advance(f, 10000);
    assert_books(f, "new", (struct books){.accepted = 4, .done = 3});
}

/* --- an id that both have --- */

static void move_with_id(struct engine_fixture *f, const char *more) {
    fixture_run(f, OLD, LUA(WAITS));
    give_with_id(f, "old", "a", "1", ",\"wait\":true");
    change(f, NEW);
    give_with_id(f, "new", "a", "2", more);
    const struct command move = {
        .kind = COMMAND_MOVE, .service = slice_of("old"), .name = slice_of("new")};
    assert_int_equal(command(f, move), 0);
    advance(f, 5000);
}

static void of_two_events_with_an_id_the_one_that_lives_keeps_it(void **state) {
    struct engine_fixture *f = *state;
    char text[UUID_TEXT_BYTES + 1];
    move_with_id(f, "");
    struct uuid id = id_of(f, "new", "{\"k\":\"a\",\"v\":\"1\",\"wait\":true}");
    assert_string_equal(uuid_text(&id, text), ID);
    send(f, "new", "a");
    advance(f, 5000);
    assert_seen(f, "a", "\"2 1 \"");
    assert_books(f, "new", (struct books){.accepted = 2, .done = 2});
}

static void of_two_events_with_an_id_each_gets_its_own_signal(void **state) {
    struct engine_fixture *f = *state;
    move_with_id(f, ",\"wait\":true");
    send(f, "new", "a");
    advance(f, 5000);
    assert_seen(f, "a", "\"1 \"");
    send(f, "new", "a");
    advance(f, 5000);
    assert_seen(f, "a", "\"1 2 \"");
    assert_books(f, "new", (struct books){.accepted = 2, .done = 2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_that_comes_in_the_middle_of_a_move_ends_the_wait),
        ENGINE_TEST(signals_of_one_service_meet_the_waits_of_the_other),
        ENGINE_TEST(each_signal_that_moves_wakes_another_one_who_waits),
        ENGINE_TEST(of_two_events_with_an_id_the_one_that_lives_keeps_it),
        ENGINE_TEST(of_two_events_with_an_id_each_gets_its_own_signal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

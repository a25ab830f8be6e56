/* test_move.c - a service takes over what another one had: under a new name, or by moving it. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define RULES                                                                                      \
    " subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\" idempotency = \"json:/v\" "       \
    "retries = 0 }\n"
#define KEEP "service \"keep\" { subscribe = {\"other\"} handler = \"h.lua\" }\n"
#define OLD KEEP "service \"old\" {" RULES
#define NEW KEEP "service \"new\" {" RULES
#define NEW_WAS KEEP "service \"new\" { was = {\"old\"}" RULES

static void give(struct engine_fixture *f, const char *service, const char *key, const char *v,
                 const char *more) {
    char payload[256];
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"v\":\"%s\"%s}", key, v, more);
    offer(f, service, "in", payload, NULL);
}

static const char *seen(struct engine_fixture *f, const char *key, char out[512]) {
    return state_text(f, "new", key, "seen", out);
}

#define assert_seen(f, key, expected)                                                              \
    do {                                                                                           \
        char out_[512];                                                                            \
        assert_string_equal(seen(f, key, out_), expected);                                         \
    } while (0)

static int move(struct engine_fixture *f, const char *from, const char *to) {
    return command(
        f, (struct command){.kind = COMMAND_MOVE, .service = slice_of(from), .name = slice_of(to)});
}

/* Restarts with another topics.conf. */
static void change(struct engine_fixture *f, const char *conf) {
    fixture_stop(f);
    fixture_conf(f, conf);
    fixture_start(f);
}

/* --- a new name --- */

static void a_new_name_has_everything_the_old_one_had(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", "");
    give(f, "old", "a", "2", ",\"sleep\":true");
    give(f, "old", "a", "3", "");
    give(f, "old", "b", "4", ",\"dead\":true");
    give(f, "old", "c", "5", ",\"lock\":true");
    run_dry(f);
    fixture_stop(f);
    fixture_conf(f, NEW_WAS);
    fixture_start(f);
    give(f, "new", "a", "6", "");
    give(f, "new", "a", "1", "");
    run_dry(f);
    assert_int_equal(service_status(f, "new").books.duplicates, 1);
    assert_int_equal(count_events(f, "new", EVENT_DEAD), 1);
    crash(f);
    advance(f, 61000);
    assert_seen(f, "a", "\"1 2 3 6 \"");
    assert_seen(f, "c", "\"5 \"");
    advance(f, 120000);
    assert_seen(f, "c", "\"5 expired \"");
}

static void a_call_is_made_again_under_the_same_key(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", ",\"call\":true");
    run_dry(f);
    assert_int_equal(f->asked_count, 1);
    assert_non_null(strstr(f->asked[0].headers, "Idempotency-Key: old-"));
    fixture_conf(f, NEW_WAS);
    crash(f);
    run_dry(f);
    assert_int_equal(f->asked_count, 2);
    assert_string_equal(f->asked[1].headers, f->asked[0].headers);
    assert_int_equal(service_status(f, "new").running, 1);
}

static void a_second_new_name_keeps_the_first_origin(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, KEEP "service \"first\" {" RULES, LUA(MOVE));
    give(f, "first", "a", "1", "");
    run_dry(f);
    change(f, KEEP "service \"old\" { was = {\"first\"}" RULES);
    give(f, "old", "a", "2", "");
    run_dry(f);
    change(f, NEW_WAS);
    give(f, "new", "a", "1", "");
    give(f, "new", "a", "2", "");
    give(f, "new", "a", "3", "");
    run_dry(f);
    assert_seen(f, "a", "\"1 2 3 \"");
    assert_string_equal(engine_service_group(f->engine, service_index(f, "new")), "first");
}

static void a_name_whose_keys_are_hashed_with_it_is_not_given_again(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", "");
    run_dry(f);
    change(f, NEW_WAS);
    fixture_conf(f, NEW "service \"old\" { subscribe = {\"third\"} handler = \"h.lua\" }\n");
    assert_int_equal(fixture_try_start(f), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "had this name before"));
    fixture_conf(f, NEW);
    assert_int_equal(fixture_try_start(f), 0);
}

static void hosts_that_divide_the_keys_agree_on_the_origin(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, "hosts { count = 2 this = 1 }\n" OLD, LUA(MOVE));
    fixture_stop(f);
    fixture_conf(f, "hosts { count = 2 this = 1 }\n" NEW_WAS);
    assert_int_equal(fixture_try_start(f), 0);
    fixture_conf(f, "hosts { count = 2 this = 1 }\n" NEW);
    assert_int_equal(fixture_try_start(f), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "begin `was` with \"old\""));
    fixture_conf(f, "hosts { count = 2 this = 1 }\n" NEW_WAS);
    assert_int_equal(fixture_try_start(f), 0);
}

/* --- both names have rows --- */

enum { KEYS = 300 };

/* Under each key three events of the old name, the first one asleep, and two of the new one. */
static void fill_both(struct engine_fixture *f) {
    char key[16];
    char v[16];
    fixture_run(f, OLD, LUA(MOVE));
    for (int i = 0; i < KEYS * 3; i++) {
        (void)snprintf(key, sizeof key, "k%d", i % KEYS);
        (void)snprintf(v, sizeof v, "%d.%d", i / KEYS, i % KEYS);
        give(f, "old", key, v, i < KEYS ? ",\"sleep\":true" : "");
    }
    run_dry(f);
    change(f, NEW);
    for (int i = 0; i < KEYS * 2; i++) {
        (void)snprintf(key, sizeof key, "k%d", i % KEYS);
        (void)snprintf(v, sizeof v, "%d.%d", 3 + i / KEYS, i % KEYS);
        give(f, "new", key, v, i % 2 == 0 && i < KEYS ? ",\"sleep\":true" : "");
    }
    run_dry(f);
}

static void assert_all_in_order(struct engine_fixture *f, int from, int step) {
    for (int i = from; i < KEYS; i += step) {
        char key[16];
        char expected[128];
        (void)snprintf(key, sizeof key, "k%d", i);
        (void)snprintf(expected, sizeof expected, "\"0.%d 1.%d 2.%d 3.%d 4.%d \"", i, i, i, i, i);
        assert_seen(f, key, expected);
    }
}

static void a_merge_keeps_the_order_of_each_key_whenever_the_host_goes_down(void **state) {
    (void)state;
    for (int turns = 0; turns < 8; turns++) {
        struct engine_fixture *f = fixture_new();
        fill_both(f);
        fixture_stop(f);
        fixture_conf(f, NEW_WAS);
        fixture_start(f);
        for (int i = 0; i < turns; i++) {
            assert_int_equal(turn(f), 0);
        }
        crash(f);
        (void)redeliver(f);
        run_dry(f);
        advance(f, 70000);
        assert_all_in_order(f, 0, 2);
        assert_books(f, "new", (struct books){.accepted = KEYS * 5, .done = KEYS * 5});
        assert_int_equal(service_status(f, "new").taking, false);
        fixture_free(f);
    }
}

static void a_move_by_command_takes_a_service_that_runs(void **state) {
    struct engine_fixture *f = *state;
    fill_both(f);
    assert_int_equal(move(f, "old", "new"), 0);
    give(f, "new", "k0", "last", "");
    advance(f, 70000);
    assert_all_in_order(f, 2, 2);
    assert_seen(f, "k0", "\"0.0 1.0 2.0 3.0 4.0 last \"");
    assert_int_equal(service_status(f, "new").taken_events, KEYS * 3);
    assert_books(f, "new", (struct books){.accepted = KEYS * 5 + 1, .done = KEYS * 5 + 1});
}

/* Of both keys the new name has events in memory; of one of them the old name has some, too. */
static void move_beside_what_waits(const char *rules, bool ordered) {
    struct engine_fixture *f = fixture_new();
    char conf[512];
    char out[512];
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", "");
    give(f, "old", "a", "2", ",\"sleep\":true");
    run_dry(f);
    (void)snprintf(conf, sizeof conf, "%s%s%s", KEEP "service \"new\" {", rules, RULES);
    change(f, conf);
    assert_int_equal(
        command(f, (struct command){.kind = COMMAND_PAUSE, .service = slice_of("new")}), 0);
    for (int i = 0; i < 6; i++) {
        char v[16];
        (void)snprintf(v, sizeof v, "%d", 3 + i);
        give(f, "new", i % 2 == 0 ? "a" : "b", v, "");
    }
    run_dry(f);
    assert_int_equal(move(f, "old", "new"), 0);
    run_dry(f);
    assert_int_equal(service_status(f, "new").taking, false);
    assert_int_equal(
        command(f, (struct command){.kind = COMMAND_RESUME, .service = slice_of("new")}), 0);
    advance(f, 70000);
    engine_check(f);
    assert_books(f, "new", (struct books){.accepted = 8, .done = 8});
    assert_true(!ordered || strcmp(seen(f, "b", out), "\"4 6 8 \"") == 0);
    assert_int_equal(count_rows(f, TABLE_LANE) + count_rows(f, TABLE_TENANT), 0);
    fixture_free(f);
}

static void a_paused_service_takes_over_beside_what_waits_in_memory(void **state) {
    (void)state;
    move_beside_what_waits("", true);
    move_beside_what_waits(" fair = \"json:/k\"", true);
    move_beside_what_waits(" order = none", false);
    move_beside_what_waits(" order = none key_concurrency = 1", false);
}

static void letters_locks_signals_and_waits_come_along(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", ",\"dead\":true");
    give(f, "old", "b", "2", ",\"lock\":true");
    give(f, "old", "c", "3", ",\"wait\":true");
    run_dry(f);
    const struct command kept = {.kind = COMMAND_SIGNAL,
                                 .service = slice_of("old"),
                                 .key = slice_of("d"),
                                 .name = slice_of("go"),
                                 .payload = slice_of("true")};
    assert_int_equal(command(f, kept), 0);
    change(f, NEW);
    assert_int_equal(move(f, "old", "new"), 0);
    give(f, "new", "d", "4", ",\"wait\":true");
    give(f, "new", "b", "5", ",\"lock\":true");
    run_dry(f);
    assert_seen(f, "d", "\"4 \"");
    assert_seen(f, "b", "\"2 locked 5 \"");
    struct command go = kept;
    go.service = slice_of("new");
    go.key = slice_of("c");
    assert_int_equal(command(f, go), 0);
    advance(f, 1000);
    assert_seen(f, "c", "\"3 \"");
    struct uuid id = id_of(f, "new", "{\"k\":\"a\",\"v\":\"1\",\"dead\":true}");
    assert_int_equal(command(f, (struct command){.kind = COMMAND_DISCARD, .id = id}), 0);
    crash(f);
    advance(f, 130000);
    assert_seen(f, "b", "\"2 locked 5 expired \"");
    assert_books(f, "new", (struct books){.accepted = 6, .done = 5, .discarded = 1});
}

static void a_value_that_both_have_stays_and_is_counted(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", "");
    give(f, "old", "b", "2", "");
    run_dry(f);
    change(f, NEW);
    give(f, "new", "a", "3", "");
    run_dry(f);
    assert_int_equal(move(f, "old", "new"), 0);
    assert_seen(f, "a", "\"3 \"");
    assert_seen(f, "b", "\"2 \"");
    assert_string_equal(state_text(f, "old", "a", "seen", out), "\"1 \"");
    assert_int_equal(service_status(f, "new").taken_left, 1);
    assert_int_equal(service_status(f, "new").taken_values, 1);
    uint64_t kept = service_status(f, "new").kept[RUN_QUOTA_STATE];
    crash(f);
    assert_true(kept > 0);
    assert_int_equal(service_status(f, "new").kept[RUN_QUOTA_STATE], kept);
}

static void what_the_old_name_took_is_a_duplicate_afterwards(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(MOVE));
    give(f, "old", "a", "1", "");
    run_dry(f);
    change(f, NEW);
    assert_int_equal(move(f, "old", "new"), 0);
    crash(f);
    give(f, "new", "a", "1", "");
    run_dry(f);
    assert_books(f, "new", (struct books){.accepted = 2, .done = 1, .duplicates = 1});
}

static void a_move_that_cannot_be_is_refused_with_the_reason(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, OLD, LUA(MOVE));
    assert_int_equal(move(f, "old", "keep"), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "still in topics.conf"));
    assert_int_equal(move(f, "nobody", "keep"), ERR_NOTFOUND);
    change(f, KEEP);
    assert_int_equal(move(f, "old", "nobody"), ERR_NOTFOUND);
    assert_int_equal(move(f, "old", "keep"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_new_name_has_everything_the_old_one_had),
        ENGINE_TEST(a_call_is_made_again_under_the_same_key),
        ENGINE_TEST(a_second_new_name_keeps_the_first_origin),
        ENGINE_TEST(a_name_whose_keys_are_hashed_with_it_is_not_given_again),
        ENGINE_TEST(hosts_that_divide_the_keys_agree_on_the_origin),
        cmocka_unit_test(a_merge_keeps_the_order_of_each_key_whenever_the_host_goes_down),
        ENGINE_TEST(a_move_by_command_takes_a_service_that_runs),
        cmocka_unit_test(a_paused_service_takes_over_beside_what_waits_in_memory),
        ENGINE_TEST(letters_locks_signals_and_waits_come_along),
        ENGINE_TEST(a_value_that_both_have_stays_and_is_counted),
        ENGINE_TEST(what_the_old_name_took_is_a_duplicate_afterwards),
        ENGINE_TEST(a_move_that_cannot_be_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

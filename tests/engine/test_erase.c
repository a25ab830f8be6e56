/* test_erase.c - what an operator erases of a key is gone, and nothing else is. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include "journal/event.h"

#include <string.h>

#define CONF                                                                                       \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" retries = 2"     \
    " delay = \"10s\" jitter = 0 }\n"
#define PARK                                                                                       \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\""                 \
    " on_dead = \"park\" }\n"

static const char HANDLER[] =
    "return function(e)\n"
    "  zing.state.set('name', e.payload, {ttl = 3600})\n"
    "  zing.state.incr('visits')\n"
    "  zing.lock('seat', {owner = e.payload, ttl = 1800})\n"
    "  zing.step('one', function() return e.payload end)\n"
    "  if e.payload == 'bad' then zing.reject('no') end\n"
    "  if e.payload == 'shaky' and e.attempt < 2 then error('not yet') end\n"
    "end\n";

static int erase_event(struct engine_fixture *f, const char *key, const struct uuid *id) {
    struct command c = {.kind = COMMAND_ERASE, .service = slice_of("s"), .key = slice_of(key)};
    if (id != NULL) {
        c.id = *id;
        c.partition = journal_partition(journal_lane(slice_of("s"), slice_of(key)));
    }
    return command(f, c);
}

static uint64_t rows_of_all(struct engine_fixture *f) {
    static const enum store_table tables[] = {TABLE_EVENT, TABLE_HISTORY, TABLE_STEP,
                                              TABLE_STATE, TABLE_LOCK,    TABLE_TIMER,
                                              TABLE_DEAD,  TABLE_LETTER,  TABLE_SIGNAL};
    uint64_t rows = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        rows += count_rows(f, tables[i]);
    }
    return rows;
}

static void send_signal(struct engine_fixture *f, const char *key) {
    struct command c = {.kind = COMMAND_SIGNAL,
                        .service = slice_of("s"),
                        .key = slice_of(key),
                        .name = slice_of("paid"),
                        .payload = slice_of("true")};
    assert_int_equal(command(f, c), 0);
}

static void nothing_of_an_erased_key_is_left(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, CONF, HANDLER);
    deliver(f, "s", "in/ann", "ann");
    deliver(f, "s", "in/ann", "bad");
    send_signal(f, "ann");
    deliver(f, "s", "in/bob", "bob");
    const struct uuid ids[] = {id_of(f, "s", "ann"), id_of(f, "s", "bad")};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(erase_event(f, "ann", &ids[i]), 0);
    }
    assert_int_equal(erase_event(f, "ann", NULL), 0);
    assert_string_equal(state_text(f, "s", "ann", "name", text), "none");
    assert_string_equal(state_text(f, "s", "bob", "name", text), "\"bob\"");
    assert_books(f, "s", (struct books){.accepted = 3, .done = 2, .discarded = 1});
    crash(f);
    assert_int_equal(count_rows(f, TABLE_EVENT), 1);
    const struct uuid bob = id_of(f, "s", "bob");
    assert_int_equal(erase_event(f, "bob", &bob), 0);
    assert_int_equal(erase_event(f, "bob", NULL), 0);
    assert_int_equal(rows_of_all(f), 0);
}

static void an_event_that_has_not_ended_is_not_erased(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, HANDLER);
    deliver(f, "s", "in/ann", "shaky");
    const struct uuid id = id_of(f, "s", "shaky");
    assert_int_equal(erase_event(f, "ann", &id), ERR_INVALID);
    assert_non_null(strstr(f->report.text, "is retrying"));
    advance(f, 20000);
    assert_int_equal(state_of(f, "s", "shaky"), EVENT_DONE);
    assert_int_equal(erase_event(f, "ann", &id), 0);
}

static void an_event_of_another_key_is_not_erased(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, HANDLER);
    deliver(f, "s", "in/ann", "ann");
    const struct uuid id = id_of(f, "s", "ann");
    struct command c = {.kind = COMMAND_ERASE,
                        .service = slice_of("s"),
                        .key = slice_of("bob"),
                        .id = id,
                        .partition =
                            journal_partition(journal_lane(slice_of("s"), slice_of("ann")))};
    assert_int_equal(command(f, c), ERR_NOTFOUND);
    assert_int_equal(state_of(f, "s", "ann"), EVENT_DONE);
}

static void an_erased_letter_frees_the_key_it_parked(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, PARK, HANDLER);
    deliver(f, "s", "in/ann", "bad");
    const struct uuid id = id_of(f, "s", "bad");
    assert_int_equal(erase_event(f, "ann", &id), 0);
    deliver(f, "s", "in/ann", "ann");
    assert_int_equal(state_of(f, "s", "ann"), EVENT_DONE);
    assert_books(f, "s", (struct books){.accepted = 2, .done = 1, .discarded = 1});
}

static void a_key_with_much_state_is_erased_a_part_at_a_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF,
                "return function(e) for i = 1, 1500 do zing.state.set('n' .. i, i) end end");
    deliver(f, "s", "in/ann", "many");
    const uint64_t before = count_rows(f, TABLE_STATE);
    assert_int_equal(before, 1500);
    assert_int_equal(erase_event(f, "ann", NULL), 0);
    assert_int_equal(count_rows(f, TABLE_STATE), before - TRIM_ROWS_PER_TURN);
    assert_int_equal(erase_event(f, "ann", NULL), 0);
    assert_int_equal(erase_event(f, "ann", NULL), 0);
    assert_int_equal(count_rows(f, TABLE_STATE), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(nothing_of_an_erased_key_is_left),
        ENGINE_TEST(an_event_that_has_not_ended_is_not_erased),
        ENGINE_TEST(an_event_of_another_key_is_not_erased),
        ENGINE_TEST(an_erased_letter_frees_the_key_it_parked),
        ENGINE_TEST(a_key_with_much_state_is_erased_a_part_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_edit.c - a dead letter gets another payload: what was made of the old one is made again. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" retries = 0 jitter = 0 " options   \
    " }\n"

/* *notes: what the operator is told. */
static int edit(struct engine_fixture *f, const char *payload, const char *edited,
                struct buf *notes) {
    buf_init(notes, NOTES_BYTES_MAX);
    return command(f, (struct command){.kind = COMMAND_EDIT,
                                       .id = id_of(f, "s", payload),
                                       .payload = slice_of(edited),
                                       .notes = notes});
}

static void edit_well(struct engine_fixture *f, const char *payload, const char *edited) {
    struct buf notes;
    assert_int_equal(edit(f, payload, edited, &notes), 0);
    buf_clear(&notes);
}

static int replay(struct engine_fixture *f, const char *payload) {
    return command(f, (struct command){.kind = COMMAND_REPLAY, .id = id_of(f, "s", payload)});
}

static const char *key_of(const struct engine_fixture *f, size_t asked, char out[256]) {
    static const char name[] = "Idempotency-Key: ";
    assert_true(asked < f->asked_count);
    const char *at = strstr(f->asked[asked].headers, name);
    assert_non_null(at);
    at += sizeof name - 1;
    (void)snprintf(out, 256, "%.*s", (int)strcspn(at, "\n"), at);
    return out;
}

static void assert_same_keys(const struct engine_fixture *f, size_t a, size_t b, bool same) {
    char one[256];
    char other[256];
    assert_int_equal(strcmp(key_of(f, a, one), key_of(f, b, other)) == 0, same);
}

/* --- the key --- */

static void an_edit_that_changes_the_key_moves_the_event_with_its_steps(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    struct buf notes;
    fixture_run(f, SERVICE("key = \"json:/seat\""), LUA(writes_the_state_of_its_key));
    for (int i = 0; i < 20; i++) { /* the same partition and others */
        char to[64];
        char seat[16];
        (void)snprintf(seat, sizeof seat, "B%d", i);
        (void)snprintf(to, sizeof to, "{\"seat\":\"%s\",\"who\":\"ada\"}", seat);
        deliver(f, "s", "in/a", "{\"seat\":\"A1\",\"who\":\"\"}");
        assert_int_equal(edit(f, "{\"seat\":\"A1\",\"who\":\"\"}", to, &notes), 0);
        assert_non_null(strstr(buf_str(&notes), seat));
        assert_non_null(strstr(buf_str(&notes), "finished steps stay: first"));
        buf_clear(&notes);
        assert_int_equal(replay(f, to), 0);
        assert_string_equal(state_text(f, "s", seat, "sold_to", text), "\"ada\"");
        assert_string_equal(state_text(f, "s", "A1", "sold_to", text), "none");
        assert_string_equal(history_of(f, "s", to, text), "reject edit replay");
    }
    assert_int_equal(count_published(f, "did"), 20);
    assert_int_equal(count_rows(f, TABLE_DEAD), 0);
    assert_books(f, "s", (struct books){.accepted = 20, .done = 20});
}

static void an_edit_that_leaves_the_key_says_nothing_of_it(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE("key = \"topic:2\""), LUA(rejects_what_says_so));
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(edit(f, "bad", "good", &notes), 0);
    assert_string_equal(buf_str(&notes), "");
    buf_clear(&notes);
}

static void a_parked_event_that_gets_another_key_lets_its_old_key_go_on(void **state) {
    struct engine_fixture *f = *state;
    char out[512];
    fixture_run(f, SERVICE("key = \"json:/k\" on_dead = \"park\""), LUA(rejects_what_says_so));
    deliver(f, "s", "in/a", "{\"k\":1,\"v\":\"bad\"}");
    deliver(f, "s", "in/a", "{\"k\":1}");
    assert_int_equal(count_published(f, "out"), 0);
    edit_well(f, "{\"k\":1,\"v\":\"bad\"}", "{\"k\":2}");
    run_dry(f);
    assert_string_equal(payloads(f, "out", out, sizeof out), "{\"k\":1}");
    assert_int_equal(replay(f, "{\"k\":2}"), 0);
    assert_string_equal(payloads(f, "out", out, sizeof out), "{\"k\":1} {\"k\":2}");
}

static void an_edit_without_a_key_is_refused_and_changes_nothing(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE("key = \"json:/k\""), LUA(rejects_what_says_so));
    deliver(f, "s", "in/a", "{\"k\":\"bad\"}");
    assert_int_equal(edit(f, "{\"k\":\"bad\"}", "{}", &notes), ERR_INVALID);
    assert_string_equal(f->report.text, "no value at /k in the payload");
    assert_int_equal(state_of(f, "s", "{\"k\":\"bad\"}"), EVENT_DEAD);
    buf_clear(&notes);
}

/* --- the idempotency key --- */

static void an_edit_that_changes_the_idempotency_key_finds_later_duplicates(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE("idempotency = \"json:/id\""), LUA(rejects_what_says_so));
    deliver(f, "s", "in/a", "{\"id\":1,\"v\":\"bad\"}");
    assert_int_equal(edit(f, "{\"id\":1,\"v\":\"bad\"}", "{\"id\":2}", &notes), 0);
    assert_non_null(strstr(buf_str(&notes), "idempotency key"));
    buf_clear(&notes);
    deliver(f, "s", "in/a", "{\"id\":2}");
    deliver(f, "s", "in/a", "{\"id\":1,\"v\":\"bad\"}"); /* the publisher repeats it */
    assert_int_equal(replay(f, "{\"id\":2}"), 0);
    assert_int_equal(count_published(f, "out"), 1);
    assert_books(f, "s", (struct books){.accepted = 3, .done = 1, .duplicates = 2});
}

static void an_edit_may_be_taken_back(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("idempotency = \"json:/id\""), LUA(rejects_what_says_so));
    deliver(f, "s", "in/a", "{\"id\":1,\"v\":\"bad\"}");
    edit_well(f, "{\"id\":1,\"v\":\"bad\"}", "{\"id\":2}");
    edit_well(f, "{\"id\":2}", "{\"id\":1}");
    edit_well(f, "{\"id\":1}", "{\"id\":2}");
}

static void an_edit_into_a_duplicate_is_refused(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE("idempotency = \"json:/id\""), LUA(rejects_what_says_so));
    deliver(f, "s", "in/a", "{\"id\":2}");
    deliver(f, "s", "in/a", "{\"id\":1,\"v\":\"bad\"}");
    assert_int_equal(edit(f, "{\"id\":1,\"v\":\"bad\"}", "{\"id\":2,\"v\":1}", &notes), ERR_EXISTS);
    assert_non_null(strstr(f->report.text, "duplicate"));
    assert_int_equal(state_of(f, "s", "{\"id\":1,\"v\":\"bad\"}"), EVENT_DEAD);
    buf_clear(&notes);
}

/* --- calls --- */

static void an_answered_call_gets_a_new_idempotency_key(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE(""), LUA(charges));
    deliver(f, "s", "in/a", "1");
    answer(f, 0, 402, "");
    run_dry(f);
    assert_int_equal(replay(f, "1"), 0); /* nothing was changed: the same request */
    answer(f, 1, 402, "");
    run_dry(f);
    assert_same_keys(f, 0, 1, true);
    assert_int_equal(edit(f, "1", "500", &notes), 0);
    assert_non_null(strstr(buf_str(&notes), "new Idempotency-Keys: POST http://peer/"));
    buf_clear(&notes);
    assert_int_equal(replay(f, "500"), 0);
    assert_same_keys(f, 0, 2, false);
    answer(f, 2, 200, "");
    run_dry(f);
    assert_int_equal(state_of(f, "s", "500"), EVENT_DONE);
}

static void the_new_key_stays_through_retries_and_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "store { keep_done = \"1h\" }\n", LUA(charges));
    deliver(f, "s", "in/a", "1");
    answer(f, 0, 402, "");
    run_dry(f);
    edit_well(f, "1", "late");
    crash(f);
    fixture_conf(
        f, "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" retries = 1 jitter = 0 }\n");
    restart(f);
    assert_int_equal(replay(f, "late"), 0);
    answer(f, 1, 200, "");
    advance(f, 100000);
    assert_int_equal(f->asked_count, 3);
    assert_same_keys(f, 1, 2, true);
}

static void a_call_of_unknown_outcome_keeps_its_key_and_goes_on_with_it(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE(""), LUA(charges));
    deliver(f, "s", "in/a", "1");
    answer(f, 0, 503, "");
    run_dry(f);
    assert_int_equal(edit(f, "1", "500", &notes), 0);
    assert_non_null(strstr(buf_str(&notes), "unknown outcome keep their Idempotency-Keys: POST"));
    buf_clear(&notes);
    assert_int_equal(replay(f, "500"), 0);
    assert_same_keys(f, 0, 1, true);
    answer(f, 1, 402, "");
    run_dry(f);
    edit_well(f, "500", "5"); /* now it is answered */
    assert_int_equal(replay(f, "5"), 0);
    assert_same_keys(f, 1, 2, false);
}

static void a_finished_step_keeps_its_result_and_its_key_for_a_later_round(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(charges_in_steps));
    deliver(f, "s", "in/a", "1");
    answer(f, 0, 200, "");
    run_dry(f);
    answer(f, 1, 402, "");
    run_dry(f);
    edit_well(f, "1", "2");
    assert_int_equal(replay(f, "2"), 0);
    assert_int_equal(f->asked_count, 3);
    assert_string_equal(f->asked[2].url, "http://peer/c");
    assert_same_keys(f, 1, 2, false);
    answer(f, 2, 200, "");
    run_dry(f);
    struct event *event = event_with(f, "s", "2");
    struct command rerun = {.kind = COMMAND_RERUN,
                            .service = slice_of("s"),
                            .partition = event->partition,
                            .id = event->id};
    event_free(event);
    assert_int_equal(command(f, rerun), 0);
    assert_same_keys(f, 0, 3, true);
    answer(f, 3, 200, "");
    run_dry(f);
    assert_same_keys(f, 2, 4, true);
}

static void an_event_whose_saga_was_undone_starts_from_the_beginning_and_says_so(void **state) {
    struct engine_fixture *f = *state;
    struct buf notes;
    fixture_run(f, SERVICE(""), LUA(books_in_a_saga));
    deliver(f, "s", "in/a", "1");
    answer(f, 0, 200, ""); /* the step */
    run_dry(f);
    answer(f, 1, 402, ""); /* what makes it fail */
    advance(f, 10);
    answer(f, 2, 200, ""); /* the compensation */
    run_dry(f);
    assert_int_equal(state_of(f, "s", "1"), EVENT_DEAD);
    assert_int_equal(edit(f, "1", "2", &notes), 0);
    assert_non_null(strstr(buf_str(&notes), "from the beginning"));
    assert_null(strstr(buf_str(&notes), "stay"));
    buf_clear(&notes);
    assert_int_equal(replay(f, "2"), 0);
    assert_string_equal(f->asked[3].url, "http://peer/book");
    assert_same_keys(f, 0, 3, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(an_edit_that_changes_the_key_moves_the_event_with_its_steps),
        ENGINE_TEST(an_edit_that_leaves_the_key_says_nothing_of_it),
        ENGINE_TEST(a_parked_event_that_gets_another_key_lets_its_old_key_go_on),
        ENGINE_TEST(an_edit_without_a_key_is_refused_and_changes_nothing),
        ENGINE_TEST(an_edit_that_changes_the_idempotency_key_finds_later_duplicates),
        ENGINE_TEST(an_edit_may_be_taken_back),
        ENGINE_TEST(an_edit_into_a_duplicate_is_refused),
        ENGINE_TEST(an_answered_call_gets_a_new_idempotency_key),
        ENGINE_TEST(the_new_key_stays_through_retries_and_a_crash),
        ENGINE_TEST(a_call_of_unknown_outcome_keeps_its_key_and_goes_on_with_it),
        ENGINE_TEST(a_finished_step_keeps_its_result_and_its_key_for_a_later_round),
        ENGINE_TEST(an_event_whose_saga_was_undone_starts_from_the_beginning_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

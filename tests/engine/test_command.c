/* test_command.c - what an operator asks for: replay, discard, edit, pause, resume and skip keys.
 */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE(options)                                                                           \
    "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"topic:2\" retries = 0"     \
    " jitter = 0 " options " }\n"

static const char MENDED[] = "return function(e) zing.publish('out', e.payload) end";

static int on_dead_letter(struct engine_fixture *f, enum command_kind kind, const char *payload) {
    struct command c = {.kind = kind, .id = id_of(f, "s", payload)};
    return command(f, c);
}

static int on_key(struct engine_fixture *f, enum command_kind kind, const char *key) {
    return command(f,
                   (struct command){.kind = kind, .service = slice_of("s"), .key = slice_of(key)});
}

static int on_service(struct engine_fixture *f, enum command_kind kind, const char *service) {
    return command(f, (struct command){.kind = kind, .service = slice_of(service)});
}

static void mend(struct engine_fixture *f) {
    fixture_script(f, "h.lua", MENDED);
    fixture_reload(f);
}

static void assert_out(struct engine_fixture *f, const char *expected) {
    char out[1024];
    assert_string_equal(payloads(f, "out", out, sizeof out), expected);
}

/* --- dead letters --- */

static void a_replayed_dead_letter_runs_again(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    mend(f);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    assert_out(f, "bad");
    assert_string_equal(history_of(f, "s", "bad", text), "error replay");
    assert_books(f, "s", (struct books){.accepted = 1, .done = 1});
    struct event *event = event_with(f, "s", "bad");
    assert_true(event->replayed);
    assert_int_equal(event->reason.len, 0);
    event_free(event);
}

static void a_replayed_dead_letter_that_fails_again_is_dead_again(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    assert_string_equal(history_of(f, "s", "bad", text), "error replay error replay error");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
    assert_int_equal(count_sent(f, "zingq/dlq/s"), 3);
}

static void a_replay_has_all_its_retries_again(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" retries = 2"
                " delay = \"1s\" jitter = 0 }\n",
                LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    advance(f, 10000);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    advance(f, 10000);
    assert_string_equal(history_of(f, "s", "bad", text),
                        "error error error replay error error error");
}

static void a_replay_joins_its_lane_behind_what_waits(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    mend(f);
    on_service(f, COMMAND_PAUSE, "s");
    deliver(f, "s", "in/a", "1");
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    deliver(f, "s", "in/a", "2");
    crash(f);
    on_service(f, COMMAND_RESUME, "s");
    advance(f, 10);
    assert_out(f, "1 bad 2");
}

static void a_discarded_dead_letter_is_counted_and_gone_from_the_list(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(on_dead_letter(f, COMMAND_DISCARD, "bad"), 0);
    assert_int_equal(state_of(f, "s", "bad"), EVENT_DISCARDED);
    assert_int_equal(count_rows(f, TABLE_DEAD), 0);
    assert_books(f, "s", (struct books){.accepted = 1, .discarded = 1});
    assert_int_equal(on_dead_letter(f, COMMAND_DISCARD, "bad"), ERR_NOTFOUND);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), ERR_NOTFOUND);
}

static void an_edit_keeps_the_original_in_the_history(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    struct command edit = {
        .kind = COMMAND_EDIT, .id = id_of(f, "s", "bad"), .payload = slice_of("good")};
    assert_int_equal(command(f, edit), 0);
    assert_int_equal(state_of(f, "s", "good"), EVENT_DEAD);
    assert_string_equal(history_of(f, "s", "good", text), "error edit");
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "good"), 0);
    assert_out(f, "good");
}

static void an_edit_that_mends_a_missing_key_lets_it_run_in_its_lane(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"json:/k\" }\n",
                "return function(e) zing.publish('out', e.key) end");
    for (int i = 0; i < 20; i++) { /* the empty key's partition and another one */
        char payload[32];
        (void)snprintf(payload, sizeof payload, "{\"k\":\"key%d\"}", i);
        deliver(f, "s", "in/a", "{}");
        struct command edit = {
            .kind = COMMAND_EDIT, .id = id_of(f, "s", "{}"), .payload = slice_of(payload)};
        assert_int_equal(command(f, edit), 0);
        assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, payload), 0);
        assert_int_equal(state_of(f, "s", payload), EVENT_DONE);
        assert_string_equal(history_of(f, "s", payload, text), "edit replay");
    }
    assert_books(f, "s", (struct books){.accepted = 20, .done = 20});
}

static void a_replay_of_what_still_has_no_key_is_refused_with_the_reason(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" key = \"json:/k\" }\n",
                LUA(HANDLER));
    deliver(f, "s", "in/a", "{}");
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "{}"), ERR_INVALID);
    assert_string_equal(f->report.text, "no value at /k in the payload");
    assert_books(f, "s", (struct books){.accepted = 1, .dead = 1});
}

static void a_dead_letter_of_the_handlers_own_can_be_replayed(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(a_dead_letter_of_the_handlers_own_can_be_replayed));
    deliver(f, "s", "in/a", "first");
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "second"), 0);
    assert_out(f, "second a");
    assert_books(f, "s", (struct books){.accepted = 2, .done = 2});
}

static void unknown_ids_services_and_keys_are_refused(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    deliver(f, "s", "in/a", "fine");
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "fine"), ERR_NOTFOUND);
    assert_non_null(strstr(f->report.text, "no dead letter"));
    assert_int_equal(on_service(f, COMMAND_PAUSE, "x"), ERR_NOTFOUND);
    assert_non_null(strstr(f->report.text, "no service \"x\""));
    assert_int_equal(on_key(f, COMMAND_KEY_RESUME, "a"), ERR_NOTFOUND);
    assert_int_equal(on_key(f, COMMAND_KEY_SKIP, "nowhere"), ERR_NOTFOUND);
    assert_string_equal(f->report.text, "the key is not parked");
}

static void the_service_named_with_an_id_must_be_the_right_one(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" }\n",
                LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    struct command c = {
        .kind = COMMAND_DISCARD, .service = slice_of("t"), .id = id_of(f, "s", "bad")};
    assert_int_equal(command(f, c), ERR_NOTFOUND);
    c.service = slice_of("s");
    assert_int_equal(command(f, c), 0);
}

/* --- parked keys --- */

static void run_parked(struct engine_fixture *f) {
    fixture_run(f, SERVICE("on_dead = park"), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    deliver(f, "s", "in/a", "1");
    deliver(f, "s", "in/b", "2");
    deliver(f, "s", "in/a", "3");
}

static void a_parked_key_waits_for_a_person_and_holds_up_nobody_else(void **state) {
    struct engine_fixture *f = *state;
    run_parked(f);
    assert_out(f, "2");
    crash(f);
    advance(f, 3600 * 1000);
    assert_out(f, "2");
    struct books b = service_status(f, "s").books;
    assert_int_equal(b.dead, 1);
    assert_int_equal(books_waiting(&b), 2);
}

static void a_parked_key_resumes_with_its_dead_event_first(void **state) {
    struct engine_fixture *f = *state;
    run_parked(f);
    mend(f);
    assert_int_equal(on_key(f, COMMAND_KEY_RESUME, "a"), 0);
    assert_out(f, "2 bad 1 3");
    assert_books(f, "s", (struct books){.accepted = 4, .done = 4});
}

static void a_parked_key_that_resumes_and_fails_is_parked_again(void **state) {
    struct engine_fixture *f = *state;
    run_parked(f);
    assert_int_equal(on_key(f, COMMAND_KEY_RESUME, "a"), 0);
    assert_out(f, "2");
    crash(f);
    mend(f);
    assert_int_equal(on_key(f, COMMAND_KEY_RESUME, "a"), 0);
    advance(f, 10);
    assert_out(f, "2 bad 1 3");
}

static void a_skipped_key_goes_on_without_its_dead_event(void **state) {
    struct engine_fixture *f = *state;
    run_parked(f);
    assert_int_equal(on_key(f, COMMAND_KEY_SKIP, "a"), 0);
    assert_out(f, "2 1 3");
    assert_books(f, "s", (struct books){.accepted = 4, .done = 3, .dead = 1});
    mend(f);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad"), 0);
    assert_out(f, "2 1 3 bad");
}

static void replaying_or_discarding_a_parked_event_lets_its_key_go_on(void **state) {
    struct engine_fixture *f = *state;
    run_parked(f);
    assert_int_equal(on_dead_letter(f, COMMAND_DISCARD, "bad"), 0);
    assert_out(f, "2 1 3");
    deliver(f, "s", "in/a", "bad again");
    deliver(f, "s", "in/a", "4");
    mend(f);
    assert_int_equal(on_dead_letter(f, COMMAND_REPLAY, "bad again"), 0);
    assert_out(f, "2 1 3 bad again 4");
    assert_books(f, "s", (struct books){.accepted = 6, .done = 5, .discarded = 1});
}

static void a_parked_key_with_nobody_behind_it_is_skipped(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("on_dead = park"), LUA(HANDLER));
    deliver(f, "s", "in/a", "bad");
    assert_int_equal(on_key(f, COMMAND_KEY_SKIP, "a"), 0);
    assert_int_equal(on_key(f, COMMAND_KEY_SKIP, "a"), ERR_NOTFOUND);
    deliver(f, "s", "in/a", "1");
    assert_out(f, "1");
}

/* --- services --- */

static void a_paused_service_accepts_and_waits_also_after_a_crash(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" }\n",
                LUA(HANDLER));
    assert_int_equal(on_service(f, COMMAND_PAUSE, "s"), 0);
    deliver(f, "s", "in/a", "1");
    deliver(f, "t", "t", "other");
    crash(f);
    advance(f, 1000);
    assert_true(service_status(f, "s").paused);
    assert_out(f, "other");
    assert_int_equal(on_service(f, COMMAND_RESUME, "s"), 0);
    advance(f, 10);
    assert_out(f, "other 1");
    crash(f);
    assert_false(service_status(f, "s").paused);
}

static void a_held_service_accepts_and_starts_nothing_until_it_is_let_go(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE("") "service \"t\" { subscribe = {\"t\"} handler = \"h.lua\" }\n",
                LUA(HANDLER));
    engine_hold_service(f->engine, 0, true);
    deliver(f, "s", "in/a", "1");
    deliver(f, "t", "t", "other");
    advance(f, 1000);
    assert_true(service_status(f, "s").held);
    assert_false(service_status(f, "s").paused);
    assert_int_equal(on_service(f, COMMAND_RESUME, "s"), 0); /* an operator's, it is another's */
    advance(f, 10);
    assert_out(f, "other");
    engine_hold_service(f->engine, 0, false);
    advance(f, 10);
    assert_out(f, "other 1");
}

/* --- publish --- */

static void a_published_command_is_durable_handed_over_and_named(void **state) {
    struct engine_fixture *f = *state;
    char text[512];
    char id[UUID_TEXT_BYTES + 1];
    f->offline = true;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of("in/a"),
                        .payload = slice_of("hello"),
                        .qos = 1,
                        .retain = true};
    assert_int_equal(command(f, c), 0);
    struct uuid made = f->made;
    f->offline = false;
    crash(f);
    advance(f, 100);
    const struct published *p = nth_published(f, "in/a", 0);
    assert_string_equal(p->payload, "hello");
    assert_true(p->retain);
    assert_string_equal(published_property(p, "zingq-id", text), uuid_text(&made, id));
    assert_string_equal(published_property(p, "zingq-handled", text), "s");
    assert_out(f, "hello");
}

static void a_delayed_published_command_leaves_at_its_time(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of("in/a"),
                        .payload = slice_of("later"),
                        .after_ms = 5000};
    assert_int_equal(command(f, c), 0);
    advance(f, 4999);
    assert_out(f, "");
    crash(f);
    advance(f, 1);
    assert_out(f, "later");
}

static void a_publish_to_no_topic_is_refused(void **state) {
    struct engine_fixture *f = *state;
    static const char *const topics[] = {"", "a/#", "a/+/b", "zingq/hosts/default/x",
                                         "zingq/ask/default/1"};
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
        struct command c = {.kind = COMMAND_PUBLISH, .topic = slice_of(topics[i])};
        assert_int_equal(command(f, c), ERR_INVALID);
        assert_true(f->report.text[0] != '\0');
    }
    assert_int_equal(f->published_count, 0);
}

static void a_publish_under_an_idempotency_key_is_made_once(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, SERVICE(""), LUA(HANDLER));
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of("in/a"),
                        .payload = slice_of("hello"),
                        .once = slice_of("k1")};
    assert_int_equal(command(f, c), 0);
    struct uuid made = f->made;
    crash(f);
    assert_int_equal(command(f, c), 0);
    assert_true(uuid_equal(&f->made, &made));
    advance(f, 100);
    assert_out(f, "hello");
    c.payload = slice_of("something else");
    assert_int_equal(command(f, c), ERR_EXISTS);
    c.once = slice_of("k2");
    assert_int_equal(command(f, c), 0);
    assert_false(uuid_equal(&f->made, &made));
}

static void assert_no_signal(struct engine_fixture *f, struct slice key, struct slice name,
                             const char *why) {
    struct command c = {.kind = COMMAND_SIGNAL,
                        .service = slice_of("s"),
                        .key = key,
                        .name = name,
                        .payload = slice_of("1")};
    assert_int_equal(command(f, c), ERR_INVALID);
    assert_non_null(strstr(f->report.text, why));
    assert_int_equal(count_rows(f, TABLE_SIGNAL), 0);
}

static void a_signal_that_nobody_can_wait_for_is_refused_in_words(void **state) {
    struct engine_fixture *f = *state;
    static const char nuls[KEY_BYTES_MAX + STATE_NAME_BYTES_MAX] = "";
    static char text[KEY_BYTES_MAX + STATE_NAME_BYTES_MAX];
    const struct slice fine = slice_of("k");
    memset(text, 'x', sizeof text);
    fixture_run(f, SERVICE(""), MENDED);
    assert_no_signal(f, (struct slice){text, KEY_BYTES_MAX + 1}, fine, "key has");
    assert_no_signal(f, (struct slice){nuls, 2}, fine, "NUL");
    assert_no_signal(f, fine, (struct slice){nuls, 2}, "NUL");
    assert_no_signal(f, fine, (struct slice){"", 0}, "name has 0 bytes");
    assert_no_signal(f, fine, (struct slice){text, STATE_NAME_BYTES_MAX + 1}, "name has");
}

/* Any publisher may claim where a message comes from: what is no number is none. */
static void a_claim_of_hops_that_is_no_number_counts_as_none(void **state) {
    struct engine_fixture *f = *state;
    static const char *const claims[] = {"", "1x", "/", ":", "123456"};
    fixture_run(f, SERVICE(""), MENDED);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        offer(f, "s", "in/a", "x", "zingq-hops", claims[i], NULL);
    }
    offer(f, "s", "in/a", "x", "zingq-hops", "99999", NULL); /* as many as there can be */
    run_dry(f);
    assert_int_equal(count_events(f, "s", EVENT_DONE), sizeof claims / sizeof *claims);
    assert_int_equal(count_events(f, "s", EVENT_DEAD), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(a_replayed_dead_letter_runs_again),
        ENGINE_TEST(a_replayed_dead_letter_that_fails_again_is_dead_again),
        ENGINE_TEST(a_replay_has_all_its_retries_again),
        ENGINE_TEST(a_replay_joins_its_lane_behind_what_waits),
        ENGINE_TEST(a_discarded_dead_letter_is_counted_and_gone_from_the_list),
        ENGINE_TEST(an_edit_keeps_the_original_in_the_history),
        ENGINE_TEST(an_edit_that_mends_a_missing_key_lets_it_run_in_its_lane),
        ENGINE_TEST(a_replay_of_what_still_has_no_key_is_refused_with_the_reason),
        ENGINE_TEST(a_dead_letter_of_the_handlers_own_can_be_replayed),
        ENGINE_TEST(unknown_ids_services_and_keys_are_refused),
        ENGINE_TEST(the_service_named_with_an_id_must_be_the_right_one),
        ENGINE_TEST(a_parked_key_waits_for_a_person_and_holds_up_nobody_else),
        ENGINE_TEST(a_parked_key_resumes_with_its_dead_event_first),
        ENGINE_TEST(a_parked_key_that_resumes_and_fails_is_parked_again),
        ENGINE_TEST(a_skipped_key_goes_on_without_its_dead_event),
        ENGINE_TEST(replaying_or_discarding_a_parked_event_lets_its_key_go_on),
        ENGINE_TEST(a_parked_key_with_nobody_behind_it_is_skipped),
        ENGINE_TEST(a_paused_service_accepts_and_waits_also_after_a_crash),
        ENGINE_TEST(a_held_service_accepts_and_starts_nothing_until_it_is_let_go),
        ENGINE_TEST(a_published_command_is_durable_handed_over_and_named),
        ENGINE_TEST(a_delayed_published_command_leaves_at_its_time),
        ENGINE_TEST(a_publish_to_no_topic_is_refused),
        ENGINE_TEST(a_publish_under_an_idempotency_key_is_made_once),
        ENGINE_TEST(a_signal_that_nobody_can_wait_for_is_refused_in_words),
        ENGINE_TEST(a_claim_of_hops_that_is_no_number_counts_as_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_watch.c - attempts that ended, for whoever watches; following a publish by its id. */
#include "engine_fixture.h"
#include "script.h"
#include "test.h"
#include "query/trace.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CONF[] = "service \"s\" { subscribe = {\"in/#\"} handler = \"h.lua\" retries = 1"
                           " key = \"none\" delay = \"1s\" jitter = 0 }\n";
/* "s done, s retrying": what the watcher hears now. */
static const char *heard(struct engine_fixture *f, char out[1024], uint64_t *missed) {
    struct ending endings[ENDINGS_MAX];
    size_t count = engine_endings(f->engine, endings, missed);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(out);
        (void)snprintf(out + len, 1024 - len, "%s%s %.*s", i > 0 ? ", " : "",
                       event_state_name(endings[i].state), (int)endings[i].topic_bytes,
                       endings[i].topic);
    }
    return out;
}

static void nobody_watches_and_nothing_is_kept(void **state) {
    struct engine_fixture *f = *state;
    char text[1024];
    uint64_t missed;
    fixture_run(f, CONF, LUA(HANDLER));
    deliver(f, "s", "in/a", "good");
    assert_string_equal(heard(f, text, &missed), "");
    assert_int_equal(missed, 0);
}

static void a_watcher_hears_every_end_of_an_attempt(void **state) {
    struct engine_fixture *f = *state;
    char text[1024];
    uint64_t missed;
    fixture_run(f, CONF, LUA(HANDLER));
    assert_int_equal(engine_watch(f->engine, true), 0);
    deliver(f, "s", "in/a", "good");
    deliver(f, "s", "in/b", "bad");
    assert_string_equal(heard(f, text, &missed), "done in/a, retrying in/b");
    advance(f, 2000);
    assert_string_equal(heard(f, text, &missed), "dead in/b");
    assert_string_equal(heard(f, text, &missed), "");
}

static void a_reason_is_its_first_line(void **state) {
    struct engine_fixture *f = *state;
    struct ending endings[ENDINGS_MAX];
    uint64_t missed;
    fixture_run(f, CONF, LUA(HANDLER));
    assert_int_equal(engine_watch(f->engine, true), 0);
    deliver(f, "s", "in/b", "bad");
    assert_int_equal(engine_endings(f->engine, endings, &missed), 1);
    assert_non_null(memmem(endings[0].reason, endings[0].reason_bytes, "no such seat", 12));
    assert_null(memchr(endings[0].reason, '\n', endings[0].reason_bytes));
}

static void among_many_a_failure_is_kept_rather_than_a_success(void **state) {
    struct engine_fixture *f = *state;
    char text[1024];
    uint64_t missed;
    fixture_run(f, CONF, LUA(HANDLER));
    assert_int_equal(engine_watch(f->engine, true), 0);
    for (int i = 0; i < ENDINGS_MAX + 5; i++) {
        deliver(f, "s", "in/a", "good");
    }
    deliver(f, "s", "in/b", "bad");
    assert_non_null(strstr(heard(f, text, &missed), "retrying in/b"));
    assert_int_equal(missed, 6);
}

/* ---- following a publish ---- */

static const char *trace_of(struct engine_fixture *f, const struct uuid *id) {
    struct trace trace;
    const char *text = "unknown";
    assert_int_equal(trace_init(&trace, 1 << 20, f->now_ms), 0);
    assert_int_equal(store_begin(f->store), 0);
    int code = trace_begin(&trace, engine_journal(f->engine), id);
    while (code == 0) {
        code = trace_step(&trace, engine_journal(f->engine));
    }
    store_abort(f->store);
    assert_int_equal(code, ERR_NOTFOUND);
    if (trace_found(&trace)) {
        text = trace_state(&trace);
    }
    trace_clear(&trace);
    return text;
}

static struct uuid publish(struct engine_fixture *f, const char *topic, const char *payload,
                           int64_t after_ms) {
    struct command c = {.kind = COMMAND_PUBLISH,
                        .topic = slice_of(topic),
                        .payload = slice_of(payload),
                        .qos = 1,
                        .after_ms = after_ms};
    assert_int_equal(command(f, c), 0);
    return f->made;
}

static void a_publish_nobody_here_takes_is_followed_to_the_broker(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    f->hold_acks = true;
    struct uuid first = publish(f, "elsewhere", "1", 0);
    struct uuid second = publish(f, "elsewhere", "2", 0);
    assert_string_equal(trace_of(f, &first), "outbox");
    assert_string_equal(trace_of(f, &second), "outbox");
    f->hold_acks = false;
    acknowledge(f);
    advance(f, 1000);
    assert_string_equal(trace_of(f, &first), "published");
    assert_string_equal(trace_of(f, &second), "published");
}

static void a_publish_that_waits_for_its_time_says_so(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    struct uuid id = publish(f, "elsewhere", "1", 60000);
    assert_string_equal(trace_of(f, &id), "delayed");
    advance(f, 61000);
    assert_string_equal(trace_of(f, &id), "published");
}

static void a_publish_of_our_own_is_followed_to_its_end(void **state) {
    struct engine_fixture *f = *state;
    fixture_run(f, CONF, LUA(HANDLER));
    struct uuid good = publish(f, "in/a", "good", 0);
    struct uuid bad = publish(f, "in/b", "bad", 0);
    assert_string_equal(trace_of(f, &good), "done");
    assert_string_equal(trace_of(f, &bad), "working");
    advance(f, 2000);
    assert_string_equal(trace_of(f, &bad), "dead");
}

static void an_id_nobody_gave_is_unknown(void **state) {
    struct engine_fixture *f = *state;
    struct uuid id = {{1, 2, 3}};
    fixture_run(f, CONF, LUA(HANDLER));
    assert_string_equal(trace_of(f, &id), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        ENGINE_TEST(nobody_watches_and_nothing_is_kept),
        ENGINE_TEST(a_watcher_hears_every_end_of_an_attempt),
        ENGINE_TEST(a_reason_is_its_first_line),
        ENGINE_TEST(among_many_a_failure_is_kept_rather_than_a_success),
        ENGINE_TEST(a_publish_nobody_here_takes_is_followed_to_the_broker),
        ENGINE_TEST(a_publish_that_waits_for_its_time_says_so),
        ENGINE_TEST(a_publish_of_our_own_is_followed_to_its_end),
        ENGINE_TEST(an_id_nobody_gave_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_lack.c - what the machine has no memory for is not there for good: turns fail for it only so long, and then others get
 * on. Single allocations that fail are in test_faults.c.
 */
#include "engine_fixture.h"
#include "fault_plan.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"

#define LAST                                                                                       \
    "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" key = \"topic:2\" retries = 0 }\n"

/* What it asks for may never be there, and others must get on. */
static void a_policy_that_lacks_memory_for_good_is_given_up(void **state) {
    struct engine_fixture *f = fixture_new();
    char text[64];
    (void)state;
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" key = \"topic:2\" }\n"
                "service \"t\" { subscribe = {\"in/+\"} handler = \"h.lua\" key = \"topic:2\" }\n",
                LUA(LARGE));
    struct fault_plan lack = {FAULT_LARGE, 0};
    fault_begin(&lack);
    for (size_t i = 0; i < 2; i++) { /* each service waits for its own */
        const char *service = i == 0 ? "s" : "t";
        offer(f, service, "in/large", service, NULL);
        assert_int_equal(turn(f), ERR_MEMORY);
        f->now_ms += LACK_WAIT_MS;
        (void)redeliver(f);
        run_dry(f);
        assert_int_equal(state_of(f, service, service), EVENT_DEAD);
    }
    deliver(f, "s", "in/other", "y");
    assert_string_equal(payloads(f, "out", text, sizeof text), "other");
    (void)fault_end();
    fixture_free(f);
}

/* Its event says at least that, and the others get on. */
static void an_error_whose_text_finds_no_memory_for_good_ends_its_attempt(void **state) {
    struct engine_fixture *f = fixture_new();
    char text[512];
    (void)state;
    fixture_run(f, LAST, LUA(LONG_ERROR));
    struct fault_plan lack = {FAULT_TEXT, 0};
    fault_begin(&lack);
    offer(f, "s", "in/long", "x", NULL);
    assert_int_equal(turn(f), ERR_MEMORY);
    f->now_ms += LACK_WAIT_MS;
    (void)redeliver(f);
    run_dry(f);
    assert_int_equal(state_of(f, "s", "x"), EVENT_DEAD);
    assert_string_equal(reason_of(f, "s", "x", text),
                        "out of memory, also for the text of this error");
    deliver(f, "s", "in/other", "y");
    assert_string_equal(payloads(f, "out", text, sizeof text), "other");
    (void)fault_end();
    fixture_free(f);
}

/* Turns, for a second, until one fails; the peer answers. */
static int turns(struct engine_fixture *f) {
    const int64_t end_ms = f->now_ms + 1000; /* a saga is undone after its event has failed */
    int code = 0;
    while (code == 0 && f->now_ms <= end_ms) {
        f->now_ms += engine_due(f->engine) ? 0 : 500;
        code = turn(f);
        for (size_t i = 0; code == 0 && i < f->asked_count; i++) {
            if (f->asked[i].open) {
                answer(f, i, 200, "");
            }
        }
    }
    return code;
}

/* Its service has no retries. */
static void expect_lack(struct engine_fixture *f, struct fault_plan *lack, const char *topic) {
    fixture_run(f, LAST, LUA(LARGE_WORK));
    offer(f, "s", topic, "x", NULL);
    fault_begin(lack);
    assert_int_equal(turns(f), ERR_MEMORY);
}

/* Of a handler, and of a compensation: what it lacks may be there in a moment. */
static void a_last_attempt_that_lacks_memory_is_made_again(void **state) {
    static const char *const topics[] = {"in/work", "in/undone"};
    (void)state;
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        struct engine_fixture *f = fixture_new();
        struct fault_plan lack = {FAULT_LARGE, 0};
        char text[64];
        expect_lack(f, &lack, topics[i]);
        (void)fault_end();
        (void)redeliver(f);
        assert_int_equal(turns(f), 0);
        assert_string_equal(payloads(f, "out", text, sizeof text), "2097152");
        fixture_free(f);
    }
}

static void a_last_attempt_that_lacks_memory_for_good_is_given_up(void **state) {
    static const char *const topics[] = {"in/work", "in/undone"};
    static const enum event_state ends[] = {EVENT_DEAD, EVENT_NEEDS_PERSON};
    (void)state;
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        struct engine_fixture *f = fixture_new();
        struct fault_plan lack = {FAULT_LARGE, 0};
        expect_lack(f, &lack, topics[i]);
        f->now_ms += LACK_WAIT_MS;
        (void)redeliver(f);
        assert_int_equal(turns(f), 0);
        (void)fault_end();
        assert_int_equal(state_of(f, "s", "x"), ends[i]);
        fixture_free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_that_lacks_memory_for_good_is_given_up),
        cmocka_unit_test(a_last_attempt_that_lacks_memory_is_made_again),
        cmocka_unit_test(a_last_attempt_that_lacks_memory_for_good_is_given_up),
        cmocka_unit_test(an_error_whose_text_finds_no_memory_for_good_ends_its_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

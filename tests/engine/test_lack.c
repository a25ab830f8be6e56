/*
 * test_lack.c - what the machine has no memory for is not there for good: turns fail for it only so long, and then others get
 * on. Single allocations that fail are in test_faults.c.
 */
#include "engine_fixture.h"
#include "fault_plan.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"

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
    fixture_run(f,
                "service \"s\" { subscribe = {\"in/+\"} handler = \"h.lua\" key = \"topic:2\""
                " retries = 0 }\n",
                LUA(LONG_ERROR));
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_that_lacks_memory_for_good_is_given_up),
        cmocka_unit_test(an_error_whose_text_finds_no_memory_for_good_ends_its_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

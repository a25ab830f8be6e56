/* test_fleet_silence.c - what the silence of a host means to its fleet. */
#include "host/fleet/impl.h"
#include "test.h"

enum { BEGAN = 1000, SILENCE = 30000 };

static void assert_silence(const struct fleet_host *host, int64_t now_ms, enum fleet_silence is) {
    assert_int_equal(fleet_silence(host, now_ms, SILENCE), is);
}

static void a_host_that_reported_is_silent_after_the_limit(void **state) {
    (void)state;
    const struct fleet_host host = {.pid = 7, .started_ms = BEGAN, .beat_ms = 2 * BEGAN};
    assert_silence(&host, 2 * BEGAN + SILENCE, SILENCE_FINE);
    assert_silence(&host, 2 * BEGAN + SILENCE + 1, SILENCE_LONG);
}

static void a_host_that_has_not_reported_yet_is_called_slow_once(void **state) {
    (void)state;
    struct fleet_host host = {.pid = 7, .started_ms = BEGAN};
    assert_silence(&host, BEGAN + SILENCE, SILENCE_FINE);
    assert_silence(&host, BEGAN + SILENCE + 1, SILENCE_SLOW);
    host.slow = true;
    assert_silence(&host, BEGAN + FLEET_START_MS, SILENCE_FINE);
}

static void a_host_that_never_reports_does_not_hang_for_ever(void **state) {
    (void)state;
    struct fleet_host host = {.pid = 7, .started_ms = BEGAN, .slow = true};
    assert_silence(&host, BEGAN + FLEET_START_MS + 1, SILENCE_LONG);
    host.silent = true; /* killed: once is enough */
    assert_silence(&host, BEGAN + 2 * FLEET_START_MS, SILENCE_FINE);
}

/* It opens a large store, and had reported while that was loaded from its log. */
static void a_host_that_asked_for_more_time_gets_it(void **state) {
    (void)state;
    const struct fleet_host host = {
        .pid = 7, .started_ms = BEGAN, .beat_ms = 2 * BEGAN, .waits_ms = HOST_OPEN_MS};
    assert_silence(&host, 2 * BEGAN + HOST_OPEN_MS, SILENCE_FINE);
    assert_silence(&host, 2 * BEGAN + HOST_OPEN_MS + 1, SILENCE_LONG);
}

static void a_host_that_does_not_run_is_not_silent(void **state) {
    (void)state;
    const struct fleet_host host = {.started_ms = BEGAN};
    assert_silence(&host, BEGAN + 2 * FLEET_START_MS, SILENCE_FINE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_that_reported_is_silent_after_the_limit),
        cmocka_unit_test(a_host_that_has_not_reported_yet_is_called_slow_once),
        cmocka_unit_test(a_host_that_never_reports_does_not_hang_for_ever),
        cmocka_unit_test(a_host_that_asked_for_more_time_gets_it),
        cmocka_unit_test(a_host_that_does_not_run_is_not_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_ask.c - handlers of several hosts ask one another: the state of a key that another host has,
 * a publish that waits at another host.
 */
#include "hosts_world.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYED "service \"s\" { subscribe = {\"in\"} handler = \"h.lua\" key = \"json:/k\" }\n"

static void tell(struct hosts_world *w, uint16_t host, const char *key, const char *what,
                 const char *value) {
    char payload[256];
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"%s\":\"%s\"}", key, what, value);
    offer(host_at(w, host), "s", "in", payload, NULL);
    hosts_pass(w);
}

static void assert_state(struct hosts_world *w, const char *key, const char *name,
                         const char *json) {
    char text[512];
    struct engine_fixture *f = host_at(w, owner_of(w, "s", key));
    assert_string_equal(state_text(f, "s", key, name, text), json);
}

static void a_peek_at_another_hosts_key_holds_up_its_own_key_only(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, LUA(HANDLER));
    char mine[16];
    char other[16];
    char theirs[16];
    (void)state;
    (void)key_of(w, "s", 1, 0, mine);
    (void)key_of(w, "s", 1, 1, other);
    (void)key_of(w, "s", 2, 0, theirs);
    struct engine_fixture *f = host_at(w, 1);
    tell(w, 1, mine, "peek", theirs);
    assert_int_equal(f->asked_count, 1);
    assert_string_equal(f->asked[0].url, "/api/peek/s");
    tell(w, 1, other, "peek", mine); /* here: nobody is asked */
    assert_int_equal(f->asked_count, 1);
    assert_state(w, other, "seen", "\"nothing\"");
    assert_state(w, mine, "seen", "none");
    answer(f, 0, 200, "sann");
    hosts_pass(w);
    assert_state(w, mine, "seen", "\"ann\"");
    hosts_world_free(w);
}

static void a_peek_without_an_answer_is_a_failed_attempt(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, LUA(HANDLER));
    char mine[16];
    char theirs[16];
    (void)state;
    (void)key_of(w, "s", 1, 0, mine);
    (void)key_of(w, "s", 2, 0, theirs);
    struct engine_fixture *f = host_at(w, 1);
    tell(w, 1, mine, "peek", theirs);
    answer(f, 0, 503, "{}");
    hosts_pass(w);
    hosts_advance(w, 3000);
    assert_true(f->asked_count >= 2); /* tried again */
    answer(f, f->asked_count - 1, 200, "");
    hosts_pass(w);
    assert_state(w, mine, "seen", "\"nothing\"");
    hosts_world_free(w);
}

static void a_cancel_of_what_has_left_this_host_asks_nobody(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, LUA(HANDLER));
    char mine[16];
    (void)state;
    (void)key_of(w, "s", 1, 0, mine);
    struct engine_fixture *f = host_at(w, 1);
    tell(w, 1, mine, "later", "x");
    hosts_advance(w, 20000);
    assert_int_equal(count_published(f, "out"), 1);
    tell(w, 1, mine, "own", "x");
    assert_state(w, mine, "was", "false");
    assert_int_equal(f->asked_count, 0);
    hosts_world_free(w);
}

static void a_cancel_of_what_waits_here_asks_nobody(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, LUA(HANDLER));
    char mine[16];
    (void)state;
    (void)key_of(w, "s", 1, 0, mine);
    struct engine_fixture *f = host_at(w, 1);
    tell(w, 1, mine, "later", "x");
    tell(w, 1, mine, "own", "x");
    assert_state(w, mine, "was", "true");
    hosts_advance(w, 20000);
    assert_int_equal(count_published(f, "out"), 0);
    assert_int_equal(f->asked_count, 0);
    hosts_world_free(w);
}

static void a_cancel_of_what_is_not_known_here_asks_the_others(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, LUA(HANDLER));
    char mine[16];
    (void)state;
    (void)key_of(w, "s", 1, 0, mine);
    struct engine_fixture *f = host_at(w, 1);
    tell(w, 1, mine, "cancel", "0192f0c1-0000-7000-8000-000000000017");
    assert_int_equal(f->asked_count, 1);
    assert_string_equal(f->asked[0].url, "/api/cancel/0192f0c1-0000-7000-8000-000000000017");
    answer(f, 0, 404, "{}");
    hosts_pass(w);
    assert_state(w, mine, "was", "false");
    hosts_world_free(w);
}

/* What zing.cancel asks for must not discard an event that sleeps. */
static void a_cancel_of_publishes_leaves_events_alone(void **state) {
    struct hosts_world *w = hosts_world_new(2, KEYED, LUA(HANDLER));
    char mine[16];
    char payload[64];
    (void)state;
    struct engine_fixture *f = host_at(w, 1);
    tell(w, 1, key_of(w, "s", 1, 0, mine), "sleep", "x");
    (void)snprintf(payload, sizeof payload, "{\"k\":\"%s\",\"sleep\":\"x\"}", mine);
    struct command c = {.kind = COMMAND_CANCEL, .id = id_of(f, "s", payload), .publish_only = true};
    assert_int_equal(command(f, c), ERR_NOTFOUND);
    assert_int_equal(state_of(f, "s", payload), EVENT_SLEEPING);
    c.publish_only = false;
    assert_int_equal(command(f, c), 0);
    hosts_world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peek_at_another_hosts_key_holds_up_its_own_key_only),
        cmocka_unit_test(a_peek_without_an_answer_is_a_failed_attempt),
        cmocka_unit_test(a_cancel_of_what_has_left_this_host_asks_nobody),
        cmocka_unit_test(a_cancel_of_what_waits_here_asks_nobody),
        cmocka_unit_test(a_cancel_of_what_is_not_known_here_asks_the_others),
        cmocka_unit_test(a_cancel_of_publishes_leaves_events_alone),
    };
    return cmocka_run_group_tests_name("ask", tests, NULL, NULL);
}

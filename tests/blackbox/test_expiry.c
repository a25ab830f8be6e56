/*
 * test_expiry.c - a lock that runs out is told to the handler that took it.
 */
#include "stage.h"
#include "script.h"
#include "test.h"

#include <string.h>

/* The rule for what the world sends must not be asked of what the host makes itself. */
static void an_expired_lock_needs_no_idempotency_key(void **state) {
    struct stage *s = *state;
    stage_play(s,
               "service \"hold\" { subscribe = {\"in/x\"}  handler = \"hold.lua\"\n"
               "  key = \"json:/key\"  idempotency = \"json:/id\" }\n",
               "scripts/hold.lua", LUA(hold_script));
    stage_peers(s, "out/#");

    peer_publish(&s->publisher, "in/x", "{\"id\":\"a\",\"key\":\"k\"}", NULL);

    WAIT_FOR(s, peer_count(&s->observer) == 1);
    assert_string_equal(peer_note(&s->observer, 0)->topic, "out/a");
    WAIT_FOR(s, program_engine(&s->host, "waiting") == 0);
    assert_int_equal(program_service(&s->host, "hold", "done"), 2);
    assert_int_equal(program_service(&s->host, "hold", "dead"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(an_expired_lock_needs_no_idempotency_key),
    };
    return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}

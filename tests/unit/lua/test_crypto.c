/* test_crypto.c - zing.crypto gives what the standards say, and is stopped by the clock. */
#include "lua_world.h"
#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define HOLDS(name)                                                                                \
    static void name(void **state) {                                                               \
        (void)state;                                                                               \
        world_holds(LUA(name));                                                                    \
    }

HOLDS(digests_and_codes_are_those_of_the_standards)
HOLDS(texts_go_both_ways)
HOLDS(random_is_as_long_as_asked_and_each_time_another)
HOLDS(equal_compares_bytes)
HOLDS(wrong_names_are_errors)

static void what_it_reads_is_charged(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "while true do zing.crypto.sha256(s) end",   "while true do zing.crypto.hmac(s, s) end",
        "while true do zing.crypto.equal(s, s) end", "while true do zing.crypto.base64(s) end",
        "while true do zing.crypto.unhex(s) end",    "while true do zing.crypto.random(65536) end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "local s = ('a'):rep(1 << 20) %s", bodies[i]);
        struct lua_world *w = world_new(world_handler(body));
        (void)world_run(w, "{}");
        assert_int_equal(w->run->outcome, OUTCOME_ERROR);
        assert_non_null(strstr(world_error(w), "lua_time"));
        world_free(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_and_codes_are_those_of_the_standards),
        cmocka_unit_test(texts_go_both_ways),
        cmocka_unit_test(random_is_as_long_as_asked_and_each_time_another),
        cmocka_unit_test(equal_compares_bytes),
        cmocka_unit_test(wrong_names_are_errors),
        cmocka_unit_test(what_it_reads_is_charged),
    };
    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}

/* test_pattern.c - string.find, match, gmatch and gsub do what Lua's own do, and can be stopped. */
#include "lua/host.h"

#include "script.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <lualib.h>

/* A state in which `string` is Lua's and `own` is ours; nothing is limited. */
struct pattern_state {
    struct script_host host;
    lua_State *L;
};

static int open_state(void **state) {
    static struct pattern_state p;
    p.L = luaL_newstate();
    *(struct script_host **)lua_getextraspace(p.L) = &p.host;
    luaL_openlibs(p.L);
    lua_newtable(p.L);
    sandbox_open_patterns(p.L);
    lua_setglobal(p.L, "own");
    *state = &p;
    return 0;
}

static int close_state(void **state) {
    struct pattern_state *p = *state;
    lua_close(p->L);
    return 0;
}

static void lua_runs(void **state, const char *script) {
    struct pattern_state *p = *state;
    if (luaL_dostring(p->L, script) != LUA_OK) {
        print_error("%s\n", lua_tostring(p->L, -1));
        fail();
    }
}

static void pattern_functions_agree_on_examples(void **state) {
    lua_runs(state, LUA(compare));
    lua_runs(state, LUA(pattern_functions_agree_on_examples));
}

static void pattern_functions_agree_on_random_input(void **state) {
    lua_runs(state, LUA(compare));
    lua_runs(state, LUA(pattern_functions_agree_on_random_input));
}

static void pattern_depth_is_bounded_as_in_lua(void **state) {
    lua_runs(state, LUA(compare));
    lua_runs(state, LUA(pattern_depth_is_bounded_as_in_lua));
}

int main(void) {
#define pattern_test(f) cmocka_unit_test_setup_teardown(f, open_state, close_state)
    const struct CMUnitTest tests[] = {
        pattern_test(pattern_functions_agree_on_examples),
        pattern_test(pattern_functions_agree_on_random_input),
        pattern_test(pattern_depth_is_bounded_as_in_lua),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

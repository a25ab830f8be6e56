/* test_library.c - what loops in C is stopped by the limits of time and memory, and does what Lua's
 * own functions do. */
#include "lua_world.h"
#include "pace.h"
#include "script.h"
#include "test.h"

#include "lua/host.h"

#include <string.h>

/* --- the limits --- */

static void ends_by(const char *body, const char *limit) {
    struct lua_world *w = world_new_unloaded(world_handler(body));
    w->conf.lua_time_ms = LUA_TIME_MS / 4; /* each of them takes all of it */
    w->conf.lua_memory_bytes = 512 << 20;  /* time is what runs out */
    assert_int_equal(world_load(w), 0);
    (void)world_run(w, "{}");
    if (w->run->outcome != OUTCOME_ERROR || strstr(world_error(w), limit) == NULL) {
        print_error("%s\n-> outcome %d: %s\n", body, (int)w->run->outcome, world_error(w));
        fail();
    }
    world_free(w);
}

static void library_calls_that_loop_in_c_are_stopped_by_the_clock(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "local t = setmetatable({}, {__metatable = '', __index = getmetatable})\n"
        "table.concat(t, '', 1, math.maxinteger - 1)",
        "table.move({}, 1, 1 << 50, 2)",
        "table.move({}, -(1 << 50), 1, 2)",
        "table.move({}, 1, 1 << 50, 1, {})",
        "local t = {} for i = 1, 200000 do t[i] = i % 7 end\n"
        "while true do table.sort(t, rawequal) end",
        "local a = ('x'):rep(1 << 20) local s, t = {[0] = a .. 0, a .. 1, a .. 2}, {}\n"
        "for i = 1, 100000 do t[i] = s[i % 3] end\n"
        "table.sort(t)",
        "local t = {} for i = 1, 60 do t = {t, t} end zing.json.encode(t)",
        "local t = {} for i = 1, 60 do t = {a = t, b = t} end zing.publish('a', t)",
        "local e = {} for i = 1, 1 << 18 do e[i] = i end for i = 1, #e do e[i] = nil end\n"
        "local t = {} for i = 1, 200000 do t[i] = e end zing.json.encode(t)",
        "local t = {} for i = 1, 7 do t = {t, t, t, t, t, t, t, t, t, t} end\n"
        "zing.http.post('http://h/', {form = {a = t}})",
        "local s = ('x'):rep(20 << 20) while true do utf8.len(s) end",
        "local s = ('x'):rep(20 << 20) while true do utf8.offset(s, -1, 2) end",
        "local s = ('0'):rep(20 << 20) while true do tonumber(s) tonumber(s, 36) end",
        "local s = ('x'):rep(10 << 20) while true do s:upper() s:reverse() s:byte(1) end",
        "local s = ('%1'):rep(1 << 20) local t = ('x'):rep(1 << 20) t:gsub('()', s)\n"
        "t:gsub('(y-)', s)",
        "local s = ('x'):rep(20 << 20) s:gsub('', '') s:gsub('', '') s:gsub('', '') s:gsub('', "
        "'')\n"
        "while true do s:gsub('', '') end",
        "local t = {} for i = 1, 200000 do t[i] = 1e308 end\n"
        "while true do ('%.99f'):rep(150000):format(table.unpack(t, 1, 150000)) end",
        "local s = ('::a%d::'):rep(1) local t = {} for i = 1, 100000 do t[i] = '::a' .. i .. '::' "
        "end\n"
        "load(table.concat(t):sub(1, 1000000):match('.*::'))\n"
        "load('x = ' .. ('a or '):rep(190000) .. 'a')",
        "while true do os.date(('%c'):rep(500)) end",
        "local t = {} for i = 1, 900000 do t[i] = i end while true do table.unpack(t) end",
        "local t = {} for i = 1, 900000 do t[i] = i end while true do table.insert(t, 1, 1) "
        "table.remove(t, 1) "
        "end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        ends_by(bodies[i], "CPU time (limits.lua_time)");
    }
}

static void library_formats_that_are_programs_have_a_limit(void **state) {
    (void)state;
    world_ends("string.packsize(('!1 '):rep(1 << 20))", OUTCOME_ERROR, "more than 4096 bytes");
    world_ends("string.unpack(('<'):rep(1 << 20), '')", OUTCOME_ERROR, "more than 4096 bytes");
    world_ends("os.date(('%c'):rep(1 << 20))", OUTCOME_ERROR, "more than 1024 bytes");
}

static void library_json_counts_against_the_memory(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler(LUA(library_json_counts_against_the_memory)));
    (void)world_run(w, "{}");
    if (w->run->outcome != OUTCOME_DONE) {
        fail_msg("%s", world_error(w));
    }
    world_free(w);
    ends_by("zing.json.decode('[' .. ('[],'):rep(6000000) .. '0]')", "limits.lua_");
}

static void library_chain_of_closing_coroutines_is_an_error(void **state) {
    (void)state;
    world_holds(LUA(library_chain_of_closing_coroutines_is_an_error));
}

/* --- the same answers as Lua's own --- */

static void library_sort_sorts(void **state) {
    (void)state;
    world_holds(LUA(library_sort_sorts));
}

static void library_concat_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds(LUA(library_concat_in_parts_is_the_same));
}

static void library_move_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds(LUA(library_move_in_parts_is_the_same));
}

static void library_format_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds(LUA(library_format_in_parts_is_the_same));
}

static void library_rep_is_the_same(void **state) {
    (void)state;
    world_holds(LUA(library_rep_is_the_same));
}

static void library_utf8_len_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds(LUA(library_utf8_len_in_parts_is_the_same));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library_calls_that_loop_in_c_are_stopped_by_the_clock),
        cmocka_unit_test(library_formats_that_are_programs_have_a_limit),
        cmocka_unit_test(library_json_counts_against_the_memory),
        cmocka_unit_test(library_chain_of_closing_coroutines_is_an_error),
        cmocka_unit_test(library_sort_sorts),
        cmocka_unit_test(library_concat_in_parts_is_the_same),
        cmocka_unit_test(library_move_in_parts_is_the_same),
        cmocka_unit_test(library_format_in_parts_is_the_same),
        cmocka_unit_test(library_rep_is_the_same),
        cmocka_unit_test(library_utf8_len_in_parts_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

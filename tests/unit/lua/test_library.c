/* test_library.c - what loops in C is stopped by the limits of time and memory, and does what Lua's
 * own functions do. */
#include "lua_world.h"
#include "test.h"

#include "lua/host.h"

#include <string.h>

/* --- the limits --- */

static void ends_by(const char *body, const char *limit) {
    struct lua_world *w = world_new_unloaded(world_handler(body));
    w->conf.lua_memory_bytes = 64 << 20;
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
        "local t = {} for i = 1, 5000 do t[i] = e end zing.json.encode(t)",
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
    struct lua_world *w = world_new(
        world_handler("local s = '[' .. ('[],'):rep(500000) .. '0]'\n"
                      "local ok, e = pcall(zing.json.decode, s)\n"
                      "assert(not ok and e == 'not enough memory', e)\n"
                      "assert(#zing.json.decode('[' .. ('1,'):rep(50000) .. '1]') == 50001)\n"
                      "assert(not pcall(zing.json.decode, '[' .. ('1,'):rep(50000) .. '1'))"));
    (void)world_run(w, "{}");
    if (w->run->outcome != OUTCOME_DONE) {
        fail_msg("%s", world_error(w));
    }
    world_free(w);
    ends_by("zing.json.decode('[' .. ('[],'):rep(6000000) .. '0]')", "limits.lua_");
}

static void library_chain_of_closing_coroutines_is_an_error(void **state) {
    (void)state;
    world_holds("local coro\n"
                "for i = 1, 5000 do\n"
                "  local previous = coro\n"
                "  coro = coroutine.create(function()\n"
                "    local c <close> = setmetatable({}, {__close = function()\n"
                "      if previous then assert(coroutine.close(previous)) end end})\n"
                "    coroutine.yield()\n"
                "  end)\n"
                "  coroutine.resume(coro)\n"
                "end\n"
                "local ok, e = coroutine.close(coro)\n"
                "assert(not ok and e:find('C stack overflow'), e)");
}

/* --- the same answers as Lua's own --- */

static void library_sort_sorts(void **state) {
    (void)state;
    world_holds(
        "local function check(n, make, less)\n"
        "  local t, count = {}, {}\n"
        "  for i = 1, n do local v = make(i) t[i] = v count[v] = (count[v] or 0) + 1 end\n"
        "  table.sort(t, less)\n"
        "  assert(#t == n)\n"
        "  for i = 1, n do\n"
        "    if i > 1 then assert(not (less or function(a, b) return a < b end)(t[i], t[i - 1])) "
        "end\n"
        "    count[t[i]] = count[t[i]] - 1\n"
        "  end\n"
        "  for _, left in pairs(count) do assert(left == 0) end\n"
        "end\n"
        "for n = 0, 70 do\n"
        "  check(n, function(i) return i end)\n"
        "  check(n, function(i) return -i end)\n"
        "  check(n, function(i) return math.random(5) end)\n"
        "  check(n, function(i) return tostring(math.random(100)) end)\n"
        "  check(n, function(i) return math.random(9) end, function(a, b) return a > b end)\n"
        "end\n"
        "check(3000, function() return math.random() end)\n"
        "local t = {3, 1, 2} table.sort(t, function() return true end)\n"
        "table.sort(t) assert(table.concat(t) == '123')\n"
        "t = {5, 3, 9, 1, 7} local n = 0\n"
        "assert(not pcall(table.sort, t, function(a, b) n = n + 1 if n > 5 then error('x') end\n"
        "  return a < b end))\n"
        "table.sort(t) assert(table.concat(t) == '13579')\n"
        "local ok, e = pcall(table.sort, {1, 'a'}) assert(not ok and e:find('compare'), e)\n"
        "assert(not pcall(table.sort, {1, 2}, 5) and not pcall(table.sort, 5))");
}

static void library_concat_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds("local t = {} for i = 1, 5000 do t[i] = i end\n"
                "local s = '1' for i = 2, 5000 do s = s .. ', ' .. i end\n"
                "assert(table.concat(t, ', ') == s)\n"
                "for _, n in ipairs({0, 1, 1023, 1024, 1025, 2048, 2049}) do\n"
                "  local a, b = table.concat(t, '', 1, n), {}\n"
                "  for i = 1, n do b[i] = tostring(i) end\n"
                "  local c = '' for i = 1, n do c = c .. b[i] end\n"
                "  assert(a == c, n)\n"
                "end\n"
                "assert(table.concat({}) == '' and table.concat({1}, 'x') == '1')\n"
                "assert(table.concat({1, 2, 3}, '-', 2) == '2-3')\n"
                "t[3000] = {}\n"
                "local ok, e = pcall(table.concat, t)\n"
                "assert(not ok and e:find('index 3000'), e)\n"
                "ok, e = pcall(table.concat, 5) assert(not ok and e:find('table expected'), e)");
}

static void library_move_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds("local function check(n, to, other)\n"
                "  local t, want = {}, {}\n"
                "  for i = 1, n do t[i] = i end\n"
                "  local into = other and {} or t\n"
                "  for k, v in pairs(into) do want[k] = v end\n"
                "  for i = 1, n do want[to + i - 1] = i end\n"
                "  local got\n"
                "  if other then got = table.move(t, 1, n, to, into)\n"
                "  else got = table.move(t, 1, n, to) end\n"
                "  assert(got == into)\n"
                "  for k, v in pairs(want) do assert(into[k] == v, k) end\n"
                "end\n"
                "for _, n in ipairs({0, 1, 1024, 1025, 3000}) do\n"
                "  for _, to in ipairs({1, 2, 500, 1500, 3500, -1, -500}) do\n"
                "    check(n, to) check(n, to, true)\n"
                "  end\n"
                "end\n"
                "assert(not pcall(table.move, {}, 1, math.maxinteger, 2))\n"
                "assert(not pcall(table.move, {}, -1, math.maxinteger, 2))");
}

static void library_format_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds("local t, want = {}, ''\n"
                "for i = 1, 200 do t[i] = i want = want .. ('<%3d%%>'):format(i) end\n"
                "assert(('<%3d%%>'):rep(200):format(table.unpack(t)) == want)\n"
                "assert(('%s'):format('a', table.unpack(t)) == 'a')\n"
                "assert(not pcall(string.format, ('%d'):rep(201), table.unpack(t)))\n"
                "local ok, e = pcall(string.format, ('%d'):rep(100) .. '%', table.unpack(t))\n"
                "assert(not ok and e:find('invalid conversion'), e)");
}

static void library_rep_is_the_same(void **state) {
    (void)state;
    world_holds(
        "assert(('ab'):rep(3) == 'ababab' and ('ab'):rep(3, '-') == 'ab-ab-ab')\n"
        "assert(('ab'):rep(0) == '' and ('ab'):rep(-1) == '' and ('ab'):rep(1, '-') == 'ab')\n"
        "assert((''):rep(3, '-') == '--' and (''):rep(1e15) == '')\n"
        "for n = 1, 70 do\n"
        "  local s = 'x' for i = 2, n do s = s .. ',yx' end\n"
        "  assert(('x'):rep(n, ',y') == s, n)\n"
        "end\n"
        "local ok, e = pcall(string.rep, 'abc', math.maxinteger)\n"
        "assert(not ok and e:find('too large'), e)");
}

static void library_utf8_len_in_parts_is_the_same(void **state) {
    (void)state;
    world_holds(
        "for _, c in ipairs({'x', '\\u{e4}', '\\u{20ac}', '\\u{1f600}'}) do\n"
        "  for pad = 0, 4 do\n"
        "    local s = ('.'):rep(pad) .. c:rep(200000 // #c)\n"
        "    assert(utf8.len(s) == pad + 200000 // #c, #c)\n"
        "    assert(utf8.len(s, pad + 1) == 200000 // #c)\n"
        "    local n, at = utf8.len(s .. '\\x80' .. s)\n"
        "    assert(n == nil and at == #s + 1, at)\n"
        "  end\n"
        "end\n"
        "local s = ('x'):rep(65535) .. '\\u{e4}' .. ('x'):rep(100000)\n"
        "assert(utf8.len(s) == 165536)\n"
        "local n, at = utf8.len(('x'):rep(65535) .. '\\xc3\\xa4\\xa4' .. ('x'):rep(100000))\n"
        "assert(n == nil and at == 65538, at)\n"
        "n, at = utf8.len(('x'):rep(200000) .. '\\xe2\\x82')\n"
        "assert(n == nil and at == 200001)\n"
        "local lax = utf8.char(0x7fffffff):rep(50000)\n"
        "assert(utf8.len(lax, 1, -1, true) == 50000 and utf8.len(lax) == nil)\n"
        "assert(not pcall(utf8.len, 'abc', 9) and utf8.len('abc', 4) == 0)");
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

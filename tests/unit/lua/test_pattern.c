/* test_pattern.c - string.find, match, gmatch and gsub do what Lua's own do, and can be stopped. */
#include "lua/host.h"

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

/* Calls both with the same arguments; results and errors must be the same. */
static const char compare[] =
    "local function run(f, ...)\n"
    "  local r = table.pack(pcall(f, ...))\n"
    "  for i = 1, r.n do r[i] = tostring(r[i]):gsub('^[^:]*:%d+: ', ''):gsub(\"'%?'\", \"'x'\") "
    "end\n"
    "  return table.concat(r, '|')\n"
    "end\n"
    "local function all(lib)\n"
    "  return function(s, p, init)\n"
    "    local out = {}\n"
    "    for w, x in lib.gmatch(s, p, init) do out[#out + 1] = tostring(w) .. ',' .. tostring(x) "
    "end\n"
    "    return table.concat(out, ';')\n"
    "  end\n"
    "end\n"
    "local own_all, lua_all = all(own), all(string)\n"
    "function check(name, ...)\n"
    "  local a, b\n"
    "  if name == 'gmatch' then a, b = run(own_all, ...), run(lua_all, ...)\n"
    "  else a, b = run(own[name], ...), run(string[name], ...) end\n"
    "  a, b = a:gsub('bad argument.*', 'bad'), b:gsub('bad argument.*', 'bad')\n"
    "  if a ~= b then\n"
    "    error(string.format('%s(%q): own %q, lua %q', name,\n"
    "      table.concat(table.pack(...), ', '), a, b), 0)\n"
    "  end\n"
    "end\n";

static void pattern_functions_agree_on_examples(void **state) {
    lua_runs(state, compare);
    lua_runs(
        state,
        "local texts = {'', 'a', 'hello world', 'key = value', '  trim  ', 'THE (quick) fox',\n"
        "  'f(a(b)c)d', 'x=1, y=2', '2024-01-31', 'a.b.c', 'aaa', '[x]', 'a\\0b', '\\255\\128'}\n"
        "local patterns = {'', '.', 'a', 'l+', '^(%w+)%s*=%s*(%w+)$', '^%s*(.-)%s*$', '%b()',\n"
        "  '%f[%w]%w+', '()%w()', '(%d+)-(%d+)-(%d+)', '[^%.]+', 'a-', 'a-$', '[]]', '[^]]',\n"
        "  '[a-c%d]', '%.', '(a)%1', '%u+', '[%]]', 'a?b?c?', '.-o', 'x*', '%z', '[a-]', '$', "
        "'^',\n"
        "  '^$', 'a^', '$a', '%$', '(', ')', '%', '[', '[a', '[^', '%b', '%bx', '%f', '%1', "
        "'(()',\n"
        "  '[%', '(.)(.)(.)', '\\0', '[\\0-\\31]', '%g+', '%c', '%x+', '%p', '%S+', '(%w)%w*%1', "
        "'%0'}\n"
        "for _, s in ipairs(texts) do for _, p in ipairs(patterns) do\n"
        "  for _, init in ipairs{1, 2, -1, 0, 100, -100} do\n"
        "    check('find', s, p, init) check('match', s, p, init) check('gmatch', s, p, init)\n"
        "    check('find', s, p, init, true)\n"
        "  end\n"
        "  for _, r in ipairs{'', '<%0>', '%1%1', '%%', '%2', '%', '%x', 5} do\n"
        "    check('gsub', s, p, r) check('gsub', s, p, r, 1) check('gsub', s, p, r, 0)\n"
        "  end\n"
        "  check('gsub', s, p, function(a, b) return b or (a == 'a' and 'A') end)\n"
        "  check('gsub', s, p, function(a) return {} end)\n"
        "  check('gsub', s, p, {a = 'X', hello = false, [1] = 'one'})\n"
        "end end\n"
        "check('find') check('match', 'a') check('gsub', 'a', 'b') check('gsub', 'a', 'b', print, "
        "'x')\n"
        "check('gsub', 'a', 'b', nil) check('gmatch', {}, 'b')");
}

static void pattern_functions_agree_on_random_input(void **state) {
    lua_runs(state, compare);
    lua_runs(
        state,
        "math.randomseed(7)\n"
        "local letters = {'a', 'b', '.', '%', '(', ')', '[', ']', '^', '$', '*', '+', '-', '?',\n"
        "  '%a', '%1', '%b', '%f', '%w', '[ab]', '[^a]', '(a)', '()', 'x', '1'}\n"
        "local function word(from, n)\n"
        "  local t = {} for i = 1, math.random(0, n) do t[i] = from[math.random(#from)] end\n"
        "  return table.concat(t)\n"
        "end\n"
        "local bytes = {'a', 'b', 'a', '(', ')', '[', '1', ' '}\n"
        "for i = 1, 20000 do\n"
        "  local s, p = word(bytes, 12), word(letters, 7)\n"
        "  check('find', s, p) check('match', s, p, 2) check('gmatch', s, p)\n"
        "  check('gsub', s, p, '<%0>', math.random(0, 5)) check('gsub', s, p, '%1')\n"
        "end");
}

static void pattern_depth_is_bounded_as_in_lua(void **state) {
    lua_runs(state, compare);
    lua_runs(state,
             "local s = string.rep('a', 300)\n"
             "check('find', s, string.rep('a?', 300))\n"
             "check('find', s, string.rep('(a)', 33)) check('find', s, string.rep('(a)', 32))\n"
             "check('find', s, string.rep('a-', 250) .. 'b')");
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

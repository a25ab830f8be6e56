/*
 * test_script.c - loading, reloading, the sandbox and its limits.
 *
 * ctest: busy
 */
#include "lua_world.h"
#include "pace.h"
#include "script.h"
#include "test.h"

#include "lua/host.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- loading --- */

static void refuses_to_load(const char *script, const char *text) {
    struct lua_world *w = world_new_unloaded(script);
    assert_int_equal(world_load(w), ERR_SCRIPT);
    if (strstr(w->report.text, text) == NULL) {
        print_error("%s\n-> %s\n", script, w->report.text);
        fail();
    }
    assert_string_equal(script_error(w->host, 0), w->report.text);
    world_free(w);
}

static void script_load_names_file_and_line(void **state) {
    (void)state;
    refuses_to_load(LUA(script_load_names_file_and_line),
                    "scripts/handler.lua:2: unexpected symbol");
    refuses_to_load("local x = 5", "scripts/handler.lua: returns a nil");
    refuses_to_load("return 'x'", "scripts/handler.lua: returns a string");
    refuses_to_load("return {}", "handles no topic");
    refuses_to_load("return {['a/#/b'] = print}", "scripts/handler.lua: \"a/#/b\"");
    refuses_to_load("return {a = 5}", "[\"a\"] is a number, not a function");
    refuses_to_load("return {print}", "a key that is not a topic filter");
    refuses_to_load("error('at the top')", "scripts/handler.lua:1: at the top");
    refuses_to_load("zing.publish('a', 'b')", "works only while a handler runs");
    refuses_to_load("while true do end", "CPU time (limits.lua_time)");
    refuses_to_load("local t = {} for i = 1, 1e9 do t[i] = i end", "limits.lua_memory");
    refuses_to_load("\x1bLua bytecode", "attempt to load a binary chunk");
}

static void script_load_of_a_missing_file_says_so(void **state) {
    (void)state;
    struct lua_world *w = world_new_unloaded("return print");
    w->service.handler = "nothing.lua";
    assert_int_equal(world_load(w), ERR_SCRIPT);
    assert_non_null(strstr(w->report.text, "scripts/nothing.lua: cannot open"));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "the handler is not loaded: scripts/nothing.lua"));
    world_free(w);
}

static void script_has_knows_the_reserved_names(void **state) {
    (void)state;
    struct lua_world *w = world_new("return {a = print, on_dead = print}");
    assert_true(script_has(w->host, 0, "on_dead"));
    assert_false(script_has(w->host, 0, "on_lock_expired"));
    assert_false(script_has(w->host, 0, "a"));
    world_free(w);
}

/* --- require --- */

static void script_require_loads_once_and_shares(void **state) {
    (void)state;
    struct lua_world *w = world_new_unloaded(LUA(script_require_loads_once_and_shares));
    world_write(w, "util.lua", LUA(script_require_loads_once_and_shares_2));
    world_write(w, "other.lua", "require('util').n = 1");
    assert_int_equal(world_load(w), 0);
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_DONE);
    world_free(w);
}

/* What the compiler says of a file that is no script would tell what is in it. */
static void no_link_leads_out_of_the_folder(void **state) {
    (void)state;
    struct lua_world *w = world_new_unloaded("return function() end");
    struct lua_world *secret = world_new_unloaded("3fa9secret");
    char target[128];
    char path[128];
    (void)snprintf(target, sizeof target, "%s/handler.lua", secret->dir);
    (void)snprintf(path, sizeof path, "%s/stolen.lua", w->dir);
    assert_int_equal(symlink(target, path), 0);
    world_write(w, "handler.lua", "local ok, why = pcall(require, 'stolen') error(why)");
    assert_int_not_equal(world_load(w), 0);
    assert_non_null(strstr(w->report.text, "a link to a file outside of the scripts folder"));
    assert_null(strstr(w->report.text, "3fa9"));
    (void)snprintf(path, sizeof path, "%s/other.lua", w->dir);
    world_write(w, "real.txt", "return 7");
    assert_int_equal(symlink("real.txt", path), 0); /* as Kubernetes mounts files */
    world_write(w, "handler.lua", "assert(require('other') == 7) return function() end");
    assert_int_equal(world_load(w), 0);
    world_free(secret);
    world_free(w);
}

static void a_pipe_is_no_script(void **state) {
    (void)state;
    struct lua_world *w = world_new_unloaded("return require('pipe')");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/pipe.lua", w->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_not_equal(world_load(w), 0);
    assert_non_null(strstr(w->report.text, "not a readable file"));
    world_free(w);
}

static void script_require_stays_in_its_folder(void **state) {
    (void)state;
    refuses_to_load("return require('../secret')", "without a path");
    refuses_to_load("return require('/etc/passwd')", "without a path");
    refuses_to_load("return require('a/b')", "without a path");
    refuses_to_load("return require('..')", "without a path");
    refuses_to_load("return require('.hidden')", "without a path");
    refuses_to_load("return require('x\\0y')", "without a path");
    refuses_to_load("return require('')", "without a path");
    refuses_to_load("return require('gone')", "scripts/gone.lua: cannot open");
    world_ends("require('late')", OUTCOME_ERROR, "require at the top of the script");
}

static void script_require_in_a_circle_is_named(void **state) {
    (void)state;
    struct lua_world *w = world_new_unloaded("require('a') return print");
    world_write(w, "a.lua", "require('b')");
    world_write(w, "b.lua", "require('a')");
    assert_int_equal(world_load(w), ERR_SCRIPT);
    assert_non_null(strstr(w->report.text, "require(\"a.lua\") goes round in a circle"));
    world_free(w);
}

/* --- reloading --- */

struct reloads {
    int count;
    char error[256];
};

static void note_reload(void *ctx, size_t service, const char *error) {
    struct reloads *reloads = ctx;
    assert_int_equal(service, 0);
    reloads->count++;
    (void)snprintf(reloads->error, sizeof reloads->error, "%s", error == NULL ? "" : error);
}

static const char *state_after_run(struct lua_world *w) {
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    return world_error(w);
}

static void script_reload_takes_a_new_version_and_keeps_a_good_one(void **state) {
    (void)state;
    struct reloads reloads = {0, ""};
    struct lua_world *w = world_new(world_handler("zing.reject('one')"));
    uint64_t first = script_version(w->host, 0);
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 0);

    world_write(w, "handler.lua", world_handler("zing.reject('the second')"));
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    assert_string_equal(state_after_run(w), "the second");
    uint64_t second = script_version(w->host, 0);
    assert_true(second != first && second != 0);

    world_write(w, "handler.lua", "return function( end");
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    assert_non_null(strstr(reloads.error, "scripts/handler.lua:1:"));
    assert_non_null(script_error(w->host, 0));
    assert_int_equal(script_version(w->host, 0), second);
    assert_string_equal(state_after_run(w), "the second");
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 0); /* said once */

    world_write(w, "handler.lua", world_handler("zing.reject('one')"));
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    assert_string_equal(reloads.error, "");
    assert_null(script_error(w->host, 0));
    assert_int_equal(script_version(w->host, 0), first);
    assert_int_equal(reloads.count, 3);
    world_free(w);
}

static void script_reload_follows_required_files_that_come_and_go(void **state) {
    (void)state;
    struct reloads reloads = {0, ""};
    struct lua_world *w =
        world_new_unloaded(LUA(script_reload_follows_required_files_that_come_and_go));
    assert_int_equal(world_load(w), ERR_SCRIPT);
    world_write(w, "m.lua", "return 'here'");
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    assert_string_equal(state_after_run(w), "here");
    world_write(w, "m.lua", "return 'changed'");
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    assert_string_equal(state_after_run(w), "changed");
    char path[256];
    (void)snprintf(path, sizeof path, "%s/m.lua", w->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    assert_non_null(strstr(reloads.error, "m.lua: cannot open"));
    assert_string_equal(state_after_run(w), "changed");
    world_free(w);
}

static void script_reload_lets_a_waiting_handler_finish_its_version(void **state) {
    (void)state;
    struct reloads reloads = {0, ""};
    struct lua_world *w =
        world_new(world_handler("local r = zing.http.get('http://h/') zing.reject('old')"));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    world_write(w, "handler.lua", world_handler("zing.reject('new')"));
    assert_int_equal(script_reload(w->host, &reloads, note_reload), 1);
    world_answer(w, 200, "", "");
    assert_string_equal(world_error(w), "old");
    assert_string_equal(state_after_run(w), "new");
    world_free(w);
}

/* --- what a script cannot touch --- */

static void script_sandbox_has_no_way_out(void **state) {
    (void)state;
    static const char *const names[] = {"io",         "debug", "package", "dofile", "loadfile",
                                        "loadstring", "warn",  "setfenv", "module", "jit"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, "return %s", names[i]);
        world_ends(body, OUTCOME_ERROR, "undeclared global");
    }
    world_holds("assert(os.execute == nil and os.getenv == nil and os.exit == nil)\n"
                "assert(os.remove == nil and os.tmpname == nil and os.setlocale == nil)\n"
                "assert(string.dump == nil and ('').dump == nil)");
    world_ends("collectgarbage('stop')", OUTCOME_ERROR, "only \"count\"");
    world_holds("assert(collectgarbage('count') > 10)");
}

static void script_sandbox_libraries_are_read_only(void **state) {
    (void)state;
    world_ends("string.foo = 1", OUTCOME_ERROR, "string is read-only: cannot assign foo");
    world_ends("table.insert(string, 1)", OUTCOME_ERROR, "read-only");
    world_ends("rawset(string, 'foo', 1)", OUTCOME_ERROR, "read-only");
    world_ends("zing.publish = 1", OUTCOME_ERROR, "zing is read-only");
    world_ends("zing.state.get = 1", OUTCOME_ERROR, "zing.state is read-only");
    world_ends("zing.config.x = 1", OUTCOME_ERROR, "zing.config is read-only");
    world_ends("setmetatable(string, {})", OUTCOME_ERROR, "protected metatable");
    world_ends("setmetatable(_G, nil)", OUTCOME_ERROR, "protected metatable");
    world_ends("rawset(_G, 'x', 1)", OUTCOME_ERROR, "read-only");
    world_ends("('').foo = 1", OUTCOME_ERROR, "attempt to index a string value");
    world_holds(LUA(script_sandbox_libraries_are_read_only));
}

static void script_sandbox_globals_cannot_be_assigned_or_misspelt(void **state) {
    (void)state;
    world_ends("counter = 1", OUTCOME_ERROR, "assignment to undeclared global 'counter'");
    world_ends("return coutner", OUTCOME_ERROR, "undeclared global 'coutner'");
    world_ends("_G.x = 1", OUTCOME_ERROR, "assignment to undeclared global 'x'");
    world_ends("print = nil", OUTCOME_ERROR, "assignment to undeclared global 'print'");
    refuses_to_load("function handler() end return handler", "undeclared global 'handler'");
}

static void script_sandbox_services_do_not_share_modules(void **state) {
    (void)state;
    struct lua_world *w = world_new_unloaded(LUA(script_sandbox_services_do_not_share_modules));
    struct service_conf two[2] = {w->service, w->service};
    two[1].name = "second";
    w->conf.services = two;
    w->conf.service_count = 2;
    world_write(w, "m.lua", "return {n = 0}");
    assert_int_equal(world_load(w), 0);
    for (size_t i = 0; i < 2; i++) {
        struct run *run;
        (void)world_event(w, "a", "{}");
        assert_int_equal(run_start(&run, w->host, i, RUN_EVENT, w->event, NULL, &w->view), 0);
        assert_string_equal(buf_str(&run->error), "1");
        run_free(run);
    }
    world_free(w);
}

static void script_sandbox_loads_text_only(void **state) {
    (void)state;
    world_holds(LUA(script_sandbox_loads_text_only));
}

static void script_sandbox_has_no_finalizers(void **state) {
    (void)state;
    world_ends("setmetatable({}, {__gc = function() end})", OUTCOME_ERROR, "__gc is not available");
    world_holds(LUA(script_sandbox_has_no_finalizers));
    world_ends("zing.json.array(setmetatable({}, {}))", OUTCOME_ERROR, "a metatable of its own");
}

static void script_sandbox_never_shows_its_own_coroutines(void **state) {
    (void)state;
    world_holds(LUA(script_sandbox_never_shows_its_own_coroutines));
}

static void script_coroutines_of_the_handler_work(void **state) {
    (void)state;
    world_holds(LUA(script_coroutines_of_the_handler_work));
}

/* --- the limits --- */

static int64_t cpu_ms(void) {
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The body must end by the time limit, and soon. The limit is short, as many wait for it. */
static void runs_out_of_time(const char *body) {
    struct lua_world *w = world_new_unloaded(world_handler(body));
    int64_t start = cpu_ms();
    w->conf.lua_time_ms = 50;
    assert_int_equal(world_load(w), 0);
    (void)world_run(w, "{}");
    int64_t spent = cpu_ms() - start;
    if (w->run->outcome != OUTCOME_ERROR || spent > 1500 * PACE ||
        strstr(world_error(w), "used more than 50 ms of CPU time (limits.lua_time)") == NULL) {
        print_error("%s\n-> outcome %d after %lld ms: %s\n", body, (int)w->run->outcome,
                    (long long)spent, world_error(w));
        fail();
    }
    world_free(w);
}

static void script_time_limit_stops_every_loop(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "while true do xpcall(error, function() while true do end end) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "local function f() return coroutine.wrap(function() pcall(f) while true do end end)() "
        "end\n"
        "while true do pcall(f) end",
        "local x <close> = setmetatable({}, {__close = function() while true do end end})\n"
        "while true do end",
        "local co = coroutine.create(function() local x <close> = setmetatable({}, {__close =\n"
        "function() while true do end end}) while true do end end)\n"
        "pcall(coroutine.resume, co) coroutine.close(co)",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "local s = ('x'):gsub('x', function() while true do end end)",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end})\n"
        "while true do pcall(function() return t[1] end) end",
        "local s = string.rep('x', 3000000) while true do local t = s .. 'y' end",
        "while true do local s = string.rep('x', 7000000) end",
        "while true do pcall(string.rep, 'x', 1e9) end",
        "local t = {} for i = 1, 100000 do t[i] = {} end\n"
        "while true do pcall(string.rep, 'x', 1e8) end",
        "local a, b = ('a'):rep(2000000), ('a'):rep(2000000)\n"
        "while a == b do end",
        "string.rep('a', 100000):find(string.rep('.-', 5) .. 'b')",
        "string.rep('a', 1000000):match('.-b')",
        "string.rep('a', 30):find(string.rep('a?', 30) .. string.rep('a', 31))",
        "while true do pcall(string.gsub, string.rep('a', 5000), string.rep('a*', 4) .. 'b', '') "
        "end",
        "for w in string.rep('(', 1000000):gmatch('%b()') do end",
        "local t, s = {}, string.rep('x', 200000) for i = 1, 50000 do t[i] = s end table.sort(t)",
        "local s = string.rep('x = 1 ', 100000) while true do load(s) end",
        "local s = '[' .. string.rep('1,', 50000) .. '1]' while true do zing.json.decode(s) end",
        "tostring(setmetatable({}, {__tostring = function() while true do end end}))",
        "for i in function() return 1 end do end",
        "goto a ::a:: goto a",
        "local function f() return f() end f()",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        runs_out_of_time(bodies[i]);
    }
}

static void script_time_limit_holds_over_the_calls_of_an_attempt(void **state) {
    (void)state;
    struct lua_world *w =
        world_new(world_handler(LUA(script_time_limit_holds_over_the_calls_of_an_attempt)));
    (void)world_run(w, "{}");
    int calls = 0;
    while (w->run->outcome == OUTCOME_CALL && calls < 100000) {
        world_answer(w, 200, "", "");
        calls++;
    }
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_non_null(strstr(world_error(w), "CPU time"));
    assert_true(calls > 1);
    world_free(w);
}

static void script_time_limit_leaves_nothing_behind_for_the_next(void **state) {
    (void)state;
    struct lua_world *w = world_new(LUA(script_time_limit_leaves_nothing_behind_for_the_next));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(w), "ran out of CPU time"));
    world_free(w);
}

static void script_loops_inside_c_are_bounded(void **state) {
    (void)state;
    int64_t start = cpu_ms();
    world_holds("assert(string.rep('', 1e15) == '' and ('').rep('', 1 << 60, '') == '')");
    world_ends("table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
               OUTCOME_ERROR, "__len");
    world_ends("table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)",
               OUTCOME_ERROR, "__len");
    world_ends("table.sort(setmetatable({}, {__len = function() return 1 << 30 end}), rawequal)",
               OUTCOME_ERROR, "__len");
    assert_true(cpu_ms() - start < 500 * PACE);
}

/* Time enough to fill the memory, under a sanitizer too. */
static struct lua_world *unhurried(const char *body) {
    struct lua_world *w = world_new_unloaded(world_handler(body));
    w->conf.lua_time_ms = 10000;
    assert_int_equal(world_load(w), 0);
    return w;
}

static void runs_out_of_memory(const char *body) {
    struct lua_world *w = unhurried(body);
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_ERROR);
    assert_memory_equal(world_error(w), "used more than 16 MiB of memory (limits.lua_memory)", 51);
    world_free(w);
}

static void script_memory_limit_raises_in_the_offender(void **state) {
    (void)state;
    runs_out_of_memory("local t = {} for i = 1, 1e9 do t[i] = i end");
    runs_out_of_memory("local s = 'x' while true do s = s .. s end");
    runs_out_of_memory("return string.rep('x', 1e9)");
    runs_out_of_memory("local t = {} while true do t = {t} end");
    world_holds(LUA(script_memory_limit_raises_in_the_offender));
}

static void script_memory_comes_back_after_an_offender(void **state) {
    (void)state;
    struct lua_world *w = unhurried(LUA(script_memory_comes_back_after_an_offender));
    for (int i = 0; i < 5; i++) {
        (void)world_run(w, "{\"bomb\":true}");
        assert_int_equal(w->run->outcome, OUTCOME_ERROR);
        (void)world_run(w, "{}");
        assert_string_equal(world_error(w), "");
    }
    assert_true(script_memory(w->host) <= 16 << 20);
    world_free(w);
}

/* A little more memory each time: an allocation fails at every place a handler can come to, and
 * nothing is lost (the sanitizers look) or left behind. */
static void script_memory_may_fail_at_any_allocation(void **state) {
    (void)state;
    struct lua_world *w = unhurried(LUA(script_memory_may_fail_at_any_allocation));
    world_set(w, "n", "1");
    (void)lua_gc(w->host->slots[0].live->L, LUA_GCCOLLECT);
    w->host->slots[0].renew_ns = INT64_MAX; /* no new state: this one stays full */
    size_t base = script_memory(w->host);
    int failed = 0, done = 0;
    for (size_t extra = 0; done < 3 && extra < 1 << 18; extra += 48) {
        (void)lua_gc(w->host->slots[0].live->L, LUA_GCCOLLECT);
        w->host->slots[0].live->memory_limit = base + extra;
        (void)world_run(w, "{\"x\":5,\"list\":[1,2,{\"a\":null}]}");
        if (w->run->outcome == OUTCOME_CALL) {
            world_answer(w, 200, "a: b\n", "{\"ok\":true}");
        }
        failed += w->run->outcome == OUTCOME_ERROR;
        done += w->run->outcome == OUTCOME_DONE;
    }
    if (done < 3) {
        print_error("%d failed, %d done: %s\n", failed, done, world_error(w));
    }
    assert_true(failed > 50 && done == 3);
    world_free(w);
}

static void script_deep_recursion_is_an_error(void **state) {
    (void)state;
    world_ends("local function f() return (('x'):gsub('x', f)) end f()", OUTCOME_ERROR,
               "stack overflow");
    world_ends(LUA(script_deep_recursion_is_an_error), OUTCOME_ERROR, "C stack overflow");
    world_ends("local t = {} for i = 1, 300 do t = {t} end zing.publish('a', t)", OUTCOME_ERROR,
               "nested too deeply");
    world_ends("local t = {} t.me = t zing.publish('a', t)", OUTCOME_ERROR, "contains itself");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(script_load_names_file_and_line),
        cmocka_unit_test(script_load_of_a_missing_file_says_so),
        cmocka_unit_test(script_has_knows_the_reserved_names),
        cmocka_unit_test(script_require_loads_once_and_shares),
        cmocka_unit_test(script_require_stays_in_its_folder),
        cmocka_unit_test(no_link_leads_out_of_the_folder),
        cmocka_unit_test(a_pipe_is_no_script),
        cmocka_unit_test(script_require_in_a_circle_is_named),
        cmocka_unit_test(script_reload_takes_a_new_version_and_keeps_a_good_one),
        cmocka_unit_test(script_reload_follows_required_files_that_come_and_go),
        cmocka_unit_test(script_reload_lets_a_waiting_handler_finish_its_version),
        cmocka_unit_test(script_sandbox_has_no_way_out),
        cmocka_unit_test(script_sandbox_libraries_are_read_only),
        cmocka_unit_test(script_sandbox_globals_cannot_be_assigned_or_misspelt),
        cmocka_unit_test(script_sandbox_services_do_not_share_modules),
        cmocka_unit_test(script_sandbox_loads_text_only),
        cmocka_unit_test(script_sandbox_has_no_finalizers),
        cmocka_unit_test(script_sandbox_never_shows_its_own_coroutines),
        cmocka_unit_test(script_coroutines_of_the_handler_work),
        cmocka_unit_test(script_time_limit_stops_every_loop),
        cmocka_unit_test(script_time_limit_holds_over_the_calls_of_an_attempt),
        cmocka_unit_test(script_time_limit_leaves_nothing_behind_for_the_next),
        cmocka_unit_test(script_loops_inside_c_are_bounded),
        cmocka_unit_test(script_memory_limit_raises_in_the_offender),
        cmocka_unit_test(script_memory_comes_back_after_an_offender),
        cmocka_unit_test(script_memory_may_fail_at_any_allocation),
        cmocka_unit_test(script_deep_recursion_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

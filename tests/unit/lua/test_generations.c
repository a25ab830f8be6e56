/* test_generations.c - each service has a Lua state of its own; at most two generations of it live. */
#include "lua_world.h"
#include "pace.h"
#include "script.h"
#include "test.h"

#include "base/limits.h"
#include "lua/host.h"

#include <stdio.h>
#include <string.h>

/* A world with two services: "svc" of handler.lua, "other" of other.lua. */
struct two {
    struct lua_world *w;
    struct service_conf services[2];
};

static struct two two_services(const char *first, const char *second) {
    struct two two = {.w = world_new_unloaded(first)};
    two.services[0] = two.services[1] = two.w->service;
    two.services[1].name = "other";
    two.services[1].handler = "other.lua";
    two.services[1].secret_count = 0;
    world_write(two.w, "other.lua", second);
    return two;
}

static void load(struct two *two) {
    two->w->conf.services = two->services;
    two->w->conf.service_count = 2;
    assert_int_equal(world_load(two->w), 0);
}

static struct run *start(struct lua_world *w, size_t service) {
    struct run *run = NULL;
    (void)world_event(w, "a", "{}");
    assert_int_equal(run_start(&run, w->host, service, RUN_EVENT, w->event, NULL, &w->view), 0);
    return run;
}

/* Runs the service's handler; it must end so, with `text` in the error. */
static void ends(struct lua_world *w, size_t service, enum outcome outcome, const char *text) {
    struct run *run = start(w, service);
    if (run->outcome != outcome || strstr(buf_str(&run->error), text) == NULL) {
        fail_msg("outcome %d: %s", (int)run->outcome, buf_str(&run->error));
    }
    run_free(run);
}

static void memory_that_one_service_keeps_is_not_another_ones(void **state) {
    (void)state;
    struct two two =
        two_services(LUA(memory_that_one_service_keeps_is_not_another_ones),
                     "return function() local s = ('x'):rep(8000000) zing.reject('modest') end");
    load(&two);
    for (int i = 0; i < 40; i++) {
        struct run *run = start(two.w, 0);
        run_free(run);
        ends(two.w, 1, OUTCOME_REJECT, "modest");
    }
    world_free(two.w);
}

static void a_state_that_keeps_too_much_is_replaced(void **state) {
    (void)state;
    struct lua_world *w = world_new(LUA(a_state_that_keeps_too_much_is_replaced));
    const struct script_state *first = w->host->slots[0].live;
    for (int i = 0; i < 20; i++) { /* of 16 MB */
        ends(w, 0, OUTCOME_REJECT, "kept ");
    }
    assert_ptr_not_equal(w->host->slots[0].live, first);
    assert_true(script_memory(w->host) < 12 << 20);
    world_free(w);
}

static void what_is_thrown_away_replaces_nothing(void **state) {
    (void)state;
    struct lua_world *w = world_new(world_handler("local s = ('x'):rep(7000000)"));
    const struct script_state *first = w->host->slots[0].live;
    for (int i = 0; i < 20; i++) {
        ends(w, 0, OUTCOME_DONE, "");
    }
    assert_ptr_equal(w->host->slots[0].live, first);
    world_free(w);
}

/* A world in which others have used up all of the budget but Lua's share, 8 MiB. */
static struct lua_world *short_of_memory(struct memory *memory, const char *handler) {
    struct lua_world *w = world_new_unloaded(handler);
    *memory = (struct memory){.limit = 48 << 20, .used[MEMORY_BODIES] = 48 << 20};
    w->memory = memory;
    assert_int_equal(world_load(w), 0);
    return w;
}

static void reclaim_until_it_fits(const struct lua_world *w) {
    assert_false(script_fits(w->host, 0));
    while (!script_fits(w->host, 0)) {
        assert_true(script_reclaim(w->host));
    }
}

static void garbage_is_collected_when_memory_is_short(void **state) {
    (void)state;
    struct memory memory;
    struct lua_world *w = short_of_memory(&memory, world_handler("local s = ('x'):rep(6000000)"));
    const struct script_state *first = w->host->slots[0].live;
    ends(w, 0, OUTCOME_DONE, "");
    assert_true(memory.used[MEMORY_LUA] > 6000000);
    reclaim_until_it_fits(w);
    assert_true(memory.used[MEMORY_LUA] < 1000000);
    assert_ptr_equal(w->host->slots[0].live, first);
    world_free(w);
    assert_int_equal(memory.used[MEMORY_LUA], 0);
}

static void an_idle_state_that_keeps_much_is_replaced_when_memory_is_short(void **state) {
    (void)state;
    struct memory memory;
    struct lua_world *w = short_of_memory(&memory, LUA(a_state_that_keeps_too_much_is_replaced));
    const struct script_state *first = w->host->slots[0].live;
    struct run *held = start(w, 0); /* which keeps the first 1 MB */
    for (int i = 0; i < 7; i++) {
        ends(w, 0, OUTCOME_REJECT, "kept ");
    }
    assert_false(script_fits(w->host, 0));
    while (script_reclaim(w->host)) {
    }
    assert_ptr_equal(w->host->slots[0].live, first); /* an invocation is in it */
    assert_false(script_fits(w->host, 0));
    run_free(held);
    reclaim_until_it_fits(w);
    assert_ptr_not_equal(w->host->slots[0].live, first);
    world_free(w);
}

static void a_small_state_runs_whatever_others_have(void **state) {
    (void)state;
    struct memory memory;
    struct lua_world *w = short_of_memory(&memory, world_handler("local s = ('x'):rep(1000)"));
    memory_take(&memory, MEMORY_LUA, memory.limit);
    assert_false(script_fits(w->host, 0)); /* nobody knows yet */
    ends(w, 0, OUTCOME_DONE, "");
    assert_true(script_fits(w->host, 0));
    memory_give(&memory, MEMORY_LUA, memory.limit);
    world_free(w);
}

static void random_numbers_of_one_service_tell_nothing_of_another_ones(void **state) {
    (void)state;
    const char *draw = LUA(draw);
    struct two two =
        two_services(draw, "return function() zing.reject(math.random(1 << 40) .. '') end");
    load(&two);
    struct run *foretold = start(two.w, 0);
    struct run *drawn = start(two.w, 1);
    assert_string_not_equal(buf_str(&foretold->error), buf_str(&drawn->error));
    run_free(drawn);
    run_free(foretold);
    world_free(two.w);
}

static void a_secret_is_for_the_service_that_names_it(void **state) {
    (void)state;
    static const char read[] = "return function() zing.reject(zing.secret('api_key')) end";
    struct two two = two_services(read, read);
    load(&two);
    ends(two.w, 0, OUTCOME_REJECT, "sk_hidden");
    ends(two.w, 1, OUTCOME_ERROR,
         "service \"other\" is not given \"api_key\": add secrets = {\"api_key\"} to it");
    world_free(two.w);
}

static void a_service_may_have_limits_of_its_own(void **state) {
    (void)state;
    struct two two = two_services(world_handler("local s = ('x'):rep(20000000)"),
                                  "return function() while true do end end");
    two.services[0].lua_memory_bytes = 64 << 20;
    two.services[0].lua_time_ms = 60000; /* however much the machine has to do */
    two.services[1].lua_time_ms = LUA_TIME_MS / 10;
    load(&two);
    ends(two.w, 0, OUTCOME_DONE, "");
    ends(two.w, 1, OUTCOME_ERROR, "of CPU time (lua_time)");
    world_free(two.w);
}

static void note_reload(void *ctx, size_t service, const char *error) {
    assert_int_equal(service, 0);
    (void)snprintf(ctx, 256, "%s", error == NULL ? "good" : error);
}

static void a_third_generation_waits_for_the_first(void **state) {
    (void)state;
    char said[256] = "";
    struct lua_world *w =
        world_new(world_handler("zing.http.get('http://h/') zing.reject('first')"));
    (void)world_run(w, "{}");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    world_write(w, "handler.lua", world_handler("zing.reject('second')"));
    assert_int_equal(script_reload(w->host, said, note_reload), 1);
    assert_false(script_reload_waits(w->host));

    world_write(w, "handler.lua", world_handler("zing.reject('the third')"));
    assert_int_equal(script_reload(w->host, said, note_reload), 0);
    assert_true(script_reload_waits(w->host));

    world_answer(w, 200, "", "");
    assert_string_equal(world_error(w), "first");
    (void)world_run(w, "{}");
    assert_string_equal(world_error(w), "second");
    assert_int_equal(script_reload(w->host, said, note_reload), 1);
    assert_false(script_reload_waits(w->host));
    assert_string_equal(said, "good");
    (void)world_run(w, "{}");
    assert_string_equal(world_error(w), "the third");
    world_free(w);
}

static void a_script_that_loops_or_allocates_while_it_loads_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "while true do end", "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "coroutine.wrap(function() while true do pcall(error) end end)()",
        "error(setmetatable({}, {__tostring = function() while true do end end}))"};
    char said[256] = "";
    struct lua_world *w = world_new(world_handler("zing.reject('good')"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        world_write(w, "handler.lua", bad[i]);
        assert_int_equal(script_reload(w->host, said, note_reload), 1);
        assert_string_not_equal(said, "good");
        (void)world_run(w, "{}");
        assert_string_equal(world_error(w), "good");
    }
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_that_one_service_keeps_is_not_another_ones),
        cmocka_unit_test(a_state_that_keeps_too_much_is_replaced),
        cmocka_unit_test(what_is_thrown_away_replaces_nothing),
        cmocka_unit_test(garbage_is_collected_when_memory_is_short),
        cmocka_unit_test(an_idle_state_that_keeps_much_is_replaced_when_memory_is_short),
        cmocka_unit_test(a_small_state_runs_whatever_others_have),
        cmocka_unit_test(random_numbers_of_one_service_tell_nothing_of_another_ones),
        cmocka_unit_test(a_secret_is_for_the_service_that_names_it),
        cmocka_unit_test(a_service_may_have_limits_of_its_own),
        cmocka_unit_test(a_third_generation_waits_for_the_first),
        cmocka_unit_test(a_script_that_loops_or_allocates_while_it_loads_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_run_invariants.c - docs/invariants.md: an invocation that contradicts itself ends the process,
 * whatever the handler did that led there.
 */
#include "aborts.h"
#include "lua_world.h"
#include "script.h"
#include "test.h"
#include "lua/host.h"

#include <stdlib.h>

static struct lua_world *world_that_waits(void) {
    struct lua_world *w = world_ran(LUA(ASKS), "{}");
    assert_int_equal(w->run->outcome, OUTCOME_CALL);
    return w;
}

static void go_on(void *ctx) {
    world_answer(ctx, 200, "", "");
}

/* INV-RUN-1 */
static void run_beside_another(void *ctx) {
    struct lua_world *w = ctx;
    w->host->slots[0].live->current = w->run;
    go_on(w);
}

static void leave_what_was_not_entered(void *ctx) {
    const struct lua_world *w = ctx;
    (void)script_leave(w->host->slots[0].live);
}

static void one_invocation_is_on_the_processor(void **state) {
    (void)state;
    struct lua_world *w = world_that_waits();
    assert_aborts(run_beside_another, w, "state->current == NULL");
    assert_aborts(leave_what_was_not_entered, w, "state->watch.active");
    world_free(w);
}

/* INV-RUN-2 */
static void yield_at_once(lua_State *L, lua_Debug *ar) {
    (void)ar;
    (void)lua_yield(L, 0);
}

static void yield_without_the_api(void *ctx) {
    struct lua_world *w = ctx;
    lua_sethook(w->run->thread.L, yield_at_once, LUA_MASKCOUNT, 1);
    go_on(w);
}

static void a_handler_waits_by_a_call_of_ours_alone(void **state) {
    (void)state;
    struct lua_world *w = world_that_waits();
    assert_aborts(yield_without_the_api, w, "run->yielded");
    world_free(w);
}

/* INV-RUN-3 */
static void resume_what_has_ended(void *ctx) {
    const struct lua_world *w = ctx;
    run_resume(w->run, NULL);
}

static void what_has_ended_is_not_resumed(void **state) {
    (void)state;
    struct lua_world *w = world_ran("return", "{}");
    assert_aborts(resume_what_has_ended, w, "goes_on(run->outcome)");
    w->run->outcome = OUTCOME_WAIT; /* but it has no coroutine any more */
    assert_aborts(resume_what_has_ended, w, "run->thread.L != NULL");
    world_free(w);
}

/* INV-RUN-4 */
static void resume_without_an_answer(void *ctx) {
    const struct lua_world *w = ctx;
    run_resume(w->run, NULL);
}

static void a_call_goes_on_with_its_answer_and_nothing_else_does(void **state) {
    (void)state;
    struct lua_world *w = world_that_waits();
    assert_aborts(resume_without_an_answer, w, "(result != NULL)");
    w->run->outcome = OUTCOME_KEEP;
    assert_aborts(go_on, w, "(result != NULL)");
    world_free(w);
}

/* INV-RUN-5 */
static void fail_without_a_bound(void *ctx) {
    struct lua_world *w = ctx;
    w->run->error.max = 1 << 20;
    go_on(w);
}

static void an_error_is_bounded(void **state) {
    (void)state;
    struct lua_world *w = world_that_waits();
    assert_aborts(fail_without_a_bound, w, "error.len <= ERROR_BYTES_MAX");
    world_free(w);
}

/* INV-RUN-6 */
static void free_more_than_was_allocated(void *ctx) {
    const struct lua_world *w = ctx;
    w->host->slots[0].live->memory_used = 0;
    (void)lua_gc(w->host->slots[0].live->L, LUA_GCCOLLECT);
}

static void forget_some_memory(void *ctx) {
    const struct lua_world *w = ctx;
    run_free(w->run);
    w->host->slots[0].live->memory_used++;
    script_host_free(w->host);
}

static void memory_of_scripts_is_counted_to_the_byte(void **state) {
    (void)state;
    struct lua_world *w = world_that_waits();
    assert_aborts(free_more_than_was_allocated, w, "state->memory_used >= bytes");
    assert_aborts(forget_some_memory, w, "state->memory_used == 0");
    world_free(w);
}

/* INV-RUN-7 */
static void leave_a_value_behind(void *ctx) {
    struct lua_world *w = ctx;
    lua_pushnil(w->host->slots[0].live->pool[w->host->slots[0].live->pool_count - 1].L);
    (void)world_run(w, "{}");
}

static void a_coroutine_used_again_is_clean(void **state) {
    (void)state;
    struct lua_world *w = world_ran("return", "{}");
    assert_true(w->host->slots[0].live->pool_count > 0);
    assert_aborts(leave_a_value_behind, w, "lua_gettop(out->L) == 0");
    world_free(w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_invocation_is_on_the_processor),
        cmocka_unit_test(a_handler_waits_by_a_call_of_ours_alone),
        cmocka_unit_test(what_has_ended_is_not_resumed),
        cmocka_unit_test(a_call_goes_on_with_its_answer_and_nothing_else_does),
        cmocka_unit_test(an_error_is_bounded),
        cmocka_unit_test(memory_of_scripts_is_counted_to_the_byte),
        cmocka_unit_test(a_coroutine_used_again_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

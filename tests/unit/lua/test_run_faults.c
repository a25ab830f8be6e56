/*
 * test_run_faults.c - memory and files fail while scripts are loaded and run: a handler ends as it should or with an error, and
 * never with some of its effects; the last good version stays.
 *
 * ctest: faults label=torture
 */
#include "fault.h"
#include "lua_world.h"
#include "script.h"
#include "test.h"

#include "lua/api/api.h"

#include <stdio.h>
#include <string.h>

enum { EFFECTS = 25 }; /* of USES_MUCH */

static struct lua_world *prepared(void) {
    struct lua_world *w = world_new_unloaded(LUA(USES_MUCH));
    world_write(w, "parts.lua", LUA(PARTS));
    (void)world_event(w, "test/topic", "{\"id\":\"A1\",\"amount\":12,\"list\":[1,2,{\"x\":null}]}");
    return w;
}

/* True: it is loaded; else the story has ended. */
static bool loads(struct lua_world *w, bool *named) {
    fault_on();
    int code = script_host_new(&w->host, &w->conf, &api_library);
    if (code == 0) {
        code = script_load_all(w->host, &w->report);
    }
    fault_off();
    *named = code != ERR_SCRIPT || w->report.text[0] != '\0';
    return code == 0;
}

static void end(struct lua_world *w) {
    fault_on();
    run_free(w->run);
    w->run = NULL;
    script_host_free(w->host);
    w->host = NULL;
    fault_off();
    world_free(w);
}

static bool a_handler_runs(void *ctx) {
    (void)ctx;
    bool named = true;
    struct lua_world *w = prepared();
    char error[256] = "";
    if (!loads(w, &named)) {
        assert_true(named);
        (void)snprintf(error, sizeof error, "not loaded: %.200s", w->report.text);
    } else {
        struct call_result result = {.status = 200};
        buf_init(&result.headers, 1 << 16);
        buf_init(&result.body, 1 << 20);
        buf_add_str(&result.body, "{\"ok\":true}");
        fault_on();
        int code = run_start(&w->run, w->host, 0, RUN_EVENT, w->event, NULL, &w->view);
        if (code == 0 && w->run->outcome == OUTCOME_CALL) {
            run_resume(w->run, &result);
        }
        fault_off();
        buf_clear(&result.headers);
        buf_clear(&result.body);
        if (code != 0) {
            assert_null(w->run);
            (void)snprintf(error, sizeof error, "not started: %s", error_text(code));
        } else if (w->run->outcome != OUTCOME_DONE) {
            assert_int_equal(w->run->effects.count, 0);
            (void)snprintf(error, sizeof error, "outcome %d: %.200s", w->run->outcome,
                           world_error(w));
        } else {
            assert_int_equal(w->run->effects.count, EFFECTS);
        }
    }
    end(w);
    return error[0] == '\0' || fault_named(error);
}

static void on_reload(void *ctx, size_t service, const char *error) {
    assert_int_equal(service, 0);
    (void)snprintf(ctx, 256, "%.200s", error != NULL ? error : "");
}

/* Whichever is live runs. */
static bool a_script_is_reloaded(void *ctx) {
    (void)ctx;
    struct lua_world *w = prepared();
    char error[256] = "nothing was reloaded", later[256];
    assert_int_equal(world_load(w), 0);
    uint64_t before = script_version(w->host, 0);
    world_write(w, "handler.lua", LUA(NEXT));
    fault_on();
    (void)script_reload(w->host, error, on_reload);
    fault_off();
    bool is_next = script_version(w->host, 0) != before;
    assert_int_equal(is_next, error[0] == '\0');
    assert_true(script_runs(w->host, 0));
    (void)world_run_event(w, RUN_EVENT, NULL);
    assert_int_equal(w->run->outcome, is_next ? OUTCOME_DONE : OUTCOME_CALL);
    (void)script_reload(w->host, later, on_reload); /* and the next look finds it */
    assert_true(script_version(w->host, 0) != before);
    end(w);
    return is_next || fault_named(error);
}

/* One request is refused; Lua collects garbage, asks again and gets it. */
static bool a_handler_fails_by_itself(void *ctx) {
    (void)ctx;
    struct lua_world *w =
        world_new(world_handler("local t = {} for i = 1, 300 do t[i] = {tostring(i)} end "
                                "error('its own', 0)"));
    (void)world_event(w, "test/topic", "{}");
    fault_on();
    int code = run_start(&w->run, w->host, 0, RUN_EVENT, w->event, NULL, &w->view);
    fault_off();
    bool own = code == 0 && strncmp(world_error(w), "its own", 7) == 0;
    assert_true(!own || w->run->lacks == 0);
    end(w);
    return own || fault_named("its own words are missing");
}

static bool a_script_with_a_mistake_is_reloaded(void *ctx) {
    (void)ctx;
    struct lua_world *w = prepared();
    char error[256] = "nothing was reloaded";
    char later[256];
    assert_int_equal(world_load(w), 0);
    world_write(w, "handler.lua",
                "local t = {} for i = 1, 300 do t[i] = {tostring(i)} end error('a mistake', 0)");
    fault_on();
    (void)script_reload(w->host, error, on_reload);
    fault_off();
    bool own = strstr(error, "a mistake") != NULL;
    if (own) { /* and is told once */
        assert_int_equal(script_reload(w->host, later, on_reload), 0);
    }
    end(w);
    return own || fault_named(error);
}

static void an_error_of_its_own_is_no_shortage(void **state) {
    (void)state;
    fault_each("lua own error", FAULT_MEMORY, a_handler_fails_by_itself, NULL);
    fault_each("lua mistake", FAULT_MEMORY, a_script_with_a_mistake_is_reloaded, NULL);
}

static void a_handler_has_all_of_its_effects_or_none(void **state) {
    (void)state;
    fault_each("lua run", FAULT_MEMORY | FAULT_SYSTEM, a_handler_runs, NULL);
}

static void the_last_good_version_stays(void **state) {
    (void)state;
    fault_each("lua reload", FAULT_MEMORY | FAULT_SYSTEM, a_script_is_reloaded, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_has_all_of_its_effects_or_none),
        cmocka_unit_test(the_last_good_version_stays),
        cmocka_unit_test(an_error_of_its_own_is_no_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

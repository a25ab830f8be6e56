/* test_names.c - names in scripts that stand for nothing are found when the scripts are loaded. */
#include "lua/api/api.h"
#include "lua_world.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* What was found, "LINE: SENTENCE\n" each. */
static char told[4096];

static void take(void *ctx, const char *file, int line, const char *sentence) {
    size_t len = strlen(told);
    (void)ctx;
    assert_string_equal(file, "handler.lua");
    (void)snprintf(told + len, sizeof told - len, "%d: %s\n", line, sentence);
}

static void expect(const char *script, const char *found) {
    struct report r = {""};
    struct lua_world *w = world_new_unloaded(script);
    told[0] = '\0';
    assert_int_equal(script_host_new(&w->host, &w->conf, &api_library), 0);
    script_tell_names(w->host, &(struct script_names){take, NULL});
    (void)script_load_all(w->host, &r);
    assert_string_equal(r.text, "");
    assert_string_equal(told, found);
    world_free(w);
}

static void what_the_library_has_is_not_told(void **state) {
    (void)state;
    expect(
        "local json = zing.json\n"
        "-- zing.publsh\n"
        "return function(event)\n"
        "  zing.publish(event.topic, {zing.state.get('a'), zing.config.anything, zing.json.null})\n"
        "  print(string.format('zing.publsh %s', json.encode(1)), math.pi, _G, os.time())\n"
        "end\n",
        "");
}

static void a_field_that_a_library_lacks_is_told_with_its_line(void **state) {
    (void)state;
    expect("return function(event)\n"
           "  zing.publsh('x', 1)\n"
           "  local function inner() return zing.state.gett('a') end\n"
           "  if event.key then string.fromat('x') end\n"
           "  zing.zzzzzzzz()\n"
           "end\n",
           "3: zing.state.gett does not exist (did you mean zing.state.get?)\n"
           "2: zing.publsh does not exist (did you mean zing.publish?)\n"
           "4: string.fromat does not exist (did you mean string.format?)\n"
           "5: zing.zzzzzzzz does not exist\n");
}

static void globals_that_nobody_declares_are_told(void **state) {
    (void)state;
    expect("return function(event)\n"
           "  counter = 1\n"
           "  tabel.insert({}, 1)\n"
           "  return undeclared_thing\n"
           "end\n",
           "2: assignment to undeclared global counter (make it local)\n"
           "3: undeclared global tabel (did you mean table?)\n"
           "4: undeclared global undeclared_thing\n");
}

/* Lua keeps the difference to the line before in a byte, and an entry for what does not fit. */
static void lines_far_apart_are_told_right(void **state) {
    (void)state;
    char script[2048] = "return function(event)\n  zing.a()\n";
    for (int i = 0; i < 300; i++) {
        (void)strncat(script, "\n", sizeof script - strlen(script) - 1);
    }
    (void)strncat(script, "  zing.b()\n  zing.c()\nend\n", sizeof script - strlen(script) - 1);
    expect(script, "2: zing.a does not exist\n303: zing.b does not exist\n"
                   "304: zing.c does not exist\n");
}

static void a_function_of_many_constants_is_read(void **state) {
    (void)state;
    char script[1 << 14] = "return function(event) local t = {}\n";
    for (int i = 0; i < 400; i++) {
        size_t len = strlen(script);
        (void)snprintf(script + len, sizeof script - len, "t.k%d = %d.5 + t[-%d000000000]\n", i, i,
                       i);
    }
    (void)strncat(script, "return t end\n", sizeof script - strlen(script) - 1);
    expect(script, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_library_has_is_not_told),
        cmocka_unit_test(a_field_that_a_library_lacks_is_told_with_its_line),
        cmocka_unit_test(globals_that_nobody_declares_are_told),
        cmocka_unit_test(lines_far_apart_are_told_right),
        cmocka_unit_test(a_function_of_many_constants_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_values.c - JSON becomes values of a test's Lua state and comes back the same. */
#include "trial/values.h"

#include "test.h"

#include <lauxlib.h>
#include <stdlib.h>

static int set_up(void **state) {
    lua_State *L = luaL_newstate();
    (void)luaL_newmetatable(L, VALUES_ARRAY);
    lua_pop(L, 1);
    *state = L;
    return 0;
}

static int tear_down(void **state) {
    assert_int_equal(lua_gettop(*state), 0);
    lua_close(*state);
    return 0;
}

static void comes_back(lua_State *L, const char *json) {
    struct report r = {""};
    json_t *before = json_read(slice_of(json), "the text", &r);
    assert_non_null(before);
    values_push(L, before);
    json_t *after = values_read(L, -1, &r);
    lua_pop(L, 1);
    char *text = json_dumps(after);
    assert_string_equal(text, json);
    free(text);
    json_decref(before);
    json_decref(after);
}

/* What the reader says of the value of the Lua expression. */
static void is_refused(lua_State *L, const char *expression, const char *sentence) {
    struct report r = {""};
    assert_int_equal(luaL_dostring(L, expression), 0);
    assert_null(values_read(L, -1, &r));
    assert_string_equal(r.text, sentence);
    lua_settop(L, 0);
}

static void json_comes_back_the_same(void **state) {
    comes_back(*state, "{\"a\":[1,2.5,\"x\",true,false,null],\"b\":{\"c\":-9223372036854775808}}");
    comes_back(*state, "\"text \\u0000 with a NUL\"");
    comes_back(*state, "[[],{}]");
    comes_back(*state, "null");
}

static void a_list_is_an_array_an_empty_table_an_object(void **state) {
    lua_State *L = *state;
    struct report r = {""};
    assert_int_equal(luaL_dostring(L, "return {list = {1, 2}, empty = {}}"), 0);
    json_t *value = values_read(L, -1, &r);
    assert_true(json_is_array(json_object_get(value, "list")));
    assert_true(json_is_object(json_object_get(value, "empty")));
    json_decref(value);
    lua_settop(L, 0);
}

static void what_json_cannot_say_is_refused(void **state) {
    is_refused(*state, "return {f = function() end}", "JSON has no function");
    is_refused(*state, "return {[{}] = 1}", "a JSON object has texts as names, not a table");
    is_refused(*state, "return {0/0}", "a number in it is not finite");
    is_refused(*state, "return '\\xff'", "a text in it is not UTF-8");
}

static void a_table_in_itself_is_refused(void **state) {
    is_refused(*state, "local t = {} t.t = t return t", "it is nested more than 64 deep");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_comes_back_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_list_is_an_array_an_empty_table_an_object, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_json_cannot_say_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_table_in_itself_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

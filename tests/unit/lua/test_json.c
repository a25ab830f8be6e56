/* test_json.c - JSON through Lua and back keeps what it said; what JSON cannot say is named. */
#include "lua/json.h"

#include "test.h"

#include "base/json.h"
#include "base/limits.h"
#include "lua/document.h"
#include "lua/host.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <lauxlib.h>
#include <lualib.h>

static struct buf out; /* outlives the raises of json_encode */

static struct script_state nobody; /* nobody's script runs: nothing is limited */

static int open_json(void **state) {
    lua_State *L = luaL_newstate();
    *(struct script_state **)lua_getextraspace(L) = &nobody;
    luaL_openlibs(L);
    json_open(L);
    json_push_null(L);
    lua_setglobal(L, "null");
    buf_init(&out, 8 << 20);
    *state = L;
    return 0;
}

static int close_json(void **state) {
    lua_close(*state);
    buf_clear(&out);
    return 0;
}

static int encode_top(lua_State *L) {
    buf_reset(&out);
    json_encode(L, 1, "payload", &out);
    return 0;
}

/* Encodes the value on top, which it takes. NULL, or the error. */
static const char *encode(lua_State *L) {
    lua_pushcfunction(L, encode_top);
    lua_insert(L, -2);
    return lua_pcall(L, 1, 0, 0) == LUA_OK ? NULL : lua_tostring(L, -1);
}

static void push_decoded(lua_State *L, const char *text, size_t len) {
    struct report r;
    bool good = document_try(L, (struct slice){text, len}, "text", &r);
    if (!good) {
        print_error("%s\n", r.text);
    }
    assert_true(good);
}

static void round_trips(lua_State *L, const char *text) {
    push_decoded(L, text, strlen(text));
    const char *error = encode(L);
    if (error != NULL) {
        print_error("%s\n", error);
    }
    assert_null(error);
    assert_string_equal(buf_str(&out), text);
    lua_settop(L, 0);
}

/* A Lua expression encodes to `expected`. */
static void encodes(lua_State *L, const char *expression, const char *expected) {
    lua_pushfstring(L, "return %s", expression);
    assert_int_equal(luaL_dostring(L, lua_tostring(L, -1)), LUA_OK);
    assert_null(encode(L));
    assert_string_equal(buf_str(&out), expected);
    lua_settop(L, 0);
}

static void refuses(lua_State *L, const char *expression, const char *complaint) {
    lua_pushfstring(L, "return %s", expression);
    assert_int_equal(luaL_dostring(L, lua_tostring(L, -1)), LUA_OK);
    const char *error = encode(L);
    assert_non_null(error);
    if (strstr(error, complaint) == NULL) {
        print_error("%s\n-> %s\n", expression, error);
        fail();
    }
    lua_settop(L, 0);
}

static void json_round_trips_what_lua_would_blur(void **state) {
    round_trips(*state, "9223372036854775807");
    round_trips(*state, "-9223372036854775808");
    round_trips(*state, "12345678901234567");
    round_trips(*state, "5");
    round_trips(*state, "5.0");
    round_trips(*state, "0.1");
    round_trips(*state, "1e+300");
    round_trips(*state, "[]");
    round_trips(*state, "{}");
    round_trips(*state, "{\"a\":[],\"b\":{},\"c\":[[],{}],\"d\":null}");
    round_trips(*state, "[null,true,false,\"\",0,-0.0]");
    round_trips(*state, "\"\\u0000\\\"\\\\\xE2\x82\xAC\xF0\x9F\x8E\xAB\"");
    round_trips(*state, "{\"\":1,\" \":2,\"a b\":3}");
}

static void json_keeps_the_types_of_numbers(void **state) {
    lua_State *L = *state;
    push_decoded(L, "[1, 1.0, 1e2, -0, -0.0, 9223372036854775808]", 44);
    static const bool integers[] = {true, false, false, true, false, false};
    for (int i = 0; i < 6; i++) {
        lua_rawgeti(L, -1, i + 1);
        assert_int_equal(lua_isinteger(L, -1), integers[i]);
        lua_pop(L, 1);
    }
    lua_settop(L, 0);
}

static void json_numbers_beyond_64_bits_are_the_nearest_float(void **state) {
    lua_State *L = *state;
    static const char text[] = "[10014255632117358197, 1e20, 1e400, -1e400, 1e-400]";
    push_decoded(L, text, sizeof text - 1);
    static const double values[] = {10014255632117358197.0, 1e20, HUGE_VAL, -HUGE_VAL, 0};
    for (int i = 0; i < 5; i++) {
        lua_rawgeti(L, -1, i + 1);
        assert_false(lua_isinteger(L, -1));
        assert_true(lua_tonumber(L, -1) == values[i]);
        lua_pop(L, 1);
    }
    lua_settop(L, 0);
}

static void json_the_last_value_of_a_name_counts(void **state) {
    lua_State *L = *state;
    char text[4096] = "{\"a\":1,\"\\u0061\":2";
    (void)snprintf(text + strlen(text), 2, "}");
    push_decoded(L, text, strlen(text));
    assert_null(encode(L));
    assert_string_equal(buf_str(&out), "{\"a\":2}");
    text[strlen(text) - 1] = '\0';
    for (int i = 0; i < 100; i++) { /* more than wait on the Lua stack */
        (void)snprintf(text + strlen(text), 40, ",\"k%d\":%d", i, i);
    }
    (void)snprintf(text + strlen(text), 40, ",\"a\":3,\"k7\":{}}");
    push_decoded(L, text, strlen(text));
    lua_getfield(L, -1, "a");
    assert_int_equal(lua_tointeger(L, -1), 3);
    lua_getfield(L, -2, "k7");
    assert_true(lua_istable(L, -1));
    lua_getfield(L, -3, "k99");
    assert_int_equal(lua_tointeger(L, -1), 99);
    lua_settop(L, 0);
}

static void json_arrays_of_any_length_keep_their_order(void **state) {
    lua_State *L = *state;
    for (int count = 0; count < 100; count++) {
        char text[1024] = "[";
        for (int i = 1; i <= count; i++) {
            (void)snprintf(text + strlen(text), 8, i > 1 ? ",%d" : "%d", i);
        }
        (void)snprintf(text + strlen(text), 2, "]");
        round_trips(L, text);
    }
}

static void json_that_is_none_leaves_the_stack_as_it_was(void **state) {
    lua_State *L = *state;
    static const char *const bad[] = {"", "{\"a\":[1,{\"b\":tru}]}", "[1,[2,3}", "1 2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct report r = {""};
        assert_false(document_try(L, slice_of(bad[i]), "text", &r));
        assert_int_equal(lua_gettop(L), 0);
        assert_non_null(strstr(r.text, "text is not JSON: "));
    }
}

static void json_encodes_names_in_order(void **state) {
    encodes(*state, "{b = 1, a = 2, ab = 3, A = 4}", "{\"A\":4,\"a\":2,\"ab\":3,\"b\":1}");
    lua_State *L = *state;
    lua_newtable(L);
    for (int i = 999; i >= 0; i--) {
        lua_pushfstring(L, "k%d%d%d", i / 100, i / 10 % 10, i % 10);
        lua_pushinteger(L, i);
        lua_rawset(L, -3);
    }
    assert_null(encode(L));
    assert_memory_equal(buf_str(&out), "{\"k000\":0,\"k001\":1,", 19);
    const char *at = buf_str(&out);
    for (int i = 0; i < 1000; i++, at++) {
        at = strchr(at, 'k');
        assert_int_equal(strtol(at + 1, NULL, 10), i);
    }
}

static void json_tells_arrays_from_objects(void **state) {
    encodes(*state, "{}", "{}");
    encodes(*state, "{1, 2, {}}", "[1,2,{}]");
    encodes(*state, "{[1] = 'a', [2] = 'b'}", "[\"a\",\"b\"]");
    encodes(*state, "{['1'] = 'a'}", "{\"1\":\"a\"}");
    encodes(*state, "{null, 1}", "[null,1]");
    lua_State *L = *state;
    lua_newtable(L);
    json_mark_array(L, -1);
    json_mark_array(L, -1); /* twice is once */
    assert_null(encode(L));
    assert_string_equal(buf_str(&out), "[]");
}

static void json_names_what_it_cannot_say(void **state) {
    refuses(*state, "{items = {1, 2, {price = 0/0}}}", "payload.items[3].price is NaN");
    refuses(*state, "{a = 1/0}", "payload.a is infinite");
    refuses(*state, "{['a b'] = {print}}", "payload[\"a b\"][1] is a function");
    refuses(*state, "print", "payload is a function");
    refuses(*state, "coroutine.create(print)", "payload is a thread");
    refuses(*state, "{a = io.stdout}", "payload.a is a userdata");
    refuses(*state, "{1, 2, n = 3}", "payload has both items and names");
    refuses(*state, "{n = 3, [5] = 1}", "payload has both items and names");
    refuses(*state, "{1, nil, 3}", "payload is an array with holes");
    refuses(*state, "{[1.5] = 1}", "neither a string nor a position");
    refuses(*state, "{[true] = 1}", "neither a string nor a position");
    refuses(*state, "{[5] = 1}", "payload is an array with holes");
    refuses(*state, "{[0] = 1}", "payload is an array with holes");
    refuses(*state, "{x = 'a\\255'}", "payload.x is not valid UTF-8");
    refuses(*state, "{['a\\255'] = 1}", "has a name that is not valid UTF-8");
    refuses(*state, "nil", "payload is nil");
    refuses(*state, "setmetatable({}, {__pairs = print})", "payload is not plain data");
}

static void json_has_a_depth_limit_for_encoding(void **state) {
    lua_State *L = *state;
    lua_newtable(L);
    for (int i = 1; i < JSON_DEPTH_MAX; i++) {
        lua_createtable(L, 1, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
    }
    lua_pushvalue(L, -1);
    assert_null(encode(L));
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
    assert_non_null(strstr(encode(L), "is nested too deeply"));
}

static void json_decodes_as_deep_as_its_parser(void **state) {
    lua_State *L = *state;
    enum { DEEP = 2000 };
    char *text = malloc(2 * DEEP);
    assert_non_null(text);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    push_decoded(L, text, 2 * DEEP);
    assert_true(lua_istable(L, -1));
    free(text);
}

static void json_output_has_a_limit(void **state) {
    lua_State *L = *state;
    buf_clear(&out);
    buf_init(&out, 10);
    lua_pushstring(L, "more than ten bytes");
    assert_non_null(strstr(encode(L), "payload is too large as JSON"));
}

static void json_null_is_one_value_with_a_name(void **state) {
    lua_State *L = *state;
    assert_int_equal(luaL_dostring(L, "return tostring(null), type(null), null == null, "
                                      "pcall(function() return null.x end)"),
                     LUA_OK);
    assert_string_equal(lua_tostring(L, 1), "null");
    assert_true(lua_toboolean(L, 3));
    assert_false(lua_toboolean(L, 4));
    json_push_null(L);
    assert_true(json_at_null(L, -1));
    assert_false(json_at_null(L, 1));
}

static void json_metatables_are_out_of_reach(void **state) {
    lua_State *L = *state;
    push_decoded(L, "[]", 2);
    lua_setglobal(L, "a");
    assert_int_equal(luaL_dostring(L, "return getmetatable(a), pcall(setmetatable, a, {}), "
                                      "getmetatable(null)"),
                     LUA_OK);
    assert_string_equal(lua_tostring(L, 1), "array");
    assert_false(lua_toboolean(L, 2));
}

int main(void) {
#define json_test(f) cmocka_unit_test_setup_teardown(f, open_json, close_json)
    const struct CMUnitTest tests[] = {
        json_test(json_round_trips_what_lua_would_blur),
        json_test(json_keeps_the_types_of_numbers),
        json_test(json_numbers_beyond_64_bits_are_the_nearest_float),
        json_test(json_the_last_value_of_a_name_counts),
        json_test(json_arrays_of_any_length_keep_their_order),
        json_test(json_that_is_none_leaves_the_stack_as_it_was),
        json_test(json_encodes_names_in_order),
        json_test(json_tells_arrays_from_objects),
        json_test(json_names_what_it_cannot_say),
        json_test(json_has_a_depth_limit_for_encoding),
        json_test(json_decodes_as_deep_as_its_parser),
        json_test(json_output_has_a_limit),
        json_test(json_null_is_one_value_with_a_name),
        json_test(json_metatables_are_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

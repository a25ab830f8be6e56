/*
 * args.c - checks the arguments of calls; converts values for the store and back.
 */
#include "lua/args.h"

#include "lua/document.h"
#include "lua/json.h"
#include "base/limits.h"
#include "lua/host.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* The sum of a time and the duration must still be a valid time. */
int64_t args_check_duration(lua_State *L, int index, const char *what) {
    enum { SECONDS_MAX = INT32_MAX }; /* 68 years */
    if (lua_type(L, index) == LUA_TNUMBER) {
        double seconds = lua_tonumber(L, index);
        if (!(seconds >= 0) || seconds > (double)SECONDS_MAX) {
            luaL_error(L, "%s must be a number of seconds from 0 to %d", what, SECONDS_MAX);
        }
        return (int64_t)ceil(seconds * 1000.0 - 1e-6);
    }
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "%s must be seconds or a string like \"10m\", not a %s", what,
                   luaL_typename(L, index));
    }
    int64_t ms = 0;
    struct report r = {""};
    if (conf_parse_duration(lua_tostring(L, index), &ms, &r) != 0 || ms < 0) {
        luaL_error(L, "%s: %s", what, r.text);
    }
    if (ms > (int64_t)SECONDS_MAX * 1000) {
        luaL_error(L, "%s must be at most %d seconds", what, SECONDS_MAX);
    }
    return ms;
}

struct slice args_check_text(lua_State *L, int index, const char *what) {
    struct slice text = {NULL, 0};
    if (lua_type(L, index) != LUA_TSTRING) {
        luaL_error(L, "%s must be a string, not %s", what, luaL_typename(L, index));
    }
    text.data = lua_tolstring(L, index, &text.len);
    if (memchr(text.data, '\0', text.len) != NULL) {
        luaL_error(L, "%s holds a NUL byte", what);
    }
    return text;
}

struct slice args_check_name(lua_State *L, int index, const char *what) {
    struct slice name = args_check_text(L, index, what);
    if (name.len == 0 || name.len > STATE_NAME_BYTES_MAX) {
        luaL_error(L, "%s must have 1 to %d bytes, this one has %I", what, STATE_NAME_BYTES_MAX,
                   (lua_Integer)name.len);
    }
    return name;
}

struct slice args_check_key(lua_State *L, int index, const char *what) {
    if (lua_isinteger(L, index)) {
        lua_pushfstring(L, "%I", lua_tointeger(L, index));
        lua_replace(L, index);
    }
    struct slice key = args_check_text(L, index, what);
    if (key.len > KEY_BYTES_MAX) {
        luaL_error(L, "%s must have at most %d bytes", what, KEY_BYTES_MAX);
    }
    return key;
}

void args_check_line(lua_State *L, struct slice text, const char *what) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0') {
            luaL_error(L, "%s holds a line break or a NUL byte: it would forge a header", what);
        }
    }
}

static void refuse_option(lua_State *L, const struct args_option *options, size_t count,
                          const char *call) {
    luaL_Buffer b;
    const char *given = luaL_tolstring(L, -2, NULL);
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < count; i++) {
        luaL_addstring(&b, i == 0 ? "" : ", ");
        luaL_addstring(&b, options[i].name);
    }
    luaL_pushresult(&b);
    luaL_error(L, "zing.%s: unknown option '%s' (there are: %s)", call, given, lua_tostring(L, -1));
}

/* The key is at -2, the value on top. */
static void take_option(lua_State *L, const struct args_option *options, size_t count,
                        const char *call, void *to) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(options[i].name, name) == 0) {
            options[i].take(L, lua_gettop(L), to);
            return;
        }
    }
    refuse_option(L, options, count, call);
}

void args_take_options(lua_State *L, int index, const struct args_option *options, size_t count,
                       const char *call, void *to) {
    if (lua_isnoneornil(L, index)) {
        return;
    }
    if (!lua_istable(L, index)) {
        luaL_error(L, "zing.%s: the options are a table, not a %s", call, luaL_typename(L, index));
    }
    index = lua_absindex(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        take_option(L, options, count, call, to);
        lua_pop(L, 1);
    }
}

static void push_list(lua_State *L, struct slice list) {
    struct reader r = reader_of(list.data, list.len);
    lua_newtable(L);
    for (lua_Integer n = 1; r.at < r.end; n++) {
        struct slice value = read_lv(&r);
        if (r.failed || value.len == 0 || value.data[0] == 'l') {
            luaL_error(L, "the stored list is damaged");
        }
        args_push_value(L, value);
        lua_rawseti(L, -2, n);
    }
}

void args_push_value(lua_State *L, struct slice value) {
    assert(value.len > 0);
    struct reader r = reader_of(value.data + 1, value.len - 1);
    uint64_t bits;
    double real;
    switch (value.data[0]) {
    case 't':
    case 'f':
        lua_pushboolean(L, value.data[0] == 't');
        return;
    case 'i':
        lua_pushinteger(L, (lua_Integer)read_u64(&r));
        return;
    case 'd':
        bits = read_u64(&r);
        memcpy(&real, &bits, sizeof real);
        lua_pushnumber(L, real);
        return;
    case 's':
        lua_pushlstring(L, value.data + 1, value.len - 1);
        return;
    case 'j':
        document_push(L, (struct slice){value.data + 1, value.len - 1}, "the stored value");
        return;
    case 'l':
        push_list(L, (struct slice){value.data + 1, value.len - 1});
        return;
    default:
        luaL_error(L, "the stored value is damaged");
    }
}

static void add_number(lua_State *L, int index, struct buf *out) {
    uint64_t bits;
    if (lua_isinteger(L, index)) {
        buf_add_u8(out, 'i');
        bits = (uint64_t)lua_tointeger(L, index);
    } else {
        double real = lua_tonumber(L, index);
        buf_add_u8(out, 'd');
        memcpy(&bits, &real, sizeof bits);
    }
    buf_add_u64(out, bits);
}

static void add_string(lua_State *L, int index, struct buf *out) {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    buf_add_u8(out, 's');
    buf_add(out, text, len);
}

void args_add_value(lua_State *L, int index, const char *what, struct buf *out) {
    size_t before = out->len;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        buf_add_u8(out, lua_toboolean(L, index) ? 't' : 'f');
        break;
    case LUA_TNUMBER:
        add_number(L, index, out);
        break;
    case LUA_TSTRING:
        add_string(L, index, out);
        break;
    default:
        buf_add_u8(out, 'j');
        json_encode(L, index, what, out);
        break;
    }
    if (out->failed || out->len - before > VALUE_BYTES_MAX) {
        luaL_error(L, "%s is larger than %d bytes", what, VALUE_BYTES_MAX);
    }
}

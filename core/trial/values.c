/* values.c - see trial/values.h. */
#include "trial/values.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 64 };

/* ---- JSON to Lua ---- */

static void push_list(lua_State *L, const json_t *list) {
    size_t i;
    const json_t *item;
    lua_createtable(L, (int)json_array_size(list), 0);
    luaL_setmetatable(L, VALUES_ARRAY);
    json_array_foreach(list, i, item) {
        values_push(L, item);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_object(lua_State *L, const json_t *object) {
    const char *name;
    const json_t *value;
    lua_createtable(L, 0, (int)json_object_size(object));
    json_object_foreach(object, name, value) {
        values_push(L, value);
        lua_setfield(L, -2, name);
    }
}

void values_push(lua_State *L, const json_t *value) {
    luaL_checkstack(L, 4, "the JSON is nested too deeply");
    if (json_is_object(value)) {
        push_object(L, value);
    } else if (json_is_array(value)) {
        push_list(L, value);
    } else if (json_is_string(value)) {
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
    } else if (json_is_integer(value)) {
        lua_pushinteger(L, json_integer_value(value));
    } else if (json_is_boolean(value)) {
        lua_pushboolean(L, json_is_true(value));
    } else if (json_is_null(value)) {
        lua_pushlightuserdata(L, NULL);
    } else {
        lua_pushnumber(L, json_real_value(value));
    }
}

/* ---- Lua to JSON ---- */

static json_t *read_value(lua_State *L, int index, int depth, struct report *r);

static bool is_array(lua_State *L, int index) {
    bool marked = false;
    if (lua_getmetatable(L, index)) {
        marked = luaL_getmetatable(L, VALUES_ARRAY) == LUA_TTABLE && lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    return marked || lua_rawlen(L, index) > 0;
}

static json_t *read_list(lua_State *L, int index, int depth, struct report *r) {
    json_t *list = json_array();
    lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    for (lua_Integer i = 1; i <= count && list != NULL; i++) {
        lua_rawgeti(L, index, i);
        if (json_array_append_new(list, read_value(L, lua_gettop(L), depth, r)) != 0) {
            json_decref(list);
            list = NULL;
        }
        lua_pop(L, 1);
    }
    return list;
}

static int compare_names(const void *a, const void *b) {
    const struct slice *x = a;
    const struct slice *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* The names of a table; they live as long as it does. */
struct names {
    struct slice *items; /* owned */
    size_t count, max;
};

static bool add_name(struct names *names, struct slice name) {
    if (names->count == names->max) {
        size_t max = names->max * 2 + 8;
        struct slice *more = realloc(names->items, max * sizeof *more);
        if (more == NULL) {
            return false;
        }
        names->items = more;
        names->max = max;
    }
    names->items[names->count++] = name;
    return true;
}

/* In order: in Lua it is another one each time. */
static bool read_names(lua_State *L, int index, struct names *names, struct report *r) {
    lua_pushnil(L);
    while (lua_next(L, index)) {
        struct slice name = {"", 0};
        bool is_text = lua_type(L, -2) == LUA_TSTRING;
        if (is_text) {
            name.data = lua_tolstring(L, -2, &name.len);
        } else {
            (void)report(r, ERR_INVALID, "a JSON object has texts as names, not a %s",
                         luaL_typename(L, -2));
        }
        lua_pop(L, 1);
        if (!is_text || !add_name(names, name)) {
            lua_pop(L, 1);
            return false;
        }
    }
    if (names->count > 0) {
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    }
    return true;
}

static json_t *read_object(lua_State *L, int index, int depth, struct report *r) {
    struct names names = {.count = 0};
    json_t *object = json_object();
    bool ok = read_names(L, index, &names, r) && object != NULL;
    for (size_t i = 0; i < names.count && ok; i++) {
        lua_pushlstring(L, names.items[i].data, names.items[i].len);
        (void)lua_rawget(L, index);
        ok = json_object_setn_new(object, names.items[i].data, names.items[i].len,
                                  read_value(L, lua_gettop(L), depth, r)) == 0;
        lua_pop(L, 1);
    }
    free(names.items);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static json_t *read_table(lua_State *L, int index, int depth, struct report *r) {
    if (depth >= DEPTH_MAX || !lua_checkstack(L, 8)) {
        (void)report(r, ERR_LIMIT, "it is nested more than %d deep", DEPTH_MAX);
        return NULL;
    }
    return is_array(L, index) ? read_list(L, index, depth + 1, r)
                              : read_object(L, index, depth + 1, r);
}

static json_t *read_text(lua_State *L, int index, struct report *r) {
    size_t len;
    const char *text = lua_tolstring(L, index, &len);
    json_t *value = json_stringn(text, len);
    if (value == NULL) {
        (void)report(r, ERR_INVALID, "a text in it is not UTF-8");
    }
    return value;
}

static json_t *read_number(lua_State *L, int index, struct report *r) {
    json_t *value = lua_isinteger(L, index) ? json_integer(lua_tointeger(L, index))
                                            : json_real(lua_tonumber(L, index));
    if (value == NULL) {
        (void)report(r, ERR_INVALID, "a number in it is not finite");
    }
    return value;
}

static json_t *read_value(lua_State *L, int index, int depth, struct report *r) {
    switch (lua_type(L, index)) {
    case LUA_TTABLE:
        return read_table(L, index, depth, r);
    case LUA_TSTRING:
        return read_text(L, index, r);
    case LUA_TNUMBER:
        return read_number(L, index, r);
    case LUA_TBOOLEAN:
        return json_boolean(lua_toboolean(L, index));
    case LUA_TNIL:
        return json_null();
    default:
        if (lua_type(L, index) == LUA_TLIGHTUSERDATA && lua_touserdata(L, index) == NULL) {
            return json_null();
        }
        (void)report(r, ERR_INVALID, "JSON has no %s", luaL_typename(L, index));
        return NULL;
    }
}

json_t *values_read(lua_State *L, int index, struct report *r) {
    (void)report(r, ERR_MEMORY, "out of memory");
    return read_value(L, lua_absindex(L, index), 0, r);
}

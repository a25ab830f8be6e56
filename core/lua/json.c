/*
 * json.c - Lua values as JSON.
 *
 * Encoding reads tables raw: no metamethods run, so no handler code can change a table during the
 * walk, and string pointers stay valid because the tables hold the strings. The names of an object
 * are put on the Lua stack with their values, and sorted through an array of pointers.
 */
#include "lua/json.h"

#include "base/limits.h"
#include "base/json_write.h"
#include "lua/host.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Addresses are the registry keys. */
static const char array_key = 'a';
static const char null_key = 'n';

enum {
    NAMES_ON_C_STACK = 24, /* an object with more names allocates a userdata to sort them */
    OBJECT_NAMES_MAX = 100000,
    UNITS_PER_VALUE = 32, /* cost of a value in addition to its bytes: see script_charge */
};

static int null_tostring(lua_State *L) {
    lua_pushliteral(L, "null");
    return 1;
}

void json_open(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__name");
    lua_pushliteral(L, "array");
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_key);

    json_push_null(L);
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "null");
    lua_setfield(L, -2, "__name");
    lua_pushcfunction(L, null_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "null");
    lua_setfield(L, -2, "__metatable");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &null_key);
    lua_setmetatable(L, -2); /* all light userdata share it; null is the only one */
    lua_pop(L, 1);
}

void json_push_null(lua_State *L) {
    lua_pushlightuserdata(L, NULL);
}

bool json_at_null(lua_State *L, int index) {
    return lua_islightuserdata(L, index) && lua_touserdata(L, index) == NULL;
}

void json_mark_array(lua_State *L, int index) {
    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    if (lua_getmetatable(L, index)) {
        bool same = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        if (!same) {
            luaL_error(L, "the table has a metatable of its own"); /* raises */
        }
        return;
    }
    lua_setmetatable(L, index);
}

void json_push_array(lua_State *L, int count) {
    lua_createtable(L, count, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_key);
    lua_setmetatable(L, -2);
}

/* The position of the walk, for errors: a chain from the value up to the root. */
struct place {
    const struct place *parent;
    const char *name;  /* the name of the root or of a member; NULL = an item of an array */
    size_t name_len;   /* bytes of name */
    lua_Integer index; /* of the item, from 1 */
    int depth;
};

struct encoder {
    lua_State *L;
    struct buf *out;
};

static bool is_identifier(const struct place *at) {
    bool digit = at->name_len > 0 && at->name[0] >= '0' && at->name[0] <= '9';
    return !digit && slice_is_plain((struct slice){at->name, at->name_len}, "_");
}

static void add_place(luaL_Buffer *b, const struct place *at) {
    enum { NAME_SHOWN_MAX = 60 };
    if (at->parent == NULL) {
        luaL_addlstring(b, at->name, at->name_len);
        return;
    }
    add_place(b, at->parent);
    if (at->name == NULL) {
        lua_State *L = b->L;
        lua_pushfstring(L, "[%I]", at->index);
        luaL_addvalue(b);
    } else if (is_identifier(at)) {
        luaL_addchar(b, '.');
        luaL_addlstring(b, at->name, at->name_len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : at->name_len);
    } else {
        luaL_addstring(b, "[\"");
        luaL_addlstring(b, at->name, at->name_len > NAME_SHOWN_MAX ? NAME_SHOWN_MAX : at->name_len);
        luaL_addstring(b, "\"]");
    }
}

/* Raises "<path> <complaint>". */
static void refuse(const struct encoder *e, const struct place *at, const char *complaint) {
    luaL_Buffer b;
    luaL_buffinit(e->L, &b);
    add_place(&b, at);
    luaL_addchar(&b, ' ');
    luaL_addstring(&b, complaint);
    luaL_pushresult(&b);
    luaL_where(e->L, 1);
    lua_insert(e->L, -2);
    lua_concat(e->L, 2);
    lua_error(e->L);
}

static void encode(struct encoder *e, int index, const struct place *at);

static void encode_number(struct encoder *e, int index, const struct place *at) {
    if (lua_isinteger(e->L, index)) {
        char digits[24];
        char *end = digits + sizeof digits, *c = end;
        lua_Integer v = lua_tointeger(e->L, index);
        lua_Unsigned left = v < 0 ? 0 - (lua_Unsigned)v : (lua_Unsigned)v;
        do {
            *--c = (char)('0' + left % 10);
            left /= 10;
        } while (left > 0);
        if (v < 0) {
            *--c = '-';
        }
        buf_add(e->out, c, (size_t)(end - c));
        return;
    }
    double v = lua_tonumber(e->L, index);
    if (isnan(v)) {
        refuse(e, at, "is NaN, which JSON cannot say");
    }
    if (isinf(v)) {
        refuse(e, at, "is infinite, which JSON cannot say");
    }
    char text[JSON_REAL_BYTES];
    buf_add_str(e->out, json_real_text(v, text));
}

static void encode_string(struct encoder *e, int index, const struct place *at) {
    struct slice text;
    text.data = lua_tolstring(e->L, index, &text.len);
    script_charge(e->L, text.len);
    if (!json_quote(text, e->out)) {
        refuse(e, at, "is not valid UTF-8, which JSON must be");
    }
}

/* Checks that the table has exactly the keys 1..count. */
static void check_items(struct encoder *e, int table, lua_Integer count, const struct place *at) {
    lua_Integer seen = 0;
    lua_pushnil(e->L);
    while (lua_next(e->L, table)) {
        script_charge(e->L, UNITS_PER_VALUE);
        lua_pop(e->L, 1);
        if (lua_type(e->L, -1) == LUA_TSTRING) {
            refuse(e, at, "has both items and names: JSON knows arrays and objects, no mixture");
        }
        if (!lua_isinteger(e->L, -1)) {
            refuse(e, at, "has a key that is neither a string nor a position");
        }
        seen++;
    }
    if (seen != count) {
        refuse(e, at, "is an array with holes: fill them with zing.json.null");
    }
}

static void encode_array(struct encoder *e, int table, const struct place *at) {
    lua_Integer count = (lua_Integer)lua_rawlen(e->L, table);
    check_items(e, table, count, at);
    buf_add_u8(e->out, '[');
    for (lua_Integer i = 1; i <= count; i++) {
        if (i > 1) {
            buf_add_u8(e->out, ',');
        }
        lua_rawgeti(e->L, table, i);
        struct place item = {.parent = at, .index = i, .depth = at->depth + 1};
        encode(e, lua_gettop(e->L), &item);
        lua_pop(e->L, 1);
    }
    buf_add_u8(e->out, ']');
}

struct name {
    const char *text;
    size_t len;
    int value; /* stack position of the value */
};

static int compare_names(const void *a, const void *b) {
    const struct name *x = a, *y = b;
    size_t least = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->text, y->text, least);
    if (order != 0) {
        return order;
    }
    return (x->len > y->len) - (x->len < y->len);
}

/* Most objects are small, where insertion sort beats qsort. */
static void sort_names(struct name *names, int count) {
    if (count > NAMES_ON_C_STACK) {
        qsort(names, (size_t)count, sizeof *names, compare_names);
        return;
    }
    for (int i = 1; i < count; i++) {
        struct name moving = names[i];
        int at = i;
        for (; at > 0 && compare_names(&names[at - 1], &moving) > 0; at--) {
            names[at] = names[at - 1];
        }
        names[at] = moving;
    }
}

/* Pushes key, value, key, value... and returns the number of pairs. */
static int push_pairs(struct encoder *e, int table, const struct place *at) {
    int count = 0;
    lua_pushnil(e->L);
    while (lua_next(e->L, table)) {
        if (lua_type(e->L, -2) != LUA_TSTRING) {
            refuse(e, at, "has both items and names: JSON knows arrays and objects, no mixture");
        }
        script_charge(e->L, UNITS_PER_VALUE);
        if (++count > OBJECT_NAMES_MAX) {
            refuse(e, at, "has more than 100000 names");
        }
        if (count % 8 == 1) {
            luaL_checkstack(e->L, 24, "JSON object too large"); /* may raise */
        }
        lua_pushvalue(e->L, -2);
    }
    return count;
}

static void encode_pairs(struct encoder *e, struct name *names, int count, int first,
                         const struct place *at) {
    for (int i = 0; i < count; i++) {
        names[i].value = first + 2 * i + 1;
        names[i].text = lua_tolstring(e->L, first + 2 * i, &names[i].len);
    }
    sort_names(names, count);
    buf_add_u8(e->out, '{');
    for (int i = 0; i < count; i++) {
        if (i > 0) {
            buf_add_u8(e->out, ',');
        }
        struct place item = {at, names[i].text, names[i].len, 0, at->depth + 1};
        if (!json_quote((struct slice){names[i].text, names[i].len}, e->out)) {
            refuse(e, &item, "has a name that is not valid UTF-8, which JSON must be");
        }
        buf_add_u8(e->out, ':');
        encode(e, names[i].value, &item);
    }
    buf_add_u8(e->out, '}');
}

static void encode_object(struct encoder *e, int table, const struct place *at) {
    int first = lua_gettop(e->L) + 1;
    int count = push_pairs(e, table, at);
    struct name few[NAMES_ON_C_STACK];
    struct name *names = few;
    if (count > NAMES_ON_C_STACK) { /* may raise */
        names = lua_newuserdatauv(e->L, (size_t)count * sizeof *names, 0);
    }
    encode_pairs(e, names, count, first, at);
    lua_settop(e->L, first - 1);
}

/* True if the table's metatable marks an array. A table whose visible contents differ from its raw
 * ones (the event, a read-only table) would be encoded wrongly without notice, so it is refused. */
static bool is_marked(struct encoder *e, int table, const struct place *at) {
    if (!lua_getmetatable(e->L, table)) {
        return false;
    }
    lua_rawgetp(e->L, LUA_REGISTRYINDEX, &array_key);
    bool marked = lua_rawequal(e->L, -1, -2);
    if (!marked) {
        lua_pushliteral(e->L, "__pairs");
        if (lua_rawget(e->L, -3) != LUA_TNIL) {
            refuse(e, at, "is not plain data: copy the fields that you need");
        }
        lua_pop(e->L, 1);
    }
    lua_pop(e->L, 2);
    return marked;
}

static bool is_array(struct encoder *e, int table, const struct place *at) {
    lua_State *L = e->L;
    if (is_marked(e, table, at) || lua_rawlen(L, table) > 0) {
        return true;
    }
    lua_pushnil(L);
    if (!lua_next(L, table)) {
        return false;
    }
    bool named = lua_type(L, -2) == LUA_TSTRING;
    lua_pop(L, 2);
    return !named;
}

static void encode_table(struct encoder *e, int table, const struct place *at) {
    if (at->depth >= JSON_DEPTH_MAX) {
        refuse(e, at, "is nested too deeply, or contains itself");
    }
    if (e->out->failed) { /* a shared table could be visited without end */
        refuse(e, at, "is too large as JSON");
    }
    script_charge(e->L, UNITS_PER_VALUE);
    luaL_checkstack(e->L, 8, "JSON nested too deeply"); /* may raise */
    if (is_array(e, table, at)) {
        encode_array(e, table, at);
    } else {
        encode_object(e, table, at);
    }
}

static void encode(struct encoder *e, int index, const struct place *at) {
    switch (lua_type(e->L, index)) {
    case LUA_TSTRING:
        encode_string(e, index, at);
        return;
    case LUA_TNUMBER:
        encode_number(e, index, at);
        return;
    case LUA_TBOOLEAN:
        buf_add_str(e->out, lua_toboolean(e->L, index) ? "true" : "false");
        return;
    case LUA_TTABLE:
        encode_table(e, index, at);
        return;
    case LUA_TNIL:
        refuse(e, at, "is nil: use zing.json.null");
        return;
    case LUA_TLIGHTUSERDATA:
        assert(json_at_null(e->L, index));
        buf_add_str(e->out, "null");
        return;
    default:
        break;
    }
    refuse(e, at,
           lua_pushfstring(e->L, "is a %s, which JSON cannot say", luaL_typename(e->L, index)));
}

void json_encode(lua_State *L, int index, const char *root, struct buf *out) {
    struct encoder e = {L, out};
    struct place at = {.name = root, .name_len = strlen(root)};
    encode(&e, lua_absindex(L, index), &at);
    if (out->failed) {
        refuse(&e, &at, "is too large as JSON");
    }
}

/*
 * library.c - functions of Lua's own libraries that loop in C, where no hook runs: they are charged
 * for their work, and stopped when the time is up.
 *
 * If Lua's function can work on parts, it is called for one part after the other, with a check of
 * the clock in between (concat, move, format, utf8.len). If it cannot, but is fast per byte, the
 * bytes are charged in advance. rep and sort are our own. Functions that would ask a metatable for
 * the length refuse tables with __len: the library would count up to whatever it returns.
 */
#include "lua/host.h"

#include "lua/sort.h"

#include <stdint.h>
#include <string.h>

enum {
    PART_ITEMS = 1024,       /* of a table, between two checks of the clock */
    PART_ARGUMENTS = 64,     /* of string.format */
    PART_BYTES = 1 << 16,    /* of a text, between two checks */
    PACK_FORMAT_MAX = 4096,  /* bytes of string.pack's format */
    UNITS_PER_ITEM = 8,      /* moving one item, in bytes */
    UNITS_PER_FORMATTED = 64 /* formatting one argument */
};

void sandbox_wrap_field(lua_State *L, const char *name, lua_CFunction wrapper) {
    lua_getfield(L, -1, name);
    lua_pushstring(L, name);
    lua_pushcclosure(L, wrapper, 2);
    lua_setfield(L, -2, name);
}

/* Calls Lua's own function in this frame. */
static int call_wrapped(lua_State *L) {
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Pushes Lua's own function. */
static void push_wrapped(lua_State *L) {
    lua_pushvalue(L, lua_upvalueindex(1));
}

/* --- texts --- */

int sandbox_charge_bytes(lua_State *L) {
    int count = lua_gettop(L);
    size_t bytes = (size_t)count * UNITS_PER_ITEM;
    for (int i = 1; i <= count; i++) {
        bytes += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) : 0;
    }
    script_charge(L, bytes);
    return call_wrapped(L);
}

/* A format is a program: each of its letters is a step. */
static int bounded_pack(lua_State *L) {
    size_t len;
    luaL_checklstring(L, 1, &len);
    if (len > PACK_FORMAT_MAX) {
        return luaL_error(L, "string.%s: a format of more than %d bytes",
                          lua_tostring(L, lua_upvalueindex(2)), PACK_FORMAT_MAX);
    }
    return sandbox_charge_bytes(L);
}

/* string.rep(s, n [, separator]): doubles what it has so far, while Lua copies s n times. */
static int rep(lua_State *L) {
    size_t len, separator_len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    const char *separator = luaL_optlstring(L, 3, "", &separator_len);
    size_t unit = len + separator_len;
    if (n <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit > PTRDIFF_MAX / (size_t)n) {
        return luaL_error(L, "resulting string too large");
    }
    size_t total = unit * (size_t)n - separator_len;
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, total); /* may raise */
    memcpy(out, text, len);
    size_t done = len;
    if (n > 1) {
        memcpy(out + len, separator, separator_len);
        done = unit;
    }
    while (done < total) {
        size_t more = done < total - done ? done : total - done;
        memcpy(out + done, out, more);
        done += more;
    }
    luaL_pushresultsize(&b, total);
    script_charge(L, total / 8);
    return 1;
}

/* The end of the directive that begins with the '%' at `at`, as Lua reads it: flags, digits, a
 * letter. */
static const char *directive_end(const char *at, const char *end) {
    at++;
    while (at < end && strchr("-+ #0123456789.", *at) != NULL && *at != '\0') {
        at++;
    }
    return at < end ? at + 1 : end;
}

/* The end of the part of the format that takes at most `most` arguments; *taken: how many it
 * takes. */
static const char *format_part(const char *at, const char *end, int most, int *taken) {
    for (*taken = 0; at < end && *taken < most;) {
        if (*at != '%') {
            at++;
        } else if (at + 1 < end && at[1] == '%') {
            at += 2;
        } else {
            at = directive_end(at, end);
            (*taken)++;
        }
    }
    return at;
}

static int format(lua_State *L) {
    int count = lua_gettop(L);
    if (count <= PART_ARGUMENTS) {
        script_charge(L, (size_t)count * UNITS_PER_FORMATTED);
        return sandbox_charge_bytes(L);
    }
    size_t len;
    const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int next = 2; at < end;) {
        int taken;
        const char *part_end = format_part(at, end, PART_ARGUMENTS, &taken);
        script_charge(L, (size_t)taken * UNITS_PER_FORMATTED + (size_t)(part_end - at));
        luaL_checkstack(L, PART_ARGUMENTS + 4, "too many arguments");
        push_wrapped(L);
        lua_pushlstring(L, at, (size_t)(part_end - at));
        int given = taken < count - next + 1 ? taken : count - next + 1;
        for (int i = 0; i < given; i++) {
            lua_pushvalue(L, next + i);
        }
        lua_call(L, given + 1, 1);
        luaL_addvalue(&b);
        next += given;
        at = part_end;
    }
    luaL_pushresult(&b);
    return 1;
}

void sandbox_bound_string(lua_State *L) {
    static const char *const by_bytes[] = {"byte", "char", "lower", "upper", "reverse"};
    static const char *const packing[] = {"pack", "unpack", "packsize"};
    for (size_t i = 0; i < sizeof by_bytes / sizeof by_bytes[0]; i++) {
        sandbox_wrap_field(L, by_bytes[i], sandbox_charge_bytes);
    }
    for (size_t i = 0; i < sizeof packing / sizeof packing[0]; i++) {
        sandbox_wrap_field(L, packing[i], bounded_pack);
    }
    sandbox_wrap_field(L, "format", format);
    lua_pushcfunction(L, rep);
    lua_setfield(L, -2, "rep");
}

/* --- UTF-8 --- */

/* A position as in the library: from 1, or negative from the end. */
static lua_Integer position(lua_Integer at, size_t len) {
    if (at >= 0) {
        return at;
    }
    return (size_t)-at > len ? 0 : (lua_Integer)len + at + 1;
}

/* The first character boundary after byte `last`, if the text up to there is valid. */
static lua_Integer behind_character(const char *text, lua_Integer last) {
    lua_Integer at = last;
    while (at > 1 && ((unsigned char)text[at - 1] & 0xC0) == 0x80) {
        at--;
    }
    unsigned char lead = (unsigned char)text[at - 1];
    int bytes = 1;
    for (unsigned char bit = 0x40; lead >= 0xC0 && (lead & bit) != 0; bit >>= 1) {
        bytes++;
    }
    return at + bytes > last ? at + bytes : last + 1;
}

/* utf8.len(s [, i [, j [, lax]]]), in parts. */
static int utf8_length(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer at = position(luaL_optinteger(L, 2, 1), len);
    lua_Integer last = position(luaL_optinteger(L, 3, -1), len);
    if (at < 1 || last > (lua_Integer)len || last - at < PART_BYTES) {
        script_charge(L, len < PART_BYTES ? len : PART_BYTES);
        return call_wrapped(L); /* a short text, or an error */
    }
    bool lax = lua_toboolean(L, 4);
    lua_Integer count = 0;
    while (at <= last) {
        lua_Integer part_end = last - at < PART_BYTES ? last : at + PART_BYTES - 1;
        script_charge(L, PART_BYTES);
        push_wrapped(L);
        lua_pushvalue(L, 1);
        lua_pushinteger(L, at);
        lua_pushinteger(L, part_end);
        lua_pushboolean(L, lax);
        lua_call(L, 4, 2);
        if (!lua_toboolean(L, -2)) {
            return 2; /* nil and the position */
        }
        count += lua_tointeger(L, -2);
        lua_pop(L, 2);
        at = behind_character(text, part_end);
    }
    lua_pushinteger(L, count);
    return 1;
}

void sandbox_bound_utf8(lua_State *L) {
    static const char *const by_bytes[] = {"offset", "codepoint", "char"};
    for (size_t i = 0; i < sizeof by_bytes / sizeof by_bytes[0]; i++) {
        sandbox_wrap_field(L, by_bytes[i], sandbox_charge_bytes);
    }
    sandbox_wrap_field(L, "len", utf8_length);
}

/* --- tables --- */

/* The library would count up to whatever __len returns. */
static void refuse_len(lua_State *L) {
    if (lua_istable(L, 1) && luaL_getmetafield(L, 1, "__len") != LUA_TNIL) {
        luaL_error(L, "table.%s does not take a table with __len",
                   lua_tostring(L, lua_upvalueindex(2)));
    }
}

/* insert and remove: with a position, they move all items after it. */
static int bounded_shift(lua_State *L) {
    refuse_len(L);
    if (lua_istable(L, 1) && !lua_isnone(L, 2)) {
        script_charge(L, lua_rawlen(L, 1));
    }
    return call_wrapped(L);
}

static int bounded_unpack(lua_State *L) {
    if (lua_isnoneornil(L, 3)) {
        refuse_len(L);
        lua_settop(L, 2);
    }
    int top = lua_gettop(L);
    int results = call_wrapped(L); /* at most what fits on the stack */
    script_charge(L, (size_t)(lua_gettop(L) - top) * UNITS_PER_ITEM);
    return results;
}

/* table.move(from, f, e, t [, to]), in parts, in the order that overwrites nothing unread. */
static int move(lua_State *L) {
    lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    lua_Integer to = luaL_checkinteger(L, 4);
    if (last < from || (from <= 0 && last >= LUA_MAXINTEGER + from) ||
        to > LUA_MAXINTEGER - (last - from)) {
        return call_wrapped(L); /* nothing to move, or an error */
    }
    int target = lua_isnoneornil(L, 5) ? 1 : 5;
    lua_settop(L, 5);
    bool same = target == 1 || lua_compare(L, 1, target, LUA_OPEQ);
    bool backwards = same && to > from && to <= last;
    lua_Integer left = last - from + 1;
    for (lua_Integer done = 0; left > 0;) {
        lua_Integer part = left < PART_ITEMS ? left : PART_ITEMS;
        lua_Integer offset = backwards ? left - part : done;
        script_charge(L, (size_t)part * UNITS_PER_ITEM);
        push_wrapped(L);
        lua_pushvalue(L, 1);
        lua_pushinteger(L, from + offset);
        lua_pushinteger(L, from + offset + part - 1);
        lua_pushinteger(L, to + offset);
        lua_pushvalue(L, target);
        lua_call(L, 5, 0);
        done += part;
        left -= part;
    }
    lua_pushvalue(L, target);
    return 1;
}

/* table.concat(list [, separator [, i [, j]]]), in parts. */
static int concat(lua_State *L) {
    if (lua_isnoneornil(L, 4)) {
        refuse_len(L);
        lua_settop(L, 3);
        luaL_checktype(L, 1, LUA_TTABLE);
        lua_pushinteger(L, (lua_Integer)lua_rawlen(L, 1));
    }
    lua_Integer at = luaL_optinteger(L, 3, 1), last = luaL_checkinteger(L, 4);
    lua_settop(L, 4);
    if (last < at || (lua_Unsigned)last - (lua_Unsigned)at < PART_ITEMS) {
        script_charge(L, last < at ? 1 : (size_t)(last - at + 1) * UNITS_PER_ITEM);
        return call_wrapped(L);
    }
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (;;) {
        bool is_last = (lua_Unsigned)last - (lua_Unsigned)at < PART_ITEMS;
        lua_Integer part_end = is_last ? last : at + PART_ITEMS - 1;
        script_charge(L, PART_ITEMS * UNITS_PER_ITEM);
        push_wrapped(L);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        lua_pushinteger(L, at);
        lua_pushinteger(L, part_end);
        lua_call(L, 4, 1);
        luaL_addvalue(&b);
        if (is_last) {
            break;
        }
        lua_pushvalue(L, 2);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
        } else {
            luaL_addvalue(&b);
        }
        at = part_end + 1;
    }
    luaL_pushresult(&b);
    return 1;
}

/* Comparing two long texts takes time as long as they are equal. */
static void charge_comparison(lua_State *L) {
    if (lua_type(L, -1) == LUA_TSTRING && lua_type(L, -2) == LUA_TSTRING) {
        size_t a = lua_rawlen(L, -1), b = lua_rawlen(L, -2);
        script_charge(L, a < b ? a : b);
    }
}

static bool less_than(lua_State *L) {
    charge_comparison(L);
    return lua_compare(L, -2, -1, LUA_OPLT);
}

/* Calls the comparison function at index 2. */
static bool says_less(lua_State *L) {
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -3);
    lua_call(L, 2, 1);
    bool less = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return less;
}

/* table.sort(list [, less]) */
static int sort(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    refuse_len(L);
    bool own_order = lua_isnoneornil(L, 2);
    if (!own_order) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
    }
    lua_settop(L, 2);
    sort_list(L, 1, (lua_Integer)lua_rawlen(L, 1), own_order ? less_than : says_less);
    return 0;
}

void sandbox_bound_table(lua_State *L) {
    sandbox_wrap_field(L, "insert", bounded_shift);
    sandbox_wrap_field(L, "remove", bounded_shift);
    sandbox_wrap_field(L, "unpack", bounded_unpack);
    sandbox_wrap_field(L, "move", move);
    sandbox_wrap_field(L, "concat", concat);
    sandbox_wrap_field(L, "sort", sort);
}

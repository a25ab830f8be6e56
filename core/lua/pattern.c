/*
 * pattern.c - string.find, match, gmatch and gsub, by the matcher of lua/match.h.
 */
#include "lua/host.h"

#include "lua/match.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The text at stack index 1 and the pattern at 2; *pattern is where to start. */
static struct matcher prepare(lua_State *L, const char **pattern) {
    size_t text_len, pattern_len;
    struct matcher m = {.L = L};
    m.text = luaL_checklstring(L, 1, &text_len);
    m.text_end = m.text + text_len;
    *pattern = luaL_checklstring(L, 2, &pattern_len);
    m.pattern_end = *pattern + pattern_len;
    return m;
}

/* The offset for an `init` argument, from 0; beyond the end it is len + 1. */
static size_t start_offset(lua_State *L, int index, size_t len) {
    lua_Integer init = luaL_optinteger(L, index, 1);
    if (init > 0) {
        return (lua_Unsigned)init - 1 > len ? len + 1 : (size_t)init - 1;
    }
    return init == 0 || init < -(lua_Integer)len ? 0 : len - (size_t)-init;
}

static int find_plain(lua_State *L, const struct matcher *m, size_t from, const char *pattern) {
    size_t len = (size_t)(m->pattern_end - pattern);
    const char *at = m->text + from;
    const char *found = len == 0 ? at : memmem(at, (size_t)(m->text_end - at), pattern, len);
    script_charge(L, (size_t)(m->text_end - at));
    if (found == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - m->text + 1);
    lua_pushinteger(L, found - m->text + (lua_Integer)len);
    return 2;
}

static bool is_plain(const char *pattern, const char *end) {
    for (const char *p = pattern; p < end; p++) {
        if (*p != '\0' && strchr("^$*+?.([%-", *p) != NULL) {
            return false;
        }
    }
    return true;
}

static int find_or_match(lua_State *L, bool find) {
    const char *pattern;
    struct matcher m = prepare(L, &pattern);
    size_t from = start_offset(L, 3, (size_t)(m.text_end - m.text));
    if (from > (size_t)(m.text_end - m.text)) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(pattern, m.pattern_end))) {
        return find_plain(L, &m, from, pattern);
    }
    bool anchored = pattern < m.pattern_end && *pattern == '^';
    pattern += anchored;
    for (const char *s = m.text + from; s <= m.text_end; s++) {
        const char *end = match_at(&m, s, pattern);
        if (end != NULL && !find) {
            return match_push_captures(&m, s, end, true);
        }
        if (end != NULL) {
            lua_pushinteger(L, s - m.text + 1);
            lua_pushinteger(L, end - m.text);
            return match_push_captures(&m, s, end, false) + 2;
        }
        if (anchored) {
            break;
        }
    }
    lua_pushnil(L);
    return 1;
}

/* string.find(s, pattern [, init [, plain]]) */
static int find(lua_State *L) {
    return find_or_match(L, true);
}

/* string.match(s, pattern [, init]) */
static int match(lua_State *L) {
    return find_or_match(L, false);
}

/* Upvalues: text, pattern, where to search next, where the last match ended (-1 = none). */
static int gmatch_next(lua_State *L) {
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    const char *pattern;
    struct matcher m = prepare(L, &pattern);
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    for (const char *s = m.text + lua_tointeger(L, lua_upvalueindex(3)); s <= m.text_end; s++) {
        const char *end = match_at(&m, s, pattern);
        if (end == NULL || end - m.text == last) {
            continue;
        }
        lua_pushinteger(L, end - m.text);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return match_push_captures(&m, s, end, true);
    }
    return 0;
}

/* string.gmatch(s, pattern [, init]) */
static int gmatch(lua_State *L) {
    const char *pattern;
    struct matcher m = prepare(L, &pattern);
    size_t from = start_offset(L, 3, (size_t)(m.text_end - m.text));
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)from);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

/* --- gsub --- */

/* Appends the replacement string at index 3, with %0 to %9 replaced. */
static void add_template(struct matcher *m, luaL_Buffer *b, const char *start, const char *end) {
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len);
    match_count_steps(m, len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            luaL_addchar(b, text[i]);
            continue;
        }
        i++; /* the text is terminated: at worst this is the NUL */
        if (text[i] == '%') {
            luaL_addchar(b, '%');
        } else if (text[i] == '0') {
            luaL_addlstring(b, start, (size_t)(end - start));
        } else if (isdigit((unsigned char)text[i])) {
            match_push_capture(m, text[i] - '1', start, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Appends the result of the table or function at index 3 for this match. */
static void add_computed(struct matcher *m, luaL_Buffer *b, const char *start, const char *end) {
    lua_State *L = m->L;
    if (lua_type(L, 3) == LUA_TTABLE) {
        match_push_capture(m, 0, start, end);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, match_push_captures(m, start, end, true), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, start, (size_t)(end - start));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static void add_replacement(struct matcher *m, luaL_Buffer *b, const char *start, const char *end) {
    int kind = lua_type(m->L, 3);
    if (kind == LUA_TTABLE || kind == LUA_TFUNCTION) {
        add_computed(m, b, start, end);
    } else {
        add_template(m, b, start, end);
    }
}

/* string.gsub(s, pattern, replacement [, n]) -> text, number of matches */
static int gsub(lua_State *L) {
    const char *pattern;
    struct matcher m = prepare(L, &pattern);
    int kind = lua_type(L, 3);
    luaL_argexpected(L,
                     kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION ||
                         kind == LUA_TTABLE,
                     3, "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)(m.text_end - m.text) + 1);
    bool anchored = pattern < m.pattern_end && *pattern == '^';
    pattern += anchored;
    lua_settop(L, 3);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    const char *s = m.text, *last = NULL;
    lua_Integer count = 0;
    while (count < most) {
        const char *end = match_at(&m, s, pattern);
        if (end != NULL && end != last) {
            count++;
            add_replacement(&m, &b, s, end);
            s = last = end;
        } else if (s < m.text_end) {
            luaL_addchar(&b, *s);
            s++;
        } else {
            break;
        }
        if (anchored) {
            break;
        }
    }
    luaL_addlstring(&b, s, (size_t)(m.text_end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, count);
    return 2;
}

void sandbox_open_patterns(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"find", find}, {"match", match}, {"gmatch", gmatch}, {"gsub", gsub}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

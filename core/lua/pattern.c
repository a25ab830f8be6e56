/*
 * pattern.c - string.find, match, gmatch and gsub, which can be stopped.
 *
 * Lua's own matcher is C code that may run for hours on the wrong pattern and text, without any
 * hook. This one follows the reference manual (6.4.1) with its own backtracking, and counts its
 * steps: every so many, it checks the clock, like the hook.
 *
 * `match_here` walks a pattern. Items that can still fail after a match (captures, repetitions,
 * optional items) call it recursively for the rest of the pattern. The depth is bounded, as in Lua.
 */
#include "lua/host.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    CAPTURES_MAX = 32,       /* Lua's own limit */
    DEPTH_MAX = 200,         /* nested attempts, as in Lua: bounds the C stack */
    STEPS_PER_LOOK = 1 << 16 /* some hundred microseconds */
};

/* Lengths of captures that are not texts. */
enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

struct matcher {
    lua_State *L;
    const char *text, *text_end;
    const char *pattern_end;
    int depth; /* levels of nested attempts that are still allowed */
    size_t steps;
    int level; /* captures so far, open ones included */
    struct {
        const char *start;
        ptrdiff_t len; /* bytes, or CAPTURE_OPEN, CAPTURE_POSITION */
    } captures[CAPTURES_MAX];
};

static const char *match_here(struct matcher *m, const char *s, const char *p);

static void count_steps(struct matcher *m, size_t steps) {
    m->steps += steps;
    if (m->steps >= STEPS_PER_LOOK) {
        m->steps = 0;
        script_look_at_clock(m->L); /* may raise; no resources are held */
    }
}

/* --- single items: a character, a class, a set --- */

/* The end of the item at p, where a quantifier may follow. */
static const char *item_end(struct matcher *m, const char *p) {
    char first = *p++;
    if (first == '%') {
        if (p == m->pattern_end) {
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        }
        return p + 1;
    }
    if (first != '[') {
        return p;
    }
    if (p < m->pattern_end && *p == '^') {
        p++;
    }
    do { /* the first member may be a ']' */
        if (p < m->pattern_end && *p == '%') {
            p++;
        }
        p++;
        if (p >= m->pattern_end) {
            luaL_error(m->L, "malformed pattern (missing ']')");
        }
    } while (*p != ']');
    return p + 1;
}

static int is_nul(int c) {
    return c == 0;
}

/* letter and class; the upper-case letter is the complement */
static const struct {
    char letter;
    int (*holds)(int c);
} classes[] =
    {
        {'a', isalpha}, {'c', iscntrl},  {'d', isdigit}, {'g', isgraph},
        {'l', islower}, {'p', ispunct},  {'s', isspace}, {'u', isupper},
        {'w', isalnum}, {'x', isxdigit}, {'z', is_nul}, /* %z is from Lua 5.1 and still accepted */
};

static bool in_class(unsigned char c, unsigned char letter) {
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (tolower(letter) == classes[i].letter) {
            return (classes[i].holds(c) != 0) != (isupper(letter) != 0);
        }
    }
    return c == letter;
}

/* p is at '[', last at the ']' that ends the set. */
static bool in_set(unsigned char c, const char *p, const char *last) {
    bool wanted = p[1] != '^';
    for (p += wanted ? 1 : 2; p < last; p++) {
        bool hit;
        if (*p == '%') {
            p++;
            hit = in_class(c, (unsigned char)*p);
        } else if (p + 2 < last && p[1] == '-') {
            hit = (unsigned char)p[0] <= c && c <= (unsigned char)p[2];
            p += 2;
        } else {
            hit = (unsigned char)*p == c;
        }
        if (hit) {
            return wanted;
        }
    }
    return !wanted;
}

/* True if the item from p to end matches the character at s. */
static bool matches_item(struct matcher *m, const char *s, const char *p, const char *end) {
    count_steps(m, (size_t)(end - p));
    if (s >= m->text_end) {
        return false;
    }
    unsigned char c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* --- items longer than one character --- */

/* %bxy at p: the end of the text balanced in x and y, or NULL. */
static const char *match_balanced(struct matcher *m, const char *s, const char *p) {
    if (m->pattern_end - p < 4) {
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    }
    if (s >= m->text_end || *s != p[2]) {
        return NULL;
    }
    size_t open = 1;
    for (const char *at = s + 1; at < m->text_end; at++) {
        count_steps(m, 1);
        if (*at == p[3]) {
            if (--open == 0) {
                return at + 1;
            }
        } else if (*at == p[2]) {
            open++;
        }
    }
    return NULL;
}

/* %f[set] at p: s if the set begins to match there, and *rest after the set; or NULL. */
static const char *match_frontier(struct matcher *m, const char *s, const char *p,
                                  const char **rest) {
    const char *set = p + 2;
    if (set >= m->pattern_end || *set != '[') {
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    }
    const char *end = item_end(m, set);
    unsigned char before = s == m->text ? '\0' : (unsigned char)s[-1];
    unsigned char here = s < m->text_end ? (unsigned char)*s : '\0';
    *rest = end;
    count_steps(m, (size_t)(end - set));
    return !in_set(before, set, end - 1) && in_set(here, set, end - 1) ? s : NULL;
}

/* %1 to %9: the end of the same text repeated, or NULL. */
static const char *match_again(struct matcher *m, const char *s, char digit) {
    int index = digit - '1';
    if (index < 0 || index >= m->level || m->captures[index].len == CAPTURE_OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", index + 1);
    }
    ptrdiff_t len = m->captures[index].len;
    if (len < 0 || m->text_end - s < len) {
        return NULL;
    }
    count_steps(m, (size_t)len / 16 + 1);
    return memcmp(m->captures[index].start, s, (size_t)len) == 0 ? s + len : NULL;
}

/* --- captures and repetitions: these match the rest of the pattern, too --- */

static const char *open_capture(struct matcher *m, const char *s, const char *p) {
    bool position = p + 1 < m->pattern_end && p[1] == ')';
    if (m->level >= CAPTURES_MAX) {
        luaL_error(m->L, "too many captures");
    }
    m->captures[m->level].start = s;
    m->captures[m->level].len = position ? CAPTURE_POSITION : CAPTURE_OPEN;
    m->level++;
    const char *end = match_here(m, s, p + (position ? 2 : 1));
    if (end == NULL) {
        m->level--;
    }
    return end;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p) {
    int open = m->level - 1;
    while (open >= 0 && m->captures[open].len != CAPTURE_OPEN) {
        open--;
    }
    if (open < 0) {
        luaL_error(m->L, "invalid pattern capture");
    }
    m->captures[open].len = s - m->captures[open].start;
    const char *end = match_here(m, s, p + 1);
    if (end == NULL) {
        m->captures[open].len = CAPTURE_OPEN;
    }
    return end;
}

/* Tries as many as possible, then fewer and fewer, but at least `least`. */
static const char *match_most(struct matcher *m, const char *s, const char *p, const char *end,
                              ptrdiff_t least) {
    ptrdiff_t count = 0;
    while (matches_item(m, s + count, p, end)) {
        count++;
    }
    for (; count >= least; count--) {
        const char *found = match_here(m, s + count, end + 1);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* Tries as few as possible. */
static const char *match_least(struct matcher *m, const char *s, const char *p, const char *end) {
    for (;; s++) {
        const char *found = match_here(m, s, end + 1);
        if (found != NULL) {
            return found;
        }
        if (!matches_item(m, s, p, end)) {
            return NULL;
        }
    }
}

/* The result of one round of match_here. */
struct round {
    const char *s, *p;
    bool done; /* then s is the answer, NULL = no match */
};

static struct round answer(const char *s) {
    return (struct round){.s = s, .done = true};
}

static struct round go_on(const char *s, const char *p) {
    return (struct round){.s = s, .p = p, .done = s == NULL};
}

/* A single item and the quantifier after it. */
static struct round match_quantified(struct matcher *m, const char *s, const char *p) {
    const char *end = item_end(m, p);
    const char *found;
    switch (end < m->pattern_end ? *end : '\0') {
    case '*':
        return answer(match_most(m, s, p, end, 0));
    case '+':
        return answer(match_most(m, s, p, end, 1));
    case '-':
        return answer(match_least(m, s, p, end));
    case '?':
        found = matches_item(m, s, p, end) ? match_here(m, s + 1, end + 1) : NULL;
        return found != NULL ? answer(found) : go_on(s, end + 1);
    default:
        return go_on(matches_item(m, s, p, end) ? s + 1 : NULL, end);
    }
}

/* An item that begins with '%'. */
static struct round match_escaped(struct matcher *m, const char *s, const char *p) {
    const char *rest = NULL;
    char kind = p + 1 < m->pattern_end ? p[1] : '\0';
    if (kind == 'b') {
        return go_on(match_balanced(m, s, p), p + 4);
    }
    if (kind == 'f') {
        s = match_frontier(m, s, p, &rest);
        return go_on(s, rest);
    }
    if (kind >= '0' && kind <= '9') {
        return go_on(match_again(m, s, kind), p + 2);
    }
    return match_quantified(m, s, p);
}

static struct round match_round(struct matcher *m, const char *s, const char *p) {
    switch (*p) {
    case '(':
        return answer(open_capture(m, s, p));
    case ')':
        return answer(close_capture(m, s, p));
    case '%':
        return match_escaped(m, s, p);
    case '$':
        if (p + 1 == m->pattern_end) {
            return answer(s == m->text_end ? s : NULL);
        }
        break;
    default:
        break;
    }
    return match_quantified(m, s, p);
}

/* The end of the match that begins at s, for the pattern from p, or NULL. */
static const char *match_here(struct matcher *m, const char *s, const char *p) {
    if (m->depth == 0) {
        luaL_error(m->L, "pattern too complex");
    }
    m->depth--;
    struct round round = go_on(s, p);
    while (!round.done && round.p < m->pattern_end) {
        count_steps(m, 1);
        round = match_round(m, round.s, round.p);
    }
    m->depth++;
    return round.s;
}

/* --- for the functions of Lua --- */

static const char *match_at(struct matcher *m, const char *s, const char *p) {
    m->level = 0;
    m->depth = DEPTH_MAX;
    count_steps(m, 1);
    return match_here(m, s, p);
}

/* Pushes capture `index`, or the whole match when the pattern has none. */
static void push_capture(struct matcher *m, int index, const char *start, const char *end) {
    if (index >= m->level) {
        if (index > 0) {
            luaL_error(m->L, "invalid capture index %%%d", index + 1);
        }
        lua_pushlstring(m->L, start, (size_t)(end - start));
        return;
    }
    ptrdiff_t len = m->captures[index].len;
    if (len == CAPTURE_OPEN) {
        luaL_error(m->L, "unfinished capture");
    } else if (len == CAPTURE_POSITION) {
        lua_pushinteger(m->L, m->captures[index].start - m->text + 1);
    } else {
        lua_pushlstring(m->L, m->captures[index].start, (size_t)len);
    }
}

/* Pushes all captures; if there are none and `whole`, the whole match. */
static int push_captures(struct matcher *m, const char *start, const char *end, bool whole) {
    int count = m->level == 0 && whole ? 1 : m->level;
    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++) {
        push_capture(m, i, start, end);
    }
    return count;
}

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
            return push_captures(&m, s, end, true);
        }
        if (end != NULL) {
            lua_pushinteger(L, s - m.text + 1);
            lua_pushinteger(L, end - m.text);
            return push_captures(&m, s, end, false) + 2;
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
        return push_captures(&m, s, end, true);
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
    count_steps(m, len);
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
            push_capture(m, text[i] - '1', start, end);
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
        push_capture(m, 0, start, end);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, start, end, true), 1);
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

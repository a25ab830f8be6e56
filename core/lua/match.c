/*
 * match.c - see lua/match.h.
 *
 * `match_here` walks a pattern. Items that can still fail after a match (captures, repetitions,
 * optional items) call it recursively for the rest of the pattern. The depth is bounded, as in Lua.
 */
#include "lua/match.h"

#include "lua/host.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

enum {
    DEPTH_MAX = 200,         /* nested attempts, as in Lua: bounds the C stack */
    STEPS_PER_LOOK = 1 << 16 /* some hundred microseconds */
};

/* Lengths of captures that are not texts. */
enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

static const char *match_here(struct matcher *m, const char *s, const char *p);

void match_count_steps(struct matcher *m, size_t steps) {
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
    match_count_steps(m, (size_t)(end - p));
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
        match_count_steps(m, 1);
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
    match_count_steps(m, (size_t)(end - set));
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
    match_count_steps(m, (size_t)len / 16 + 1);
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
        match_count_steps(m, 1);
        round = match_round(m, round.s, round.p);
    }
    m->depth++;
    return round.s;
}

/* --- for the functions of Lua --- */

const char *match_at(struct matcher *m, const char *s, const char *p) {
    m->level = 0;
    m->depth = DEPTH_MAX;
    match_count_steps(m, 1);
    return match_here(m, s, p);
}

void match_push_capture(struct matcher *m, int index, const char *start, const char *end) {
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

int match_push_captures(struct matcher *m, const char *start, const char *end, bool whole) {
    int count = m->level == 0 && whole ? 1 : m->level;
    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++) {
        match_push_capture(m, i, start, end);
    }
    return count;
}

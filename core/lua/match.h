/*
 * match.h - Lua's patterns, matched in a way that can be stopped.
 *
 * Lua's own matcher is C code that may run for hours on the wrong pattern and text, without any
 * hook. This one follows the reference manual (6.4.1) with its own backtracking, and counts its
 * steps: every so many, it checks the clock, like the hook. It raises errors, and holds nothing that
 * would have to be freed then.
 */
#ifndef ZINGQ_LUA_MATCH_H
#define ZINGQ_LUA_MATCH_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

enum { CAPTURES_MAX = 32 /* Lua's own limit */ };

/* Its first three fields are the caller's; the others start as zeros. */
struct matcher {
    lua_State *L;
    const char *text, *text_end;
    const char *pattern_end;
    int depth; /* levels of nested attempts that are still allowed */
    size_t steps;
    int level; /* captures so far, open ones included */
    struct {
        const char *start;
        ptrdiff_t len; /* bytes, or why it is not a text */
    } captures[CAPTURES_MAX];
};

/* Counts steps of work, and checks the clock when there were many: may raise. */
void match_count_steps(struct matcher *m, size_t steps);
/* Matches the pattern at p with the text at s; the end of the match, or NULL. */
const char *match_at(struct matcher *m, const char *s, const char *p);
/* Pushes capture `index` of the match from start to end, which is the first one itself where the
 * pattern has none. */
void match_push_capture(struct matcher *m, int index, const char *start, const char *end);
/* Pushes all captures; if there are none and `whole`, the whole match. How many. */
int match_push_captures(struct matcher *m, const char *start, const char *end, bool whole);

#endif

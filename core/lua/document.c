/*
 * document.c - see lua/document.h.
 *
 * jansson builds its document outside of Lua, many times the size of the text ("[[],[],..." takes a
 * hundred bytes for three). While jansson works for a script, its allocations count towards the
 * memory of the script's Lua state; only one thread uses jansson. A long text is passed in pieces,
 * so that the clock can stop it.
 */
#include "lua/document.h"

#include "lua/host.h"
#include "lua/json.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_BYTES = 1 << 16 /* a longer text is read in pieces */ };

/* --- jansson's allocator while it works for a script --- */

static struct script_state *paying; /* NULL = jansson does not work for a script */
static bool refused;                /* an allocation was refused since pay() */

static void *allocate(size_t size) {
    void *block = malloc(size);
    if (block != NULL && !script_memory_take(paying, malloc_usable_size(block))) {
        free(block);
        block = NULL;
    }
    refused = refused || block == NULL;
    return block;
}

static void release(void *block) {
    if (block != NULL) {
        script_memory_give(paying, malloc_usable_size(block));
    }
    free(block);
}

static void pay(struct script_state *state) {
    paying = state;
    refused = false;
    json_set_alloc_funcs(allocate, release);
}

static void paid(void) {
    json_set_alloc_funcs(malloc, free);
    paying = NULL;
}

/* --- parsing --- */

/* A text that is read in pieces. */
struct reading {
    struct script_state *state;
    struct slice left;
};

/* jansson's own buffer has 1 KiB. */
static size_t next_piece(void *buffer, size_t room, void *ctx) {
    struct reading *reading = ctx;
    size_t len = reading->left.len < room ? reading->left.len : room;
    if (script_time_is_up(reading->state)) {
        return (size_t)-1;
    }
    memcpy(buffer, reading->left.data, len);
    reading->left.data += len;
    reading->left.len -= len;
    return len;
}

static json_t *parse(struct script_state *state, struct slice text, json_error_t *error) {
    struct reading reading = {state, text};
    pay(state);
    json_t *document = text.len < LONG_BYTES
                           ? json_loadb(text.data, text.len, JSON_READ_FLAGS, error)
                           : json_load_callback(next_piece, &reading, JSON_READ_FLAGS, error);
    paid();
    return document;
}

void document_drop(struct script_state *state) {
    if (state->document == NULL) {
        return;
    }
    pay(state);
    json_decref(state->document);
    paid();
    state->document = NULL;
}

static bool refuse(lua_State *L, const json_error_t *error, const char *what, struct report *r) {
    script_look_at_clock(L);
    if (refused) {
        lua_pushliteral(L, "not enough memory"); /* the same text as Lua's */
        lua_error(L);
    }
    (void)report(r, ERR_INVALID, "%s is not JSON: %s at byte %d", what, error->text,
                 error->position);
    return false;
}

bool document_try(lua_State *L, struct slice text, const char *what, struct report *r) {
    struct script_state *state = script_state_of(L);
    json_error_t error;
    document_drop(state); /* left by a push that raised an error */
    script_charge(L, text.len);
    if (text.len == 0) {
        (void)report(r, ERR_INVALID, "%s is not JSON: it is empty", what);
        return false;
    }
    state->document = parse(state, text, &error);
    if (state->document == NULL && refused) {
        (void)lua_gc(L, LUA_GCCOLLECT); /* as Lua does before it gives up */
        state->document = parse(state, text, &error);
    }
    if (state->document == NULL) {
        return refuse(L, &error, what, r);
    }
    json_push(L, state->document); /* may raise; the host still owns the document */
    document_drop(state);
    return true;
}

void document_push(lua_State *L, struct slice text, const char *what) {
    struct report r = {""};
    if (!document_try(L, text, what, &r)) {
        luaL_error(L, "%s", r.text);
    }
}

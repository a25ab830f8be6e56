/*
 * compile.c - compiles text to a Lua function, and can be stopped.
 *
 * For some texts the compiler takes quadratic time: many labels, a long chain of `or`. So it gets
 * the text in small pieces, and the clock is checked before each one.
 */
#include "lua/host.h"

enum { PIECE_BYTES = 256 };

static const char *next_piece(lua_State *L, void *ctx, size_t *len) {
    struct slice *left = ctx;
    const char *piece = left->data;
    script_look_at_clock(L); /* an error raised here is an error of the chunk: see below */
    *len = left->len < PIECE_BYTES ? left->len : PIECE_BYTES;
    left->data += *len;
    left->len -= *len;
    return piece;
}

int script_compile(lua_State *L, struct slice text, const char *name) {
    struct slice left = {text.len == 0 ? "" : text.data, text.len};
    int status = lua_load(L, next_piece, &left, name, "t");
    script_check_time(L);
    return status;
}

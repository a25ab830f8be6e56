/*
 * names.c - names in a compiled script that stand for nothing: globals that nobody declares, and
 * fields that a library does not have, such as zing.publsh.
 *
 * Reading them fails only when the line runs, which may be at night. The compiler knows which names
 * are globals, so its own output is read, as lua_dump writes it (Lua 5.4, ldump.c). Comments,
 * strings and locals are no trouble then.
 *
 * Left out: fields of a library that is kept in a local, and more than 255 constants in a function.
 */
#include "lua/host.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is needed of lopcodes.h and lobject.h. */
enum {
    OP_GETTABUP = 11,
    OP_GETFIELD = 14,
    OP_SETTABUP = 15,
    CONSTANT_INTEGER = 0x03,
    CONSTANT_SHORT = 0x04,
    CONSTANT_FLOAT = 0x13,
    CONSTANT_LONG = 0x14,
    LINE_IS_ABSOLUTE = -0x80,
    HEADER_BYTES = 4 + 1 + 1 + 6 + 3 + 8 + 8,
    FIELDS_SUGGESTED = 64,
    PATH_BYTES = 256,
};

struct names {
    lua_State *L;
    int globals; /* the table with those of the script, on the stack */
    const char *file;
    struct reader in;
};

/* One function of the dump; pointers into it. */
struct proto {
    const uint8_t *code;
    size_t code_len; /* instructions */
    struct slice *constants;
    size_t constant_count;
    const int8_t *lines;
    size_t line_len;
    struct reader absolute; /* pairs of instruction and line */
    size_t line;            /* of its definition */
    uint64_t env_upvalues;  /* bit n: upvalue n is _ENV */
};

static size_t read_size(struct reader *in) {
    size_t value = 0;
    uint8_t byte;
    do {
        byte = read_u8(in);
        value = value << 7 | (byte & 0x7fu);
    } while ((byte & 0x80u) == 0 && !in->failed);
    return in->failed ? 0 : value;
}

static struct slice read_string(struct reader *in) {
    size_t size = read_size(in);
    return size == 0 ? (struct slice){"", 0} : read_bytes(in, size - 1);
}

static void read_constants(struct names *n, struct proto *p) {
    p->constant_count = read_size(&n->in);
    size_t left = (size_t)(n->in.end - n->in.at);
    p->constant_count = p->constant_count > left ? left : p->constant_count;
    p->constants = lua_newuserdatauv(n->L, (p->constant_count + 1) * sizeof *p->constants, 0);
    for (size_t i = 0; i < p->constant_count; i++) {
        uint8_t type = read_u8(&n->in);
        bool text = type == CONSTANT_SHORT || type == CONSTANT_LONG;
        p->constants[i] = text ? read_string(&n->in) : (struct slice){NULL, 0};
        if (type == CONSTANT_INTEGER || type == CONSTANT_FLOAT) {
            (void)read_bytes(&n->in, 8);
        }
    }
}

/* Lines, names of locals, names of upvalues. */
static void read_debug(struct names *n, struct proto *p) {
    p->line_len = read_size(&n->in);
    p->lines = (const int8_t *)read_bytes(&n->in, p->line_len).data;
    size_t pairs = read_size(&n->in);
    p->absolute = n->in;
    for (size_t i = 0; i < 2 * pairs && !n->in.failed; i++) {
        (void)read_size(&n->in);
    }
    for (size_t i = read_size(&n->in); i > 0 && !n->in.failed; i--) {
        (void)read_string(&n->in);
        (void)read_size(&n->in);
        (void)read_size(&n->in);
    }
    size_t upvalues = read_size(&n->in);
    for (size_t i = 0; i < upvalues && !n->in.failed; i++) {
        if (slice_is(read_string(&n->in), "_ENV") && i < 64) {
            p->env_upvalues |= UINT64_C(1) << i;
        }
    }
}

static uint32_t instruction(const struct proto *p, size_t at) {
    uint32_t word;
    memcpy(&word, p->code + at * sizeof word, sizeof word);
    return word;
}

static unsigned op_of(uint32_t word) {
    return word & 0x7f;
}

static unsigned a_of(uint32_t word) {
    return word >> 7 & 0xff;
}

static unsigned b_of(uint32_t word) {
    return word >> 16 & 0xff;
}

static unsigned c_of(uint32_t word) {
    return word >> 24;
}

/* The line of an instruction: each has a difference to the one before, or an entry of its own. */
static int line_of(const struct proto *p, size_t at) {
    struct reader absolute = p->absolute;
    size_t line = p->line;
    for (size_t i = 0; i <= at && i < p->line_len; i++) {
        if (p->lines[i] == LINE_IS_ABSOLUTE) {
            (void)read_size(&absolute);
            line = read_size(&absolute);
        } else {
            line += (size_t)(ptrdiff_t)p->lines[i];
        }
    }
    return (int)line;
}

static void found(const struct names *n, const struct proto *p, size_t at, const char *text) {
    const struct script_names *names = &script_state_of(n->L)->host->names;
    names->found(names->ctx, n->file, line_of(p, at), text);
}

/* Replaces the read-only library on top by the table behind it; false if it is something else. */
static bool open_library(lua_State *L) {
    if (!lua_istable(L, -1) || !lua_getmetatable(L, -1)) {
        return false;
    }
    lua_pushliteral(L, "__index");
    bool is = lua_rawget(L, -2) == LUA_TTABLE;
    lua_replace(L, -3);
    lua_pop(L, 1);
    return is;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The name in the table on top that was probably meant, or NULL. */
static const char *meant_in_table(lua_State *L, const char *field) {
    const char *names[FIELDS_SUGGESTED] = {NULL};
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING && count < FIELDS_SUGGESTED) {
            names[count++] = lua_tostring(L, -1);
        }
    }
    qsort(names, count, sizeof *names, compare_names); /* tables have no order of their own */
    return conf_suggest(field, names, count);
}

static void tell_unknown(const struct names *n, const struct proto *p, size_t at, const char *path,
                         const char *field) {
    char text[PATH_BYTES * 3];
    char hint[PATH_BYTES * 2] = "";
    const char *meant = meant_in_table(n->L, field);
    const char *dot = path[0] == '\0' ? "" : ".";
    if (meant != NULL) {
        (void)snprintf(hint, sizeof hint, " (did you mean %s%s%s?)", path, dot, meant);
    }
    (void)snprintf(text, sizeof text, "%s%s%s%s%s", path[0] == '\0' ? "undeclared global " : path,
                   dot, field, path[0] == '\0' ? "" : " does not exist", hint);
    found(n, p, at, text);
}

/* A global was read into a register: follows the fields that the next instructions read from it, as
 * long as they are libraries. */
static void follow(const struct names *n, const struct proto *p, size_t at) {
    char path[PATH_BYTES] = "";
    unsigned reg = 0;
    int top = lua_gettop(n->L);
    lua_pushvalue(n->L, n->globals);
    for (size_t i = at; i < p->code_len; i++) {
        uint32_t word = instruction(p, i);
        bool reads = i == at || (op_of(word) == OP_GETFIELD && b_of(word) == reg);
        if (!reads || c_of(word) >= p->constant_count || strcmp(path, "zing.config") == 0) {
            break;
        }
        struct slice key = p->constants[c_of(word)];
        lua_pushlstring(n->L, key.data, key.len);
        const char *field = lua_tostring(n->L, -1);
        lua_pushvalue(n->L, -1);
        if (lua_rawget(n->L, -3) == LUA_TNIL) {
            lua_pushvalue(n->L, -3);
            tell_unknown(n, p, i, path, field);
            break;
        }
        size_t len = strlen(path);
        (void)snprintf(path + len, sizeof path - len, "%s%s", len == 0 ? "" : ".", field);
        reg = a_of(word);
        if (!open_library(n->L)) {
            break;
        }
    }
    lua_settop(n->L, top);
}

static void look_through(const struct names *n, const struct proto *p) {
    for (size_t i = 0; i < p->code_len; i++) {
        uint32_t word = instruction(p, i);
        unsigned upvalue = op_of(word) == OP_SETTABUP ? a_of(word) : b_of(word);
        bool env = upvalue < 64 && (p->env_upvalues >> upvalue & 1) != 0;
        if (op_of(word) == OP_GETTABUP && env) {
            follow(n, p, i);
        } else if (op_of(word) == OP_SETTABUP && env && b_of(word) < p->constant_count) {
            char text[PATH_BYTES];
            struct slice name = p->constants[b_of(word)];
            (void)snprintf(text, sizeof text,
                           "assignment to undeclared global %.*s (make it local)",
                           (int)(name.len < PATH_BYTES / 2 ? name.len : PATH_BYTES / 2), name.data);
            found(n, p, i, text);
        }
    }
}

/* Reads a function and those within it. Lua bounds how deep they nest. */
static void read_function(struct names *n) {
    struct proto p = {.code = NULL};
    luaL_checkstack(n->L, LUA_MINSTACK, "nested functions");
    int top = lua_gettop(n->L);
    (void)read_string(&n->in); /* the source */
    p.line = read_size(&n->in);
    (void)read_size(&n->in);
    (void)read_bytes(&n->in, 3); /* parameters, varargs, stack */
    p.code_len = read_size(&n->in);
    p.code = (const uint8_t *)read_bytes(&n->in, p.code_len * sizeof(uint32_t)).data;
    read_constants(n, &p);
    (void)read_bytes(&n->in, 3 * read_size(&n->in)); /* upvalues */
    for (size_t i = read_size(&n->in); i > 0 && !n->in.failed; i--) {
        read_function(n);
    }
    read_debug(n, &p);
    if (!n->in.failed) {
        look_through(n, &p);
    }
    lua_settop(n->L, top);
}

static int write_dump(lua_State *L, const void *bytes, size_t len, void *out) {
    (void)L;
    buf_add(out, bytes, len);
    return 0;
}

void script_check_names(lua_State *L, const char *file, int env) {
    struct buf *dump = &script_state_of(L)->host->second;
    int top = lua_gettop(L);
    buf_reset(dump);
    if (lua_dump(L, write_dump, dump, 0) != 0 || dump->failed) {
        return; /* no script is that large */
    }
    lua_pushvalue(L, env);
    if (open_library(L)) {
        struct names n = {
            .L = L, .globals = lua_gettop(L), .file = file, .in = reader_of(dump->data, dump->len)};
        (void)read_bytes(&n.in, HEADER_BYTES + 1); /* and how many upvalues the chunk has */
        read_function(&n);
        assert(!n.in.failed && n.in.at == n.in.end);
    }
    lua_settop(L, top);
}

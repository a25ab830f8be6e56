/*
 * log.c - zing.log and print: lines of the program's log, with service and event.
 *
 * They are written at once and not staged: the log of a failed attempt is the one people look for.
 */
#include "lua/api/subjects.h"

#include "lua/host.h"

#include "lua/json.h"
#include "base/log.h"
#include "base/json_write.h"

#include <math.h>
#include <string.h>

enum { LOG_FIELDS_MAX = 32 };

static bool is_bare(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

/* The value at `index`, of any type: one word, or a value of JSON. */
static void add_field_value(lua_State *L, int index, bool json, struct buf *out) {
    if (lua_type(L, index) == LUA_TTABLE) {
        json_encode(L, index, "fields", out);
        return;
    }
    bool plain = lua_type(L, index) == LUA_TBOOLEAN ||
                 (lua_type(L, index) == LUA_TNUMBER && isfinite(lua_tonumber(L, index)));
    struct slice text;
    text.data = luaL_tolstring(L, index, &text.len);
    if (json ? plain : is_bare(text)) {
        buf_add_slice(out, text);
    } else {
        (void)json_quote(text, out);
    }
    lua_pop(L, 1);
}

/* Collects the names of the table at `index`, sorted. */
static size_t sorted_names(lua_State *L, int index, const char *names[LOG_FIELDS_MAX]) {
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING || count == LOG_FIELDS_MAX) {
            luaL_error(L, "zing.log: fields are a table of at most %d names", LOG_FIELDS_MAX);
        }
        const char *name = lua_tostring(L, -2);
        size_t at = count++;
        for (; at > 0 && strcmp(names[at - 1], name) > 0; at--) {
            names[at] = names[at - 1];
        }
        names[at] = name;
        lua_pop(L, 1);
    }
    return count;
}

static void add_fields(lua_State *L, int index, bool json, struct buf *out) {
    const char *names[LOG_FIELDS_MAX];
    size_t count = sorted_names(L, index, names);
    for (size_t i = 0; i < count; i++) {
        buf_add_str(out, i == 0 || !json ? "" : ",");
        if (json) {
            (void)json_quote(slice_of(names[i]), out);
        } else {
            buf_printf(out, " %s", names[i]);
        }
        buf_add_str(out, json ? ":" : "=");
        lua_pushstring(L, names[i]);
        lua_rawget(L, index);
        add_field_value(L, lua_gettop(L), json, out);
        lua_pop(L, 1);
    }
}

static void add_source(lua_State *L, bool json, struct buf *out) {
    const struct script_state *state = script_state_of(L);
    if (state->current != NULL) {
        char id[UUID_TEXT_BYTES + 1];
        buf_printf(out, json ? ",\"service\":\"%s\",\"event\":\"%s\"" : " service=%s event=%s",
                   state->host->conf->services[state->service].name,
                   uuid_text(&state->current->event->id, id));
    }
}

/* Appends what stands behind the message. */
static void add_more(lua_State *L, int fields, bool json, struct buf *out) {
    size_t begin = out->len;
    add_source(L, json, out);
    if (lua_isnoneornil(L, fields)) {
        return;
    }
    luaL_checktype(L, fields, LUA_TTABLE);
    size_t before = out->len;
    buf_add_str(out, json ? ",\"fields\":{" : "");
    add_fields(L, fields, json, out);
    buf_add_str(out, json ? "}" : "");
    if (json && (out->failed || out->len - begin > LOG_MEMBERS_BYTES)) {
        out->len = before; /* cut in the middle it would not be JSON */
        out->failed = false;
        buf_printf(out, ",\"fields\":\"left out: more than %d bytes\"", LOG_MEMBERS_BYTES / 2);
    }
}

static int write_line(lua_State *L, enum log_level level) {
    struct buf *out = &script_state_of(L)->host->second;
    bool json = log_is_json();
    size_t len;
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    const char *text = luaL_tolstring(L, 1, &len); /* may run __tostring: before the reset */
    buf_reset(out);
    buf_add(out, text, len);
    lua_pop(L, 1);
    len = out->len;
    add_more(L, 2, json, out);
    if (log_writes(level, "handler") && script_may_log(script_state_of(L), out->len)) {
        const char *bytes = buf_str(out);
        log_text(level, "handler", (struct slice){bytes, len},
                 (struct slice){bytes + len, out->len - len});
    }
    return 0;
}

static int write_debug(lua_State *L) {
    return write_line(L, LOG_LEVEL_DEBUG);
}

static int write_info(lua_State *L) {
    return write_line(L, LOG_LEVEL_INFO);
}

static int write_warn(lua_State *L) {
    return write_line(L, LOG_LEVEL_WARN);
}

static int write_error(lua_State *L) {
    return write_line(L, LOG_LEVEL_ERROR);
}

static int print(lua_State *L) {
    int count = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= count; i++) {
        if (i > 1) {
            luaL_addchar(&b, ' ');
        }
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    lua_replace(L, 1);
    lua_settop(L, 1);
    return write_line(L, LOG_LEVEL_INFO);
}

void api_open_print(lua_State *L, int globals) {
    lua_pushcfunction(L, print);
    lua_setfield(L, globals, "print");
}

void api_open_log(lua_State *L) {
    static const luaL_Reg functions[] = {{"debug", write_debug},
                                         {"info", write_info},
                                         {"warn", write_warn},
                                         {"error", write_error},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    sandbox_protect(L, "zing.log");
    lua_setfield(L, -2, "log");
}

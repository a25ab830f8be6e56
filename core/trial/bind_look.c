/*
 * bind_look.c - see trial/bind_look.h.
 *
 * What is read is first made a JSON tree, within a transaction, and then pushed: Lua may raise only
 * when no cursor and no transaction is open.
 */
#include "trial/bind_look.h"

#include "query/events.h"
#include "query/json.h"
#include "query/life.h"
#include "query/state.h"
#include "trial/values.h"
#include "trial/world.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { VALUE_JSON_BYTES_MAX = 64 << 20, FILE_BYTES_MAX = 1 << 20 };

static struct world *world_of(lua_State *L) {
    struct world **w = luaL_checkudata(L, 1, BIND_WORLD);
    luaL_argcheck(L, *w != NULL, 1, "the world has ended");
    return *w;
}

/* Pushes the tree, which it frees; nil and the error's text when there is none. */
static int push_tree(lua_State *L, json_t *tree, int code) {
    if (code != 0 || tree == NULL) {
        json_decref(tree);
        lua_pushnil(L);
        lua_pushstring(L, error_text(code == 0 ? ERR_MEMORY : code));
        return 2;
    }
    values_push(L, tree);
    json_decref(tree);
    return 1;
}

/* ---- state and locks ---- */

static int read_cell(struct world *w, size_t service, const struct slice names[2], bool lock,
                     json_t **out) {
    struct journal *j = engine_journal(w->engine);
    const char *name = w->conf->services[service].name;
    struct state_item item;
    struct buf json;
    struct cell cell = {.service = engine_service_number(w->engine, service),
                        .key = names[0],
                        .name = names[1],
                        .partition =
                            journal_partition(journal_lane_of(j, slice_of(name), names[0]))};
    int code = store_begin(w->store);
    if (code != 0) {
        return code;
    }
    buf_init(&json, VALUE_JSON_BYTES_MAX);
    code = state_read(j, &cell, lock, engine_now_ms(w->engine), &json, &item);
    *out = code == 0 ? state_item_json(&item) : NULL;
    store_abort(w->store);
    buf_clear(&json);
    return code;
}

/* world:cell(service, key, name, is_lock) → a table with its value, or nil */
static int cell(lua_State *L) {
    struct world *w = world_of(L);
    struct report r = {""};
    struct slice names[2];
    size_t service = 0;
    json_t *tree = NULL;
    names[0].data = luaL_checklstring(L, 3, &names[0].len);
    names[1].data = luaL_checklstring(L, 4, &names[1].len);
    if (world_service(w, luaL_checkstring(L, 2), &service, &r) != 0) {
        return luaL_error(L, "%s", r.text);
    }
    int code = read_cell(w, service, names, lua_toboolean(L, 5), &tree);
    if (code == ERR_NOTFOUND) {
        lua_pushnil(L);
        return 1;
    }
    return push_tree(L, tree, code);
}

/* ---- events ---- */

static int add_event(struct journal *j, struct event *event, json_t *list) {
    struct life life;
    int code = life_read(j, event, &life);
    if (code != 0) {
        return code;
    }
    json_t *tree = life_json(j, &life);
    code = json_array_insert(list, 0, tree) == 0 ? 0 : ERR_MEMORY;
    json_decref(tree);
    life_clear(&life);
    return code;
}

static int read_events(struct world *w, json_t *list) {
    struct journal *j = engine_journal(w->engine);
    struct look_walk walk;
    struct event *event = NULL;
    int code = store_begin(w->store);
    if (code != 0) {
        return code;
    }
    look_walk_init(&walk, j, &(struct look_filter){.by_service = false});
    while (code == 0 && (code = look_walk_next(j, &walk, &event)) == 0) {
        code = add_event(j, event, list);
    }
    look_walk_clear(&walk);
    store_abort(w->store);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* world:events() → every event in the store with its history, oldest first, as `zingq trace` */
static int events(lua_State *L) {
    struct world *w = world_of(L);
    json_t *list = json_array();
    return push_tree(L, list, list == NULL ? ERR_MEMORY : read_events(w, list));
}

/* ---- files of zing.append ---- */

/* world:file(name) → its text, or nil */
static int file(lua_State *L) {
    const struct world *w = world_of(L);
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/files/%s", w->path, luaL_checkstring(L, 2));
    FILE *fp = len > 0 && (size_t)len < sizeof path ? fopen(path, "re") : NULL;
    if (fp == NULL) {
        lua_pushnil(L);
        return 1;
    }
    char *room = malloc(FILE_BYTES_MAX);
    size_t got = room == NULL ? 0 : fread(room, 1, FILE_BYTES_MAX, fp);
    (void)fclose(fp); /* opened for reading: nothing can be lost */
    lua_pushlstring(L, room == NULL ? "" : room, got);
    free(room);
    return 1;
}

void bind_look_open(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"cell", cell}, {"events", events}, {"file", file}, {NULL, NULL}};
    luaL_setfuncs(L, methods, 0);
}

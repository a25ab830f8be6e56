/*
 * load.c - files to functions, and again when they change.
 *
 * A service's code is loaded whole, in an environment of its own, into a new script_code; only when
 * everything compiled and ran does it take the place of the old. Invocations under way keep the
 * functions they run. A load that failed is remembered by its files too, so that the same broken
 * text is reported once, and a missing module is found when it appears.
 */
#include "lua/host.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a file --- */

/* The entry for a file of this version, made on first use. NULL when out of memory. */
static struct script_file *track_file(struct script_code *code, const char *name) {
    for (size_t i = 0; i < code->file_count; i++) {
        if (strcmp(code->files[i].name, name) == 0) {
            return &code->files[i];
        }
    }
    struct script_file *files = realloc(code->files, (code->file_count + 1) * sizeof *code->files);
    if (files == NULL) {
        return NULL;
    }
    code->files = files;
    struct script_file *file = &files[code->file_count];
    *file = (struct script_file){.missing = true};
    file->name = slice_dup(slice_of(name));
    if (file->name == NULL) {
        return NULL;
    }
    code->file_count++;
    return file;
}

/* Before the text is run: with what was run before it, it is a version of its own. Raises past
 * every pcall when that took the program down before. */
static void name_load(lua_State *L, const struct script_file *file) {
    struct script_host *host = script_host_of(L);
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof host->loaded);
    (void)crypto_generichash_update(&state, host->loaded, sizeof host->loaded);
    (void)crypto_generichash_update(&state, (const unsigned char *)file->name,
                                    strlen(file->name) + 1);
    (void)crypto_generichash_update(&state, file->hash, sizeof file->hash);
    (void)crypto_generichash_final(&state, host->loaded, sizeof host->loaded);
    if (!culprit_load(host->culprit, host->loaded)) {
        host->load_refused = true;
        host->unwinding = true;
        luaL_error(L,
                   "scripts/%s: this version took the host down while it was loaded: it is not run "
                   "again before it is changed",
                   file->name);
    }
}

static void run_file(lua_State *L, const char *name, int env) {
    struct script_host *host = script_host_of(L);
    assert(host->loading != NULL);
    struct report r = {""};
    struct script_file *file = track_file(host->loading, name);
    if (file == NULL) {
        luaL_error(L, "scripts/%s: out of memory", name); /* raises; nothing is held */
        return;
    }
    if (script_file_read(host, file, &host->scratch, &r) != 0) {
        lua_pushstring(L, r.text);
        lua_error(L);
    }
    name_load(L, file);
    const char *chunk = lua_pushfstring(L, "@scripts/%s", name);
    if (script_compile(L, buf_slice(&host->scratch), chunk) != LUA_OK) {
        lua_error(L);
    }
    lua_remove(L, -2);
    lua_pushvalue(L, env);
    if (lua_setupvalue(L, -2, 1) == NULL) {
        lua_pop(L, 1);
    }
    lua_call(L, 0, 1);
}

/* --- require --- */

/* "retry" or "retry.lua" to "retry.lua" on the stack. Raises when it could leave the folder. */
static const char *check_module(lua_State *L) {
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    bool plain = len > 0 && strlen(name) == len && name[0] != '.' && strchr(name, '/') == NULL &&
                 strchr(name, '\\') == NULL && strstr(name, "..") == NULL;
    if (!plain) {
        luaL_error(L,
                   "require(\"%s\"): the name of a script in the scripts folder is wanted, "
                   "without a path",
                   name);
    }
    bool suffixed = len > 4 && strcmp(name + len - 4, ".lua") == 0;
    return lua_pushfstring(L, suffixed ? "%s" : "%s.lua", name);
}

/* Upvalues: the environment, the modules of this version by file name (false = still loading). */
static int require(lua_State *L) {
    const char *file = check_module(L);
    lua_pushvalue(L, -1);
    int kind = lua_rawget(L, lua_upvalueindex(2));
    if (kind == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
        return luaL_error(L, "require(\"%s\") goes round in a circle: it is still loading", file);
    }
    if (kind != LUA_TNIL) {
        return 1;
    }
    if (script_host_of(L)->loading == NULL) {
        return luaL_error(L, "require(\"%s\") in a handler: require at the top of the script",
                          file);
    }
    lua_pushstring(L, file);
    lua_pushboolean(L, 0);
    lua_rawset(L, lua_upvalueindex(2));
    run_file(L, file, lua_upvalueindex(1));
    if (!lua_toboolean(L, -1)) {
        lua_pushboolean(L, 1);
    }
    lua_pushstring(L, file);
    lua_pushvalue(L, -2);
    lua_rawset(L, lua_upvalueindex(2));
    return 1;
}

/* --- what the scripts return --- */

static void load_handler(lua_State *L, struct script_code *code, const char *file, int env) {
    run_file(L, file, env);
    if (lua_isfunction(L, -1)) {
        script_take_role(L, code, ROLE_ANY);
        return;
    }
    if (!lua_istable(L, -1)) {
        luaL_error(L,
                   "scripts/%s: returns a %s: a function, or a table of topic filter to function, "
                   "is wanted",
                   file, luaL_typename(L, -1));
    }
    script_take_table(L, code, file);
    if (code->route_count == 0) {
        luaL_error(L, "scripts/%s: the table it returns handles no topic", file);
    }
    lua_pop(L, 1);
}

static void load_policy(lua_State *L, struct script_code *code, const char *file, int env,
                        enum script_role role) {
    if (file == NULL) {
        return;
    }
    run_file(L, file, env);
    if (!lua_isfunction(L, -1)) {
        luaL_error(L, "scripts/%s: returns a %s: a policy is one function", file,
                   luaL_typename(L, -1));
    }
    script_take_role(L, code, role);
}

/* What load_code works on. */
struct load {
    const struct service_conf *service;
    struct script_code *code;
};

static int load_code(lua_State *L) {
    struct load *load = lua_touserdata(L, 1);
    sandbox_push_environment(L, require);
    int env = lua_gettop(L);
    load_handler(L, load->code, load->service->handler, env);
    load_policy(L, load->code, load->service->retry, env, ROLE_RETRY);
    load_policy(L, load->code, load->service->dead_letter, env, ROLE_DEAD_LETTER);
    return 0;
}

static struct script_code *new_code(void) {
    struct script_code *code = calloc(1, sizeof *code);
    for (size_t i = 0; code != NULL && i < ROLE_COUNT; i++) {
        code->roles[i] = LUA_NOREF;
    }
    return code;
}

void script_code_free(struct script_host *host, struct script_code *code) {
    if (code == NULL) {
        return;
    }
    for (size_t i = 0; i < ROLE_COUNT; i++) {
        luaL_unref(host->L, LUA_REGISTRYINDEX, code->roles[i]);
    }
    for (size_t i = 0; i < code->route_count; i++) {
        luaL_unref(host->L, LUA_REGISTRYINDEX, code->routes[i].function);
        free(code->routes[i].filter);
    }
    for (size_t i = 0; i < code->file_count; i++) {
        free(code->files[i].name);
    }
    free(code->routes);
    free(code->files);
    free(code);
}

/* --- a service --- */

static int run_load(struct script_host *host, struct load *load, struct report *r) {
    const char *name = load->service->name;
    (void)crypto_generichash(host->loaded, sizeof host->loaded, (const unsigned char *)name,
                             strlen(name), NULL, 0);
    host->load_refused = false;
    host->loading = load->code;
    script_enter(host, NULL, host->L, 0);
    int rc = script_protect(host, load_code, load, r);
    (void)script_leave(host);
    host->loading = NULL;
    culprit_enter(host->culprit, CULPRIT_IDLE);
    return rc;
}

int script_load_service(struct script_host *host, size_t service, struct report *r) {
    struct script_slot *slot = &host->slots[service];
    struct load load = {&host->conf->services[service], new_code()};
    if (load.code == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    int rc = run_load(host, &load, r);
    script_code_free(host, slot->refused);
    slot->refused = NULL;
    free(slot->error);
    slot->error = NULL;
    if (rc != 0) {
        char text[96];
        if (rc == ERR_MEMORY) {
            (void)report(r, rc, "scripts/%s: %s", load.service->handler,
                         script_memory_text(host, text));
        }
        if (script_files_lack(load.code)) {
            size_t len = strlen(r->text);
            (void)snprintf(r->text + len, sizeof r->text - len, " (service \"%s\", %s:%d)",
                           load.service->name, host->conf->file, load.service->line);
        }
        slot->refused = load.code;
        slot->error = slice_dup(slice_of(r->text));
        return host->load_refused ? ERR_REFUSED : ERR_SCRIPT;
    }
    load.code->version = script_files_hash(load.code);
    script_code_free(host, slot->live);
    slot->live = load.code;
    return 0;
}

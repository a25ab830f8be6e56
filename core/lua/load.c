/*
 * load.c - turns files into functions, and again when they change.
 *
 * A service's code is loaded as a whole, in an environment of its own, into a new script_code. Only
 * when everything has compiled and run does it replace the old code. Invocations under way keep the
 * functions they run. A failed load also remembers its files, so that the same broken text is
 * reported once, and a missing module is noticed when it appears.
 */
#include "lua/host.h"

#include "base/utf8.h"
#include "lua/json.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a file --- */

/* The entry for this version's file, created on first use. NULL when out of memory. */
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

/* Names the file before its text runs; together with the texts that ran before it, it is a version
 * of its own. Raises an error past every pcall if that version crashed the program before. */
static void name_load(lua_State *L, const struct script_file *file) {
    struct script_host *host = script_state_of(L)->host;
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, sizeof host->loaded);
    (void)crypto_generichash_update(&state, host->loaded, sizeof host->loaded);
    (void)crypto_generichash_update(&state, (const unsigned char *)file->name,
                                    strlen(file->name) + 1);
    (void)crypto_generichash_update(&state, file->hash, sizeof file->hash);
    (void)crypto_generichash_final(&state, host->loaded, sizeof host->loaded);
    if (!culprit_load(host->culprit, host->loaded)) {
        host->load_refused = true;
        script_state_of(L)->unwinding = true;
        luaL_error(L,
                   "scripts/%s: this version took the host down while it was loaded: it is not run "
                   "again before it is changed",
                   file->name);
    }
}

static void run_file(lua_State *L, const char *name, int env) {
    struct script_host *host = script_state_of(L)->host;
    assert(script_state_of(L)->loading);
    struct report r = {""};
    struct script_file *file = track_file(script_state_of(L)->code, name);
    if (file == NULL) {
        (void)script_raise_lack(
            L, ERR_MEMORY,
            lua_pushfstring(L, "scripts/%s", name)); /* raises; no resources are held */
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
    if (host->names.found != NULL) {
        script_check_names(L, name, env);
    }
    lua_pushvalue(L, env);
    if (lua_setupvalue(L, -2, 1) == NULL) {
        lua_pop(L, 1);
    }
    lua_call(L, 0, 1);
}

/* --- require --- */

/* Replaces "retry" or "retry.lua" by "retry.lua". Raises an error if the name could leave the
 * folder. */
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

/* Upvalues: the environment, and the modules of this version by file name (false = still
 * loading). */
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
    if (!script_state_of(L)->loading) {
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

/* --- the result of a script --- */

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

static int open_state(lua_State *L) {
    json_open(L);
    sandbox_open(L);
    return 0;
}

static int load_code(lua_State *L) {
    struct script_state *state = script_state_of(L);
    const struct service_conf *service = &state->host->conf->services[state->service];
    sandbox_push_environment(L, require);
    int env = lua_gettop(L);
    load_handler(L, state->code, service->handler, env);
    load_policy(L, state->code, service->retry, env, ROLE_RETRY);
    load_policy(L, state->code, service->dead_letter, env, ROLE_DEAD_LETTER);
    return 0;
}

static struct script_code *new_code(void) {
    struct script_code *code = calloc(1, sizeof *code);
    for (size_t i = 0; code != NULL && i < ROLE_COUNT; i++) {
        code->roles[i] = LUA_NOREF;
    }
    return code;
}

/* --- a service --- */

/* Restores the previous state of the crash page afterwards: an event may be waiting for this
 * state. */
static int run_load(struct script_state *state, struct report *r) {
    struct script_host *host = state->host;
    const char *name = host->conf->services[state->service].name;
    struct culprit_record within = {.phase = CULPRIT_IDLE};
    if (host->culprit != NULL) {
        within = *culprit_now(host->culprit);
    }
    (void)crypto_generichash(host->loaded, sizeof host->loaded, (const unsigned char *)name,
                             strlen(name), NULL, 0);
    host->load_refused = false;
    state->loading = true;
    script_enter(state, NULL, state->L, 0);
    int rc = script_protect(state, load_code, NULL, r);
    (void)script_leave(state);
    state->loading = false;
    culprit_leave(host->culprit, &within);
    return rc;
}

/* Words the error for the author of topics.conf. */
static void explain(const struct script_state *state, int rc, struct report *r) {
    const struct conf *conf = state->host->conf;
    const struct service_conf *service = &conf->services[state->service];
    char text[96];
    if (rc == ERR_MEMORY) {
        (void)report(r, rc, "scripts/%s: %s", service->handler, script_memory_text(state, text));
    }
    if (script_files_lack(state->code)) {
        size_t len = strlen(r->text);
        (void)snprintf(r->text + len, sizeof r->text - len, " (service \"%s\", %s:%d)",
                       service->name, conf->file, service->line);
        utf8_mend(r->text);
    }
}

/* An open state whose code is still empty. */
static int new_state(struct script_host *host, size_t service, struct script_state **out) {
    struct script_state *state = NULL;
    struct report r;
    int rc = script_state_new(&state, host, service);
    if (rc != 0) {
        return rc;
    }
    state->code = new_code();
    rc = state->code == NULL ? ERR_MEMORY : script_protect(state, open_state, NULL, &r);
    if (rc != 0) {
        script_state_free(state);
        return rc;
    }
    *out = state;
    return 0;
}

int script_load(struct script_host *host, size_t service, struct script_state **out,
                struct script_code **refused, struct report *r) {
    struct script_state *state = NULL;
    *refused = NULL;
    if (new_state(host, service, &state) != 0) {
        return report(r, ERR_MEMORY, "out of memory for a Lua state");
    }
    int rc = run_load(state, r);
    if (rc != 0) {
        explain(state, rc, r);
        if (script_lacks(state) == 0) { /* else the next look tries again */
            *refused = state->code;
            state->code = NULL;
        }
        script_state_free(state);
        return host->load_refused ? ERR_REFUSED : ERR_SCRIPT;
    }
    state->code->version = script_files_hash(state->code);
    *out = state;
    return 0;
}

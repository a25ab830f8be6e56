/*
 * script.c - the Lua host: its life, reloading, what others may ask about it.
 */
#include "lua/host.h"

#include "lua/document.h"
#include "lua/json.h"
#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

enum { SCRATCH_BYTES_MAX = EFFECTS_BYTES_MAX, NS_PER_MS = 1000000 };

/* Nothing raises outside a protected call; if it does, going on would be undefined. */
static int panic(lua_State *L) {
    const char *text = lua_tostring(L, -1);
    log_error("script", "raised outside a protected call: %s", text == NULL ? "?" : text);
    abort();
}

static int open_state(lua_State *L) {
    json_open(L);
    sandbox_open(L);
    return 0;
}

static int start_state(struct script_host *host) {
    host->L = lua_newstate(script_allocate, host);
    if (host->L == NULL) {
        return ERR_MEMORY;
    }
    host->base = host->L;
    host->thread = host->L;
    *(struct script_host **)lua_getextraspace(host->L) = host;
    (void)lua_atpanic(host->L, panic);
    script_limits_open(host);
    struct report r;
    int rc = script_protect(host, open_state, NULL, &r);
    if (rc == ERR_SCRIPT) {
        log_error("script", "cannot start Lua: %s", r.text);
    }
    return rc;
}

int script_host_new(struct script_host **out, const struct conf *conf,
                    const struct script_library *library) {
    struct script_host *host = calloc(1, sizeof *host);
    if (host == NULL) {
        return ERR_MEMORY;
    }
    host->conf = conf;
    host->library = library;
    host->memory_limit = conf->lua_memory_bytes;
    host->watch.limit_ns = conf->lua_time_ms * NS_PER_MS;
    buf_init(&host->scratch, SCRATCH_BYTES_MAX);
    buf_init(&host->second, SCRATCH_BYTES_MAX);
    host->slots = calloc(conf->service_count + 1, sizeof *host->slots);
    int rc = host->slots == NULL ? ERR_MEMORY : start_state(host);
    if (rc != 0) {
        script_host_free(host);
        return rc;
    }
    *out = host;
    return 0;
}

void script_name_loads(struct script_host *host, struct culprit *culprit) {
    host->culprit = culprit;
}

void script_host_free(struct script_host *host) {
    if (host == NULL) {
        return;
    }
    assert(host->current == NULL);
    for (size_t i = 0; host->slots != NULL && i < host->conf->service_count; i++) {
        script_code_free(host, host->slots[i].live);
        script_code_free(host, host->slots[i].refused);
        free(host->slots[i].error);
    }
    free(host->slots);
    document_drop(host);
    if (host->L != NULL) {
        lua_close(host->L);
        assert(host->memory_used == 0); /* INV-RUN-6 */
    }
    buf_clear(&host->scratch);
    buf_clear(&host->second);
    free(host);
}

/* --- loading and reloading --- */

int script_load_all(struct script_host *host, struct report *r) {
    int rc = 0;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        struct report one = {""};
        int this_rc = script_load_service(host, i, &one);
        if (this_rc != 0 && this_rc != ERR_REFUSED && rc == 0) {
            rc = report(r, this_rc, "%s", one.text);
        }
    }
    return rc;
}

static bool service_changed(struct script_host *host, const struct script_slot *slot) {
    struct script_code *seen = slot->refused != NULL ? slot->refused : slot->live;
    for (size_t i = 0; seen != NULL && i < seen->file_count; i++) {
        if (script_file_changed(host, &seen->files[i])) {
            return true;
        }
    }
    return seen == NULL;
}

int script_reload(struct script_host *host, void *ctx,
                  void (*on_reload)(void *ctx, size_t service, const char *error)) {
    int changed = 0;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        if (!service_changed(host, &host->slots[i])) {
            continue;
        }
        struct report r = {""};
        int rc = script_load_service(host, i, &r);
        changed++;
        on_reload(ctx, i, rc == 0 ? NULL : r.text);
    }
    return changed;
}

/* --- what others may ask --- */

static const struct script_slot *slot_of(const struct script_host *host, size_t service) {
    assert(service < host->conf->service_count);
    return &host->slots[service];
}

uint64_t script_version(const struct script_host *host, size_t service) {
    const struct script_code *live = slot_of(host, service)->live;
    return live == NULL ? 0 : live->version;
}

bool script_runs(const struct script_host *host, size_t service) {
    return slot_of(host, service)->live != NULL;
}

bool script_same_function(const struct script_host *host, size_t service, struct slice a,
                          struct slice b) {
    const struct script_code *live = slot_of(host, service)->live;
    int function = live == NULL ? LUA_NOREF : script_route_for(live, a);
    return function != LUA_NOREF && function == script_route_for(live, b);
}

void script_each_route(const struct script_host *host, size_t service, void *ctx,
                       void (*each)(void *ctx, const char *filter)) {
    const struct script_code *live = host->slots[service].live;
    for (size_t i = 0; live != NULL && i < live->route_count; i++) {
        each(ctx, live->routes[i].filter);
    }
}

const char *script_error(const struct script_host *host, size_t service) {
    return slot_of(host, service)->error;
}

bool script_has(const struct script_host *host, size_t service, const char *reserved) {
    const struct script_code *live = slot_of(host, service)->live;
    int role = script_role_of(reserved);
    return live != NULL && role >= 0 && live->roles[role] != LUA_NOREF;
}

/*
 * script.c - the Lua host: its life, the generations of each service, queries of other parts.
 *
 * A new version of a service's code is a new Lua state that takes over at once. The previous state
 * stays for the invocations that began in it. Until they have ended, no third state is created: a
 * further change waits, and script_reload_waits reports it. A state that keeps too much memory is
 * replaced by a new one from the same files.
 */
#include "lua/host.h"

#include "base/blocks.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

enum { SCRATCH_BYTES_MAX = EFFECTS_BYTES_MAX, SCRATCH_KEPT_BYTES = 1 << 20 };

#define TOLD_NS INT64_C(60000000000) /* between two log lines about a state that is full */

int script_host_new(struct script_host **out, const struct conf *conf,
                    const struct script_library *library) {
    struct script_host *host = calloc(1, sizeof *host);
    if (host == NULL) {
        return ERR_MEMORY;
    }
    host->conf = conf;
    host->library = library;
    buf_init(&host->scratch, SCRATCH_BYTES_MAX);
    buf_init(&host->second, SCRATCH_BYTES_MAX);
    host->slots = calloc(conf->service_count + 1, sizeof *host->slots);
    if (host->slots == NULL) {
        script_host_free(host);
        return ERR_MEMORY;
    }
    *out = host;
    return 0;
}

void script_use_conf(struct script_host *host, const struct conf *conf) {
    host->conf = conf;
}

void script_name_loads(struct script_host *host, struct culprit *culprit) {
    host->culprit = culprit;
}

void script_use_memory(struct script_host *host, struct memory *memory) {
    host->memory = memory;
}

void script_tell_names(struct script_host *host, const struct script_names *names) {
    host->names = *names;
}

void script_host_free(struct script_host *host) {
    if (host == NULL) {
        return;
    }
    for (size_t i = 0; host->slots != NULL && i < host->conf->service_count; i++) {
        script_state_free(host->slots[i].live);
        script_state_free(host->slots[i].old);
        script_code_free(host->slots[i].refused);
        free(host->slots[i].error);
    }
    free(host->slots);
    buf_clear(&host->scratch);
    buf_clear(&host->second);
    blocks_clear();
    free(host);
}

/* --- generations --- */

/* From now on, the slot uses this state. */
static void take_over(struct script_slot *slot, struct script_state *state) {
    struct script_state *before = slot->live;
    assert(slot->old == NULL);
    slot->live = state;
    if (before != NULL && before->runs > 0) {
        slot->old = before;
    } else {
        script_state_free(before);
    }
}

/* Reloads the service. On success it is live; otherwise the last good version stays. ERR_MEMORY,
 * ERR_SCRIPT, ERR_REFUSED: see script_load. */
static int load_service(struct script_host *host, size_t service, struct report *r) {
    struct script_slot *slot = &host->slots[service];
    struct script_state *state = NULL;
    struct script_code *refused = NULL;
    int rc = script_load(host, service, &state, &refused, r);
    script_code_free(slot->refused);
    slot->refused = refused;
    free(slot->error);
    slot->error = rc == 0 ? NULL : slice_dup(slice_of(r->text));
    if (rc == 0) {
        take_over(slot, state);
    }
    return rc;
}

/* At most once a minute, because it may fill up again and again. */
static void tell_full(struct script_host *host, size_t service, int64_t now_ns) {
    struct script_slot *slot = &host->slots[service];
    if (slot->told_ns != 0 && now_ns - slot->told_ns < TOLD_NS) {
        return;
    }
    slot->told_ns = now_ns;
    log_warn("script",
             "service \"%s\" keeps %zu KiB of memory beyond its events, of %zu KiB (lua_memory): "
             "continuing in a new Lua state",
             host->conf->services[service].name, slot->live->memory_kept >> 10,
             slot->live->memory_limit >> 10);
}

/* The state keeps too much memory: replaces it by another one from the same files, but not all the
 * time. No lua_time pays for this, so it may take only a fraction of the time. */
bool script_renew(struct script_host *host, size_t service) {
    struct script_slot *slot = &host->slots[service];
    int64_t start_ns = clock_monotonic_ns();
    if (slot->old != NULL || start_ns < slot->renew_ns) {
        return false;
    }
    const char *name = host->conf->services[service].name;
    struct report r = {""};
    uint64_t version = slot->live->code->version;
    tell_full(host, service, start_ns);
    if (load_service(host, service, &r) != 0) {
        log_error("script", "service \"%s\" keeps its last good scripts: %s", name, r.text);
        slot->live->full = false; /* the script needs fixing */
    } else {
        slot->unseen = slot->live->code->version != version;
    }
    int64_t end_ns = clock_monotonic_ns();
    slot->renew_ns = end_ns + (end_ns - start_ns) * LUA_RENEW_PARTS;
    return true;
}

struct script_state *script_begin(struct script_host *host, size_t service) {
    struct script_slot *slot = &host->slots[service];
    if (slot->live == NULL) {
        return NULL;
    }
    if (slot->live->full) {
        (void)script_renew(host, service);
    }
    slot->live->runs++;
    return slot->live;
}

void script_end(struct script_state *state) {
    if (state == NULL) {
        return;
    }
    struct script_slot *slot = &state->host->slots[state->service];
    assert(state->runs > 0 && (state == slot->live || state == slot->old));
    state->runs--;
    buf_trim(&state->host->scratch, SCRATCH_KEPT_BYTES);
    buf_trim(&state->host->second, SCRATCH_KEPT_BYTES);
    if (state == slot->old && state->runs == 0) {
        slot->old = NULL;
        script_state_free(state);
    }
}

/* --- loading and reloading --- */

int script_load_all(struct script_host *host, struct report *r) {
    int rc = 0;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        struct report one = {""};
        int this_rc = load_service(host, i, &one);
        if (this_rc != 0 && this_rc != ERR_REFUSED && rc == 0) {
            rc = report(r, this_rc, "%s", one.text);
        }
    }
    return rc;
}

static bool service_changed(struct script_host *host, const struct script_slot *slot) {
    const struct script_code *live = slot->live == NULL ? NULL : slot->live->code;
    const struct script_code *seen = slot->refused != NULL ? slot->refused : live;
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
    host->reload_waits = false;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        struct script_slot *slot = &host->slots[i];
        bool unseen = slot->unseen;
        slot->unseen = false;
        if (!service_changed(host, slot) && !unseen) {
            continue;
        }
        if (slot->old != NULL && !unseen) {
            host->reload_waits = true;
            continue;
        }
        struct report r = {""};
        int rc = unseen ? 0 : load_service(host, i, &r);
        changed++;
        on_reload(ctx, i, rc == 0 ? NULL : r.text);
    }
    return changed;
}

bool script_reload_waits(const struct script_host *host) {
    return host->reload_waits;
}

/* --- queries --- */

static const struct script_slot *slot_of(const struct script_host *host, size_t service) {
    assert(service < host->conf->service_count);
    return &host->slots[service];
}

/* NULL = none is live. */
static const struct script_code *code_of(const struct script_host *host, size_t service) {
    const struct script_state *live = slot_of(host, service)->live;
    return live == NULL ? NULL : live->code;
}

uint64_t script_version(const struct script_host *host, size_t service) {
    const struct script_code *live = code_of(host, service);
    return live == NULL ? 0 : live->version;
}

bool script_runs(const struct script_host *host, size_t service) {
    return code_of(host, service) != NULL;
}

bool script_same_function(const struct script_host *host, size_t service, struct slice a,
                          struct slice b) {
    const struct script_code *live = code_of(host, service);
    int function = live == NULL ? LUA_NOREF : script_route_for(live, a);
    return function != LUA_NOREF && function == script_route_for(live, b);
}

void script_each_route(const struct script_host *host, size_t service, void *ctx,
                       void (*each)(void *ctx, const char *filter)) {
    const struct script_code *live = code_of(host, service);
    for (size_t i = 0; live != NULL && i < live->route_count; i++) {
        each(ctx, live->routes[i].filter);
    }
}

void script_each_file(const struct script_host *host, size_t service, void *ctx,
                      void (*each)(void *ctx, const char *file)) {
    const struct script_code *live = code_of(host, service);
    for (size_t i = 0; live != NULL && i < live->file_count; i++) {
        each(ctx, live->files[i].name);
    }
}

const char *script_error(const struct script_host *host, size_t service) {
    return slot_of(host, service)->error;
}

bool script_has(const struct script_host *host, size_t service, const char *reserved) {
    const struct script_code *live = code_of(host, service);
    int role = script_role_of(reserved);
    return live != NULL && role >= 0 && live->roles[role] != LUA_NOREF;
}

size_t script_memory(const struct script_host *host) {
    size_t bytes = 0;
    for (size_t i = 0; i < host->conf->service_count; i++) {
        const struct script_slot *slot = &host->slots[i];
        bytes += slot->live == NULL ? 0 : slot->live->memory_used;
        bytes += slot->old == NULL ? 0 : slot->old->memory_used;
    }
    return bytes;
}

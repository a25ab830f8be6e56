/*
 * load.c - files to functions, and again when they change.
 *
 * A service's code is loaded whole, in an environment of its own, into a new script_code; only when
 * everything compiled and ran does it take the place of the old. Invocations under way keep the
 * functions they run. A load that failed is remembered by its files too, so that the same broken
 * text is reported once, and a missing module is found when it appears.
 *
 * Change is seen in two steps: the file's stamp (inode, size, time), then the hash of its bytes.
 */
#include "lua/host.h"

#include "base/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- reading a file --- */

static int file_path(const struct script_host *host, const char *name, char out[4096]) {
    int len = snprintf(out, 4096, "%s/%s", host->conf->scripts_dir, name);
    return len > 0 && len < 4096 ? 0 : ERR_INVALID;
}

static void take_stamp(const struct stat *st, int64_t stamp[4]) {
    stamp[0] = (int64_t)st->st_ino;
    stamp[1] = (int64_t)st->st_size;
    stamp[2] = (int64_t)st->st_mtim.tv_sec;
    stamp[3] = (int64_t)st->st_mtim.tv_nsec;
}

static int read_all(int fd, struct buf *out) {
    char chunk[16384];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ERR_SYSTEM;
        }
        if (got == 0) {
            return 0;
        }
        buf_add(out, chunk, (size_t)got);
        if (out->failed || out->len > SCRIPT_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
}

static int read_open_file(int fd, const char *name, struct script_file *file, struct buf *out,
                          struct report *r) {
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return report(r, ERR_SYSTEM, "scripts/%s: not a readable file", name);
    }
    take_stamp(&st, file->stamp);
    int rc = read_all(fd, out);
    if (rc == ERR_LIMIT) {
        return report(r, rc, "scripts/%s: larger than %d bytes", name, SCRIPT_BYTES_MAX);
    }
    if (rc != 0) {
        return report(r, rc, "scripts/%s: cannot read: %s", name, strerror(errno));
    }
    (void)crypto_generichash(file->hash, sizeof file->hash, (const unsigned char *)out->data,
                             out->len, NULL, 0);
    file->missing = false;
    return 0;
}

/* Replaces `out` by the file's bytes and fills stamp and hash. */
static int read_script(const struct script_host *host, struct script_file *file, struct buf *out,
                       struct report *r) {
    char path[4096];
    buf_reset(out);
    file->missing = true;
    if (file_path(host, file->name, path) != 0) {
        return report(r, ERR_INVALID, "scripts/%s: the path is too long", file->name);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return report(r, ERR_SYSTEM, "scripts/%s: cannot open: %s", file->name, strerror(errno));
    }
    int rc = read_open_file(fd, file->name, file, out, r);
    (void)close(fd); /* opened for reading: nothing can be lost */
    return rc;
}

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

void script_run_file(lua_State *L, const char *name, int env) {
    struct script_host *host = script_host_of(L);
    assert(host->loading != NULL);
    struct report r = {""};
    struct script_file *file = track_file(host->loading, name);
    if (file == NULL) {
        luaL_error(L, "scripts/%s: out of memory", name); /* raises; nothing is held */
        return;
    }
    if (read_script(host, file, &host->scratch, &r) != 0) {
        lua_pushstring(L, r.text);
        lua_error(L);
    }
    name_load(L, file);
    const char *chunk = lua_pushfstring(L, "@scripts/%s", name);
    const char *text = host->scratch.len == 0 ? "" : host->scratch.data;
    if (luaL_loadbufferx(L, text, host->scratch.len, chunk, "t") != LUA_OK) {
        lua_error(L);
    }
    lua_remove(L, -2);
    lua_pushvalue(L, env);
    if (lua_setupvalue(L, -2, 1) == NULL) {
        lua_pop(L, 1);
    }
    lua_call(L, 0, 1);
}

/* --- a handler's table to routes --- */

/* name in the table, role */
static const struct {
    const char *name;
    enum script_role role;
} reserved_names[] = {
    {"on_lock_expired", ROLE_ON_LOCK_EXPIRED},
    {"on_dead", ROLE_ON_DEAD},
};

int script_role_of(const char *name) {
    for (size_t i = 0; i < sizeof reserved_names / sizeof reserved_names[0]; i++) {
        if (strcmp(name, reserved_names[i].name) == 0) {
            return (int)reserved_names[i].role;
        }
    }
    return -1;
}

/* Takes the function on top. */
static void take_role(lua_State *L, struct script_code *code, enum script_role role) {
    code->roles[role] = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void add_route(lua_State *L, struct script_code *code, const char *file) {
    size_t len;
    const char *filter = lua_tolstring(L, -2, &len);
    struct report r = {""};
    if (strlen(filter) != len || filter_check(filter, &r) != 0) {
        luaL_error(L, "scripts/%s: \"%s\" is neither a topic filter nor a reserved name: %s", file,
                   filter, r.text);
    }
    if (code->route_count >= FILTERS_MAX) {
        luaL_error(L, "scripts/%s: more than %d topic filters", file, FILTERS_MAX);
    }
    struct script_route *routes = realloc(code->routes, (code->route_count + 1) * sizeof *routes);
    if (routes == NULL) {
        luaL_error(L, "scripts/%s: out of memory", file);
        return;
    }
    code->routes = routes;
    struct script_route *route = &routes[code->route_count];
    *route = (struct script_route){.len = len, .function = LUA_NOREF};
    route->filter = slice_dup((struct slice){filter, len});
    if (route->filter == NULL) {
        luaL_error(L, "scripts/%s: out of memory", file);
    }
    route->wildcard = strpbrk(filter, "+#") != NULL;
    code->route_count++;
    route->function = luaL_ref(L, LUA_REGISTRYINDEX); /* may raise; the code owns what it has */
}

/* 0 literal, 1 '+', 2 '#' or the end */
static int level_rank(const char *at) {
    return *at == '\0' || *at == '#' ? 2 : *at == '+';
}

static const char *next_level(const char *at) {
    at += strcspn(at, "/");
    return *at == '/' ? at + 1 : at;
}

/* Filters without a wildcard first, then those with +, then those with #; within a kind the first
 * level where one is literal and the other is not decides. */
static int compare_routes(const void *a, const void *b) {
    const char *x = ((const struct script_route *)a)->filter;
    const char *y = ((const struct script_route *)b)->filter;
    int kind_x = strchr(x, '#') != NULL ? 2 : strchr(x, '+') != NULL;
    int kind_y = strchr(y, '#') != NULL ? 2 : strchr(y, '+') != NULL;
    if (kind_x != kind_y) {
        return kind_x - kind_y;
    }
    const char *at_x = x, *at_y = y;
    while (*at_x != '\0' || *at_y != '\0') {
        int order = level_rank(at_x) - level_rank(at_y);
        if (order != 0) {
            return order;
        }
        at_x = next_level(at_x);
        at_y = next_level(at_y);
    }
    return strcmp(x, y);
}

static void take_table(lua_State *L, struct script_code *code, const char *file) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "scripts/%s: the table it returns has a key that is no topic filter",
                       file);
        }
        const char *name = lua_tostring(L, -2);
        if (!lua_isfunction(L, -1)) {
            luaL_error(L, "scripts/%s: [\"%s\"] is a %s, a function is wanted", file, name,
                       luaL_typename(L, -1));
        }
        int role = script_role_of(name);
        if (role >= 0) {
            take_role(L, code, (enum script_role)role);
        } else {
            add_route(L, code, file);
        }
    }
    if (code->route_count > 1) {
        qsort(code->routes, code->route_count, sizeof *code->routes, compare_routes);
    }
}

static void load_handler(lua_State *L, struct script_code *code, const char *file, int env) {
    script_run_file(L, file, env);
    if (lua_isfunction(L, -1)) {
        take_role(L, code, ROLE_ANY);
        return;
    }
    if (!lua_istable(L, -1)) {
        luaL_error(L,
                   "scripts/%s: returns a %s: a function, or a table of topic filter to function, "
                   "is wanted",
                   file, luaL_typename(L, -1));
    }
    take_table(L, code, file);
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
    script_run_file(L, file, env);
    if (!lua_isfunction(L, -1)) {
        luaL_error(L, "scripts/%s: returns a %s: a policy is one function", file,
                   luaL_typename(L, -1));
    }
    take_role(L, code, role);
}

/* What load_code works on. */
struct load {
    const struct service_conf *service;
    struct script_code *code;
};

static int load_code(lua_State *L) {
    struct load *load = lua_touserdata(L, 1);
    sandbox_push_environment(L);
    int env = lua_gettop(L);
    load_handler(L, load->code, load->service->handler, env);
    load_policy(L, load->code, load->service->retry, env, ROLE_RETRY);
    load_policy(L, load->code, load->service->dead_letter, env, ROLE_DEAD_LETTER);
    return 0;
}

/* --- versions --- */

static int compare_files(const void *a, const void *b) {
    return strcmp(((const struct script_file *)a)->name, ((const struct script_file *)b)->name);
}

static uint64_t hash_files(struct script_code *code) {
    qsort(code->files, code->file_count, sizeof *code->files, compare_files);
    crypto_generichash_state state;
    unsigned char hash[32];
    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    for (size_t i = 0; i < code->file_count; i++) {
        const struct script_file *file = &code->files[i];
        (void)crypto_generichash_update(&state, (const unsigned char *)file->name,
                                        strlen(file->name) + 1);
        (void)crypto_generichash_update(&state, file->hash, sizeof file->hash);
    }
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    uint64_t version = 0;
    for (size_t i = 0; i < sizeof version; i++) {
        version = version << 8 | hash[i];
    }
    return version;
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

int script_route_for(const struct script_code *code, struct slice topic) {
    for (size_t i = 0; i < code->route_count; i++) {
        const struct script_route *route = &code->routes[i];
        bool match = route->wildcard
                         ? filter_matches(route->filter, topic.data)
                         : slice_equal((struct slice){route->filter, route->len}, topic);
        if (match) {
            return route->function;
        }
    }
    return code->roles[ROLE_ANY];
}

void script_each_route(const struct script_host *host, size_t service, void *ctx,
                       void (*each)(void *ctx, const char *filter)) {
    const struct script_code *live = host->slots[service].live;
    for (size_t i = 0; live != NULL && i < live->route_count; i++) {
        each(ctx, live->routes[i].filter);
    }
}

/* --- loading and reloading --- */

static bool lacks_file(const struct script_code *code) {
    bool lacks = false;
    for (size_t i = 0; i < code->file_count; i++) {
        lacks = lacks || code->files[i].missing;
    }
    return lacks;
}

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

/* Loads the service anew. On success it is live; otherwise the last good version stays. ERR_MEMORY,
 * ERR_SCRIPT, ERR_REFUSED: see name_load. */
static int load_service(struct script_host *host, size_t service, struct report *r) {
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
        if (lacks_file(load.code)) {
            size_t len = strlen(r->text);
            (void)snprintf(r->text + len, sizeof r->text - len, " (service \"%s\", %s:%d)",
                           load.service->name, host->conf->file, load.service->line);
        }
        slot->refused = load.code;
        slot->error = slice_dup(slice_of(r->text));
        return host->load_refused ? ERR_REFUSED : ERR_SCRIPT;
    }
    load.code->version = hash_files(load.code);
    script_code_free(host, slot->live);
    slot->live = load.code;
    return 0;
}

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

static bool file_changed(struct script_host *host, struct script_file *file) {
    char path[4096];
    struct stat st;
    if (file_path(host, file->name, path) != 0 || stat(path, &st) != 0) {
        return !file->missing;
    }
    int64_t stamp[4];
    take_stamp(&st, stamp);
    if (!file->missing && memcmp(stamp, file->stamp, sizeof stamp) == 0) {
        return false;
    }
    struct script_file now = {.name = file->name};
    if (read_script(host, &now, &host->scratch, NULL) != 0) {
        return !file->missing;
    }
    bool changed = file->missing || memcmp(now.hash, file->hash, sizeof now.hash) != 0;
    if (!changed) { /* touched, not changed: the next look is cheap again */
        memcpy(file->stamp, now.stamp, sizeof file->stamp);
    }
    return changed;
}

static bool service_changed(struct script_host *host, const struct script_slot *slot) {
    struct script_code *seen = slot->refused != NULL ? slot->refused : slot->live;
    for (size_t i = 0; seen != NULL && i < seen->file_count; i++) {
        if (file_changed(host, &seen->files[i])) {
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
        int rc = load_service(host, i, &r);
        changed++;
        on_reload(ctx, i, rc == 0 ? NULL : r.text);
    }
    return changed;
}

/* lua_world.c - see lua_world.h. */
#include "lua_world.h"

#include "lua/api/api.h"
#include "pace.h"
#include "temp_dir.h"
#include "test.h"
#include "event/value.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t now_ms(void *ctx) {
    struct lua_world *w = ctx;
    return w->now_ms;
}

static struct uuid next_uuid(void *ctx) {
    struct lua_world *w = ctx;
    struct uuid id = {{0x01, 0x92, 0, 0, 0, 0, 0x70, 0, 0x80}};
    w->ids++;
    for (int i = 0; i < 7; i++) {
        id.bytes[15 - i] = (uint8_t)(w->ids >> (8 * i));
    }
    return id;
}

static double half(void *ctx) {
    (void)ctx;
    return 0.5;
}

static struct world_fact *find(struct world_fact *facts, size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++) {
        if (slice_is(name, facts[i].name)) {
            return &facts[i];
        }
    }
    return NULL;
}

static int state_get(void *ctx, const struct event *event, struct slice name, struct slice *value) {
    struct lua_world *w = ctx;
    assert_ptr_equal(event, w->event);
    struct world_fact *fact = find(w->state, w->state_count, name);
    if (fact == NULL) {
        return ERR_NOTFOUND;
    }
    *value = buf_slice(&fact->value);
    return 0;
}

static int state_list(void *ctx, const struct event *event, struct slice prefix, void *arg,
                      int (*each)(void *arg, struct slice name, struct slice value)) {
    struct lua_world *w = ctx;
    assert_ptr_equal(event, w->event);
    for (size_t i = 0; i < w->state_count; i++) {
        struct slice name = slice_of(w->state[i].name);
        if (name.len >= prefix.len && memcmp(name.data, prefix.data, prefix.len) == 0 &&
            each(arg, name, buf_slice(&w->state[i].value)) != 0) {
            break;
        }
    }
    return 0;
}

static int peek(void *ctx, struct slice service, struct slice key, struct slice name,
                struct slice *value) {
    struct lua_world *w = ctx;
    if (!slice_is(service, "svc")) {
        return ERR_INVALID;
    }
    return slice_is(key, "other") ? state_get(w, w->event, name, value) : ERR_NOTFOUND;
}

static int lock_get(void *ctx, const struct event *event, struct slice name,
                    struct lock_view *lock) {
    struct lua_world *w = ctx;
    assert_ptr_equal(event, w->event);
    struct world_fact *fact = find(w->locks, w->lock_count, name);
    if (fact == NULL) {
        return ERR_NOTFOUND;
    }
    *lock = (struct lock_view){slice_of(fact->owner), buf_slice(&fact->value), fact->expires_ms};
    return 0;
}

/* Just the one that the test names. */
static int step_get(void *ctx, const struct event *event, enum step_kind kind, struct slice name,
                    struct step *step) {
    (void)ctx;
    (void)event;
    (void)kind;
    (void)name;
    (void)step;
    return ERR_NOTFOUND; /* nothing was done before */
}

static int delayed(void *ctx, const struct uuid *id) {
    struct lua_world *w = ctx;
    return !uuid_is_zero(&w->delayed) && uuid_equal(&w->delayed, id) ? 0 : ERR_NOTFOUND;
}

static bool is_long(void *ctx) {
    const struct lua_world *w = ctx;
    return w->is_long;
}

void world_write(struct lua_world *w, const char *file, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", w->dir, file);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

struct lua_world *world_new_unloaded(const char *script) {
    struct lua_world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    temp_dir_make("lua", w->dir, sizeof w->dir);
    world_write(w, "handler.lua", script);
    w->vars[0] = (struct var_conf){"hold", "10m", false};
    w->vars[1] = (struct var_conf){"api_key", "sk_hidden", true};
    w->vars[2] = (struct var_conf){"smtp_url", "smtp://127.0.0.1:2525", false};
    w->vars[3] = (struct var_conf){"mail_from", "Box Office <tickets@example.com>", false};
    w->secrets[0] = "api_key";
    w->service = (struct service_conf){
        .name = "svc", .handler = "handler.lua", .secrets = w->secrets, .secret_count = 1};
    w->conf = (struct conf){.scripts_dir = w->dir,
                            .lua_memory_bytes = 16 << 20,
                            .lua_time_ms = LUA_TIME_MS,
                            .vars = w->vars,
                            .var_count = 4,
                            .services = &w->service,
                            .service_count = 1};
    w->now_ms = 1700000000000;
    w->view =
        (struct run_view){w,        now_ms,   now_ms,  next_uuid, half, state_get, state_list, peek,
                          lock_get, step_get, delayed, NULL,      NULL, NULL,      is_long};
    return w;
}

int world_load(struct lua_world *w) {
    if (w->host == NULL) {
        assert_int_equal(script_host_new(&w->host, &w->conf, &api_library), 0);
        script_use_memory(w->host, w->memory);
    }
    return script_load_all(w->host, &w->report);
}

struct lua_world *world_new(const char *script) {
    struct lua_world *w = world_new_unloaded(script);
    if (world_load(w) != 0) {
        print_error("%s\n", w->report.text);
        fail();
    }
    return w;
}

static void remove_folder(const char *dir) {
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        assert_true(entry->d_name[0] == '.' || unlink(path) == 0);
    }
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(rmdir(dir), 0);
}

void world_free(struct lua_world *w) {
    run_free(w->run);
    event_free(w->event);
    script_host_free(w->host);
    for (size_t i = 0; i < WORLD_FACTS_MAX; i++) {
        buf_clear(&w->state[i].value);
        buf_clear(&w->locks[i].value);
    }
    remove_folder(w->dir);
    free(w);
}

static struct world_fact *add_fact(struct world_fact *facts, size_t *count, const char *name) {
    struct world_fact *fact = find(facts, *count, slice_of(name));
    if (fact == NULL) {
        assert_true(*count < WORLD_FACTS_MAX);
        fact = &facts[(*count)++];
        buf_init(&fact->value, 1 << 20);
    }
    buf_reset(&fact->value);
    (void)snprintf(fact->name, sizeof fact->name, "%s", name);
    return fact;
}

void world_set(struct lua_world *w, const char *name, const char *json) {
    struct world_fact *fact = add_fact(w->state, &w->state_count, name);
    assert_int_equal(value_from_json(slice_of(json), &fact->value, NULL), 0);
}

void world_lock(struct lua_world *w, const char *name, const char *owner, int64_t expires_ms,
                const char *data) {
    struct world_fact *fact = add_fact(w->locks, &w->lock_count, name);
    (void)snprintf(fact->owner, sizeof fact->owner, "%s", owner);
    fact->expires_ms = expires_ms;
    buf_add_str(&fact->value, data);
}

struct event *world_event(struct lua_world *w, const char *topic, const char *payload) {
    run_free(w->run);
    w->run = NULL;
    event_free(w->event);
    struct event_bytes bytes = {.topic = slice_of(topic),
                                .key = slice_of("k1"),
                                .payload = slice_of(payload),
                                .reason = slice_of("")};
    w->event = event_new(&bytes);
    assert_non_null(w->event);
    assert_true(uuid_parse(slice_of("0192f0c1-0000-7000-8000-000000000001"), &w->event->id));
    w->event->attempts = 1;
    w->event->accepted_ms = w->now_ms;
    w->event->qos = 1;
    return w->event;
}

struct run *world_run_event(struct lua_world *w, enum run_entry entry, const char *reason) {
    run_free(w->run);
    w->run = NULL;
    assert_int_equal(run_start(&w->run, w->host, 0, entry, w->event, reason, &w->view), 0);
    return w->run;
}

struct run *world_run(struct lua_world *w, const char *payload) {
    (void)world_event(w, "test/topic", payload);
    return world_run_event(w, RUN_EVENT, NULL);
}

void world_answer(struct lua_world *w, long status, const char *headers, const char *body) {
    struct call_result result = {.status = status};
    buf_init(&result.headers, 1 << 16);
    buf_init(&result.body, 1 << 20);
    buf_add_str(&result.headers, headers);
    buf_add_str(&result.body, body);
    (void)snprintf(result.error, sizeof result.error, "%s", status >= 400 ? body : "");
    run_resume(w->run, &result);
    buf_clear(&result.headers);
    buf_clear(&result.body);
}

void world_fail_call(struct lua_world *w, int code, bool sent, const char *error) {
    struct call_result result = {.code = code, .sent = sent};
    buf_init(&result.headers, 16);
    buf_init(&result.body, 16);
    (void)snprintf(result.error, sizeof result.error, "%s", error);
    run_resume(w->run, &result);
}

const char *world_handler(const char *body) {
    static char script[1 << 16];
    int len = snprintf(script, sizeof script, "return function(event, reason)\n%s\nend\n", body);
    assert_true(len > 0 && (size_t)len < sizeof script);
    return script;
}

const char *world_error(struct lua_world *w) {
    return buf_str(&w->run->error);
}

const struct effect *world_effect(struct lua_world *w, size_t n) {
    assert_true(n < w->run->effects.count);
    return &w->run->effects.items[n];
}

struct lua_world *world_ran(const char *body, const char *payload) {
    struct lua_world *w = world_new(world_handler(body));
    (void)world_run(w, payload);
    return w;
}

void world_ends(const char *body, enum outcome outcome, const char *text) {
    struct lua_world *w = world_ran(body, "{\"x\":5,\"list\":[]}");
    if (w->run->outcome != outcome || strstr(world_error(w), text) == NULL) {
        print_error("%s\n-> outcome %d: %s\n", body, (int)w->run->outcome, world_error(w));
        fail();
    }
    world_free(w);
}

void world_holds(const char *body) {
    world_ends(body, OUTCOME_DONE, "");
}

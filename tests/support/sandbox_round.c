/* sandbox_round.c - see sandbox_round.h. Without cmocka: a fuzzer uses it, too. */
#include "sandbox_round.h"

#include "pace.h"

#include "event/event.h"
#include "lua/api/api.h"
#include "lua/run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUND_MEMORY = 12 << 20,
    ROUND_MS = 60 * PACE,
    ANSWERS_MAX = 8, /* to what one round asks for */
};

static int64_t now_ms(void *ctx) {
    (void)ctx;
    return 1700000000000;
}

static struct uuid next_uuid(void *ctx) {
    uint8_t *count = ctx;
    struct uuid id = {{0x01, 0x92, 0, 0, 0, 0, 0x70, 0, 0x80}};
    id.bytes[15] = ++*count;
    return id;
}

static double half(void *ctx) {
    (void)ctx;
    return 0.5;
}

static int no_state(void *ctx, const struct event *event, struct slice name, struct slice *value) {
    (void)ctx;
    (void)event;
    (void)name;
    (void)value;
    return ERR_NOTFOUND;
}

static int no_list(void *ctx, const struct event *event, struct slice prefix, void *arg,
                   int (*each)(void *arg, struct slice name, struct slice value)) {
    (void)ctx;
    (void)event;
    (void)prefix;
    (void)arg;
    (void)each;
    return 0;
}

static int no_peek(void *ctx, struct slice service, struct slice key, struct slice name,
                   struct slice *value) {
    (void)ctx;
    (void)service;
    (void)key;
    (void)name;
    (void)value;
    return ERR_NOTFOUND;
}

static int no_lock(void *ctx, const struct event *event, struct slice name,
                   struct lock_view *lock) {
    (void)ctx;
    (void)event;
    (void)name;
    (void)lock;
    return ERR_NOTFOUND;
}

static int no_step(void *ctx, const struct event *event, enum step_kind kind, struct slice name,
                   struct step *step) {
    (void)ctx;
    (void)event;
    (void)kind;
    (void)name;
    (void)step;
    return ERR_NOTFOUND;
}

static int no_delayed(void *ctx, const struct uuid *id) {
    (void)ctx;
    (void)id;
    return ERR_NOTFOUND;
}

static void answer(struct run *run, const uint8_t *data, size_t size) {
    struct call_result result = {.status = 200};
    buf_init(&result.headers, 1 << 20);
    buf_init(&result.body, 1 << 20);
    buf_add(&result.headers, (const char *)data, size);
    buf_add(&result.body, (const char *)data, size);
    run_resume(run, run->outcome == OUTCOME_CALL ? &result : NULL);
    call_result_clear(&result);
}

static void run_to_the_end(struct script_host *host, struct event *event, const uint8_t *data,
                           size_t size) {
    uint8_t ids = 0;
    struct run_view view = {&ids,       now_ms,  now_ms,  next_uuid, half,
                            no_state,   no_list, no_peek, no_lock,   no_step,
                            no_delayed, NULL,    NULL,    NULL,      NULL};
    struct run *run = NULL;
    if (run_start(&run, host, 0, RUN_EVENT, event, NULL, &view) != 0) {
        return;
    }
    for (int i = 0; i < ANSWERS_MAX; i++) {
        if (run->outcome != OUTCOME_CALL && run->outcome != OUTCOME_KEEP) {
            break;
        }
        answer(run, data, size);
    }
    run_free(run);
}

bool sandbox_round(const char *scripts, const uint8_t *data, size_t size) {
    char scripts_dir[4096];
    assert(strlen(scripts) < sizeof scripts_dir);
    memcpy(scripts_dir, scripts, strlen(scripts) + 1);
    struct var_conf vars[] = {{"smtp_url", "smtp://127.0.0.1:25", false},
                              {"mail_from", "a@example.org", false}};
    struct service_conf service = {.name = "s", .handler = "sandbox.lua"};
    struct conf conf = {.scripts_dir = scripts_dir,
                        .lua_memory_bytes = ROUND_MEMORY,
                        .lua_time_ms = ROUND_MS,
                        .vars = vars,
                        .var_count = sizeof vars / sizeof vars[0],
                        .services = &service,
                        .service_count = 1};
    struct script_host *host = NULL;
    struct report r = {""};
    struct event_bytes bytes = {.topic = slice_of("t"),
                                .payload = {(const char *)data, size},
                                .response_topic = slice_of("answers")};
    assert(script_host_new(&host, &conf, &api_library) == 0);
    bool loaded = script_load_all(host, &r) == 0; /* a slow machine may need more than its time */
    if (loaded) {
        struct event *event = event_new(&bytes);
        assert(event != NULL);
        run_to_the_end(host, event, data, size);
        event_free(event);
    }
    script_host_free(host); /* which asserts that every byte is given back */
    return loaded;
}

/*
 * api.c - the table of subjects, and what they share: staging, calls, ending.
 */
#include "lua/api/api.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void (*const subjects[])(lua_State *L) = {
    api_open_event, api_open_basics, api_open_json, api_open_log,  api_open_publish, api_open_state,
    api_open_lock,  api_open_end,    api_open_http, api_open_mail, api_open_step,    api_open_wait,
};

static void open_all(lua_State *L) {
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        int top = lua_gettop(L);
        subjects[i](L);
        assert(lua_gettop(L) == top);
        (void)top;
    }
}

struct run *api_run(lua_State *L, const char *call) {
    struct run *run = script_host_of(L)->current;
    if (run == NULL) {
        luaL_error(L, "zing.%s works only while a handler runs, not while its script loads", call);
    }
    return run;
}

struct run *api_staging_run(lua_State *L, const char *call) {
    struct run *run = api_run(L, call);
    if (run->entry == RUN_RETRY_POLICY) {
        luaL_error(L, "zing.%s is not for a retry policy: it only answers when to try again", call);
    }
    return run;
}

void api_check_one_event(lua_State *L, const struct run *run, const char *call) {
    if (run->listed) {
        luaL_error(L,
                   "zing.%s is about one event, and a service with batch = %d is given several: "
                   "publish what needs it to a service without",
                   call, (int)run->host->conf->services[run->service].batch);
    }
}

void api_check_one_key(lua_State *L, const struct run *run, const char *call) {
    if (run->listed && run->host->conf->services[run->service].key.kind != RULE_NONE) {
        luaL_error(L,
                   "zing.%s is about what belongs to one key, and the events of a batch have "
                   "several: only a service with batch and key = none has it",
                   call);
    }
}

/* What a step stages is committed with its result, before what the handler staged around it: in
 * one name the order of the lines would be turned round. */
static void check_order(lua_State *L, const struct run *run, const struct effect *effect) {
    bool state = effect->kind >= EFFECT_STATE_SET && effect->kind <= EFFECT_STATE_INCR;
    bool lock = effect->kind == EFFECT_LOCK || effect->kind == EFFECT_UNLOCK;
    const struct effect *around = state  ? effects_state(&run->effects, effect->name)
                                  : lock ? effects_lock(&run->effects, effect->name)
                                         : NULL;
    if (around != NULL) {
        luaL_error(
            L,
            "the step \"%s\" changes \"%s\", which this handler changed before it: change it "
            "inside steps only, or outside only",
            run->durable->name, effect->name.data);
    }
}

void api_stage(lua_State *L, struct run *run, const struct effect *effect) {
    struct effects *effects = &run->effects;
    if (run->durable != NULL && run->durable->open) {
        check_order(L, run, effect);
        effects = &run->durable->effects;
    }
    int rc = effects_add(effects, effect);
    if (rc == ERR_LIMIT) {
        luaL_error(L, "this handler asked for more than %d effects or %d MiB of them", EFFECTS_MAX,
                   EFFECTS_BYTES_MAX >> 20);
    }
    if (rc != 0) {
        luaL_error(L, "cannot stage this: %s", error_text(rc));
    }
}

void api_check_can_wait(lua_State *L, struct run *run, const char *call) {
    if (run->entry != RUN_EVENT && run->entry != RUN_UNDO) {
        luaL_error(L, "zing.%s waits, which on_dead and the policy scripts must not do", call);
    }
    api_check_can_yield(L, run, call);
}

void api_check_can_yield(lua_State *L, struct run *run, const char *call) {
    if (L != run->thread.L) {
        luaL_error(L,
                   "zing.%s cannot be called inside a coroutine of the handler's own: it would "
                   "suspend the wrong one",
                   call);
    }
    if (!lua_isyieldable(L)) {
        luaL_error(L,
                   "zing.%s cannot be called here: the handler cannot be suspended inside "
                   "table.sort, string.gsub or a __close",
                   call);
    }
}

struct call_request *api_new_request(lua_State *L, struct run *run) {
    if (run->request != NULL) { /* of a call that raised before it was made */
        call_request_free(run->request);
    }
    run->request = call_request_new();
    if (run->request == NULL) {
        luaL_error(L, "out of memory");
    }
    return run->request;
}

/* --- calls to the outside --- */

/* Appends the step's name as a part of a key: there is room, three times its longest. */
static void add_encoded(char out[CALL_KEY_BYTES], struct slice name) {
    size_t len = strlen(out);
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '.' || c == '_' || c == '-';
        int wrote = snprintf(out + len, CALL_KEY_BYTES - len, plain ? "%c" : "%%%02X", c);
        assert(wrote > 0 && (size_t)wrote < CALL_KEY_BYTES - len);
        len += (size_t)wrote;
    }
}

static void step_key(const struct run *run, char out[CALL_KEY_BYTES]) {
    char id[UUID_TEXT_BYTES + 1];
    char round[8] = "";
    const struct run_durable *d = run->durable;
    bool in_step = d != NULL && d->open;
    if (run->event->round > 0) {
        (void)snprintf(round, sizeof round, ".%u", run->event->round);
    }
    (void)snprintf(out, CALL_KEY_BYTES, "%s-%s%s%s", run->host->conf->services[run->service].name,
                   uuid_text(&run->event->id, id), round,
                   !in_step                    ? ""
                   : d->step.kind == STEP_UNDO ? ":~"
                                               : ":");
    if (in_step) {
        add_encoded(out, d->step.name);
    }
}

const char *api_next_call_key(struct run *run, char out[CALL_KEY_BYTES]) {
    struct run_durable *d = run->durable;
    bool in_step = d != NULL && d->open;
    uint32_t n = in_step ? ++d->calls : ++run->calls;
    if (run->listed) { /* next time it may be another batch: a key is for this once */
        char once[UUID_TEXT_BYTES + 1];
        struct uuid id = run->view->uuid(run->view->ctx);
        (void)snprintf(out, CALL_KEY_BYTES, "%s-%s", run->host->conf->services[run->service].name,
                       uuid_text(&id, once));
        return out;
    }
    step_key(run, out);
    size_t len = strlen(out);
    if (n > 1) {
        (void)snprintf(out + len, CALL_KEY_BYTES - len, "%c%u", in_step ? ':' : '-', n);
    }
    return out;
}

void api_note_call(struct run *run) {
    struct run_durable *d = run->durable;
    if (d != NULL && d->open && run->request->key != NULL) {
        buf_add_lv(&d->asked, slice_of(run->request->key));
    }
}

int api_ask_host(lua_State *L, struct run *run, const char *method, lua_KFunction go_on) {
    enum { PATH_AT = -2, LABEL_AT = -1 };
    struct call_request *request = api_new_request(L, run);
    const struct buf *query = &run->host->scratch;
    request->kind = CALL_KIND_ASK;
    request->method = slice_dup(slice_of(method));
    request->url = slice_dup(slice_of(lua_tostring(L, PATH_AT)));
    request->label = slice_dup(slice_of(lua_tostring(L, LABEL_AT)));
    request->query = slice_dup(buf_slice(query));
    request->query_len = query->len;
    if (query->failed || request->method == NULL || request->url == NULL ||
        request->label == NULL || request->query == NULL) {
        return luaL_error(L, "out of memory");
    }
    api_note_call(run);
    run->outcome = OUTCOME_CALL;
    run->yielded = true;
    return lua_yieldk(L, 0, 0, go_on);
}

const struct call_result *api_answer_of_host(lua_State *L, const char *call) {
    const struct call_result *result = script_host_of(L)->current->result;
    assert(result != NULL);
    bool good = result->code == 0 && (result->status < 400 || result->status == 404);
    if (!good && result->error[0] != '\0') {
        luaL_error(L, "zing.%s: %s", call, result->error);
    } else if (!good && result->code != 0) {
        luaL_error(L, "zing.%s: %s", call, error_text(result->code));
    } else if (!good) {
        luaL_error(L, "zing.%s: the answer was a status of %d", call, (int)result->status);
    }
    return result;
}

void api_check_forward(lua_State *L, struct run *run) {
    bool compensates = run->durable != NULL && run->durable->open;
    if (run->entry == RUN_UNDO && !compensates) {
        (void)api_unwind(L);
    }
}

/* --- ending --- */

int api_end_attempt(lua_State *L, struct run *run, enum outcome outcome, const char *call) {
    api_check_forward(L, run);
    api_check_can_yield(L, run, call);
    run->outcome = outcome;
    run->yielded = true;
    return lua_yield(L, 0);
}

const struct script_library api_library = {
    .open = open_all,
    .open_print = api_open_print,
    .push_event = api_push_event,
    .push_events = api_push_events,
    .push_lock = api_push_lock_event,
    .undo = api_undo,
};

/*
 * outside.c - calls that leave the host: requests, the keys by which peers know them, other hosts.
 */
#include "lua/api/outside.h"

#include "event/ledger.h"
#include "lua/host.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct call_request *api_new_request(lua_State *L, struct run *run) {
    if (run->request != NULL) { /* of a call that raised an error before it was made */
        call_request_free(run->request);
    }
    run->request = call_request_new();
    if (run->request == NULL) {
        luaL_error(L, "out of memory");
    }
    return run->request;
}

/* Appends the step's name as part of a key: there is room for three times its maximum length. */
static void add_encoded(char out[CALL_KEY_BYTES], struct slice name) {
    size_t len = strlen(out);
    for (size_t i = 0; i < name.len; i++) {
        bool plain = byte_is_plain(name.data[i], "._-");
        int wrote = snprintf(out + len, CALL_KEY_BYTES - len, plain ? "%c" : "%%%02X",
                             (unsigned char)name.data[i]);
        assert(wrote > 0 && (size_t)wrote < CALL_KEY_BYTES - len);
        len += (size_t)wrote;
    }
}

/* "<service>-<event id>[.<round>]" */
static void write_caller(const struct run *run, unsigned round, char out[CALL_KEY_BYTES]) {
    char id[UUID_TEXT_BYTES + 1];
    char rounds[12] = ""; /* ".4294967295" */
    if (round > 0) {
        (void)snprintf(rounds, sizeof rounds, ".%u", round);
    }
    struct slice caller =
        ledger_caller(run->event, slice_of(run->host->conf->services[run->service].name));
    (void)snprintf(out, CALL_KEY_BYTES, "%.*s-%s%s", (int)caller.len, caller.data,
                   uuid_text(&run->event->id, id), rounds);
}

/* The key of the n-th call of that round. */
static void write_key(const struct run *run, enum call_kind kind, unsigned round, uint32_t n,
                      char out[CALL_KEY_BYTES]) {
    const struct run_durable *d = run->durable;
    bool in_step = d != NULL && d->open;
    char mark = kind == CALL_KIND_MAIL ? '.' : ':';
    write_caller(run, round, out);
    size_t len = strlen(out);
    if (in_step) {
        const char *undo = d->step.kind == STEP_UNDO ? "~" : "";
        (void)snprintf(out + len, CALL_KEY_BYTES - len, "%c%s", mark, undo);
        add_encoded(out, d->step.name);
        len = strlen(out);
    }
    if (kind == CALL_KIND_SQL) {
        (void)snprintf(out + len, CALL_KEY_BYTES - len, "+%u", n);
    } else if (n > 1) {
        (void)snprintf(out + len, CALL_KEY_BYTES - len, "%c%u", in_step ? mark : '-', n);
    }
}

/* Whether a call was made under the key, and is still the one of that place. */
static bool is_kept(const struct run *run, const char *key) {
    struct call_note note;
    return ledger_find(run->event->calls, slice_of(key), &note) && note.state != CALL_SUPERSEDED;
}

const char *api_next_call_key(struct run *run, enum call_kind kind, char out[CALL_KEY_BYTES]) {
    struct run_durable *d = run->durable;
    bool in_step = d != NULL && d->open;
    uint32_t *count = kind != CALL_KIND_SQL ? in_step ? &d->calls : &run->calls
                      : in_step             ? &d->statements
                                            : &run->statements;
    uint32_t n = ++*count;
    if (run->listed) { /* next time it may be another batch, so the key is used only once */
        char once[UUID_TEXT_BYTES + 1];
        struct uuid id = run->view->uuid(run->view->ctx);
        (void)snprintf(out, CALL_KEY_BYTES, "%s-%s", run->host->conf->services[run->service].name,
                       uuid_text(&id, once));
        return out;
    }
    for (unsigned round = 0; round < run->event->round; round++) {
        write_key(run, kind, round, n, out);
        if (is_kept(run, out)) {
            return out;
        }
    }
    write_key(run, kind, run->event->round, n, out);
    return out;
}

static void write_once_key(const struct run *run, unsigned round, const char *database,
                           struct slice name, char out[CALL_KEY_BYTES]) {
    write_caller(run, round, out);
    size_t len = strlen(out);
    (void)snprintf(out + len, CALL_KEY_BYTES - len, "++%s/", database);
    add_encoded(out, name);
}

const char *api_once_key(const struct run *run, const char *database, struct slice name,
                         char out[CALL_KEY_BYTES], unsigned *round) {
    for (*round = 0; *round < run->event->round; (*round)++) {
        write_once_key(run, *round, database, name, out);
        if (is_kept(run, out)) {
            return out;
        }
    }
    write_once_key(run, *round, database, name, out);
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
    const struct call_result *result = script_state_of(L)->current->result;
    assert(result != NULL);
    bool good = result->code == 0 && (result->status < 400 || result->status == 404);
    if (!good && (result->code != 0 || result->error[0] != '\0')) {
        luaL_error(L, "zing.%s: %s", call, call_result_why(result));
    } else if (!good) {
        luaL_error(L, "zing.%s: the answer was a status of %d", call, (int)result->status);
    }
    return result;
}

/*
 * sql_once.c - zing.sql.once, and the table zing.sql.
 *
 * zing.sql.once is a transaction whose first statement writes a row of the table zingq_done, with
 * the name of what is done, and whose last one writes the result into it. So the row is there if
 * and only if the rest has taken effect, and another attempt finds it. Nothing of it is repeated
 * by a crash at any point: until the COMMIT has left, the database rolls back; from then on a
 * second attempt waits at that row until it is known what became of the first.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/api/outside.h"
#include "lua/api/sql.h"
#include "lua/failure.h"
#include "lua/host.h"

#include "lua/args.h"

#include "event/ledger.h"

#include <stdio.h>
#include <stdlib.h>

/* What is where on the stack while it runs. */
enum { ONCE_DATABASE = 1, ONCE_NAME, ONCE_FUNCTION, ONCE_LABEL, ONCE_RESULT };

enum { TRIM_EVERY = 64 /* events, one of which removes old rows */ };

static const char once_table[] =
    "CREATE TABLE IF NOT EXISTS zingq_done (service text NOT NULL, event uuid NOT NULL, "
    "name text NOT NULL, edit bigint NOT NULL, result bytea, "
    "at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (service, event, name, edit), "
    "UNIQUE (service, at, event, name, edit))";
/* Waits for another transaction with the same key, and gives the result of one that was committed:
 * null, if this is the first. */
static const char once_claim[] =
    "INSERT INTO zingq_done AS d (service, event, name, edit) VALUES ($1, $2, $3, $4) "
    "ON CONFLICT (service, event, name, edit) DO UPDATE SET name = d.name RETURNING result";
static const char once_look[] = "SELECT result FROM zingq_done WHERE service = $1 AND event = $2 "
                                "AND name = $3 AND edit = $4";
static const char once_end[] =
    "UPDATE zingq_done SET result = $5, at = clock_timestamp() WHERE service = $1 AND event = $2 "
    "AND name = $3 AND edit = $4";
static const char once_trim[] =
    "DELETE FROM zingq_done WHERE ctid IN (SELECT ctid FROM zingq_done WHERE service = $1 AND "
    "at < now() - $2 * interval '1 millisecond' ORDER BY at LIMIT 1000 FOR UPDATE SKIP LOCKED)";

static void add_text_param(lua_State *L, struct call_request *request, struct slice text) {
    sql_need_memory(L, call_request_param(request, slice_dup(text), false) == 0);
}

/* The request for one of these statements, with the key's four parameters. */
static struct call_request *once_request(lua_State *L, struct run *run, const char *statement,
                                         enum sql_scope scope) {
    char key[CALL_KEY_BYTES];
    char id[UUID_TEXT_BYTES + 1];
    char edit[16];
    unsigned round;
    const struct database_conf *d = sql_check_database(L, run, ONCE_DATABASE);
    struct slice name = args_check_name(L, ONCE_NAME, "the name of once");
    struct call_request *request = api_new_request(L, run);
    (void)api_once_key(run, d->name, name, key, &round);
    (void)snprintf(edit, sizeof edit, "%u", round);
    struct slice service =
        ledger_caller(run->event, slice_of(run->host->conf->services[run->service].name));
    sql_fill_request(L, run, d, slice_of(statement), scope);
    add_text_param(L, request, service);
    add_text_param(L, request, (struct slice){uuid_text(&run->event->id, id), UUID_TEXT_BYTES});
    add_text_param(L, request, name);
    add_text_param(L, request, slice_of(edit));
    free(request->key);
    request->key = slice_dup(slice_of(key));
    free(request->label);
    request->label = slice_dup(slice_of(lua_tostring(L, ONCE_LABEL)));
    sql_need_memory(L, request->key != NULL && request->label != NULL);
    return request;
}

static int once_ask(lua_State *L, struct run *run, lua_KContext context, lua_KFunction next) {
    run->outcome = OUTCOME_CALL;
    run->yielded = true;
    return lua_yieldk(L, 0, context, next);
}

/* Whether it was, or may have been, committed; fills the note. */
static bool once_note(const struct run *run, struct call_note *note) {
    return ledger_find(run->event->calls, slice_of(run->request->key), note) &&
           (note->state == CALL_ASKED || note->state == CALL_UNKNOWN ||
            (note->state == CALL_ANSWERED && note->status == 0));
}

/* The database may have forgotten it: a person must look before it is done again. */
static void once_check_window(lua_State *L, struct run *run) {
    struct call_note note;
    int64_t window_ms = run->host->conf->services[run->service].idempotency_window_ms;
    char window[32];
    if (!once_note(run, &note) || run->event->forced ||
        run->view->now_ms(run->view->ctx) - note.first_ms <= window_ms) {
        return;
    }
    struct buf *text = &run->host->scratch;
    buf_reset(text);
    buf_printf(text,
               "outcome unknown: %s was, or may have been, committed longer ago than "
               "idempotency_window (%s), and zingq_done does not keep it for longer: look there "
               "what became of it, then `zingq dlq replay --force`",
               run->request->label, conf_duration_text(window_ms, window));
    run_set_error(run, buf_slice(text));
    (void)api_end_attempt(L, run, OUTCOME_REJECT, "sql.once"); /* does not return */
}

/* Pushes the value that an earlier attempt committed; false if the result has none. */
static bool push_done(lua_State *L, const struct call_result *result) {
    struct reader head = reader_of(result->headers.data, result->headers.len);
    struct reader body = reader_of(result->body.data, result->body.len);
    (void)read_u64(&head);
    if (read_u8(&body) == 0) { /* null, or no row */
        return false;
    }
    sql_push_bytes(L, read_lv(&body));
    struct slice value;
    value.data = lua_tolstring(L, -1, &value.len);
    if (value.len == 0) {
        lua_pushnil(L);
    } else {
        args_push_value(L, value);
    }
    return true;
}

/* Every so often, what is older than the window goes; whether that succeeds does not matter. */
static int once_trimmed(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    lua_settop(L, ONCE_RESULT);
    return 1;
}

static int once_committed(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    char window[32];
    if (result->code != 0 || result->status != 0) {
        return sql_raise(L, result, ONCE_LABEL);
    }
    if (run->event->id.bytes[sizeof run->event->id.bytes - 1] % TRIM_EVERY != 0) {
        return once_trimmed(L, LUA_OK, 0);
    }
    const struct database_conf *d = sql_check_database(L, run, ONCE_DATABASE);
    struct call_request *request = api_new_request(L, run);
    int64_t window_ms = run->host->conf->services[run->service].idempotency_window_ms;
    (void)snprintf(window, sizeof window, "%lld", (long long)window_ms);
    sql_fill_request(L, run, d, slice_of(once_trim), SQL_REPEATS);
    add_text_param(
        L, request,
        ledger_caller(run->event, slice_of(run->host->conf->services[run->service].name)));
    add_text_param(L, request, slice_of(window));
    return once_ask(L, run, 0, once_trimmed);
}

/* The function has returned: its result, and as bytes for the database. */
static int once_ran(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct buf *bytes = &script_state_of(L)->host->scratch;
    buf_reset(bytes);
    if (!lua_isnil(L, -1)) {
        args_add_value(L, -1, "the result of once", bytes);
    }
    lua_pushlstring(L, bytes->len == 0 ? "" : bytes->data, bytes->len);
    return 2;
}

static int once_run(lua_State *L) {
    lua_callk(L, 0, 1, 0, once_ran);
    return once_ran(L, LUA_OK, 0);
}

/* It has run, or failed: then its transaction is over. */
static int once_returned(lua_State *L, int status, lua_KContext unused) {
    (void)unused;
    static const char digits[] = "0123456789abcdef";
    struct run *run = script_state_of(L)->current;
    if (status != LUA_OK && status != LUA_YIELD) {
        run->session = 0;
        return lua_error(L);
    }
    struct slice bytes;
    bytes.data = lua_tolstring(L, -1, &bytes.len);
    struct call_request *request = once_request(L, run, once_end, SQL_COMMIT);
    struct buf *hex = &run->host->scratch;
    buf_reset(hex);
    buf_add_str(hex, "\\x");
    for (size_t i = 0; i < bytes.len; i++) {
        buf_add_u8(hex, (uint8_t)digits[(unsigned char)bytes.data[i] >> 4]);
        buf_add_u8(hex, (uint8_t)digits[(unsigned char)bytes.data[i] & 15]);
    }
    sql_need_memory(L, !hex->failed);
    add_text_param(L, request, buf_slice(hex));
    lua_settop(L, ONCE_RESULT);
    api_note_call(run);
    return once_ask(L, run, 0, once_committed);
}

static int once_begin(lua_State *L, struct run *run, bool made);

static int once_made(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    if ((result->code != 0 || result->status != 0) && !sql_is_final(result)) {
        return sql_raise(L, result, ONCE_LABEL);
    }
    return once_begin(L, run, true); /* whoever made it, this finds it or says why not */
}

/* What the event's list of calls says of its COMMIT; false: nothing. */
static bool once_find_note(lua_State *L, const struct run *run, struct call_note *note) {
    char key[CALL_KEY_BYTES];
    unsigned round;
    struct slice name = args_check_name(L, ONCE_NAME, "the name of once");
    (void)api_once_key(run, lua_tostring(L, ONCE_DATABASE), name, key, &round);
    return ledger_find(run->event->calls, slice_of(key), note);
}

/* The first attempt never learned that. */
static void once_note_done(lua_State *L, struct run *run) {
    struct call_note note;
    if (once_find_note(L, run, &note)) {
        note.state = CALL_ANSWERED;
        note.status = 0;
        sql_need_memory(L, ledger_put(run->event, &note) == 0);
    }
}

static int once_claimed(lua_State *L, int status, lua_KContext made) {
    (void)status;
    struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    if (made == 0 && result->code == 0 && result->status == call_sqlstate("42P01")) {
        const struct database_conf *d = sql_check_database(L, run, ONCE_DATABASE);
        (void)api_new_request(L, run);
        sql_fill_request(L, run, d, slice_of(once_table), SQL_REPEATS);
        return once_ask(L, run, 0, once_made);
    }
    if (result->code != 0 || result->status != 0) {
        return sql_raise(L, result, ONCE_LABEL);
    }
    if (push_done(L, result)) {
        run->session = 0;
        once_note_done(L, run);
        return 1;
    }
    lua_settop(L, ONCE_LABEL);
    lua_pushcfunction(L, once_run);
    lua_pushvalue(L, ONCE_FUNCTION);
    int code = lua_pcallk(L, 1, 2, 0, 0, once_returned);
    return once_returned(L, code, 0);
}

/* The handler came past this, and so there may be more to undo behind it: not now, and not without. */
static int once_undo_later(lua_State *L, struct run *run) {
    struct buf *text = &run->host->scratch;
    buf_reset(text);
    buf_printf(text, "%s: %s", lua_tostring(L, ONCE_LABEL), call_result_why(run->result));
    run_set_error(run, buf_slice(text));
    run->after_ms = -1;
    run->outcome = OUTCOME_RETRY;
    run->yielded = true;
    return lua_yield(L, 0);
}

/* In the undo of a saga it is only looked up: what was not done then is where that ends. */
static int once_looked(lua_State *L, int status, lua_KContext unused) {
    (void)status;
    (void)unused;
    struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    struct call_note note;
    bool answered = result->code == 0 && result->status == 0;
    if (answered && push_done(L, result)) {
        return 1;
    }
    bool came_past =
        once_find_note(L, run, &note) && note.state == CALL_ANSWERED && note.status == 0;
    return !answered && !sql_is_final(result) && came_past ? once_undo_later(L, run)
                                                           : api_unwind(L);
}

static int once_begin(lua_State *L, struct run *run, bool made) {
    bool undo = sql_scope_of(run) == SQL_READS;
    lua_settop(L, ONCE_LABEL);
    (void)once_request(L, run, undo ? once_look : once_claim, undo ? SQL_READS : SQL_BEGIN);
    if (undo) {
        return once_ask(L, run, 0, once_looked);
    }
    once_check_window(L, run);
    run->session_of = conf_find_database(run->host->conf, slice_of(run->request->url))->name;
    return once_ask(L, run, made ? 1 : 0, once_claimed);
}

/* zing.sql.once(database, name, fn) -> what fn returned, now or in an earlier attempt */
static int once(lua_State *L) {
    struct run *run = api_staging_run(L, "sql.once");
    api_check_can_wait(L, run, "sql.once");
    api_check_one_event(L, run, "sql.once");
    lua_settop(L, ONCE_FUNCTION);
    const struct database_conf *d = sql_check_database(L, run, ONCE_DATABASE);
    (void)args_check_name(L, ONCE_NAME, "the name of once");
    luaL_checktype(L, ONCE_FUNCTION, LUA_TFUNCTION);
    if (run->held != NULL) {
        return luaL_error(L, "a reconcile function may only read: no zing.sql.once");
    }
    lua_pushfstring(L, "sql %s: once \"%s\"", d->name, lua_tostring(L, ONCE_NAME));
    return once_begin(L, run, false);
}

/* ---- the table ---- */

static int call_sql(lua_State *L) {
    lua_remove(L, 1); /* zing.sql itself */
    return sql_statement(L);
}

void api_open_sql(lua_State *L) {
    failure_open(L);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, once);
    lua_setfield(L, -2, "once");
    sandbox_protect(L, "zing.sql");
    (void)lua_getmetatable(L, -1);
    lua_pushcfunction(L, call_sql);
    lua_setfield(L, -2, "__call");
    lua_pop(L, 1);
    lua_setfield(L, -2, "sql");
}

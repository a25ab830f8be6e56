/*
 * sql.c - zing.sql: a statement for a database, which suspends the handler until it is answered.
 *
 * Its parts: the call (a struct call_request that belongs to the run), its parameters as text, the
 * suspension, and `answered`, which makes rows or an error of the result. The database does not
 * know the call's key: it only names the call in the event's list of calls.
 *
 * While a saga is undone its handler runs again, as far as there are records; a statement of that
 * run is sent in a transaction that only reads, and the database says whether that is possible.
 */
#include "lua/api/sql.h"

#include "lua/api/invocation.h"
#include "lua/api/outside.h"
#include "lua/failure.h"
#include "lua/host.h"

#include "lua/args.h"
#include "lua/document.h"
#include "lua/json.h"

#include "io/pg/pg.h"

#include "base/json_write.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LABEL_BYTES = 120, /* of a statement, for people */
    VALUE_UNITS = 32   /* cost of a value in addition to its bytes: see script_charge */
};

void sql_need_memory(lua_State *L, bool had) {
    if (!had) {
        luaL_error(L, "zing.sql: out of memory");
    }
}

/* ---- parameters ---- */

/* As text that PostgreSQL reads as what it needs at that place: 5.0 is "5", also for an integer. */
static const char *number_text(lua_State *L, int index, char out[JSON_REAL_BYTES]) {
    int whole;
    long long integer = lua_tointegerx(L, index, &whole);
    double real = lua_tonumber(L, index);
    if (isnan(real)) {
        return "NaN";
    }
    if (isinf(real)) {
        return real > 0 ? "Infinity" : "-Infinity";
    }
    if (!whole) {
        return json_real_text(real, out);
    }
    (void)snprintf(out, JSON_REAL_BYTES, "%lld", integer);
    return out;
}

/* The parameter on top as text, in `scratch` unless it is short; NULL data = null. */
static struct slice param_text(lua_State *L, lua_Integer n, char number[JSON_REAL_BYTES]) {
    struct buf *scratch = &script_state_of(L)->host->scratch;
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        return (struct slice){NULL, 0};
    case LUA_TBOOLEAN:
        return slice_of(lua_toboolean(L, -1) ? "t" : "f");
    case LUA_TNUMBER:
        return slice_of(number_text(L, -1, number));
    case LUA_TSTRING:
        lua_pushfstring(L, "parameter $%I", n);
        lua_insert(L, -2);
        return args_check_text(L, -1, lua_tostring(L, -2));
    case LUA_TTABLE:
        buf_reset(scratch);
        json_encode(L, lua_gettop(L), "params", scratch);
        return buf_slice(scratch);
    default:
        if (!json_at_null(L, -1)) {
            luaL_error(L, "zing.sql: parameter $%I is a %s", n, luaL_typename(L, -1));
        }
        return (struct slice){NULL, 0};
    }
}

static void add_param(lua_State *L, struct call_request *request, lua_Integer n) {
    char number[JSON_REAL_BYTES];
    int top = lua_gettop(L);
    struct slice text = param_text(L, n, number);
    script_charge(L, VALUE_UNITS + text.len);
    bool null = text.data == NULL;
    int code = call_request_param(request, null ? NULL : slice_dup(text), null);
    if (code == ERR_LIMIT) {
        luaL_error(L, "zing.sql: more than %d parameters", SQL_PARAMS_MAX);
    }
    sql_need_memory(L, code == 0);
    lua_settop(L, top - 1);
}

/* The highest number among the keys: {1, nil, 3} has three parameters. */
static lua_Integer count_params(lua_State *L, int index) {
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        lua_Integer n = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
        if (n < 1) {
            luaL_error(L, "zing.sql: params must be a list, {first, second}, for $1 and $2");
        }
        if (n > SQL_PARAMS_MAX) {
            luaL_error(L, "zing.sql: more than %d parameters", SQL_PARAMS_MAX);
        }
        count = n > count ? n : count;
    }
    return count;
}

static void add_params(lua_State *L, struct call_request *request, int index) {
    if (lua_isnoneornil(L, index)) {
        return;
    }
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer count = count_params(L, index);
    for (lua_Integer n = 1; n <= count; n++) {
        lua_rawgeti(L, index, n);
        add_param(L, request, n);
    }
}

static void take_timeout(lua_State *L, int index, void *to) {
    struct call_request *request = to;
    request->timeout_ms = args_check_duration(L, index, "timeout");
    if (request->timeout_ms == 0) {
        luaL_error(L, "zing.sql: timeout must be more than 0");
    }
}

static const struct args_option sql_options[] = {{"timeout", take_timeout}};

/* ---- the result ---- */

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

/* "\x00ff" is how PostgreSQL writes bytes. */
void sql_push_bytes(lua_State *L, struct slice text) {
    luaL_Buffer b;
    size_t len = text.len < 2 ? 0 : (text.len - 2) / 2;
    char *out = luaL_buffinitsize(L, &b, len);
    for (size_t i = 0; i < len; i++) {
        out[i] = (char)(digit(text.data[2 + 2 * i]) << 4 | digit(text.data[3 + 2 * i]));
    }
    luaL_pushresultsize(&b, len);
}

/* A copy that is terminated. */
static const char *number_of(struct slice text, char out[64]) {
    (void)snprintf(out, 64, "%.*s", (int)text.len, text.data);
    return out;
}

static void push_value(lua_State *L, uint32_t type, struct slice text) {
    char number[64];
    script_charge(L, VALUE_UNITS + text.len);
    switch (type) {
    case PG_BOOL:
        lua_pushboolean(L, slice_is(text, "t"));
        break;
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
    case PG_OID:
        lua_pushinteger(L, strtoll(number_of(text, number), NULL, 10));
        break;
    case PG_FLOAT4:
    case PG_FLOAT8:
        lua_pushnumber(L, strtod(number_of(text, number), NULL));
        break;
    case PG_JSON:
    case PG_JSONB:
        document_push(L, text, "a column of the result");
        break;
    case PG_BYTEA:
        sql_push_bytes(L, text);
        break;
    default: /* numeric too, which no number of Lua holds exactly */
        lua_pushlstring(L, text.data, text.len);
    }
}

/* A row as {name = value}; the list of names is at `columns`, their types follow in `head`. */
static void push_row(lua_State *L, struct reader head, uint16_t count, int columns,
                     struct reader *body) {
    lua_createtable(L, 0, count);
    for (uint16_t c = 1; c <= count; c++) {
        uint32_t type = read_u32(&head);
        (void)read_lv(&head);
        if (read_u8(body) != 0) {
            lua_rawgeti(L, columns, c);
            push_value(L, type, read_lv(body));
            lua_rawset(L, -3);
        }
    }
}

/* Pushes {rows =, columns =, count =}. */
static void push_result(lua_State *L, const struct call_result *result) {
    struct reader head = reader_of(result->headers.data, result->headers.len);
    struct reader body = reader_of(result->body.data, result->body.len);
    lua_createtable(L, 0, 3);
    int table = lua_gettop(L);
    lua_pushinteger(L, (lua_Integer)read_u64(&head));
    lua_setfield(L, table, "count");
    uint16_t count = read_u16(&head);
    struct reader types = head;
    json_push_array(L, count);
    int columns = lua_gettop(L);
    for (uint16_t c = 1; c <= count; c++) {
        (void)read_u32(&head);
        struct slice name = read_lv(&head);
        lua_pushlstring(L, name.data, name.len);
        lua_rawseti(L, columns, c);
    }
    json_push_array(L, 0);
    for (lua_Integer row = 1; count > 0 && body.at < body.end && !body.failed; row++) {
        push_row(L, types, count, columns, &body);
        lua_rawseti(L, -2, row);
    }
    if (head.failed || body.failed) { /* answers of a dry run are whatever a person wrote */
        luaL_error(L, "zing.sql: the answer is not one of a database");
    }
    lua_setfield(L, table, "rows");
    lua_setfield(L, table, "columns");
}

/* ---- errors ---- */

/* Classes of SQLSTATE that a repetition does not change: what the statement says, or the data. All
 * others may pass: the connection (08), a conflict (40), a lack (53), a lock (55), an operator (57). */
bool sql_is_final(const struct call_result *result) {
    static const char *const classes[] = {"0A", "21", "22", "23", "2F", "42", "44"};
    char state[CALL_STATUS_BYTES];
    if (result->code == ERR_REFUSED || result->code == ERR_LIMIT) {
        return true;
    }
    (void)call_status_text(result->status, state);
    for (size_t i = 0; result->code == 0 && i < sizeof classes / sizeof *classes; i++) {
        if (strncmp(state, classes[i], strlen(classes[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Raises what went wrong; the label is at `label`. */
int sql_raise(lua_State *L, const struct call_result *result, int label) {
    char state[CALL_STATUS_BYTES];
    const char *sqlstate = result->status == 0 ? NULL : call_status_text(result->status, state);
    const char *why = call_result_why(result);
    if (result->code == 0) {
        lua_pushfstring(L, "%s: %s (SQLSTATE %s)", lua_tostring(L, label), why, sqlstate);
    } else {
        lua_pushfstring(L, "%s%s: %s%s%s (%s)", result->sent ? "outcome unknown: " : "",
                        lua_tostring(L, label), why, sqlstate == NULL ? "" : ", SQLSTATE ",
                        sqlstate == NULL ? "" : sqlstate,
                        result->sent ? "the statement had left" : "it changed nothing");
    }
    return failure_raise(L, sqlstate, sql_is_final(result));
}

/* Continues the handler; the statement's label is on top. */
static int answered(lua_State *L, int status, lua_KContext scope) {
    (void)status;
    const struct run *run = script_state_of(L)->current;
    const struct call_result *result = run->result;
    assert(result != NULL);
    if (scope == SQL_READS && result->status == call_sqlstate("25006")) {
        return run->entry == RUN_UNDO
                   ? api_unwind(L)
                   : luaL_error(L, "a reconcile function may only read: this statement writes");
    }
    if (result->code == 0 && result->status == 0) {
        push_result(L, result);
        return 1;
    }
    return sql_raise(L, result, lua_gettop(L));
}

/* ---- the call ---- */

const struct database_conf *sql_check_database(lua_State *L, const struct run *run, int index) {
    struct slice name = args_check_text(L, index, "database");
    const struct conf *conf = run->host->conf;
    const struct database_conf *d = conf_find_database(conf, name);
    const char *service = conf->services[run->service].name;
    if (d == NULL) {
        luaL_error(L, "zing.sql: topics.conf has no database \"%s\"", name.data);
    } else if (!database_serves(d, service)) {
        luaL_error(L,
                   "zing.sql: database \"%s\" is not for service \"%s\": add it to services of "
                   "that database in topics.conf",
                   d->name, service);
    }
    return d;
}

/* "sql shop: update seats set ...", on one line. */
static void add_label(struct buf *out, const char *database, struct slice statement) {
    bool gap = false;
    buf_reset(out);
    buf_printf(out, "sql %s: ", database);
    size_t before = out->len;
    for (size_t i = 0; i < statement.len; i++) {
        unsigned char c = (unsigned char)statement.data[i];
        bool space = c <= ' ';
        if (out->len - before >= LABEL_BYTES && (c & 0xC0) != 0x80) {
            buf_add_str(out, "...");
            return;
        }
        if (!space) {
            buf_add_str(out, gap && out->len > before ? " " : "");
            buf_add_u8(out, c);
        }
        gap = space;
    }
}

/* In an undo, what is not a compensation must not change anything. */
enum sql_scope sql_scope_of(const struct run *run) {
    bool open = run->durable != NULL && run->durable->open;
    if (run->session != 0) {
        return SQL_WITHIN;
    }
    return run->held != NULL || (run->entry == RUN_UNDO && !open) ? SQL_READS : SQL_ALONE;
}

void sql_fill_request(lua_State *L, struct run *run, const struct database_conf *d,
                      struct slice statement, enum sql_scope scope) {
    struct call_request *request = run->request;
    struct buf *label = &run->host->second;
    char key[CALL_KEY_BYTES];
    request->kind = CALL_KIND_SQL;
    request->scope = scope;
    request->session = run->session;
    request->service = run->service;
    request->timeout_ms = d->timeout_ms;
    request->url = slice_dup(slice_of(d->name));
    request->method = slice_dup(slice_of("SQL"));
    request->body = slice_dup(statement);
    request->body_len = statement.len;
    add_label(label, d->name, statement);
    request->label = slice_dup(buf_slice(label));
    bool keyed = !run->listed && request->scope == SQL_ALONE;
    request->key = keyed ? slice_dup(slice_of(api_next_call_key(run, CALL_KIND_SQL, key))) : NULL;
    sql_need_memory(L, request->url != NULL && request->method != NULL && request->body != NULL &&
                           request->label != NULL && (!keyed || request->key != NULL));
}

/* zing.sql(database, statement [, params [, {timeout =}]]) -> {rows =, columns =, count =} */
int sql_statement(lua_State *L) {
    struct run *run = api_staging_run(L, "sql");
    if (run->session == 0) {
        api_check_can_wait(L, run, "sql");
    } else {
        api_check_can_yield(L, run, "sql");
    }
    lua_settop(L, 4);
    const struct database_conf *d = sql_check_database(L, run, 1);
    if (run->session != 0 && strcmp(d->name, run->session_of) != 0) {
        return luaL_error(L, "zing.sql: inside zing.sql.once of \"%s\" only that database is asked",
                          run->session_of);
    }
    struct slice statement = args_check_text(L, 2, "statement");
    struct call_request *request = api_new_request(L, run);
    sql_fill_request(L, run, d, statement, sql_scope_of(run));
    add_params(L, request, 3);
    args_take_options(L, 4, sql_options, sizeof sql_options / sizeof *sql_options, "sql", request);
    if (call_request_bytes(request) > SQL_BYTES_MAX) {
        return luaL_error(L, "zing.sql: the statement and its parameters have more than %d MiB",
                          SQL_BYTES_MAX >> 20);
    }
    lua_pushstring(L, request->label);
    api_note_call(run);
    run->outcome = OUTCOME_CALL;
    run->yielded = true;
    return lua_yieldk(L, 0, (lua_KContext)request->scope, answered);
}

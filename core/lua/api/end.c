/*
 * end.c - zing.retry, retry_after, snooze, throttle, reject: calls that end the attempt;
 * zing.dead_letter.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/host.h"

#include "lua/args.h"

#include "lua/json.h"

/* Sets the run's error to the reason at `index`, or to `otherwise` if there is none. */
static void take_reason(lua_State *L, struct run *run, int index, const char *otherwise) {
    struct slice reason = slice_of(otherwise);
    if (!lua_isnoneornil(L, index)) {
        reason.data = luaL_tolstring(L, index, &reason.len);
    }
    run_set_error(run, reason);
}

/* zing.retry([after [, reason]]) */
static int retry(lua_State *L) {
    struct run *run = api_run(L, "retry");
    int64_t after_ms = lua_isnoneornil(L, 1) ? -1 : args_check_duration(L, 1, "after");
    api_check_can_yield(L, run, "retry");
    take_reason(L, run, 2, "the handler asked for a retry");
    run->after_ms = after_ms;
    return api_end_attempt(L, run, OUTCOME_RETRY, "retry");
}

/* --- what a response asks for --- */

/* The wait that the Retry-After of the response at `index` asks for, and a sentence about it as the
 * run's error; -1 = it asks for none. */
static int64_t take_retry_after(lua_State *L, struct run *run, int index) {
    int64_t ms = -1;
    lua_getfield(L, index, "status");
    int status = (int)lua_tointeger(L, -1);
    if (lua_getfield(L, index, "headers") == LUA_TTABLE &&
        lua_getfield(L, -1, "retry-after") == LUA_TSTRING) {
        ms = call_retry_after_ms(lua_tostring(L, -1), run->view->wall_ms(run->view->ctx));
    }
    struct buf *text = &run->host->scratch;
    char wait[32];
    buf_reset(text);
    buf_printf(text, "the peer answered %d", status);
    if (ms >= 0) {
        buf_printf(text, " and asks to wait %s (Retry-After)", conf_duration_text(ms, wait));
    }
    run_set_error(run, buf_slice(text));
    return ms;
}

/* zing.retry_after(response [, reason]) */
static int retry_after(lua_State *L) {
    struct run *run = api_run(L, "retry_after");
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    api_check_can_yield(L, run, "retry_after");
    run->after_ms = take_retry_after(L, run, 1);
    if (!lua_isnil(L, 2)) {
        take_reason(L, run, 2, "");
    }
    return api_end_attempt(L, run, OUTCOME_RETRY, "retry_after");
}

/* --- throttle --- */

static void take_key_only(lua_State *L, int index, void *to) {
    struct run *run = to;
    if (!lua_isboolean(L, index)) {
        luaL_error(L, "key must be true or false");
    }
    run->key_only = lua_toboolean(L, index);
}

/* The options at `index`. */
static void take_throttle_options(lua_State *L, struct run *run, int index) {
    static const struct args_option options[] = {{"key", take_key_only}};
    run->key_only = false;
    args_take_options(L, index, options, sizeof options / sizeof *options, "throttle", run);
    const struct service_conf *conf = &run->host->conf->services[run->service];
    if (run->key_only && !conf->ordered && run->event->key.len == 0) {
        luaL_error(L, "zing.throttle: {key = true} needs a key, and the event has none");
    }
}

/* zing.throttle(response [, otherwise] [, options]): by the header, else by `otherwise` or the service's
 * delay. */
static int throttle_as_asked(lua_State *L) {
    struct run *run = api_run(L, "throttle");
    bool given = !lua_isnoneornil(L, 2) && !lua_istable(L, 2);
    int64_t otherwise_ms = given ? args_check_duration(L, 2, "otherwise")
                                 : run->host->conf->services[run->service].delay_ms;
    api_check_can_yield(L, run, "throttle");
    take_throttle_options(L, run, lua_istable(L, 2) ? 2 : 3);
    int64_t asked_ms = take_retry_after(L, run, 1);
    run->after_ms = asked_ms >= 0 ? asked_ms : otherwise_ms;
    return api_end_attempt(L, run, OUTCOME_THROTTLE, "throttle");
}

static int put_off(lua_State *L, enum outcome outcome, const char *call) {
    struct run *run = api_run(L, call);
    int64_t after_ms = args_check_duration(L, 1, "after");
    api_check_can_yield(L, run, call);
    run->after_ms = after_ms;
    return api_end_attempt(L, run, outcome, call);
}

/* zing.snooze(after) */
static int snooze(lua_State *L) {
    return put_off(L, OUTCOME_SNOOZE, "snooze");
}

/* zing.throttle(after [, options]) */
static int throttle(lua_State *L) {
    if (lua_istable(L, 1)) {
        return throttle_as_asked(L);
    }
    struct run *run = api_run(L, "throttle");
    take_throttle_options(L, run, 2);
    return put_off(L, OUTCOME_THROTTLE, "throttle");
}

/* zing.reject([reason]) */
static int reject(lua_State *L) {
    struct run *run = api_run(L, "reject");
    api_check_can_yield(L, run, "reject");
    take_reason(L, run, 1, "rejected by the handler");
    return api_end_attempt(L, run, OUTCOME_REJECT, "reject");
}

/* zing.dead_letter(payload [, reason]) -> id; the attempt continues */
static int dead_letter(lua_State *L) {
    struct run *run = api_staging_run(L, "dead_letter");
    api_check_one_event(L, run, "dead_letter");
    lua_settop(L, 2);
    struct effect effect = {.kind = EFFECT_DEAD_LETTER, .name = run->event->topic};
    effect.owner = slice_of("created by the handler");
    if (!lua_isnil(L, 2)) {
        effect.owner.data = luaL_tolstring(L, 2, &effect.owner.len);
    }
    if (lua_type(L, 1) == LUA_TSTRING) {
        effect.value.data = lua_tolstring(L, 1, &effect.value.len);
    } else {
        struct buf *out = &run->host->scratch;
        buf_reset(out);
        json_encode(L, 1, "payload", out);
        effect.value = buf_slice(out);
    }
    char text[UUID_TEXT_BYTES + 1];
    effect.id = run->view->uuid(run->view->ctx);
    api_stage(L, run, &effect);
    lua_pushlstring(L, uuid_text(&effect.id, text), UUID_TEXT_BYTES);
    return 1;
}

void api_open_end(lua_State *L) {
    static const luaL_Reg functions[] = {{"retry", retry},   {"retry_after", retry_after},
                                         {"snooze", snooze}, {"throttle", throttle},
                                         {"reject", reject}, {"dead_letter", dead_letter},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

/*
 * lock.c - zing.lock, unlock, lock_owner: locks of this (service, key).
 *
 * A lock is a fact that expires: who holds a seat until when. Staged effects are considered first.
 * An expired lock counts as held until its on_lock_expired has run.
 */
#include "lua/api/subjects.h"

#include "lua/api/invocation.h"
#include "lua/host.h"

#include "lua/args.h"
#include "lua/document.h"

#include "lua/json.h"

#include <string.h>

/* A lock, as the handler sees it. */
struct held {
    bool held;
    struct slice owner, data; /* data: JSON, "" = none */
    int64_t expires_ms;       /* 0 = never */
};

static struct held look(lua_State *L, struct run *run, struct slice name) {
    const struct effect *staged = NULL;
    if (run->durable != NULL && run->durable->open) {
        staged = effects_lock(&run->durable->effects, name);
    }
    if (staged == NULL) {
        staged = effects_lock(&run->effects, name);
    }
    if (staged != NULL) {
        return (struct held){staged->kind == EFFECT_LOCK, staged->owner, staged->value,
                             staged->due_ms};
    }
    struct lock_view view = {{NULL, 0}, {NULL, 0}, 0};
    int rc = run->view->lock_get(run->view->ctx, run->event, name, &view);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        (void)script_raise_lack(L, rc, "the lock cannot be read");
    }
    return (struct held){rc == 0, view.owner, view.data, view.expires_ms};
}

/* The owner's name, or the event's id in `text`. */
static struct slice owner_or_event(lua_State *L, struct run *run, int index,
                                   char text[UUID_TEXT_BYTES + 1]) {
    if (lua_isnoneornil(L, index)) {
        return (struct slice){uuid_text(&run->event->id, text), UUID_TEXT_BYTES};
    }
    return args_check_name(L, index, "owner");
}

static void push_seconds_left(lua_State *L, struct run *run, const struct held *lock) {
    if (lock->expires_ms == 0) {
        lua_pushnil(L);
        return;
    }
    int64_t left = lock->expires_ms - run->view->now_ms(run->view->ctx);
    lua_pushnumber(L, left > 0 ? (double)left / 1000.0 : 0.0);
}

/* The options of zing.lock. */
struct locking {
    struct run *run;
    struct slice owner; /* data NULL = the event */
    int64_t ttl_ms;     /* 0 = not given */
    bool has_data;      /* the data is JSON in the scratch */
};

static void take_owner(lua_State *L, int index, void *to) {
    struct locking *locking = to;
    locking->owner = args_check_name(L, index, "owner");
}

static void take_ttl(lua_State *L, int index, void *to) {
    struct locking *locking = to;
    locking->ttl_ms = args_check_duration(L, index, "ttl");
    if (locking->ttl_ms == 0) {
        luaL_error(L, "ttl must be more than 0");
    }
}

static void take_data(lua_State *L, int index, void *to) {
    struct locking *locking = to;
    struct buf *out = &locking->run->host->scratch;
    buf_reset(out);
    json_encode(L, index, "data", out);
    locking->has_data = true;
}

static void stage_lock(lua_State *L, struct locking *locking, struct slice name,
                       const struct held *before) {
    struct run *run = locking->run;
    struct effect effect = {.kind = EFFECT_LOCK, .name = name, .owner = locking->owner};
    if (before->held) { /* extending it keeps what is not given */
        effect.due_ms = before->expires_ms;
        effect.value = before->data;
    }
    if (locking->ttl_ms > 0) {
        effect.due_ms = run->view->now_ms(run->view->ctx) + locking->ttl_ms;
    }
    if (locking->has_data) {
        effect.value = buf_slice(&run->host->scratch);
    }
    api_stage(L, run, &effect);
}

/* zing.lock(name [, {owner=, ttl=, data=}]) -> true | false, owner, seconds_left */
static int lock(lua_State *L) {
    static const struct args_option options[] = {
        {"owner", take_owner}, {"ttl", take_ttl}, {"data", take_data}};
    char text[UUID_TEXT_BYTES + 1];
    struct locking locking = {.run = api_staging_run(L, "lock")};
    api_check_one_key(L, locking.run, "lock");
    lua_settop(L, 2);
    struct slice name = args_check_name(L, 1, "name");
    args_take_options(L, 2, options, sizeof options / sizeof options[0], "lock", &locking);
    if (locking.owner.data == NULL) {
        locking.owner = (struct slice){uuid_text(&locking.run->event->id, text), UUID_TEXT_BYTES};
    }
    struct held before = look(L, locking.run, name);
    if (before.held && !slice_equal(before.owner, locking.owner)) {
        lua_pushboolean(L, 0);
        lua_pushlstring(L, before.owner.data, before.owner.len);
        push_seconds_left(L, locking.run, &before);
        return 3;
    }
    stage_lock(L, &locking, name, &before);
    lua_pushboolean(L, 1);
    return 1;
}

/* zing.unlock(name [, owner]) -> true | false [, owner] */
static int unlock(lua_State *L) {
    char text[UUID_TEXT_BYTES + 1];
    struct run *run = api_staging_run(L, "unlock");
    api_check_one_key(L, run, "unlock");
    struct slice name = args_check_name(L, 1, "name");
    struct slice owner = owner_or_event(L, run, 2, text);
    struct held before = look(L, run, name);
    if (!before.held || !slice_equal(before.owner, owner)) {
        lua_pushboolean(L, 0);
        if (!before.held) {
            return 1;
        }
        lua_pushlstring(L, before.owner.data, before.owner.len);
        return 2;
    }
    struct effect effect = {.kind = EFFECT_UNLOCK, .name = name, .owner = owner};
    api_stage(L, run, &effect);
    lua_pushboolean(L, 1);
    return 1;
}

/* zing.lock_owner(name) -> owner, seconds_left, data | nil */
static int lock_owner(lua_State *L) {
    struct run *run = api_run(L, "lock_owner");
    api_check_one_key(L, run, "lock_owner");
    struct slice name = args_check_name(L, 1, "name");
    struct held lock = look(L, run, name);
    if (!lock.held) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushlstring(L, lock.owner.data, lock.owner.len);
    push_seconds_left(L, run, &lock);
    if (lock.data.len == 0) {
        lua_pushnil(L);
    } else {
        document_push(L, lock.data, "the lock's data");
    }
    return 3;
}

void api_open_lock(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"lock", lock}, {"unlock", unlock}, {"lock_owner", lock_owner}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}

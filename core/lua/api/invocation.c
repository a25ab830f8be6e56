/*
 * invocation.c - the current invocation: what it may do here, what it stages, how it ends.
 */
#include "lua/api/invocation.h"

#include "base/limits.h"
#include "journal/kept.h"
#include "lua/host.h"

struct run *api_run(lua_State *L, const char *call) {
    struct run *run = script_state_of(L)->current;
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

void api_check_no_session(lua_State *L, const struct run *run, const char *call) {
    if (run->session != 0) {
        luaL_error(L,
                   "zing.%s cannot be called inside zing.sql.once, which may have been done before "
                   "and is then not run again: put it behind",
                   call);
    }
}

void api_check_can_wait(lua_State *L, struct run *run, const char *call) {
    api_check_no_session(L, run, call);
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

/* What a step stages is committed with its result, before what the handler staged around it: for
 * the same name, that would reverse the order of the lines. */
static void check_order(lua_State *L, const struct run *run, const struct effect *effect) {
    bool state = effect->kind >= EFFECT_STATE_SET && effect->kind <= EFFECT_STATE_INCR;
    bool lock = effect->kind == EFFECT_LOCK || effect->kind == EFFECT_UNLOCK;
    bool replaces = effect->kind == EFFECT_PUBLISH && effect->owner.data != NULL;
    const struct effect *around = state      ? effects_state(&run->effects, effect->name)
                                  : lock     ? effects_lock(&run->effects, effect->name)
                                  : replaces ? effects_publish(&run->effects, &effect->id)
                                             : NULL;
    if (around != NULL) {
        luaL_error(
            L,
            "the step \"%s\" changes \"%s\", which this handler changed before it: change it "
            "inside steps only, or outside only",
            run->durable->name, replaces ? effect->owner.data : effect->name.data);
    }
}

/* --- what the service may keep in the store --- */

static enum run_quota quota_of(const struct effect *effect) {
    switch (effect->kind) {
    case EFFECT_STATE_SET:
    case EFFECT_STATE_INCR:
    case EFFECT_LOCK:
        return RUN_QUOTA_STATE;
    case EFFECT_PUBLISH:
        return effect->due_ms > 0 ? RUN_QUOTA_DELAYED : RUN_QUOTA_PUBLISHES;
    case EFFECT_DEAD_LETTER:
        return RUN_QUOTA_LETTERS;
    case EFFECT_STATE_DELETE:
    case EFFECT_UNLOCK:
    case EFFECT_APPEND: /* see zing.append */
    case EFFECT_SIGNAL: /* it is kept by the service it goes to */
    case EFFECT_CANCEL:
        break;
    }
    return RUN_QUOTAS;
}

/* What is stored now under the name of a state or a lock; 0: nothing, or it cannot be read. */
static uint64_t bytes_before(const struct run *run, const struct effect *effect) {
    const struct run_view *view = run->view;
    struct slice value;
    struct lock_view lock;
    size_t name = run->event->key.len + effect->name.len;
    if (effect->kind == EFFECT_LOCK) {
        int code = view->lock_get(view->ctx, run->event, effect->name, &lock);
        return code == 0 ? journal_row_bytes(name, lock.owner.len + lock.data.len) : 0;
    }
    int code = view->state_get(view->ctx, run->event, effect->name, &value);
    return code == 0 ? journal_row_bytes(name, value.len) : 0;
}

static uint64_t bytes_added(const struct run *run, const struct effect *effect,
                            enum run_quota quota) {
    size_t names = run->event->key.len + effect->name.len;
    size_t values = effect->value.len + effect->owner.len + effect->properties.len;
    uint64_t bytes = journal_row_bytes(names, values);
    if (quota != RUN_QUOTA_STATE) {
        return bytes;
    }
    uint64_t before = bytes_before(run, effect);
    bool grows = effect->kind != EFFECT_STATE_INCR || before == 0;
    return grows && bytes > before ? bytes - before : 0;
}

/* Values are looked up only where an attempt might use the room up. */
static void check_room(lua_State *L, const struct run *run, struct effects *effects,
                       const struct effect *effect) {
    static const char *const words[RUN_QUOTAS] = {
        [RUN_QUOTA_STATE] = "the state and locks of this service take its part of the store: "
                            "delete values, or give them a ttl",
        [RUN_QUOTA_PUBLISHES] = "this attempt publishes more than its service's part of the store",
        [RUN_QUOTA_DELAYED] = "the delayed publishes of this service take its part of the store",
        [RUN_QUOTA_LETTERS] = "the dead letters that this service made take its part of the "
                              "store: replay or discard them"};
    const struct run_view *view = run->view;
    enum run_quota quota = quota_of(effect);
    uint64_t room = quota == RUN_QUOTAS || view->room == NULL
                        ? UINT64_MAX
                        : view->room(view->ctx, run->event, quota);
    if (room >= 2 * (uint64_t)EFFECTS_BYTES_MAX) {
        return;
    }
    uint64_t bytes = bytes_added(run, effect, quota);
    uint64_t staged = run->effects.kept[quota];
    staged += effects == &run->effects ? 0 : effects->kept[quota];
    if (bytes > 0 && staged + bytes > room) {
        luaL_error(L, "%s, or raise store.max_size", words[quota]);
    }
    effects->kept[quota] += bytes;
}

void api_stage(lua_State *L, struct run *run, const struct effect *effect) {
    struct effects *effects = &run->effects;
    if (run->session != 0) {
        luaL_error(L, "what is written or published inside zing.sql.once would be missing when it "
                      "was done before and is not run again: do it behind, with what it returns");
    }
    if (run->durable != NULL && run->durable->open) {
        check_order(L, run, effect);
        effects = &run->durable->effects;
    }
    check_room(L, run, effects, effect);
    int rc = effects_add(effects, effect);
    if (rc == ERR_LIMIT) {
        luaL_error(L, "this handler asked for more than %d effects or %d MiB of them", EFFECTS_MAX,
                   EFFECTS_BYTES_MAX >> 20);
    }
    if (rc != 0) {
        (void)script_raise_lack(L, rc, "cannot stage this");
    }
}

/* --- ending --- */

int api_unwind(lua_State *L) {
    script_state_of(L)->unwinding = true;
    return luaL_error(L, "the saga is being undone");
}

void api_check_forward(lua_State *L, struct run *run) {
    bool compensates = run->durable != NULL && run->durable->open;
    if (run->entry == RUN_UNDO && !compensates) {
        (void)api_unwind(L);
    }
}

int api_end_attempt(lua_State *L, struct run *run, enum outcome outcome, const char *call) {
    api_check_forward(L, run);
    api_check_can_yield(L, run, call);
    run->outcome = outcome;
    run->yielded = true;
    return lua_yield(L, 0);
}

/* shop.c - see shop.h. */
#include "shop.h"

#include "test.h"

#include "event/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shop *shop_open(const char *handler, const char *retry, const char *dead_letter) {
    struct shop *shop = calloc(1, sizeof *shop);
    assert_non_null(shop);
    shop->w = world_new_unloaded("return function() end");
    shop->w->conf.scripts_dir = (char *)(uintptr_t)TESTS_DIR "/../scripts";
    shop->w->service.handler = (char *)(uintptr_t)handler;
    shop->w->service.retry = (char *)(uintptr_t)retry;
    shop->w->service.dead_letter = (char *)(uintptr_t)dead_letter;
    shop->w->vars[1] = (struct var_conf){"gateway_url", "http://pay", false};
    if (world_load(shop->w) != 0) {
        print_error("%s\n", shop->w->report.text);
        fail();
    }
    return shop;
}

int shop_close(void **state) {
    struct shop *shop = *state;
    world_free(shop->w);
    free(shop);
    return 0;
}

void remove_lock(struct lua_world *w, struct slice name) {
    for (size_t i = 0; i < w->lock_count; i++) {
        if (slice_is(name, w->locks[i].name)) {
            struct buf gone = w->locks[i].value;
            w->locks[i] = w->locks[--w->lock_count];
            w->locks[w->lock_count].value = (struct buf){0};
            buf_clear(&gone);
            return;
        }
    }
}

void forget_state(struct lua_world *w) {
    while (w->state_count > 0) {
        buf_clear(&w->state[--w->state_count].value);
    }
}

/* The effect as a line: "publish TOPIC PAYLOAD", "dead REASON PAYLOAD", "append FILE LINE". */
static void note(struct shop *shop, const char *kind, struct slice what, struct slice value) {
    assert_true(shop->line_count < LINES_MAX);
    (void)snprintf(shop->lines[shop->line_count++], sizeof shop->lines[0], "%s %.*s %.*s", kind,
                   (int)what.len, what.data, (int)value.len, value.data);
}

static void apply(struct shop *shop, const struct effect *effect) {
    struct buf json;
    buf_init(&json, 1 << 16);
    switch (effect->kind) {
    case EFFECT_PUBLISH:
        note(shop, effect->due_ms > 0 ? "later" : "publish", effect->name, effect->value);
        break;
    case EFFECT_DEAD_LETTER:
        note(shop, "dead", effect->owner, effect->value);
        break;
    case EFFECT_APPEND:
        note(shop, "append", effect->name, effect->value);
        break;
    case EFFECT_STATE_SET:
        assert_int_equal(value_to_json(effect->value, &json), 0);
        world_set(shop->w, effect->name.data, buf_str(&json));
        break;
    case EFFECT_LOCK:
        buf_add_slice(&json, effect->value);
        world_lock(shop->w, effect->name.data, effect->owner.data, effect->due_ms, buf_str(&json));
        break;
    case EFFECT_UNLOCK:
        remove_lock(shop->w, effect->name);
        break;
    case EFFECT_STATE_DELETE:
    case EFFECT_STATE_INCR:
    case EFFECT_CANCEL:
    case EFFECT_SIGNAL:
        fail_msg("the scripts do not do this");
    }
    buf_clear(&json);
}

void shop_settle(struct shop *shop) {
    struct run *run = shop->w->run;
    if (run->outcome != OUTCOME_DONE) {
        print_error("outcome %d: %s\n", (int)run->outcome, world_error(shop->w));
    }
    assert_int_equal(run->outcome, OUTCOME_DONE);
    shop->line_count = 0;
    for (size_t i = 0; i < run->effects.count; i++) {
        apply(shop, &run->effects.items[i]);
    }
}

struct run *start(struct shop *shop, const char *topic, const char *payload) {
    (void)world_event(shop->w, topic, payload);
    return world_run_event(shop->w, RUN_EVENT, NULL);
}

void say(struct shop *shop, const char *topic, const char *payload) {
    (void)start(shop, topic, payload);
    shop_settle(shop);
}

void expect(const struct shop *shop, size_t line, const char *begins, const char *contains) {
    assert_true(line < shop->line_count);
    const char *text = shop->lines[line];
    if (strncmp(text, begins, strlen(begins)) != 0 || strstr(text, contains) == NULL) {
        print_error("line %zu is: %s\n", line, text);
        fail();
    }
}

bool asks_for(const struct shop *shop, const char *text) {
    const struct call_request *request = shop->w->run->request;
    for (size_t i = 0; i < request->header_count; i++) {
        if (strstr(request->headers[i], text) != NULL) {
            return true;
        }
    }
    return strstr(request->url, text) != NULL ||
           (request->body != NULL && strstr(request->body, text) != NULL);
}

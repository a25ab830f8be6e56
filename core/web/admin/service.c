/*
 * service.c - GET /api/services/NAME: one service as it is now, and what topics.conf says of it.
 */
#include "web/admin/impl.h"

#include "query/json.h"

enum { WORDS_BYTES_MAX = 4096 };

static bool add_list(json_t *object, const char *name, char *const *words, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, json_string(words[i]));
    }
    return json_object_set_new(object, name, list) == 0;
}

/* Takes the text out of the buffer. */
static bool add_text(json_t *object, const char *name, struct buf *text) {
    bool ok = !text->failed && look_json_bytes(object, name, buf_slice(text));
    buf_reset(text);
    return ok;
}

static bool add_rules(json_t *object, const struct service_conf *s) {
    const struct {
        const char *name;
        const struct rule *rule;
    } rules[] = {{"key", &s->key},
                 {"idempotency", &s->idempotency},
                 {"fair", &s->fair},
                 {"priority", &s->priority}};
    struct buf text;
    buf_init(&text, WORDS_BYTES_MAX);
    bool ok = true;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        rule_write(rules[i].rule, &text);
        ok = add_text(object, rules[i].name, &text) && ok;
    }
    service_schedule_text(s, &text);
    ok = add_text(object, "tries", &text) && ok;
    buf_clear(&text);
    return ok;
}

/* NULL when out of memory. */
static json_t *conf_json(const struct conf *c, const struct service_conf *s) {
    json_t *object = json_pack(
        "{s:s, s:s?, s:s?, s:s, s:s, s:b, s:I, s:I, s:f, s:I, s:f}", "handler", s->handler, "retry",
        s->retry, "dead_letter", s->dead_letter, "dead_topic", s->dead_topic, "on_dead",
        s->on_dead == ON_DEAD_PARK ? "park" : "continue", "ordered", (int)s->ordered, "concurrency",
        (json_int_t)s->concurrency, "batch", (json_int_t)s->batch, "rate", s->rate_per_s,
        "key_concurrency", (json_int_t)s->key_concurrency, "key_rate", s->key_rate_per_s);
    uint64_t lua_bytes = s->lua_memory_bytes != 0 ? s->lua_memory_bytes : c->lua_memory_bytes;
    int64_t lua_ms = s->lua_time_ms != 0 ? s->lua_time_ms : c->lua_time_ms;
    bool ok = object != NULL && add_list(object, "subscribe", s->filters, s->filter_count) &&
              add_rules(object, s) &&
              look_json_count(object, "timeout_ms", (uint64_t)s->timeout_ms) &&
              look_json_count(object, "lua_time_ms", (uint64_t)lua_ms) &&
              look_json_count(object, "lua_memory_bytes", lua_bytes) &&
              look_json_count(object, "keep_dead_ms", (uint64_t)s->keep_dead_ms);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static bool find_shown(struct admin *a, struct slice name, struct engine_service_status *s) {
    for (size_t i = 0; engine_shown_service(a->engine, &i, s);) {
        if (slice_is(name, s->name)) {
            return true;
        }
    }
    return false;
}

void admin_show_service(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    const struct conf *conf = a->options.conf;
    struct slice name = call->parts.at[2];
    struct engine_service_status status;
    size_t i;
    if (!find_shown(a, name, &status)) {
        gateway_answer_error(call->request, 404, NULL, "no service of that name is here");
        return;
    }
    json_t *one = admin_service_json(a, &status);
    bool known = conf_find_service(conf, name, &i); /* one that was removed is not */
    json_t *said = known ? conf_json(conf, &conf->services[i]) : json_null();
    if (json_object_set_new(one, "conf", said) != 0) {
        json_decref(one);
        gateway_answer_error(call->request, 503, NULL, error_text(ERR_MEMORY));
        return;
    }
    gateway_answer_json(call->request, 200, NULL, one);
}

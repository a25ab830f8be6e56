/*
 * finish.c - completes a service or a schedule once its options are read; for the front door's
 * sections see web.c.
 */
#include "conf/options.h"

#include <string.h>

/* What must hold between the options of a service. */
static int check_service(const struct conf_place *place, const struct service_conf *s) {
    const struct {
        bool wrong;
        const char *sentence;
    } rules[] = {
        {s->on_dead == ON_DEAD_PARK && !s->ordered,
         "on_dead = park blocks a key's later events, which requires order = key (and a key)"},
        {s->batch > 1 && s->ordered && s->key.kind == RULE_NONE,
         "with order = key a batch has one event per key, so the service needs a key; with order = "
         "none it needs none"},
        {s->key_concurrency > 0 && s->ordered,
         "key_concurrency is for order = none: with order = key one event of a key runs at a time"},
        {s->key_concurrency > 0 && s->key.kind == RULE_NONE,
         "key_concurrency limits each key, so the service needs a key"},
        {s->key_rate_per_s > 0 && s->key.kind == RULE_NONE,
         "key_rate limits each key, so the service needs a key; rate limits the whole service"},
        {s->linger_ms > 0 && s->batch == 1,
         "linger is how long a batch waits for more events: it requires batch, the maximum number "
         "of events per batch"},
    };
    int code = 0;
    if (s->backoff == BACKOFF_EXPONENTIAL && s->delay_ms > s->max_delay_ms) {
        char delay[32];
        char most[32];
        code = conf_fail(place, "delay is %s and max_delay %s: raise max_delay to delay or above",
                         conf_duration_text(s->delay_ms, delay),
                         conf_duration_text(s->max_delay_ms, most));
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules && conf_pardon(place, code) == 0; i++) {
        code = rules[i].wrong ? conf_fail(place, "%s", rules[i].sentence) : code;
    }
    return code;
}

int conf_finish_service(const struct conf_place *place, void *object) {
    struct service_conf *s = object;
    s->name = slice_dup(slice_of(place->title));
    s->line = place->line;
    if (s->name == NULL) {
        return ERR_MEMORY;
    }
    int code = check_service(place, s);
    if (code != 0) {
        return code;
    }
    if (s->dead_topic == NULL) {
        struct buf topic;
        buf_init(&topic, TOPIC_BYTES_MAX);
        buf_printf(&topic, "zingq/dlq/%s", s->name);
        s->dead_topic = topic.failed ? NULL : slice_dup(buf_slice(&topic));
        buf_clear(&topic);
    }
    return s->dead_topic == NULL ? ERR_MEMORY : 0;
}

int conf_finish_schedule(const struct conf_place *place, void *object) {
    struct schedule_conf *s = object;
    s->name = slice_dup(slice_of(place->title));
    s->line = place->line;
    return s->name == NULL ? ERR_MEMORY : 0;
}

/* A name that a service had is no other service's, and was no other's. */
static int check_name_before(const struct conf_place *place, const struct conf *c,
                             const struct service_conf *s, const char *name) {
    int code = conf_check_name(place, name);
    for (size_t i = 0; code == 0 && i < c->service_count; i++) {
        const struct service_conf *other = &c->services[i];
        if (strcmp(other->name, name) == 0) {
            code = conf_fail(place, "\"%s\" is the name of a service", name);
        } else if (other != s && service_was(other, slice_of(name))) {
            code = conf_fail(place, "\"%s\" cannot also have become \"%s\"", name, other->name);
        }
    }
    return code;
}

int conf_check_was(const struct conf_place *place, const struct conf *c) {
    int code = 0;
    for (size_t i = 0; i < c->service_count; i++) {
        const struct service_conf *s = &c->services[i];
        struct conf_place at = *place;
        at.section = CONF_SPECS[CONF_SERVICE].name;
        at.title = s->name;
        at.line = s->line;
        at.option = "was";
        for (size_t w = 0; code == 0 && w < s->was_count; w++) {
            code = check_name_before(&at, c, s, s->was[w]);
        }
    }
    return code;
}

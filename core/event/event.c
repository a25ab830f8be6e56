/*
 * event.c - the event: allocation, its user properties, names of states.
 *
 * Design: an event is made for every message of every service, so event_new takes one block and does a
 * memcpy a field. The struct comes first in the block, its bytes behind it:
 *
 *   | struct event | topic \0 | key | payload | content type | response topic | ... |
 *
 * Left out on purpose: rules about state changes. Only the engine knows why an event changes its
 * state.
 */
#include "event/event.h"

#include "base/blocks.h"
#include "base/limits.h"

#include <assert.h>
#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>

static const char *const STATE_NAMES[] = {
#define X(state, name) [state] = (name),
    EVENT_STATE_LIST(X)
#undef X
};

const char *event_state_name(enum event_state state) {
    assert((unsigned)state < EVENT_STATE_COUNT);
    return STATE_NAMES[state];
}

bool event_state_parse(const char *name, enum event_state *out) {
    for (unsigned i = 0; i < EVENT_STATE_COUNT; i++) {
        if (strcmp(STATE_NAMES[i], name) == 0) {
            *out = (enum event_state)i;
            return true;
        }
    }
    return false;
}

bool event_state_ended(enum event_state state) {
    assert((unsigned)state < EVENT_STATE_COUNT);
    return state == EVENT_DONE || state == EVENT_DISCARDED || state == EVENT_EXPIRED ||
           event_state_dead(state);
}

bool event_state_put_off(enum event_state state) {
    assert((unsigned)state < EVENT_STATE_COUNT);
    return state == EVENT_RETRYING || state == EVENT_SLEEPING || state == EVENT_COMPENSATING;
}

bool event_state_dead(enum event_state state) {
    assert((unsigned)state < EVENT_STATE_COUNT);
    return state == EVENT_DEAD || state == EVENT_NEEDS_PERSON;
}

/* Copies `from` to *at, advances *at and returns the copy. Never a NULL pointer, so that the copy
 * of an empty field may be passed to anything that takes bytes. */
static struct slice place(char **at, struct slice from) {
    struct slice copy = {*at, from.len};
    if (from.len > 0) {
        memcpy(*at, from.data, from.len);
    }
    *at += from.len;
    return copy;
}

struct event *event_new(const struct event_bytes *b) {
    size_t len = b->topic.len + 1 + b->key.len + b->payload.len + b->content_type.len +
                 b->response_topic.len + b->correlation.len + b->properties.len + b->reason.len +
                 b->publishes.len + b->calls.len + b->tenant.len;
    struct event *event = blocks_take(sizeof *event + len);
    if (event == NULL) {
        return NULL;
    }
    *event = (struct event){.block_bytes = sizeof *event + len};
    char *start = (char *)(event + 1);
    char *at = start;
    event->topic = place(&at, b->topic);
    *at++ = '\0';
    event->key = place(&at, b->key);
    event->payload = place(&at, b->payload);
    event->content_type = place(&at, b->content_type);
    event->response_topic = place(&at, b->response_topic);
    event->correlation = place(&at, b->correlation);
    event->properties = place(&at, b->properties);
    event->reason = place(&at, b->reason);
    event->publishes = place(&at, b->publishes);
    event->calls = place(&at, b->calls);
    event->tenant = place(&at, b->tenant);
    assert(at == start + len);
    return event;
}

void event_free(struct event *event) {
    if (event == NULL) {
        return;
    }
    free(event->reason_own);
    free(event->publishes_own);
    free(event->calls_own);
    free(event->tenant_own);
    free(event->key_own);
    blocks_give(event, event->block_bytes);
}

void event_take_numbers(struct event *event, const struct event *from) {
    struct event own = *event;
    *event = *from;
    event->topic = own.topic;
    event->key = own.key;
    event->payload = own.payload;
    event->content_type = own.content_type;
    event->response_topic = own.response_topic;
    event->correlation = own.correlation;
    event->properties = own.properties;
    event->reason = own.reason;
    event->publishes = own.publishes;
    event->calls = own.calls;
    event->tenant = own.tenant;
    event->reason_own = own.reason_own;
    event->publishes_own = own.publishes_own;
    event->calls_own = own.calls_own;
    event->tenant_own = own.tenant_own;
    event->key_own = own.key_own;
    event->block_bytes = own.block_bytes;
    event->link = own.link;
}

/* A new payload is complete, so the mark of a cut one is removed. */
static void properties_of_whole(const struct event *event, struct buf *out) {
    struct slice name;
    struct slice value;
    for (size_t at = 0; property_next(event->properties, &at, &name, &value);) {
        if (!slice_is(name, "zingq-cut")) {
            property_add(out, name, value);
        }
    }
}

struct event *event_with_payload(const struct event *event, struct slice payload) {
    struct buf properties;
    buf_init(&properties, event->properties.len);
    properties_of_whole(event, &properties);
    struct event_bytes bytes = {.topic = event->topic,
                                .key = event->key,
                                .payload = payload,
                                .content_type = event->content_type,
                                .response_topic = event->response_topic,
                                .correlation = event->correlation,
                                .properties = buf_slice(&properties),
                                .reason = event->reason,
                                .publishes = event->publishes,
                                .calls = event->calls,
                                .tenant = event->tenant};
    struct event *copy = properties.failed ? NULL : event_new(&bytes);
    buf_clear(&properties);
    if (copy != NULL) {
        event_take_numbers(copy, event);
    }
    return copy;
}

/* Makes `field` a copy of `bytes`, owned by *own; the old copy is freed last, because `bytes` may
 * point into it. */
static int replace(struct slice *field, char **own, struct slice bytes) {
    char *copy = slice_dup(bytes);
    if (copy == NULL) {
        return ERR_MEMORY;
    }
    free(*own);
    *own = copy;
    *field = (struct slice){copy, bytes.len};
    return 0;
}

int event_set_reason(struct event *event, struct slice reason) {
    return replace(&event->reason, &event->reason_own, reason);
}

int event_set_publishes(struct event *event, struct slice publishes) {
    return replace(&event->publishes, &event->publishes_own, publishes);
}

int event_set_calls(struct event *event, struct slice calls) {
    return replace(&event->calls, &event->calls_own, calls);
}

int event_set_tenant(struct event *event, struct slice tenant) {
    return replace(&event->tenant, &event->tenant_own, tenant);
}

void property_add(struct buf *out, struct slice name, struct slice value) {
    if (name.len > UINT16_MAX) {
        out->failed = true;
        return;
    }
    buf_add_u16(out, (uint16_t)name.len);
    buf_add_slice(out, name);
    buf_add_lv(out, value);
}

bool property_next(struct slice properties, size_t *at, struct slice *name, struct slice *value) {
    assert(*at <= properties.len);
    if (*at == properties.len) {
        return false;
    }
    struct reader r = reader_of(properties.data + *at, properties.len - *at);
    uint16_t name_len = read_u16(&r);
    *name = read_bytes(&r, name_len);
    *value = read_lv(&r);
    if (r.failed) {
        return false;
    }
    *at = (size_t)((const char *)r.at - properties.data);
    return true;
}

bool property_find(struct slice properties, const char *name, struct slice *value) {
    if (properties.len == 0) {
        return false; /* as most events have none */
    }
    size_t at = 0;
    struct slice found;
    struct slice candidate;
    while (property_next(properties, &at, &found, &candidate)) {
        if (slice_is(found, name)) {
            *value = candidate;
            return true;
        }
    }
    return false;
}

int property_check(struct slice text, const char *what, struct report *r) {
    if (text.len > TOPIC_BYTES_MAX) {
        return report(r, ERR_INVALID, "%s has %zu bytes, MQTT carries %d", what, text.len,
                      TOPIC_BYTES_MAX);
    }
    if (text.len > 0 && mosquitto_validate_utf8(text.data, (int)text.len) != MOSQ_ERR_SUCCESS) {
        return report(r, ERR_INVALID, "%s is not UTF-8 or has control characters", what);
    }
    return 0;
}

void property_clean(struct slice text, struct buf *out) {
    size_t start = out->len;
    for (size_t i = 0; i < text.len && i < TOPIC_BYTES_MAX; i++) {
        unsigned char c = (unsigned char)text.data[i];
        buf_add_u8(out, c < 0x20 || c == 0x7f ? ' ' : c);
    }
    struct slice made = {out->data + start, out->len - start};
    if (out->failed || property_check(made, "", NULL) == 0) {
        return;
    }
    for (size_t i = start; i < out->len; i++) {
        out->data[i] = (unsigned char)out->data[i] < 0x80 ? out->data[i] : '?';
    }
}

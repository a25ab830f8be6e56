/*
 * json.c - see query/json.h.
 */
#include "query/json.h"

#include "event/span.h"

#include "base/clock.h"
#include "base/json.h"
#include "journal/event.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *look_service_name(const struct journal *j, uint16_t number) {
    const char *name = journal_service_name(j, number);
    return name == NULL ? "?" : name;
}

int look_service_number(const struct journal *j, const char *name, uint16_t *number) {
    for (uint16_t i = 0; i < journal_service_count(j); i++) {
        if (strcmp(look_service_name(j, i), name) == 0) {
            *number = i;
            return 0;
        }
    }
    return ERR_NOTFOUND;
}

/* ---- fields ---- */

static bool set_base64(json_t *object, const char *name, struct slice bytes) {
    size_t room = sodium_base64_ENCODED_LEN(bytes.len, sodium_base64_VARIANT_ORIGINAL);
    char *text = malloc(room);
    char field[128];
    (void)snprintf(field, sizeof field, "%s_base64", name);
    bool ok = text != NULL;
    if (ok) {
        (void)sodium_bin2base64(text, room, (const unsigned char *)bytes.data, bytes.len,
                                sodium_base64_VARIANT_ORIGINAL);
        ok = json_object_set_new(object, field, json_string(text)) == 0;
    }
    free(text);
    return ok;
}

bool look_json_bytes(json_t *object, const char *name, struct slice bytes) {
    json_t *text = json_stringn(bytes.len == 0 ? "" : bytes.data, bytes.len);
    if (text == NULL) { /* not UTF-8 */
        return set_base64(object, name, bytes);
    }
    return json_object_set_new(object, name, text) == 0;
}

bool look_json_time(json_t *object, const char *name, int64_t ms) {
    return look_json_wall_time(object, name, clock_to_wall(ms));
}

bool look_json_wall_time(json_t *object, const char *name, int64_t ms) {
    char day[64];
    char text[96];
    time_t seconds = (time_t)(ms / 1000 - (ms % 1000 < 0 ? 1 : 0));
    struct tm utc;
    if (ms == 0) {
        return json_object_set_new(object, name, json_null()) == 0;
    }
    if (gmtime_r(&seconds, &utc) == NULL ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc) == 0) {
        return json_object_set_new(object, name, json_integer(ms)) == 0;
    }
    (void)snprintf(text, sizeof text, "%s.%03dZ", day, (int)(((ms % 1000) + 1000) % 1000));
    return look_json_text(object, name, text);
}

bool look_json_count(json_t *object, const char *name, uint64_t number) {
    return json_object_set_new(object, name, json_integer((json_int_t)number)) == 0;
}

bool look_json_text(json_t *object, const char *name, const char *text) {
    return json_object_set_new(object, name, json_string(text)) == 0;
}

bool look_json_hex(json_t *object, const char *name, uint64_t number) {
    char text[17];
    (void)snprintf(text, sizeof text, "%016" PRIx64, number);
    return look_json_text(object, name, text);
}

static bool set_id(json_t *object, const char *name, const struct uuid *id) {
    char text[UUID_TEXT_BYTES + 1];
    if (uuid_is_zero(id)) {
        return json_object_set_new(object, name, json_null()) == 0;
    }
    return look_json_text(object, name, uuid_text(id, text));
}

static bool set_flag(json_t *object, const char *name, bool flag) {
    return json_object_set_new(object, name, json_boolean(flag)) == 0;
}

/* ---- events ---- */

bool look_next_publish(const struct event *event, size_t *at, struct uuid *id,
                       struct slice *topic) {
    if (*at >= event->publishes.len) {
        return false;
    }
    struct reader r = reader_of(event->publishes.data + *at, event->publishes.len - *at);
    struct slice bytes = read_bytes(&r, UUID_BYTES);
    *topic = read_lv(&r);
    if (r.failed) {
        return false;
    }
    memcpy(id->bytes, bytes.data, UUID_BYTES);
    *at += UUID_BYTES + 4 + topic->len;
    return true;
}

bool look_json_properties(json_t *object, struct slice properties) {
    json_t *list = json_array();
    struct slice name;
    struct slice value;
    size_t at = 0;
    bool ok = list != NULL;
    while (ok && property_next(properties, &at, &name, &value)) {
        json_t *pair = json_object();
        ok = pair != NULL && look_json_bytes(pair, "name", name) &&
             look_json_bytes(pair, "value", value);
        ok = json_array_append_new(list, pair) == 0 && ok;
    }
    return json_object_set_new(object, "properties", list) == 0 && ok;
}

static bool set_publishes(json_t *object, const struct event *event) {
    json_t *list = json_array();
    struct uuid id;
    struct slice topic;
    size_t at = 0;
    bool ok = list != NULL;
    while (ok && look_next_publish(event, &at, &id, &topic)) {
        json_t *one = json_object();
        ok = one != NULL && set_id(one, "id", &id) && look_json_bytes(one, "topic", topic);
        ok = json_array_append_new(list, one) == 0 && ok;
    }
    return json_object_set_new(object, "publishes", list) == 0 && ok;
}

static bool set_numbers(json_t *object, const struct event *e) {
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"attempts", e->attempts},
        {"errors", e->errors},
        {"timeouts", e->timeouts},
        {"crashes", e->crashes},
        {"snoozes", e->snoozes},
        {"throttles", e->throttles},
        {"qos", e->qos},
        {"hops", e->hops},
        {"partition", e->partition},
        {"seq", e->seq},
        {"duration_us", e->duration_us},
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ok = look_json_count(object, rows[i].name, rows[i].value) && ok;
    }
    return ok;
}

static bool set_times(json_t *object, const struct event *e) {
    bool waits = event_state_put_off(e->state);
    return look_json_time(object, "received_at", e->accepted_ms) &&
           look_json_time(object, "started_at", e->started_ms) &&
           look_json_time(object, "due_at", waits ? e->due_ms : 0) &&
           look_json_time(object, "ended_at", e->ended_ms);
}

static bool set_origin(json_t *object, const struct event *e) {
    static const char *const kinds[] = {[EVENT_MESSAGE] = "message",
                                        [EVENT_LOCK_EXPIRED] = "lock expired",
                                        [EVENT_DEAD_LETTER] = "dead letter"};
    size_t known = sizeof kinds / sizeof *kinds;
    return look_json_text(object, "kind", e->kind < known ? kinds[e->kind] : "?") &&
           set_id(object, "cause", &e->cause) && set_flag(object, "retained", e->retained) &&
           set_flag(object, "replayed", e->replayed) && set_flag(object, "parked", e->parked) &&
           look_json_hex(object, "version", e->version);
}

/* Which trace its spans belong to. */
static bool set_trace(json_t *object, const struct event *e) {
    struct span_context trace;
    char text[2 * TRACE_ID_BYTES + 1];
    (void)span_trace_of(e, &trace);
    return look_json_text(object, "trace_id", span_trace_text(&trace, text));
}

/* The batch of its last run: its size, and which of its events the publishes belong to. */
static bool set_batch(json_t *object, const struct event *e) {
    return e->batch_events == 0 || (look_json_count(object, "batch_events", e->batch_events) &&
                                    set_id(object, "batch", &e->batch));
}

json_t *look_event_json(const struct journal *j, const struct event *e, bool with_payload) {
    json_t *object = json_object();
    bool ok = object != NULL && set_id(object, "id", &e->id) &&
              look_json_text(object, "service", look_service_name(j, e->service)) &&
              look_json_text(object, "state", event_state_name(e->state)) &&
              look_json_bytes(object, "topic", e->topic) &&
              look_json_bytes(object, "key", e->key) &&
              look_json_bytes(object, "tenant", e->tenant) &&
              look_json_count(object, "priority", rank_priority(e->rank)) && set_times(object, e) &&
              set_numbers(object, e) && set_batch(object, e) && set_origin(object, e) &&
              set_trace(object, e) && look_json_bytes(object, "reason", e->reason) &&
              look_json_bytes(object, "content_type", e->content_type) &&
              look_json_bytes(object, "response_topic", e->response_topic) &&
              look_json_bytes(object, "correlation", e->correlation) &&
              look_json_properties(object, e->properties) && set_publishes(object, e);
    ok = ok && (!with_payload || look_json_bytes(object, "payload", e->payload));
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

json_t *look_attempt_json(const struct attempt *a) {
    json_t *object = json_object();
    bool ok = object != NULL && look_json_text(object, "end", attempt_end_name(a->end)) &&
              look_json_time(object, "at", a->at_ms) &&
              look_json_count(object, "duration_us", a->duration_us) &&
              look_json_hex(object, "version", a->version) &&
              look_json_bytes(object, "text", a->text);
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

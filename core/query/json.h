/*
 * json.h - stored records as the JSON that `zingq ... --json` prints and the admin API answers.
 *
 * Names of fields are those of handlers (docs/): an event has the same name for the same thing
 * everywhere. Setters return false when out of memory.
 */
#ifndef ZINGQ_QUERY_JSON_H
#define ZINGQ_QUERY_JSON_H

#include "base/json.h"
#include "event/event.h"
#include "journal/journal.h"
#include "journal/event.h"

#include <stdbool.h>
#include <stdint.h>

/* Never NULL. */
const char *look_service_name(const struct journal *j, uint16_t number);
/* ERR_NOTFOUND: the store has no such service. */
int look_service_number(const struct journal *j, const char *name, uint16_t *number);

/* object[name] = the bytes as a string; object[name_base64] when they are not UTF-8. */
bool look_json_bytes(json_t *object, const char *name, struct slice bytes);
/* "2026-01-02T03:04:05.678Z" of an engine time, by the wall clock; null for 0. */
bool look_json_time(json_t *object, const char *name, int64_t ms);
/* The same of a time that is of the wall clock already. */
bool look_json_wall_time(json_t *object, const char *name, int64_t wall_ms);
bool look_json_count(json_t *object, const char *name, uint64_t number);
bool look_json_text(json_t *object, const char *name, const char *text);
/* 16 hex digits. */
bool look_json_hex(json_t *object, const char *name, uint64_t number);

/* object.properties = [{"name", "value"}, ...], in their order. */
bool look_json_properties(json_t *object, struct slice properties);
/* Everything known of an event but its history; NULL when out of memory. */
json_t *look_event_json(const struct journal *j, const struct event *event, bool with_payload);
json_t *look_attempt_json(const struct attempt *attempt);

/* The next publish in event->publishes; start with *at = 0. */
bool look_next_publish(const struct event *event, size_t *at, struct uuid *id, struct slice *topic);

#endif

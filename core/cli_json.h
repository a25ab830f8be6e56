/*
 * cli_json.h - what the commands print with --json.
 *
 * Names of fields are those of handlers (docs/): an event has the same name for the same thing
 * everywhere. Setters return false when out of memory.
 */
#ifndef ZINGQ_CLI_JSON_H
#define ZINGQ_CLI_JSON_H

#include "cli.h"

/* object[name] = the bytes as a string; object[name_base64] when they are not UTF-8. */
bool cli_json_bytes(json_t *object, const char *name, struct slice bytes);
/* "2026-01-02T03:04:05.678Z"; null for 0. */
bool cli_json_time(json_t *object, const char *name, int64_t ms);
bool cli_json_count(json_t *object, const char *name, uint64_t number);
bool cli_json_text(json_t *object, const char *name, const char *text);
/* 16 hex digits. */
bool cli_json_hex(json_t *object, const char *name, uint64_t number);

/* Everything known of an event but its history; NULL when out of memory. */
json_t *cli_json_event(const struct cli *cli, const struct event *event, bool with_payload);
json_t *cli_json_attempt(const struct attempt *attempt);

/* The next publish in event->publishes; start with *at = 0. */
bool cli_next_publish(const struct event *event, size_t *at, struct uuid *id, struct slice *topic);

#endif

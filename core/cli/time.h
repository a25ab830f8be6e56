/*
 * time.h - a point in time as a person writes it on the command line.
 */
#ifndef ZINGQ_CLI_TIME_H
#define ZINGQ_CLI_TIME_H

#include "base/error.h"

#include <stdint.h>

/* Parses "2026-11-25T03:00:00Z", also with an offset, without seconds, or only a day (RFC 3339; UTC
 * without a zone); "@1764039600", seconds since 1970; "2h", that long before now_ms. *ms is in
 * milliseconds since 1970. ERR_INVALID with a sentence. */
int time_parse(const char *text, int64_t now_ms, int64_t *ms, struct report *r);

#endif

/*
 * time.h - a point in time as a person writes it on the command line.
 */
#ifndef ZINGQ_CLI_TIME_H
#define ZINGQ_CLI_TIME_H

#include "base/error.h"

#include <stdint.h>

/* "2026-11-25T03:00:00Z", with an offset, without seconds, or a day alone (RFC 3339; UTC when no
 * zone is given); "@1764039600", seconds since 1970; "2h", so long before now_ms. Milliseconds
 * since 1970 into *ms. ERR_INVALID with a sentence. */
int time_parse(const char *text, int64_t now_ms, int64_t *ms, struct report *r);

#endif

/*
 * uuid.h - UUIDv7 (RFC 9562, 5.7): time-ordered event ids.
 */
#ifndef ZINGQ_BASE_UUID_H
#define ZINGQ_BASE_UUID_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    UUID_BYTES = 16,
    UUID_TEXT_BYTES = 36,
    UUID_SHORT_DIGITS = 8, /* of the short form: the last ones, as the first are time */
    UUID_TAIL_MIN = 4,     /* digits that people must give */
    UUID_TAIL_MAX = 2 * UUID_BYTES
};

struct uuid {
    uint8_t bytes[UUID_BYTES];
};

/* Makes ids that never go backwards: 48 bits of milliseconds, a 12-bit counter within the
 * millisecond (RFC 9562, 6.2 method 1), 62 random bits from a seeded generator, so that an engine
 * with the same seed and clock makes the same ids. */
struct uuid_source {
    uint64_t random; /* generator state */
    int64_t last_ms;
    uint16_t counter;
};

void uuid_source_init(struct uuid_source *source, uint64_t seed);
struct uuid uuid_next(struct uuid_source *source, int64_t now_ms);
/* The same generator as a number in [0,1), for jitter. */
double uuid_source_random(struct uuid_source *source);

/* UUIDv8 (RFC 9562, 5.8): the same one for the same scope and name, never one of uuid_next. */
struct uuid uuid_of_name(struct slice scope, struct slice name);

/* "0192f0c1-..." ; `out` has UUID_TEXT_BYTES + 1. Returns out. */
const char *uuid_text(const struct uuid *id, char out[UUID_TEXT_BYTES + 1]);
/* Any RFC 9562 text form with hyphens, either case. */
bool uuid_parse(struct slice text, struct uuid *out);
/* The short form, for tables. Returns out. */
const char *uuid_short(const struct uuid *id, char out[UUID_SHORT_DIGITS + 1]);
/* Whether the text may stand for an id by its last digits: UUID_TAIL_MIN or more, either case. */
bool uuid_is_tail(struct slice text);
/* Whether the id ends in them: uuid_is_tail. */
bool uuid_ends_in(const struct uuid *id, struct slice tail);
bool uuid_is_v7(const struct uuid *id);
int64_t uuid_ms(const struct uuid *id); /* the time in a UUIDv7, milliseconds since 1970 */
bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_zero(const struct uuid *id);

#endif

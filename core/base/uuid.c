/*
 * uuid.c - creates UUIDv7 and those of names, writes and reads them.
 *
 * Design: the generator is SplitMix64, a counter and a mixing function: 8 bytes of state, no system
 * calls, and the same ids again from the same seed and clock. The ids are unique, not secret: the
 * engine seeds the generator from the system's random source, but anyone who has seen ids may guess
 * later ones.
 *
 * Bytes of an id, most significant first:
 *
 *   0      5 6      7 8            15
 *   +-------+--------+--------------+
 *   | ms 48 | 7 ctr  | 10 random    |
 *   +-------+--------+--------------+
 *            4 + 12    2 + 62 bits
 *
 * That of a name is a hash of it. uuid_parse reads any version.
 */
#include "base/uuid.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

enum { COUNTER_MAX = 0xfff, VERSION_7 = 0x70, VERSION_8 = 0x80, VARIANT_RFC = 0x80 };

#define MS_MAX ((INT64_C(1) << 48) - 1) /* the year 10889 */

static uint64_t next_random(struct uuid_source *source) {
    source->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = source->random;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void uuid_source_init(struct uuid_source *source, uint64_t seed) {
    *source = (struct uuid_source){.random = seed};
}

/* Advances time and counter. If the clock stands still or goes back, only the counter advances; a
 * full counter borrows the next millisecond, so that ids never go backwards. */
static void advance(struct uuid_source *source, int64_t now_ms) {
    if (now_ms > source->last_ms) {
        source->last_ms = now_ms;
        source->counter = 0;
    } else if (source->counter < COUNTER_MAX) {
        source->counter++;
    } else {
        source->last_ms++;
        source->counter = 0;
    }
    assert(source->last_ms <= MS_MAX && source->counter <= COUNTER_MAX);
}

struct uuid uuid_next(struct uuid_source *source, int64_t now_ms) {
    assert(now_ms >= 0 && now_ms <= MS_MAX);
    advance(source, now_ms);

    struct uuid id;
    for (int i = 0; i < 6; i++) {
        id.bytes[i] = (uint8_t)(source->last_ms >> (40 - 8 * i));
    }
    id.bytes[6] = (uint8_t)(VERSION_7 | source->counter >> 8);
    id.bytes[7] = (uint8_t)source->counter;
    uint64_t random = next_random(source);
    memcpy(id.bytes + 8, &random, sizeof random);
    id.bytes[8] = (uint8_t)(VARIANT_RFC | (id.bytes[8] & 0x3f));
    return id;
}

double uuid_source_random(struct uuid_source *source) {
    /* 53 bits: as many as a double between 0 and 1 holds */
    return (double)(next_random(source) >> 11) * 0x1p-53;
}

/* True if the text form has a hyphen before this byte. */
static bool hyphen_before(size_t byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static void hash_part(crypto_generichash_state *hash, struct slice part) {
    uint8_t len[8];
    for (size_t i = 0; i < sizeof len; i++) {
        len[i] = (uint8_t)((uint64_t)part.len >> (8 * i));
    }
    int rc = crypto_generichash_update(hash, len, sizeof len);
    if (part.len > 0) {
        rc |= crypto_generichash_update(hash, (const uint8_t *)part.data, part.len);
    }
    assert(rc == 0);
    (void)rc;
}

struct uuid uuid_of_name(struct slice scope, struct slice name) {
    crypto_generichash_state hash;
    struct uuid id;
    int rc = crypto_generichash_init(&hash, NULL, 0, UUID_BYTES);
    assert(rc == 0);
    hash_part(&hash, scope);
    hash_part(&hash, name);
    rc = crypto_generichash_final(&hash, id.bytes, UUID_BYTES);
    assert(rc == 0);
    (void)rc;
    id.bytes[6] = (uint8_t)(VERSION_8 | (id.bytes[6] & 0x0f));
    id.bytes[8] = (uint8_t)(VARIANT_RFC | (id.bytes[8] & 0x3f));
    return id;
}

/* Four bytes as eight digits, side by side: a digit a byte. */
static uint64_t digits_of(const uint8_t *bytes) {
    uint32_t four;
    memcpy(&four, bytes, sizeof four);
    uint64_t v = le32toh(four);
    v = (v | v << 16) & 0x0000ffff0000ffff;
    v = (v | v << 8) & 0x00ff00ff00ff00ff;
    v = (v >> 4 & 0x000f000f000f000f) | (v & 0x000f000f000f000f) << 8;
    uint64_t letters = (v + 0x0606060606060606) >> 4 & 0x0101010101010101; /* 10 and more */
    return htole64(v + 0x3030303030303030 + letters * ('a' - '0' - 10));
}

const char *uuid_text(const struct uuid *id, char out[UUID_TEXT_BYTES + 1]) {
    static const uint8_t places[] = {0, 4, 9, 14, 19, 24, 28, 32}; /* of four digits each */
    out[8] = out[13] = out[18] = out[23] = '-';
    for (size_t i = 0; i < UUID_BYTES / 4; i++) {
        uint64_t digits = digits_of(id->bytes + 4 * i);
        memcpy(out + places[2 * i], &digits, 4);
        memcpy(out + places[2 * i + 1], (const char *)&digits + 4, 4);
    }
    out[UUID_TEXT_BYTES] = '\0';
    return out;
}

/* The value of a hexadecimal digit, or -1. */
static int digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool uuid_parse(struct slice text, struct uuid *out) {
    if (text.len != UUID_TEXT_BYTES) {
        return false;
    }
    struct uuid id = {{0}};
    const char *at = text.data;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (hyphen_before(i) && *at++ != '-') {
            return false;
        }
        int high = digit_value(at[0]);
        int low = digit_value(at[1]);
        if (high < 0 || low < 0) {
            return false;
        }
        id.bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    *out = id;
    return true;
}

const char *uuid_short(const struct uuid *id, char out[UUID_SHORT_DIGITS + 1]) {
    uint64_t digits = digits_of(id->bytes + UUID_BYTES - UUID_SHORT_DIGITS / 2);
    memcpy(out, &digits, UUID_SHORT_DIGITS);
    out[UUID_SHORT_DIGITS] = '\0';
    return out;
}

bool uuid_is_tail(struct slice text) {
    bool fits = text.len >= UUID_TAIL_MIN && text.len <= UUID_TAIL_MAX;
    for (size_t i = 0; fits && i < text.len; i++) {
        fits = digit_value(text.data[i]) >= 0;
    }
    return fits;
}

bool uuid_ends_in(const struct uuid *id, struct slice tail) {
    assert(uuid_is_tail(tail));
    for (size_t i = 0; i < tail.len; i++) { /* from the end */
        uint8_t byte = id->bytes[UUID_BYTES - 1 - i / 2];
        if (digit_value(tail.data[tail.len - 1 - i]) != (i % 2 == 0 ? byte & 0x0f : byte >> 4)) {
            return false;
        }
    }
    return true;
}

bool uuid_is_v7(const struct uuid *id) {
    return (id->bytes[6] & 0xf0) == VERSION_7 && (id->bytes[8] & 0xc0) == VARIANT_RFC;
}

int64_t uuid_ms(const struct uuid *id) {
    int64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | id->bytes[i];
    }
    assert(ms >= 0 && ms <= MS_MAX);
    return ms;
}

bool uuid_equal(const struct uuid *a, const struct uuid *b) {
    return memcmp(a->bytes, b->bytes, UUID_BYTES) == 0;
}

bool uuid_is_zero(const struct uuid *id) {
    static const struct uuid zero;
    return uuid_equal(id, &zero);
}

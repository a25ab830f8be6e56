/*
 * webhook.c - see base/webhook.h. All comparisons take the same time whatever differs.
 */
#include "base/webhook.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_BYTES_LEAST = 16, /* standard-webhooks wants 24 to 64 */
    KEY_ROOM = 256,
    SIGNATURES_MAX = 16, /* looked at in one header */
    CODE_BYTES = crypto_auth_hmacsha256_BYTES
};

static const char PREFIX[] = "whsec_";

struct code {
    unsigned char bytes[CODE_BYTES];
};

/* --- the secret --- */

struct secret {
    unsigned char bytes[KEY_ROOM];
    size_t len;
};

/* False: it is not of that kind. */
static bool read_secret(enum webhook_preset preset, const char *text, struct secret *out) {
    size_t len = strlen(text);
    if (preset == WEBHOOK_STANDARD) {
        size_t prefix = strncmp(text, PREFIX, sizeof PREFIX - 1) == 0 ? sizeof PREFIX - 1 : 0;
        return sodium_base642bin(out->bytes, sizeof out->bytes, text + prefix, len - prefix, NULL,
                                 &out->len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
               out->len >= KEY_BYTES_LEAST;
    }
    out->len = len;
    if (len < WEBHOOK_SECRET_BYTES_MIN || len > sizeof out->bytes) {
        return false;
    }
    memcpy(out->bytes, text, len);
    return true;
}

int webhook_check_secret(enum webhook_preset preset, const char *secret, struct report *r) {
    struct secret read;
    bool sound = read_secret(preset, secret, &read);
    sodium_memzero(&read, sizeof read);
    if (sound) {
        return 0;
    }
    return preset == WEBHOOK_STANDARD
               ? report(r, ERR_INVALID,
                        "a secret of standard-webhooks is whsec_ and the base64 of 16 to %d bytes",
                        KEY_ROOM)
               : report(r, ERR_INVALID, "a secret of stripe has %d to %d bytes",
                        WEBHOOK_SECRET_BYTES_MIN, KEY_ROOM);
}

/* --- codes --- */

/* Of "<id>.<timestamp>.<body>", or without an id of "<timestamp>.<body>". */
static struct code code_of(const struct secret *secret, const char *id, struct slice timestamp,
                           struct slice body) {
    crypto_auth_hmacsha256_state state;
    struct code code;
    (void)crypto_auth_hmacsha256_init(&state, secret->bytes, secret->len); /* these return 0 */
    if (id != NULL) {
        (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)id, strlen(id));
        (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)".", 1);
    }
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)timestamp.data,
                                        timestamp.len);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)".", 1);
    if (body.len > 0) {
        (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)body.data, body.len);
    }
    (void)crypto_auth_hmacsha256_final(&state, code.bytes);
    return code;
}

/* The codes that a header has. */
struct codes {
    struct code items[SIGNATURES_MAX];
    size_t count;
};

static void add_code(struct codes *codes, const char *text, size_t len, bool hex) {
    struct code *code = &codes->items[codes->count];
    size_t bytes = 0;
    if (codes->count == SIGNATURES_MAX) {
        return;
    }
    int rc = hex ? sodium_hex2bin(code->bytes, CODE_BYTES, text, len, NULL, &bytes, NULL)
                 : sodium_base642bin(code->bytes, CODE_BYTES, text, len, NULL, &bytes, NULL,
                                     sodium_base64_VARIANT_ORIGINAL);
    codes->count += rc == 0 && bytes == CODE_BYTES ? 1 : 0;
}

/* "t=..,v1=..": *timestamp keeps what it was without a t. */
static void read_stripe(const char *header, struct codes *codes, struct slice *timestamp) {
    for (const char *at = header; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len > 2 && strncmp(at, "t=", 2) == 0) {
            *timestamp = (struct slice){at + 2, len - 2};
        } else if (len > 3 && strncmp(at, "v1=", 3) == 0) {
            add_code(codes, at + 3, len - 3, true);
        }
        at += len + (at[len] == ',' ? 1 : 0);
    }
}

/* "v1,.. v1,.." */
static void read_standard(const char *header, struct codes *codes) {
    for (const char *at = header; *at != '\0';) {
        size_t len = strcspn(at, " ");
        if (len > 3 && strncmp(at, "v1,", 3) == 0) {
            add_code(codes, at + 3, len - 3, false);
        }
        at += len + (at[len] == ' ' ? 1 : 0);
    }
}

/* --- checking --- */

/* Seconds since 1970; -1: it is no such number. */
static int64_t seconds_of(struct slice text) {
    char digits[20] = "";
    if (text.len == 0 || text.len >= sizeof digits) {
        return -1;
    }
    memcpy(digits, text.data, text.len);
    if (strspn(digits, "0123456789") != text.len) {
        return -1;
    }
    errno = 0;
    int64_t seconds = strtoll(digits, NULL, 10);
    return errno == 0 ? seconds : -1;
}

static bool any_is(const struct codes *codes, const struct code *expected) {
    bool found = false;
    for (size_t i = 0; i < codes->count; i++) {
        found |= sodium_memcmp(codes->items[i].bytes, expected->bytes, CODE_BYTES) == 0;
    }
    return found;
}

static bool is_by_one_of(enum webhook_preset preset, char *const *secrets, size_t count,
                         const char *id, struct slice timestamp, struct slice body,
                         const struct codes *codes) {
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        struct secret secret;
        if (read_secret(preset, secrets[i], &secret)) {
            struct code expected = code_of(&secret, id, timestamp, body);
            found |= any_is(codes, &expected);
        }
        sodium_memzero(&secret, sizeof secret);
    }
    return found;
}

bool webhook_is_signed(enum webhook_preset preset, char *const *secrets, size_t count,
                       const struct webhook_headers *headers, struct slice body, int64_t now_s,
                       struct report *r) {
    bool standard = preset == WEBHOOK_STANDARD;
    struct codes codes = {.count = 0};
    struct slice timestamp = slice_of(headers->timestamp == NULL ? "" : headers->timestamp);
    if (headers->signature == NULL || (standard && headers->id == NULL)) {
        (void)report(r, 0, "it has no %s",
                     standard ? "webhook-id, webhook-timestamp and webhook-signature"
                              : "Stripe-Signature");
        return false;
    }
    if (standard) {
        read_standard(headers->signature, &codes);
    } else {
        read_stripe(headers->signature, &codes, &timestamp);
    }
    int64_t signed_s = seconds_of(timestamp);
    if (signed_s < 0 || signed_s > now_s + WEBHOOK_WINDOW_S ||
        signed_s < now_s - WEBHOOK_WINDOW_S) {
        (void)report(r, 0, "it was not signed within the last %d minutes, by this host's clock",
                     WEBHOOK_WINDOW_S / 60);
        return false;
    }
    if (!is_by_one_of(preset, secrets, count, standard ? headers->id : NULL, timestamp, body,
                      &codes)) {
        (void)report(r, 0, "its signature was not made with the endpoint's secret");
        return false;
    }
    return true;
}

/* --- signing --- */

const char *webhook_sign(const char *secret, const char *id, int64_t now_s, struct slice body,
                         char out[WEBHOOK_SIGNATURE_BYTES]) {
    struct secret key;
    char seconds[24];
    bool sound = read_secret(WEBHOOK_STANDARD, secret, &key);
    assert(sound); /* the caller has checked it */
    (void)sound;
    (void)snprintf(seconds, sizeof seconds, "%lld", (long long)now_s);
    struct code code = code_of(&key, id, slice_of(seconds), body);
    sodium_memzero(&key, sizeof key);
    memcpy(out, "v1,", 4);
    (void)sodium_bin2base64(out + 3, WEBHOOK_SIGNATURE_BYTES - 3, code.bytes, CODE_BYTES,
                            sodium_base64_VARIANT_ORIGINAL);
    return out;
}

/*
 * webhook.h - signatures of webhooks: those that arrive are checked, those that leave are signed.
 *
 *   stripe             Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>...]
 *                      of "<t>.<body>" by HMAC-SHA256 with the secret's text
 *                      (docs.stripe.com/webhooks/signature)
 *   standard-webhooks  webhook-id, webhook-timestamp: <seconds>,
 *                      webhook-signature: v1,<base64>[ v1,<base64>...]
 *                      of "<id>.<timestamp>.<body>" by HMAC-SHA256 with the bytes of the secret
 *                      "whsec_<base64>" (github.com/standard-webhooks)
 */
#ifndef ZINGQ_BASE_WEBHOOK_H
#define ZINGQ_BASE_WEBHOOK_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum webhook_preset { WEBHOOK_NONE, WEBHOOK_STRIPE, WEBHOOK_STANDARD };

enum {
    WEBHOOK_WINDOW_S = 300, /* a signature older, or that far ahead, is refused */
    WEBHOOK_SECRET_BYTES_MIN = 16,
    WEBHOOK_SIGNATURE_BYTES = 64 /* "v1," and 44 characters, terminated */
};

/* A request's headers of those names; NULL = it has none. */
struct webhook_headers {
    const char *signature; /* Stripe-Signature, webhook-signature */
    const char *id, *timestamp;
};

/* ERR_INVALID (r): no secret of that kind. */
int webhook_check_secret(enum webhook_preset preset, const char *secret, struct report *r);
/* Whether one of the secrets signed the body within the window; otherwise r says what is wrong,
 * without a word that would help to forge. now_s is the wall clock, seconds since 1970. */
bool webhook_is_signed(enum webhook_preset preset, char *const *secrets, size_t count,
                       const struct webhook_headers *headers, struct slice body, int64_t now_s,
                       struct report *r);
/* Signs as standard-webhooks with a secret that was checked. Returns `out`. */
const char *webhook_sign(const char *secret, const char *id, int64_t now_s, struct slice body,
                         char out[WEBHOOK_SIGNATURE_BYTES]);

#endif

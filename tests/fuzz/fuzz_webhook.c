/*
 * fuzz_webhook.c - any headers and any body as a webhook; any texts as addresses and networks.
 *
 * Input: five lines and a rest: signature, id, timestamp, an address, a network, body. Promises: what
 * was not signed with the secret is refused with a sentence; what was, is not; an address is written
 * as one that reads the same, and is in the network of itself.
 */
#include "fuzz.h"

#include "base/webhook.h"
#include "conf/egress.h"
#include "io/httpd/address.h"

#include <arpa/inet.h>
#include <sodium.h>

#define STRIPE_SECRET "whsec_0123456789abcdef"
#define STANDARD_SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static const int64_t NOW_S = 1764500000;

static void stripe_signature(int64_t at_s, struct slice body, char out[65]) {
    static const char secret[] = STRIPE_SECRET;
    crypto_auth_hmacsha256_state state;
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    struct buf head;
    buf_init(&head, 64);
    buf_printf(&head, "%lld.", (long long)at_s);
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret, strlen(secret));
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)head.data, head.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)body.data, body.len);
    crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(out, 65, mac, sizeof mac);
    buf_clear(&head);
}

static void sign_stripe(struct slice body) {
    char secret_text[] = STRIPE_SECRET;
    char *secrets[] = {secret_text};
    char signature[65];
    stripe_signature(NOW_S, body, signature);
    struct buf text;
    buf_init(&text, 128);
    buf_printf(&text, "t=%lld,v1=%s", (long long)NOW_S, signature);
    const struct webhook_headers headers = {.signature = buf_str(&text)};
    assert(webhook_is_signed(WEBHOOK_STRIPE, secrets, 1, &headers, body, NOW_S, NULL));
    buf_clear(&text);
}

static void sign_standard(const char *id, struct slice body) {
    char secret_text[] = STANDARD_SECRET;
    char *secrets[] = {secret_text};
    char signature[WEBHOOK_SIGNATURE_BYTES];
    const struct webhook_headers headers = {
        .signature = webhook_sign(STANDARD_SECRET, id, NOW_S, body, signature),
        .id = id,
        .timestamp = "1764500000"};
    assert(id[0] == '\0' ||
           webhook_is_signed(WEBHOOK_STANDARD, secrets, 1, &headers, body, NOW_S, NULL));
}

/* Nobody signed it who has the secret. */
static void refuse(const struct webhook_headers *headers, struct slice body) {
    char stripe[] = STRIPE_SECRET;
    char standard[] = STANDARD_SECRET;
    char *secrets[] = {stripe, standard};
    struct report r = {""};
    assert(!webhook_is_signed(WEBHOOK_STRIPE, secrets, 1, headers, body, NOW_S, &r));
    assert(r.text[0] != '\0');
    r.text[0] = '\0';
    assert(!webhook_is_signed(WEBHOOK_STANDARD, secrets + 1, 1, headers, body, NOW_S, &r));
    assert(r.text[0] != '\0');
}

static void read_address(const char *text, const char *network) {
    struct address a;
    struct address again;
    char words[ADDRESS_TEXT_BYTES];
    if (address_parse(slice_of(text), &a)) {
        address_text(&a, words);
        assert(address_parse(slice_of(words), &again) && memcmp(&a.bytes, &again.bytes, 16) == 0);
        assert(address_is_in(&a, words) && address_same_client(&a, &again));
        (void)address_is_in(&a, network);
        (void)address_is_near(&a);
    }
}

static void connect_out(const char *host, const char *entry) {
    struct report r = {""};
    char *entries[] = {(char *)(uintptr_t)entry};
    const struct egress one = {entries, 1};
    const struct egress none = {NULL, 0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xa9fea9fe)};
    int code = egress_check(entry, &r);
    assert((code == 0) == (r.text[0] == '\0'));
    if (code == 0) {
        (void)egress_allows(&one, host, (const struct sockaddr *)&at);
    }
    assert(!egress_allows(&none, host, (const struct sockaddr *)&at)); /* 169.254.169.254 */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size);
    char *lines[5];
    for (size_t i = 0; i < 5; i++) {
        lines[i] = fuzz_line(&rest);
    }
    const struct webhook_headers headers = {lines[0], lines[1], lines[2]};
    refuse(&headers, rest);
    sign_stripe(rest);
    sign_standard(lines[1], rest);
    read_address(lines[3], lines[4]);
    connect_out(lines[3], lines[4]);
    for (size_t i = 0; i < 5; i++) {
        free(lines[i]);
    }
    return 0;
}

/* test_webhook.c - only who has the secret signs a webhook, and not for long. */
#include "base/webhook.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

#define OLD "whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcw=="
#define NEW "whsec_bmV3IHNlY3JldCBvZiAyNCBieXRlcw=="
#define BODY "{\"n\":1}"

enum { NOW_S = 1700000000 };

static char *const both[] = {(char *)NEW, (char *)OLD};

static bool is_signed_at(int64_t now_s, const char *id, const char *timestamp,
                         const char *signature, const char *body, const char *why) {
    struct webhook_headers headers = {.signature = signature, .id = id, .timestamp = timestamp};
    struct report r = {""};
    bool is = webhook_is_signed(WEBHOOK_STANDARD, both, 2, &headers, slice_of(body), now_s, &r);
    if (!is && strstr(r.text, why) == NULL) {
        print_error("%s\n", r.text);
        fail();
    }
    return is;
}

static void any_of_the_secrets_signs(void **state) {
    (void)state;
    static const char *const secrets[] = {OLD, NEW};
    for (size_t i = 0; i < 2; i++) {
        char signature[WEBHOOK_SIGNATURE_BYTES];
        char several[WEBHOOK_SIGNATURE_BYTES + 64];
        (void)webhook_sign(secrets[i], "msg_1", NOW_S, slice_of(BODY), signature);
        (void)snprintf(several, sizeof several, "v1a,x v1,%s %s v2,y", "AAAA", signature);
        assert_true(is_signed_at(NOW_S, "msg_1", "1700000000", signature, BODY, "-"));
        assert_true(is_signed_at(NOW_S, "msg_1", "1700000000", several, BODY, "-"));
    }
}

static void a_change_of_anything_makes_it_forged(void **state) {
    (void)state;
    char signature[WEBHOOK_SIGNATURE_BYTES];
    const char *forged = "not made with the endpoint's secret";
    (void)webhook_sign(OLD, "msg_1", NOW_S, slice_of(BODY), signature);
    assert_false(is_signed_at(NOW_S, "msg_2", "1700000000", signature, BODY, forged));
    assert_false(is_signed_at(NOW_S, "msg_1", "1700000001", signature, BODY, forged));
    assert_false(is_signed_at(NOW_S, "msg_1", "1700000000", signature, "{\"n\":2}", forged));
    assert_false(is_signed_at(NOW_S, "msg_1", "1700000000", "", BODY, forged));
    assert_false(is_signed_at(NOW_S, "msg_1", "1700000000", "v1,", BODY, forged));
    signature[10] ^= 1;
    assert_false(is_signed_at(NOW_S, "msg_1", "1700000000", signature, BODY, forged));
    assert_false(is_signed_at(NOW_S, NULL, "1700000000", signature, BODY, "it has no webhook-id"));
    assert_false(is_signed_at(NOW_S, "msg_1", "1700000000", NULL, BODY, "it has no webhook-id"));
}

static void a_signature_is_good_for_five_minutes(void **state) {
    (void)state;
    char signature[WEBHOOK_SIGNATURE_BYTES];
    (void)webhook_sign(OLD, "msg_1", NOW_S, slice_of(BODY), signature);
    assert_true(is_signed_at(NOW_S + 300, "msg_1", "1700000000", signature, BODY, "-"));
    assert_true(is_signed_at(NOW_S - 300, "msg_1", "1700000000", signature, BODY, "-"));
    assert_false(is_signed_at(NOW_S + 301, "msg_1", "1700000000", signature, BODY, "5 minutes"));
    assert_false(is_signed_at(NOW_S - 301, "msg_1", "1700000000", signature, BODY, "5 minutes"));
    static const char *const no_times[] = {
        "", "now", "-1", "1e9", "99999999999999999999999", "9999999999999999999", NULL};
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++) {
        assert_false(is_signed_at(NOW_S, "msg_1", no_times[i], signature, BODY, "5 minutes"));
    }
}

static void secrets_are_checked(void **state) {
    (void)state;
    struct report r;
    assert_int_equal(webhook_check_secret(WEBHOOK_STANDARD, OLD, &r), 0);
    assert_int_equal(webhook_check_secret(WEBHOOK_STANDARD, OLD + 6, &r), 0);
    assert_int_equal(webhook_check_secret(WEBHOOK_STANDARD, "whsec_%", &r), ERR_INVALID);
    assert_int_equal(webhook_check_secret(WEBHOOK_STANDARD, "whsec_", &r), ERR_INVALID);
    assert_int_equal(webhook_check_secret(WEBHOOK_STRIPE, "whsec_0123456789", &r), 0);
    assert_int_equal(webhook_check_secret(WEBHOOK_STRIPE, "short", &r), ERR_INVALID);
}

static void of_many_signatures_the_first_are_looked_at(void **state) {
    (void)state;
    struct buf many;
    buf_init(&many, 8192);
    for (int i = 0; i < 100; i++) {
        buf_add_str(&many, "v1,bm9uZSBub25lIG5vbmUgbm9uZSBub25lIG5vbmUgbm8= ");
    }
    assert_false(
        is_signed_at(NOW_S, "msg_1", "1700000000", buf_str(&many), BODY, "endpoint's secret"));
    buf_clear(&many);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_of_the_secrets_signs),
        cmocka_unit_test(a_change_of_anything_makes_it_forged),
        cmocka_unit_test(a_signature_is_good_for_five_minutes),
        cmocka_unit_test(secrets_are_checked),
        cmocka_unit_test(of_many_signatures_the_first_are_looked_at),
    };
    return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}

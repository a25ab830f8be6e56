/* test_brake.c - how often an address may guess. */

#include "web/brake.h"

#include "test.h"

static struct address from(const char *text) {
    struct address a;
    assert_true(address_parse(slice_of(text), &a));
    return a;
}

static void guess(struct brake *b, const char *text, int count, int64_t now_ms) {
    struct address a = from(text);
    for (int i = 0; i < count; i++) {
        (void)brake_note(b, &a, now_ms);
    }
}

static int64_t wait_ms(const struct brake *b, const char *text, int64_t now_ms) {
    struct address a = from(text);
    return brake_wait_ms(b, &a, now_ms);
}

static void a_few_wrong_tokens_are_free(void **state) {
    (void)state;
    struct brake b = {0};
    guess(&b, "192.0.2.1", LOGIN_TRIES - 1, 1000);
    assert_int_equal(wait_ms(&b, "192.0.2.1", 1000), 0);
    guess(&b, "192.0.2.1", 1, 1000);
    assert_int_equal(wait_ms(&b, "192.0.2.1", 1000), LOGIN_TRY_MS);
}

static void waiting_earns_one_more(void **state) {
    (void)state;
    struct brake b = {0};
    guess(&b, "192.0.2.1", LOGIN_TRIES, 1000);
    assert_int_equal(wait_ms(&b, "192.0.2.1", 1000 + LOGIN_TRY_MS), 0);
    guess(&b, "192.0.2.1", 1, 1000 + LOGIN_TRY_MS);
    assert_true(wait_ms(&b, "192.0.2.1", 1000 + LOGIN_TRY_MS) > 0);
}

static void others_do_not_wait(void **state) {
    (void)state;
    struct brake b = {0};
    guess(&b, "192.0.2.1", 2 * LOGIN_TRIES, 1000);
    assert_int_equal(wait_ms(&b, "192.0.2.2", 1000), 0);
    assert_int_equal(wait_ms(&b, "2001:db8::1", 1000), 0);
}

static void a_network_of_ipv6_is_one_client(void **state) {
    (void)state;
    struct brake b = {0};
    guess(&b, "2001:db8::1", LOGIN_TRIES, 1000);
    assert_true(wait_ms(&b, "2001:db8::2", 1000) > 0);
    assert_int_equal(wait_ms(&b, "2001:db8:0:1::1", 1000), 0);
}

static void many_addresses_make_it_forget_the_oldest(void **state) {
    (void)state;
    struct brake b = {0};
    guess(&b, "192.0.2.1", 2 * LOGIN_TRIES, 1000);
    for (int i = 0; i < BRAKE_ADDRESSES_MAX - 1; i++) {
        struct address a = from("10.0.0.0");
        a.bytes[14] = (uint8_t)(i >> 8);
        a.bytes[15] = (uint8_t)i;
        (void)brake_note(&b, &a, 1000);
    }
    assert_true(wait_ms(&b, "192.0.2.1", 1000) > 0);
}

static void the_log_is_told_once_a_minute(void **state) {
    (void)state;
    struct brake b = {0};
    struct address a = from("192.0.2.1");
    assert_int_equal(brake_note(&b, &a, 1000), 1);
    assert_int_equal(brake_note(&b, &a, 1001), 0);
    assert_int_equal(brake_note(&b, &a, 1002), 0);
    guess(&b, "192.0.2.1", 100, 1003);
    assert_int_equal(brake_note(&b, &a, 62000), 103);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_wrong_tokens_are_free),
        cmocka_unit_test(waiting_earns_one_more),
        cmocka_unit_test(others_do_not_wait),
        cmocka_unit_test(a_network_of_ipv6_is_one_client),
        cmocka_unit_test(many_addresses_make_it_forget_the_oldest),
        cmocka_unit_test(the_log_is_told_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

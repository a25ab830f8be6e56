/* test_egress.c - where handlers may connect to. */
#include "conf/egress.h"

#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

/* Whether a URL with this host may be asked at that address. */
static bool allows(const struct egress *e, const char *host, const char *address) {
    struct sockaddr_storage at = {.ss_family = AF_INET};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;
    if (inet_pton(AF_INET, address, &v4->sin_addr) != 1) {
        at.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
    }
    return egress_allows(e, host, (const struct sockaddr *)&at);
}

static void where_clouds_keep_credentials_is_refused_whatever_its_form(void **state) {
    (void)state;
    struct egress none = {NULL, 0};
    static const char *const refused[] = {
        "169.254.169.254",   "169.254.0.1",   "::ffff:169.254.169.254",
        "fe80::1",           "febf::1",       "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::1", "fd00:ec2::254", "100.100.100.200"};
    static const char *const fine[] = {
        "127.0.0.1",     "10.0.0.1",      "169.253.255.255", "169.255.0.0",
        "::1",           "fec0::1",       "2001:db8::1",     "64:ff9b::10.0.0.1",
        "2002:a00:1::1", "fd00:ec2::253", "100.100.100.201"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_false(allows(&none, "metadata", refused[i]));
    }
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        assert_true(allows(&none, "host", fine[i]));
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(egress_allows(&none, "host", &local));
}

static void what_is_listed_is_allowed_and_nothing_else(void **state) {
    (void)state;
    char *list[] = {"api.stripe.com", "*.example.org", "10.0.0.0/8", "192.168.7.7",
                    "2001:db8::/33"};
    struct egress e = {list, sizeof list / sizeof list[0]};
    assert_true(allows(&e, "api.stripe.com", "54.1.2.3"));
    assert_true(allows(&e, "API.Stripe.com", "54.1.2.3"));
    assert_false(allows(&e, "evil.api.stripe.com", "54.1.2.3"));
    assert_false(allows(&e, "api.stripe.com.evil.net", "54.1.2.3"));
    assert_true(allows(&e, "a.b.example.org", "54.1.2.3"));
    assert_false(allows(&e, "example.org", "54.1.2.3"));
    assert_false(allows(&e, "badexample.org", "54.1.2.3"));
    assert_true(allows(&e, "any", "10.255.255.255"));
    assert_false(allows(&e, "any", "11.0.0.0"));
    assert_true(allows(&e, "any", "192.168.7.7"));
    assert_false(allows(&e, "any", "192.168.7.8"));
    assert_true(allows(&e, "any", "2001:db8:7fff::1"));
    assert_false(allows(&e, "any", "2001:db8:8000::1"));
    assert_true(allows(&e, "any", "::ffff:10.1.2.3"));
}

/* Whoever owns the name chooses what it resolves to. */
static void a_listed_name_does_not_reach_a_link_local_address_and_a_block_does(void **state) {
    (void)state;
    char *name[] = {"*.example.org"};
    char *block[] = {"169.254.169.254/32"};
    struct egress by_name = {name, 1}, by_block = {block, 1};
    assert_false(allows(&by_name, "a.example.org", "169.254.169.254"));
    assert_true(allows(&by_block, "a.example.org", "169.254.169.254"));
    assert_false(allows(&by_block, "a.example.org", "169.254.169.253"));
}

static void entries_are_checked(void **state) {
    (void)state;
    struct report r;
    static const char *const good[] = {"api.stripe.com", "*.a.b",    "10.0.0.0/8", "::1",
                                       "::/0",           "0.0.0.0/0"};
    static const char *const bad[] = {"",           "*",    "*.",  "http://a", "a b",
                                      "fe80::/129", "::1/", "a/8", "a*"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(egress_check(good[i], &r), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(egress_check(bad[i], &r), ERR_INVALID);
        assert_non_null(strstr(r.text, "is not a host"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_clouds_keep_credentials_is_refused_whatever_its_form),
        cmocka_unit_test(what_is_listed_is_allowed_and_nothing_else),
        cmocka_unit_test(a_listed_name_does_not_reach_a_link_local_address_and_a_block_does),
        cmocka_unit_test(entries_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

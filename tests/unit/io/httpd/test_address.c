/* test_address.c - where a request comes from, as bytes and as text. */

#include "io/httpd/address.h"

#include "test.h"

static struct address parsed(const char *text) {
    struct address a;
    assert_true(address_parse(slice_of(text), &a));
    return a;
}

static bool is_in(const char *text, const char *network) {
    struct address a = parsed(text);
    return address_is_in(&a, network);
}

static void an_address_is_written_as_it_was_read(void **state) {
    (void)state;
    static const char *const texts[] = {"127.0.0.1", "203.0.113.9", "::1", "2001:db8::7"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[ADDRESS_TEXT_BYTES];
        struct address a = parsed(texts[i]);
        address_text(&a, text);
        assert_string_equal(text, texts[i]);
    }
}

static void what_is_none_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"", "1.2.3", "localhost", "1.2.3.4:80", "[::1]", "::1 "};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address a;
        assert_false(address_parse(slice_of(texts[i]), &a));
    }
}

static void a_network_has_what_begins_like_it(void **state) {
    (void)state;
    assert_true(is_in("10.1.2.3", "10.0.0.0/8"));
    assert_true(is_in("10.1.2.3", "10.1.2.3"));
    assert_true(is_in("192.168.7.1", "192.168.4.0/22"));
    assert_false(is_in("192.168.8.1", "192.168.4.0/22"));
    assert_true(is_in("2001:db8:1::1", "2001:db8::/32"));
    assert_false(is_in("10.1.2.3", "::/8"));
    assert_true(is_in("10.1.2.3", "0.0.0.0/0"));
}

static void what_is_no_network_has_nothing(void **state) {
    (void)state;
    static const char *const none[] = {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/x", "proxy", "/8"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(is_in("10.0.0.0", none[i]));
    }
}

static void this_machine_is_near(void **state) {
    (void)state;
    static const char *const near[] = {"127.0.0.1", "127.9.9.9", "::1"};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        struct address a = parsed(near[i]);
        assert_true(address_is_near(&a));
    }
    struct address away = parsed("128.0.0.1");
    assert_false(address_is_near(&away));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_written_as_it_was_read),
        cmocka_unit_test(what_is_none_is_refused),
        cmocka_unit_test(a_network_has_what_begins_like_it),
        cmocka_unit_test(what_is_no_network_has_nothing),
        cmocka_unit_test(this_machine_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

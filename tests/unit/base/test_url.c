/* test_url.c - no user name and no password of a URL is shown. */
#include "base/url.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

static void shows(const char *text, const char *expected) {
    struct buf out;
    buf_init(&out, 1000);
    url_add_public(&out, slice_of(text));
    assert_string_equal(buf_str(&out), expected);
    buf_clear(&out);
}

static void names_and_passwords_are_cut_however_they_are_written(void **state) {
    (void)state;
    shows("http://user:secret@host/path?a=1", "http://host/path?a=1");
    shows("http://user@host", "http://host");
    shows("HTTPS://user:se%40cret@host:8443/", "HTTPS://host:8443/");
    shows("http://user:s@cr@t@host/", "http://host/");
    shows("http://user:se/cret@host/a", "http://host/a");
    shows("http://user:se?cr#et@host", "http://host");
    shows("http://:secret@[::1]:80/", "http://[::1]:80/");
    shows("smtp://a:b@mail:25 and mqtts://c:d@broker", "smtp://mail:25 and mqtts://broker");
    shows("\"amqp://user:secret@host\": refused", "\"amqp://host\": refused");
}

static void what_is_none_stays(void **state) {
    (void)state;
    shows("", "");
    shows("ann@example.org", "ann@example.org");
    shows("http://host/@user", "http://host/@user");
    shows("http://host:80/a@b?c=d@e", "http://host:80/a@b?c=d@e");
    shows("http://[::1]/a@b", "http://[::1]/a@b");
    shows("http://host/ mail to ann@example.org", "http://host/ mail to ann@example.org");
    shows("http://", "http://");
    shows("://@", "://");
}

static void a_long_password_is_hidden_before_the_url_is_cut(void **state) {
    (void)state;
    char text[3 * URL_SHOWN_BYTES];
    char shown[URL_SHOWN_BYTES];
    memset(text, 'p', sizeof text);
    memcpy(text, "http://user:", 12);
    memcpy(text + sizeof text - 8, "@host/a", 8);
    assert_string_equal(url_shown(text, shown), "http://host/a");
    text[sizeof text - 8] = '/'; /* now it is all host */
    assert_int_equal(strlen(url_shown(text, shown)), URL_SHOWN_BYTES - 1);
}

static void a_part_is_escaped_byte_by_byte(void **state) {
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    url_add_part(&out, (struct slice){"a-b_c.d~/ \xff\0", 12});
    assert_string_equal(buf_str(&out), "a-b_c.d~%2F%20%FF%00");
    buf_reset(&out);
    url_add_escaped(&out, slice_of("a*b~"), "*");
    assert_string_equal(buf_str(&out), "a*b%7E");
    buf_clear(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_passwords_are_cut_however_they_are_written),
        cmocka_unit_test(what_is_none_stays),
        cmocka_unit_test(a_long_password_is_hidden_before_the_url_is_cut),
        cmocka_unit_test(a_part_is_escaped_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

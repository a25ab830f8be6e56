/* test_mime.c - a mail as text is what RFC 5322 and MIME ask for, and cannot be forged. */
#include "lua/api/mime.h"

#include "test.h"

#include "event/event.h"

#include <stdio.h>
#include <string.h>

static struct slice to_ann[1];

static struct mime_mail simple(void) {
    to_ann[0] = slice_of("ann@example.org");
    return (struct mime_mail){.from = slice_of("Box Office <tickets@example.com>"),
                              .to = to_ann,
                              .to_count = 1,
                              .subject = slice_of("Your seat"),
                              .text = slice_of("Hello\nAnn"),
                              .message_id = slice_of("0192-1"),
                              .date_ms = 1700000000000};
}

static struct buf written(const struct mime_mail *mail) {
    struct buf out;
    struct report r = {""};
    buf_init(&out, 1 << 20);
    assert_int_equal(mime_write(mail, &out, &r), 0);
    (void)buf_str(&out);
    return out;
}

static void has(const struct buf *out, const char *text) {
    if (strstr(out->data, text) == NULL) {
        print_error("%s\nis not in\n%s\n", text, out->data);
        fail();
    }
}

static void mime_writes_a_plain_message(void **state) {
    (void)state;
    struct mime_mail mail = simple();
    struct buf out = written(&mail);
    assert_string_equal(out.data, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                                  "From: \"Box Office\" <tickets@example.com>\r\n"
                                  "To: ann@example.org\r\n"
                                  "Message-ID: <0192-1@example.com>\r\n"
                                  "Subject: Your seat\r\n"
                                  "MIME-Version: 1.0\r\n"
                                  "Content-Type: text/plain; charset=utf-8\r\n"
                                  "Content-Transfer-Encoding: 7bit\r\n"
                                  "\r\n"
                                  "Hello\r\nAnn\r\n");
    buf_clear(&out);
}

static void mime_encodes_what_is_not_ascii(void **state) {
    (void)state;
    struct mime_mail mail = simple();
    struct slice to[2] = {slice_of("J\xC3\xBCrgen <j@example.org>"), slice_of("b@example.org")};
    mail.to = to;
    mail.to_count = 2;
    mail.subject = slice_of("Gr\xC3\xBC\xC3\x9F"
                            "e aus dem langen Saal, vielen! Gr\xC3\xBC\xC3\x9F"
                            "e");
    mail.text = slice_of("sch\xC3\xB6n = gut \nEnde");
    struct buf out = written(&mail);
    has(&out, "To: =?UTF-8?B?SsO8cmdlbg==?= <j@example.org>,\r\n b@example.org\r\n");
    has(&out, "Subject: =?UTF-8?B?R3LDvMOfZSBhdXMgZGVtIGxhbmdlbiBTYWFsLCB2aWVsZW4hIEdyw7w=?=\r\n"
              " =?UTF-8?B?w59l?=\r\n");
    has(&out, "quoted-printable\r\n\r\nsch=C3=B6n =3D gut=20\r\nEnde\r\n");
    buf_clear(&out);
}

static void mime_breaks_long_lines_softly(void **state) {
    (void)state;
    struct mime_mail mail = simple();
    char text[2001];
    memset(text, 'x', 2000);
    text[2000] = '\0';
    mail.text = slice_of(text);
    struct buf out = written(&mail);
    const char *line = out.data;
    for (const char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
        assert_true(end - line <= 76);
    }
    has(&out, "xxx=\r\nxxx");
    buf_clear(&out);
}

static void mime_offers_text_and_html_as_alternatives(void **state) {
    (void)state;
    struct mime_mail mail = simple();
    mail.html = slice_of("<p>Hello</p>");
    struct buf out = written(&mail);
    has(&out, "Content-Type: multipart/alternative; boundary=\"=_0192-1\"\r\n\r\n--=_0192-1\r\n"
              "Content-Type: text/plain");
    has(&out, "\r\n--=_0192-1\r\nContent-Type: text/html");
    has(&out, "<p>Hello</p>\r\n--=_0192-1--\r\n");
    buf_clear(&out);
    mail.text = (struct slice){NULL, 0};
    out = written(&mail);
    has(&out, "Content-Type: text/html");
    assert_null(strstr(out.data, "multipart"));
    buf_clear(&out);
}

static void mime_takes_more_headers(void **state) {
    (void)state;
    struct mime_mail mail = simple();
    struct buf headers;
    buf_init(&headers, 1024);
    property_add(&headers, slice_of("Reply-To"), slice_of("desk@example.com"));
    property_add(&headers, slice_of("X-Seat"), slice_of("R\xC3\xA4nge"));
    mail.headers = buf_slice(&headers);
    struct buf out = written(&mail);
    has(&out, "Reply-To: desk@example.com\r\nX-Seat: =?UTF-8?B?UsOkbmdl?=\r\n");
    buf_clear(&out);
    buf_clear(&headers);
}

static void mime_refuses_forged_lines(void **state) {
    (void)state;
    struct report r;
    struct buf out;
    buf_init(&out, 4096);
    struct mime_mail mail = simple();
    mail.subject = slice_of("a\r\nBcc: x@y.z");
    assert_int_equal(mime_write(&mail, &out, &r), ERR_INVALID);
    mail = simple();
    mail.from = slice_of("a@b.de\n");
    assert_int_equal(mime_write(&mail, &out, &r), ERR_INVALID);
    mail = simple();
    to_ann[0] = slice_of("\"x\r\nBcc: y\" <a@b.de>");
    assert_int_equal(mime_write(&mail, &out, &r), ERR_INVALID);
    buf_clear(&out);
    assert_int_equal(mime_check_header(slice_of("X"), slice_of("a\nb"), &r), ERR_INVALID);
    assert_int_equal(mime_check_header(slice_of("X: y"), slice_of("a"), &r), ERR_INVALID);
    assert_int_equal(mime_check_header(slice_of("bcc"), slice_of("a"), &r), ERR_INVALID);
    assert_int_equal(mime_check_header(slice_of("X-Y"), slice_of("a"), &r), 0);
}

static void mime_address_finds_name_and_address(void **state) {
    (void)state;
    static const char *const good[][3] = {
        {"a@b.de", "", "a@b.de"},
        {"  a@b.de ", "", "a@b.de"},
        {"<a@b.de>", "", "a@b.de"},
        {"Ann Smith <ann@b.de>", "Ann Smith", "ann@b.de"},
        {"\"Smith, Ann\" <ann@b.de>", "Smith, Ann", "ann@b.de"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct slice name, address;
        assert_int_equal(mime_address(slice_of(good[i][0]), &name, &address, NULL), 0);
        assert_true(slice_is(name, good[i][1]));
        assert_true(slice_is(address, good[i][2]));
    }
}

static void mime_address_refuses_what_no_mail_can_reach(void **state) {
    (void)state;
    static const char *const bad[] = {"",        "nobody",      "@b.de",          "a@",
                                      "a@b@c",   "a b@c.de",    "a@b.de, c@d.de", "<a@b.de",
                                      "a@b.de>", "Ann <a b@c>", "a@b.de\r\nx"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct slice name, address;
        struct report r;
        assert_int_equal(mime_address(slice_of(bad[i]), &name, &address, &r), ERR_INVALID);
    }
}

/* The one header, as it is written. */
static struct buf with_header(const char *name, const char *value) {
    struct mime_mail mail = simple();
    struct buf headers;
    buf_init(&headers, 1 << 16);
    property_add(&headers, slice_of(name), slice_of(value));
    mail.headers = buf_slice(&headers);
    struct buf out = written(&mail);
    buf_clear(&headers);
    return out;
}

static void mime_encodes_the_names_of_addresses_alone(void **state) {
    (void)state;
    struct buf out = with_header("Reply-To", "Jos\xC3\xA9 P\xC3\xA9rez <jose@example.org>, "
                                             "\"Doe, J\xC3\xA4ne\" <j@example.org>,b@example.org");
    has(&out, "Reply-To: =?UTF-8?B?Sm9zw6kgUMOpcmV6?= <jose@example.org>,\r\n"
              " =?UTF-8?B?RG9lLCBKw6RuZQ==?= <j@example.org>,\r\n b@example.org\r\n");
    buf_clear(&out);
    out = with_header("X-Contact", "Jos\xC3\xA9 <jose@example.org>");
    has(&out, "X-Contact: =?UTF-8?B?Sm9zw6k=?= <jose@example.org>\r\n");
    buf_clear(&out);
    out = with_header("X-Note", "Jos\xC3\xA9 at jose@example.org");
    has(&out, "X-Note: =?UTF-8?B?");
    buf_clear(&out);
}

static void assert_short_lines(const struct buf *out) {
    const char *line = out->data;
    for (const char *end; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
        assert_true(end - line <= 78);
        assert_true(end == line || strspn(line, " \t") < (size_t)(end - line));
    }
}

/* Without its folds it is what was given. */
static void assert_unfolds(const struct buf *out, const char *name, const char *value) {
    char text[8192];
    size_t len = 0;
    const char *at = strstr(out->data, name);
    assert_non_null(at);
    at += strlen(name);
    for (; !(at[0] == '\r' && at[2] != ' ' && at[2] != '\t'); at++) {
        if (at[0] != '\r' && at[0] != '\n') {
            text[len++] = *at;
        }
    }
    text[len] = '\0';
    assert_string_equal(text, value);
}

static void mime_folds_long_ascii_headers(void **state) {
    (void)state;
    char value[4096] = "";
    int len = 0;
    for (int i = 0; i < 60; i++) {
        len += snprintf(value + len, sizeof value - (size_t)len,
                        "%s<msg-%d-abcdefghij@example.org>", i == 0 ? "" : "  ", i);
    }
    struct buf out = with_header("References", value);
    assert_short_lines(&out);
    assert_unfolds(&out, "References: ", value);
    assert_null(strstr(out.data, "=?"));
    buf_clear(&out);
    struct mime_mail mail = simple();
    mail.subject = slice_of(value);
    out = written(&mail);
    assert_short_lines(&out);
    assert_unfolds(&out, "Subject: ", value);
    buf_clear(&out);
}

static void mime_refuses_what_no_program_could_read(void **state) {
    static const char *const bad[][2] = {{"References", "<caf\xC3\xA9@example.org> x"},
                                         {"Reply-To", "Jos\xC3\xA9 at home"},
                                         {"List-Id", "Ch\xC3\xB6re <choirs.example.org>"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct mime_mail mail = simple();
        struct buf headers;
        struct buf out;
        struct report r;
        buf_init(&headers, 1024);
        buf_init(&out, 1 << 16);
        property_add(&headers, slice_of(bad[i][0]), slice_of(bad[i][1]));
        mail.headers = buf_slice(&headers);
        assert_int_equal(mime_write(&mail, &out, &r), ERR_INVALID);
        assert_non_null(strstr(r.text, bad[i][0]));
        buf_clear(&headers);
        buf_clear(&out);
    }
}

static void mime_lists_cc_and_hides_who_is_hidden(void **state) {
    (void)state;
    struct mime_mail mail = simple();
    struct slice cc[2] = {slice_of("Bob <b@example.org>"), slice_of("c@example.org")};
    mail.cc = cc;
    mail.cc_count = 2;
    struct buf out = written(&mail);
    has(&out, "To: ann@example.org\r\nCc: \"Bob\" <b@example.org>,\r\n c@example.org\r\n");
    buf_clear(&out);
    mail = simple();
    mail.to_count = 0;
    out = written(&mail);
    has(&out, "To: undisclosed-recipients:;\r\n");
    buf_clear(&out);
}

static void mime_takes_addresses_in_utf8(void **state) {
    (void)state;
    struct slice name, address;
    struct report r;
    struct mime_mail mail = simple();
    to_ann[0] = slice_of("Jos\xC3\xA9 <jos\xC3\xA9@b\xC3\xBC"
                         "cher.example>");
    struct buf out = written(&mail);
    has(&out, "To: =?UTF-8?B?Sm9zw6k=?= <jos\xC3\xA9@b\xC3\xBC"
              "cher.example>\r\n");
    buf_clear(&out);
    assert_int_equal(mime_address(slice_of("jos\xE9@example.org"), &name, &address, &r),
                     ERR_INVALID);
    const char turned[] = "a\xE2\x80\xAE@example.org"; // NOLINT(misc-misleading-bidirectional)
    assert_int_equal(mime_address(slice_of(turned), &name, &address, &r), ERR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mime_writes_a_plain_message),
        cmocka_unit_test(mime_encodes_what_is_not_ascii),
        cmocka_unit_test(mime_breaks_long_lines_softly),
        cmocka_unit_test(mime_offers_text_and_html_as_alternatives),
        cmocka_unit_test(mime_takes_more_headers),
        cmocka_unit_test(mime_refuses_forged_lines),
        cmocka_unit_test(mime_address_finds_name_and_address),
        cmocka_unit_test(mime_address_refuses_what_no_mail_can_reach),
        cmocka_unit_test(mime_encodes_the_names_of_addresses_alone),
        cmocka_unit_test(mime_folds_long_ascii_headers),
        cmocka_unit_test(mime_refuses_what_no_program_could_read),
        cmocka_unit_test(mime_lists_cc_and_hides_who_is_hidden),
        cmocka_unit_test(mime_takes_addresses_in_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

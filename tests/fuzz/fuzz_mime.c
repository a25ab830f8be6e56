/*
 * fuzz_mime.c - any words as a mail.
 *
 * Input: six lines and a rest: from, to, subject, the name and the value of a header, html, text.
 * Promises: a mail is refused with a sentence, or its lines end with CRLF, are no longer than RFC 5322
 * allows and hold no other CR, LF or NUL; it has the headers that were asked for and no other; its
 * subject and its body read back as they were.
 */
#include "fuzz.h"

#include "base/utf8.h"
#include "event/event.h"
#include "lua/api/mime.h"

#include <sodium.h>
#include <stdio.h>
#include <strings.h>

enum { ROOM = 1 << 20, LINE_MOST = 998 };

/* Cuts a line off the mail. */
static struct slice next_line(struct slice *mail) {
    const char *end = memmem(mail->data, mail->len, "\r\n", 2);
    assert(end != NULL);
    struct slice line = {mail->data, (size_t)(end - mail->data)};
    assert(line.len <= LINE_MOST && !slice_has_nul(line));
    assert(memchr(line.data, '\r', line.len) == NULL && memchr(line.data, '\n', line.len) == NULL);
    mail->data = end + 2;
    mail->len -= line.len + 2;
    return line;
}

/* Unfolds the next header into `out`; false at the empty line. */
static bool next_header(struct slice *mail, struct buf *out) {
    buf_reset(out);
    buf_add_slice(out, next_line(mail));
    while (out->len > 0 && mail->len > 0 && (mail->data[0] == ' ' || mail->data[0] == '\t')) {
        struct slice more = next_line(mail);
        assert(strspn(more.data, " \t") < more.len); /* no line of blanks alone */
        buf_add_slice(out, more);
    }
    return out->len > 0;
}

/* Decodes a text of encoded words (RFC 2047), or takes it as it is. */
static void decode_text(struct slice text, struct buf *out) {
    static const char begin[] = "=?UTF-8?B?";
    uint8_t bytes[128];
    while (text.len > sizeof begin && memcmp(text.data, begin, sizeof begin - 1) == 0) {
        const char *word = text.data + sizeof begin - 1;
        const char *end = NULL;
        size_t len = 0;
        assert(sodium_base642bin(bytes, sizeof bytes, word, text.len - sizeof begin + 1, NULL, &len,
                                 &end, sodium_base64_VARIANT_ORIGINAL) == 0);
        assert(end + 2 <= text.data + text.len && memcmp(end, "?=", 2) == 0);
        assert((size_t)(end + 2 - text.data) <= 75);
        buf_add(out, bytes, len);
        text.len -= (size_t)(end + 2 - text.data);
        text.data = end + 2;
        while (text.len > 0 && text.data[0] == ' ') {
            text.data++;
            text.len--;
        }
    }
    buf_add_slice(out, text);
}

static int digit(char c) {
    return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Decodes quoted-printable; CRLF becomes LF. */
static void decode_body(struct slice body, bool quoted, struct buf *out) {
    for (size_t i = 0; i < body.len; i++) {
        if (body.data[i] == '\r') {
            continue;
        }
        if (!quoted || body.data[i] != '=') {
            buf_add(out, body.data + i, 1);
            continue;
        }
        assert(i + 2 < body.len);
        if (body.data[i + 1] != '\r') {
            buf_add_u8(out, (uint8_t)(digit(body.data[i + 1]) * 16 + digit(body.data[i + 2])));
        }
        i += 2;
    }
}

/* What a body says: CRLF is LF. */
static void normalize(struct slice body, struct buf *out) {
    for (size_t i = 0; i < body.len; i++) {
        if (body.data[i] != '\r' || i + 1 == body.len || body.data[i + 1] != '\n') {
            buf_add(out, body.data + i, 1);
        }
    }
    if (body.len > 0 && body.data[body.len - 1] != '\n') {
        buf_add_str(out, "\n");
    }
}

static void compare_body(struct slice mail, struct slice body, bool quoted) {
    struct buf want;
    struct buf got;
    buf_init(&want, ROOM);
    buf_init(&got, ROOM);
    normalize(body, &want);
    decode_body(mail, quoted, &got);
    assert(slice_equal(buf_slice(&want), buf_slice(&got)));
    buf_clear(&got);
    buf_clear(&want);
}

static bool begins(const struct buf *header, const char *name) {
    return header->len >= strlen(name) && strncmp(header->data, name, strlen(name)) == 0;
}

static void read_back(const struct mime_mail *mail, struct slice out) {
    static const char *const names[] = {
        "Date: ",    "From: ",         "To: ",           "Message-ID: ",
        "Subject: ", "MIME-Version: ", "Content-Type: ", "Content-Transfer-Encoding: "};
    struct buf header;
    struct buf subject;
    size_t own = 0;
    size_t others = 0;
    bool quoted = false;
    buf_init(&header, ROOM);
    buf_init(&subject, ROOM);
    while (next_header(&out, &header)) {
        bool is_own = own < sizeof names / sizeof *names && begins(&header, names[own]);
        own += is_own;
        others += !is_own;
        if (begins(&header, "Subject: ")) {
            decode_text((struct slice){header.data + 9, header.len - 9}, &subject);
            assert(slice_equal(buf_slice(&subject), mail->subject));
        }
        quoted =
            quoted || slice_is(buf_slice(&header), "Content-Transfer-Encoding: quoted-printable");
    }
    bool both = mail->text.data != NULL && mail->html.data != NULL;
    assert(own == (both ? 7 : 8) && others == (mail->headers.len > 0));
    if (!both) {
        compare_body(out, mail->text.data != NULL ? mail->text : mail->html, quoted);
    }
    while (out.len > 0) {
        (void)next_line(&out);
    }
    buf_clear(&subject);
    buf_clear(&header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice rest = fuzz_slice(data, size);
    struct mime_mail mail = {.message_id = slice_of("0192-1"), .date_ms = 1700000000000};
    struct report r = {""};
    struct buf headers;
    struct buf out;
    mail.from = fuzz_cut(&rest, '\n');
    struct slice to = fuzz_cut(&rest, '\n');
    mail.to = &to;
    mail.to_count = 1;
    mail.subject = fuzz_cut(&rest, '\n');
    struct slice name = fuzz_cut(&rest, '\n');
    struct slice value = fuzz_cut(&rest, '\n');
    mail.html = fuzz_cut(&rest, '\n');
    mail.html.data = mail.html.len == 0 ? NULL : mail.html.data;
    mail.text = rest.len == 0 && mail.html.data == NULL ? (struct slice){"", 0} : rest;
    mail.text.data = rest.len == 0 && mail.html.data != NULL ? NULL : mail.text.data;
    buf_init(&headers, ROOM);
    buf_init(&out, ROOM);
    if (name.len > 0 && name.len <= UINT16_MAX && mime_check_header(name, value, &r) == 0) {
        property_add(&headers, name, value);
    }
    mail.headers = buf_slice(&headers);
    r.text[0] = '\0';
    int code = mime_write(&mail, &out, &r);
    assert((code == 0) == (r.text[0] == '\0'));
    if (code == 0) {
        read_back(&mail, buf_slice(&out));
    }
    buf_clear(&out);
    buf_clear(&headers);
    return 0;
}

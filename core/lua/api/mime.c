/*
 * mime.c - builds the text of a mail.
 *
 * Plain ASCII with short lines is sent as it is; other bodies are quoted-printable (RFC 2045, 6.7),
 * and headers that are not ASCII are encoded words (RFC 2047). Everything from outside is checked
 * for line breaks before it goes into a header. Left out: attachments, domains in UTF-8 (IDNA).
 */
#include "lua/api/mime.h"

#include "event/event.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    LINE_BYTES_MAX = 76,     /* RFC 2045: an encoded line */
    PLAIN_LINE_MAX = 900,    /* RFC 5322 allows 998 */
    WORD_BYTES = 42,         /* of text in an encoded word: 56 in base64, 75 with its frame */
    ADDRESS_BYTES_MAX = 254, /* RFC 5321 */
};

static bool has_break(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\r' || s.data[i] == '\n' || s.data[i] == '\0') {
            return true;
        }
    }
    return false;
}

static bool is_ascii(struct slice s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x7f || (c < ' ' && c != '\t')) {
            return false;
        }
    }
    return true;
}

/* --- addresses --- */

static struct slice trim(struct slice s) {
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

static bool is_address(struct slice s) {
    const char *at = s.len == 0 ? NULL : memchr(s.data, '@', s.len);
    if (at == NULL || at == s.data || at == s.data + s.len - 1 || s.len > ADDRESS_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        bool second_at = c == '@' && s.data + i != at;
        if (c <= ' ' || c >= 0x7f || second_at || strchr("<>,;:\\\"()[]", c) != NULL) {
            return false;
        }
    }
    return true;
}

static struct slice unquote(struct slice name) {
    if (name.len >= 2 && name.data[0] == '"' && name.data[name.len - 1] == '"') {
        return (struct slice){name.data + 1, name.len - 2};
    }
    return name;
}

int mime_address(struct slice text, struct slice *name, struct slice *address, struct report *r) {
    if (has_break(text)) {
        return report(r, ERR_INVALID, "a mail address holds a line break");
    }
    *name = (struct slice){"", 0};
    *address = trim(text);
    if (address->len > 0 && address->data[address->len - 1] == '>') {
        const char *open = memrchr(address->data, '<', address->len);
        if (open != NULL) {
            size_t before = (size_t)(open - address->data);
            *name = unquote(trim((struct slice){address->data, before}));
            *address = (struct slice){open + 1, address->len - before - 2};
        }
    }
    if (!is_address(*address)) {
        return report(r, ERR_INVALID, "\"%.*s\" is not a mail address",
                      (int)(text.len > 200 ? 200 : text.len), text.data);
    }
    return 0;
}

/* --- headers --- */

static void add_base64(struct buf *out, const unsigned char *s, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t group = (uint32_t)s[i] << 16;
        group |= i + 1 < len ? (uint32_t)s[i + 1] << 8 : 0;
        group |= i + 2 < len ? s[i + 2] : 0;
        char four[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        i + 1 < len ? digits[group >> 6 & 63] : '=',
                        i + 2 < len ? digits[group & 63] : '='};
        buf_add(out, four, sizeof four);
    }
}

/* Encoded words that do not cut a UTF-8 character in two. */
static void add_encoded_words(struct buf *out, struct slice text) {
    for (size_t at = 0; at < text.len;) {
        size_t len = text.len - at < WORD_BYTES ? text.len - at : WORD_BYTES;
        while (at + len < text.len && len > 1 &&
               ((unsigned char)text.data[at + len] & 0xC0) == 0x80) {
            len--;
        }
        buf_add_str(out, at == 0 ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        add_base64(out, (const unsigned char *)text.data + at, len);
        buf_add_str(out, "?=");
        at += len;
    }
}

/* Unstructured text: short ASCII as it is; text that looks like an encoded word is encoded, too. */
static void add_text(struct buf *out, struct slice text) {
    bool plain = is_ascii(text) && text.len <= PLAIN_LINE_MAX &&
                 (text.len < 2 || memmem(text.data, text.len, "=?", 2) == NULL);
    if (plain) {
        buf_add_slice(out, text);
    } else {
        add_encoded_words(out, text);
    }
}

static void add_address(struct buf *out, struct slice name, struct slice address) {
    if (name.len == 0) {
        buf_add_slice(out, address);
        return;
    }
    if (is_ascii(name)) {
        buf_add_u8(out, '"');
        for (size_t i = 0; i < name.len; i++) {
            if (name.data[i] == '"' || name.data[i] == '\\') {
                buf_add_u8(out, '\\');
            }
            buf_add_u8(out, (uint8_t)name.data[i]);
        }
        buf_add_u8(out, '"');
    } else {
        add_encoded_words(out, name);
    }
    buf_add_str(out, " <");
    buf_add_slice(out, address);
    buf_add_u8(out, '>');
}

static void add_date(struct buf *out, int64_t date_ms) {
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(date_ms / 1000);
    struct tm utc = {0};
    (void)gmtime_r(&seconds, &utc);
    buf_printf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[utc.tm_wday], utc.tm_mday,
               months[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

int mime_check_header(struct slice name, struct slice value, struct report *r) {
    static const char *const own[] = {
        "From", "To",         "Cc",           "Bcc",          "Subject",
        "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
    bool token = name.len > 0 && name.len <= LINE_BYTES_MAX;
    for (size_t i = 0; i < name.len; i++) {
        token = token && name.data[i] > ' ' && name.data[i] < 0x7f && name.data[i] != ':';
    }
    if (!token) {
        return report(r, ERR_INVALID, "a mail header has an invalid name");
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (name.len == strlen(own[i]) && strncasecmp(own[i], name.data, name.len) == 0) {
            return report(r, ERR_INVALID, "the mail header %s cannot be set", own[i]);
        }
    }
    if (has_break(value)) {
        return report(r, ERR_INVALID, "the mail header %.*s holds a line break", (int)name.len,
                      name.data);
    }
    return 0;
}

/* --- bodies --- */

/* True if the body needs no encoding. */
static bool is_plain_body(struct slice body) {
    size_t line = 0;
    for (size_t i = 0; i < body.len; i++) {
        unsigned char c = (unsigned char)body.data[i];
        bool text = c == '\n' || c == '\t' || (c >= ' ' && c < 0x7f) ||
                    (c == '\r' && i + 1 < body.len && body.data[i + 1] == '\n');
        line = c == '\n' ? 0 : line + 1;
        if (!text || line > PLAIN_LINE_MAX) {
            return false;
        }
    }
    return true;
}

static void add_plain_body(struct buf *out, struct slice body) {
    for (size_t i = 0; i < body.len; i++) {
        if (body.data[i] == '\n') {
            buf_add_str(out, "\r\n");
        } else if (body.data[i] != '\r') {
            buf_add_u8(out, (uint8_t)body.data[i]);
        }
    }
}

static bool is_literal(struct slice body, size_t i) {
    unsigned char c = (unsigned char)body.data[i];
    if (c == ' ' || c == '\t') { /* a space at the end of a line would be lost */
        return i + 1 < body.len && body.data[i + 1] != '\n' && body.data[i + 1] != '\r';
    }
    return c > ' ' && c < 0x7f && c != '=';
}

static void add_quoted_printable(struct buf *out, struct slice body) {
    size_t line = 0;
    for (size_t i = 0; i < body.len; i++) {
        bool crlf = body.data[i] == '\r' && i + 1 < body.len && body.data[i + 1] == '\n';
        if (crlf) {
            continue;
        }
        if (body.data[i] == '\n') {
            buf_add_str(out, "\r\n");
            line = 0;
            continue;
        }
        size_t width = is_literal(body, i) ? 1 : 3;
        if (line + width > LINE_BYTES_MAX - 1) {
            buf_add_str(out, "=\r\n");
            line = 0;
        }
        if (width == 1) {
            buf_add_u8(out, (uint8_t)body.data[i]);
        } else {
            buf_printf(out, "=%02X", (unsigned char)body.data[i]);
        }
        line += width;
    }
}

static void add_part(struct buf *out, const char *type, struct slice body) {
    bool plain = is_plain_body(body);
    buf_printf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
               type, plain ? "7bit" : "quoted-printable");
    if (plain) {
        add_plain_body(out, body);
    } else {
        add_quoted_printable(out, body);
    }
    if (body.len > 0 && body.data[body.len - 1] != '\n') {
        buf_add_str(out, "\r\n");
    }
}

/* The boundary contains "=_", which quoted-printable never produces, and the message's id, which a
 * plain body would contain only on purpose. */
static void add_body(struct buf *out, const struct mime_mail *mail) {
    if (mail->html.data == NULL) {
        struct slice text = {"", 0};
        add_part(out, "text/plain", mail->text.data == NULL ? text : mail->text);
        return;
    }
    if (mail->text.data == NULL) {
        add_part(out, "text/html", mail->html);
        return;
    }
    int id_len = (int)mail->message_id.len;
    const char *id = mail->message_id.data;
    buf_printf(out, "Content-Type: multipart/alternative; boundary=\"=_%.*s\"\r\n\r\n", id_len, id);
    buf_printf(out, "--=_%.*s\r\n", id_len, id);
    add_part(out, "text/plain", mail->text);
    buf_printf(out, "--=_%.*s\r\n", id_len, id);
    add_part(out, "text/html", mail->html);
    buf_printf(out, "--=_%.*s--\r\n", id_len, id);
}

/* --- the message --- */

static int add_recipients(struct buf *out, const struct mime_mail *mail, struct report *r) {
    struct slice name = {NULL, 0}, address = {NULL, 0};
    buf_add_str(out, "To: ");
    for (size_t i = 0; i < mail->to_count; i++) {
        int rc = mime_address(mail->to[i], &name, &address, r);
        if (rc != 0) {
            return rc;
        }
        buf_add_str(out, i == 0 ? "" : ",\r\n ");
        add_address(out, name, address);
    }
    buf_add_str(out, "\r\n");
    return 0;
}

static int add_extra_headers(struct buf *out, const struct mime_mail *mail, struct report *r) {
    struct slice name, value;
    size_t at = 0;
    while (property_next(mail->headers, &at, &name, &value)) {
        int rc = mime_check_header(name, value, r);
        if (rc != 0) {
            return rc;
        }
        buf_add_slice(out, name);
        buf_add_str(out, ": ");
        add_text(out, value);
        buf_add_str(out, "\r\n");
    }
    return 0;
}

int mime_write(const struct mime_mail *mail, struct buf *out, struct report *r) {
    assert(mail->to_count > 0 && mail->message_id.len > 0);
    struct slice name = {NULL, 0}, address = {NULL, 0};
    int rc = mime_address(mail->from, &name, &address, r);
    if (rc != 0) {
        return rc;
    }
    if (has_break(mail->subject)) {
        return report(r, ERR_INVALID, "the mail's subject holds a line break");
    }
    assert(address.len > 0 && address.data != NULL);
    const char *domain = memchr(address.data, '@', address.len);
    assert(domain != NULL);
    add_date(out, mail->date_ms);
    buf_add_str(out, "From: ");
    add_address(out, name, address);
    buf_add_str(out, "\r\n");
    rc = add_recipients(out, mail, r);
    if (rc != 0) {
        return rc;
    }
    buf_printf(out, "Message-ID: <%.*s%.*s>\r\nSubject: ", (int)mail->message_id.len,
               mail->message_id.data, (int)(address.data + address.len - domain), domain);
    add_text(out, mail->subject);
    buf_add_str(out, "\r\nMIME-Version: 1.0\r\n");
    rc = add_extra_headers(out, mail, r);
    if (rc != 0) {
        return rc;
    }
    add_body(out, mail);
    return out->failed ? report(r, ERR_LIMIT, "the mail is too large") : 0;
}

/*
 * mime.c - builds the text of a mail.
 *
 * Plain ASCII with short lines goes as it is; other bodies are quoted-printable (RFC 2045, 6.7).
 * Headers are folded at spaces. What is not ASCII in them becomes encoded words (RFC 2047): a whole
 * text, but of an address only its name. An address that is not ASCII itself stays UTF-8 (RFC
 * 6532), which only servers with SMTPUTF8 take. Nothing that came from outside reaches a header
 * without a look for line breaks. Left out: attachments, turning domains into ASCII (IDNA).
 */
#include "lua/api/mime.h"

#include "base/utf8.h"
#include "event/event.h"

#include <assert.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    LINE_BYTES_MAX = 76,     /* RFC 2045: an encoded line */
    PLAIN_LINE_MAX = 900,    /* RFC 5322 allows 998 */
    WORD_BYTES = 42,         /* of text in an encoded word: 56 in base64, 75 with its frame */
    ADDRESS_BYTES_MAX = 254, /* RFC 5321 */
    NAME_LINE_MAX = 60,      /* a name that stands on one line with its address */
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
    uint32_t c;
    for (size_t i = 0, len; i < s.len; i += len) {
        len = utf8_read(s, i, &c);
        bool second_at = c == '@' && s.data + i != at;
        if (len == 0 || c <= ' ' || utf8_is_harmful(c) || second_at ||
            (c < 0x7f && strchr("<>,;:\\\"()[]", (int)c) != NULL)) {
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

/* Encoded words that do not cut a UTF-8 character in two. */
static void add_encoded_words(struct buf *out, struct slice text) {
    char word[sodium_base64_ENCODED_LEN(WORD_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    for (size_t at = 0; at < text.len;) {
        size_t len = text.len - at < WORD_BYTES ? text.len - at : WORD_BYTES;
        while (at + len < text.len && len > 1 &&
               ((unsigned char)text.data[at + len] & 0xC0) == 0x80) {
            len--;
        }
        (void)sodium_bin2base64(word, sizeof word, (const unsigned char *)text.data + at, len,
                                sodium_base64_VARIANT_ORIGINAL);
        buf_add_str(out, at == 0 ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        buf_add_str(out, word);
        buf_add_str(out, "?=");
        at += len;
    }
}

/* The length of the word at `at`, including the *spaces before it. 0 = none follows. */
static size_t word_at(struct slice text, size_t at, size_t *spaces) {
    size_t end = at;
    while (end < text.len && (text.data[end] == ' ' || text.data[end] == '\t')) {
        end++;
    }
    *spaces = end - at;
    while (end < text.len && text.data[end] != ' ' && text.data[end] != '\t') {
        end++;
    }
    return end - at;
}

/* ASCII, broken before spaces where it would pass the width of a line; it begins at that column.
 * What is at the end of a line of its own must not be spaces alone. */
static void add_folded(struct buf *out, struct slice text, size_t column) {
    size_t spaces;
    size_t len;
    for (size_t at = 0; (len = word_at(text, at, &spaces)) > 0; at += len) {
        if (spaces > 0 && spaces < len && column > 0 && column + len > LINE_BYTES_MAX) {
            buf_add_str(out, "\r\n");
            column = 0;
        }
        buf_add(out, text.data + at, len);
        column += len;
    }
}

/* Whether folding leaves no line that is longer than a line of a mail may be. */
static bool can_fold(struct slice text) {
    size_t spaces;
    size_t len;
    for (size_t at = 0; (len = word_at(text, at, &spaces)) > 0; at += len) {
        if (len > PLAIN_LINE_MAX) {
            return false;
        }
    }
    return true;
}

/* Unstructured text: ASCII as it is; text that looks like an encoded word is encoded, too. */
static void add_text(struct buf *out, struct slice text, size_t column) {
    bool plain = is_ascii(text) && can_fold(text) &&
                 (text.len < 2 || memmem(text.data, text.len, "=?", 2) == NULL);
    if (plain) {
        add_folded(out, text, column);
    } else {
        add_encoded_words(out, text);
    }
}

/* What was quoted has its own backslashes. */
static void add_quoted(struct buf *out, struct slice name) {
    buf_add_u8(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        bool pair = name.data[i] == '\\' && i + 1 < name.len;
        if (pair) {
            buf_add_u8(out, (uint8_t)name.data[i++]);
        } else if (name.data[i] == '"' || name.data[i] == '\\') {
            buf_add_u8(out, '\\');
        }
        buf_add_u8(out, (uint8_t)name.data[i]);
    }
    buf_add_u8(out, '"');
}

static void add_address(struct buf *out, struct slice name, struct slice address) {
    if (name.len == 0) {
        buf_add_slice(out, address);
        return;
    }
    if (is_ascii(name) && name.len <= NAME_LINE_MAX) {
        add_quoted(out, name);
    } else {
        add_encoded_words(out, name);
    }
    buf_add_str(out, name.len <= NAME_LINE_MAX ? " <" : "\r\n <");
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

static bool is_called(struct slice name, const char *text) {
    return name.len == strlen(text) && strncasecmp(text, name.data, name.len) == 0;
}

int mime_check_header(struct slice name, struct slice value, struct report *r) {
    static const struct {
        const char *name, *instead;
    } own[] = {{"From", ": use the option from"},
               {"To", ": use the option to"},
               {"Cc", ": use the option cc"},
               {"Bcc", ": use the option bcc"},
               {"Subject", ": use the option subject"},
               {"Date", ""},
               {"Message-ID", ""},
               {"MIME-Version", ""},
               {"Content-Type", ""},
               {"Content-Transfer-Encoding", ""}};
    bool token = name.len > 0 && name.len <= LINE_BYTES_MAX;
    for (size_t i = 0; i < name.len; i++) {
        token = token && name.data[i] > ' ' && name.data[i] < 0x7f && name.data[i] != ':';
    }
    if (!token) {
        return report(r, ERR_INVALID, "a mail header has an invalid name");
    }
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (is_called(name, own[i].name)) {
            return report(r, ERR_INVALID, "the mail header %s cannot be set%s", own[i].name,
                          own[i].instead);
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

/* "To: " or another header, and the addresses, each on a line of its own; nothing for none. */
static int add_recipients(struct buf *out, const char *name, const struct slice *to, size_t count,
                          struct report *r) {
    struct slice person = {NULL, 0};
    struct slice address = {NULL, 0};
    for (size_t i = 0; i < count; i++) {
        int rc = mime_address(to[i], &person, &address, r);
        if (rc != 0) {
            return rc;
        }
        buf_add_str(out, i == 0 ? name : ",\r\n ");
        add_address(out, person, address);
    }
    buf_add_str(out, count > 0 ? "\r\n" : "");
    return 0;
}

/* The next address of a list with commas, which may stand in quotes, too. False at its end. */
static bool next_in_list(struct slice list, size_t *at, struct slice *item) {
    size_t start = *at;
    bool quoted = false;
    if (start > list.len) {
        return false;
    }
    size_t i = start;
    for (; i < list.len && (quoted || list.data[i] != ','); i++) {
        quoted = list.data[i] == '"' ? !quoted : quoted;
        i += list.data[i] == '\\' && i + 1 < list.len ? 1 : 0;
    }
    *item = (struct slice){list.data + start, i - start};
    *at = i + 1;
    return true;
}

static bool is_address_list(struct slice value) {
    struct slice item;
    struct slice name;
    struct slice address;
    for (size_t at = 0; next_in_list(value, &at, &item);) {
        if (mime_address(item, &name, &address, NULL) != 0) {
            return false;
        }
    }
    return true;
}

static void add_address_list(struct buf *out, struct slice value) {
    struct slice item;
    struct slice name = {NULL, 0};
    struct slice address = {NULL, 0};
    for (size_t at = 0; next_in_list(value, &at, &item);) {
        buf_add_str(out, item.data == value.data ? "" : ",\r\n ");
        int rc = mime_address(item, &name, &address, NULL);
        assert(rc == 0);
        add_address(out, name, address);
    }
}

static bool is_among(struct slice name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (is_called(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_for_addresses(struct slice name) {
    static const char *const names[] = {"Sender",
                                        "Reply-To",
                                        "Errors-To",
                                        "Return-Receipt-To",
                                        "Disposition-Notification-To",
                                        "Mail-Followup-To",
                                        "Mail-Reply-To"};
    return is_among(name, names, sizeof names / sizeof *names);
}

/* Headers that programs read: encoded words are not allowed in them (RFC 2047, 5), except in the
 * names of addresses. */
static bool is_structured(struct slice name) {
    static const char *const names[] = {"References", "In-Reply-To", "Auto-Submitted"};
    static const char *const families[] = {"List-", "Resent-", "Content-"};
    bool is_one = is_for_addresses(name) || is_among(name, names, sizeof names / sizeof *names);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        size_t len = strlen(families[i]);
        is_one = is_one || (name.len > len && strncasecmp(name.data, families[i], len) == 0);
    }
    return is_one;
}

static int add_value(struct buf *out, struct slice name, struct slice value, struct report *r) {
    size_t column = name.len + 2;
    if (!is_ascii(value) && is_address_list(value)) {
        add_address_list(out, value);
    } else if (!is_structured(name)) {
        add_text(out, value, column);
    } else if (is_ascii(value) && can_fold(value)) {
        add_folded(out, value, column);
    } else {
        return report(
            r, ERR_INVALID,
            "the mail header %.*s is neither a list of addresses nor ASCII in words of at "
            "most %d bytes",
            (int)name.len, name.data, PLAIN_LINE_MAX);
    }
    return 0;
}

static int add_header(struct buf *out, struct slice name, struct slice value, struct report *r) {
    int rc = mime_check_header(name, value, r);
    if (rc == 0) {
        buf_add_slice(out, name);
        buf_add_str(out, ": ");
        rc = add_value(out, name, value, r);
        buf_add_str(out, "\r\n");
    }
    return rc;
}

/* Those for addresses first, as RFC 5322, 3.6 recommends. */
static int add_extra_headers(struct buf *out, const struct mime_mail *mail, struct report *r) {
    struct slice name, value;
    int rc = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        while (rc == 0 && property_next(mail->headers, &at, &name, &value)) {
            rc = is_for_addresses(name) == (pass == 0) ? add_header(out, name, value, r) : 0;
        }
    }
    return rc;
}

/* A mail to hidden recipients alone must have one of these headers all the same. */
static int add_all_recipients(struct buf *out, const struct mime_mail *mail, struct report *r) {
    if (mail->to_count + mail->cc_count == 0) {
        buf_add_str(out, "To: undisclosed-recipients:;\r\n");
    }
    int rc = add_recipients(out, "To: ", mail->to, mail->to_count, r);
    return rc == 0 ? add_recipients(out, "Cc: ", mail->cc, mail->cc_count, r) : rc;
}

int mime_write(const struct mime_mail *mail, struct buf *out, struct report *r) {
    assert(mail->message_id.len > 0);
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
    rc = add_all_recipients(out, mail, r);
    if (rc != 0) {
        return rc;
    }
    buf_printf(out, "Message-ID: <%.*s%.*s>\r\nSubject: ", (int)mail->message_id.len,
               mail->message_id.data, (int)(address.data + address.len - domain), domain);
    add_text(out, mail->subject, strlen("Subject: "));
    buf_add_str(out, "\r\nMIME-Version: 1.0\r\n");
    rc = add_extra_headers(out, mail, r);
    if (rc != 0) {
        return rc;
    }
    add_body(out, mail);
    return out->failed ? report(r, ERR_LIMIT, "the mail is too large") : 0;
}

/* url.c - see base/url.h. */
#include "base/url.h"

#include <stdio.h>
#include <string.h>

static const char MARK[] = "://";

enum { MARK_BYTES = sizeof MARK - 1 };

static bool ends_url(char c) {
    return (unsigned char)c <= ' ' || c == 0x7f || strchr("\"'<>`", c) != NULL;
}

/* A host may be followed by a port: digits, to the end of the authority. */
static bool is_host_and_port(struct slice authority) {
    const char *colon = memchr(authority.data, ':', authority.len);
    size_t at = colon == NULL ? authority.len : (size_t)(colon + 1 - authority.data);
    while (at < authority.len && authority.data[at] >= '0' && authority.data[at] <= '9') {
        at++;
    }
    return at == authority.len || authority.data[0] == '['; /* an IPv6 address contains colons */
}

size_t url_login_bytes(struct slice rest) {
    size_t len = 0;
    size_t authority = SIZE_MAX;
    size_t login = 0;
    for (; len < rest.len && !ends_url(rest.data[len]); len++) {
        if (strchr("/?#", rest.data[len]) != NULL && authority == SIZE_MAX) {
            authority = len;
            if (login > 0 || is_host_and_port((struct slice){rest.data, len})) {
                break; /* the rest is a path, which may contain an @ */
            }
        }
        login = rest.data[len] == '@' ? len + 1 : login;
    }
    return login;
}

/* True if the text has a mark that ends at `end`. */
static bool has_mark(const char *text, size_t end) {
    return end >= MARK_BYTES && memcmp(text + end - MARK_BYTES, MARK, MARK_BYTES) == 0;
}

size_t url_cut_logins(char *text) {
    struct slice all = slice_of(text);
    size_t to = 0;
    for (size_t at = 0; at < all.len; at++) {
        text[to++] = text[at];
        if (has_mark(text, to)) {
            at += url_login_bytes((struct slice){text + at + 1, all.len - at - 1});
        }
    }
    text[to] = '\0';
    return to;
}

void url_add_public(struct buf *out, struct slice text) {
    for (size_t at = 0; at < text.len; at++) {
        buf_add(out, text.data + at, 1);
        if (has_mark(text.data, at + 1)) {
            at += url_login_bytes((struct slice){text.data + at + 1, text.len - at - 1});
        }
    }
}

const char *url_shown(const char *url, char out[URL_SHOWN_BYTES]) {
    struct slice all = slice_of(url);
    struct buf text;
    buf_init(&text, all.len + 1);
    url_add_public(&text, all); /* before it is cut, perhaps ahead of the @ */
    (void)snprintf(out, URL_SHOWN_BYTES, "%s", buf_str(&text));
    buf_clear(&text);
    return out;
}

void url_add_escaped(struct buf *out, struct slice text, const char *others) {
    for (size_t i = 0; i < text.len; i++) {
        if (byte_is_plain(text.data[i], others)) {
            buf_add(out, text.data + i, 1);
        } else {
            buf_printf(out, "%%%02X", (unsigned char)text.data[i]);
        }
    }
}

void url_add_part(struct buf *out, struct slice part) {
    url_add_escaped(out, part, "-_.~");
}

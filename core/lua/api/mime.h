/*
 * mime.h - a mail as text: RFC 5322 headers, MIME bodies, CRLF. Pure; sends nothing.
 */
#ifndef ZINGQ_LUA_API_MIME_H
#define ZINGQ_LUA_API_MIME_H

#include "base/buf.h"
#include "base/error.h"

#include <stdint.h>

struct mime_mail {
    struct slice from; /* "Box Office <tickets@example.com>" or the address alone */
    const struct slice *to, *cc;
    size_t to_count, cc_count;
    struct slice subject;
    struct slice text, html; /* UTF-8; data NULL = none; both make multipart/alternative */
    struct slice headers;    /* more of them, as property_add writes them */
    struct slice message_id; /* the part before the @; after it comes the sender's domain */
    int64_t date_ms;         /* since 1970 */
};

/* Splits "Name <local@domain>" or "local@domain"; name is "" when there is none. An address may be
 * UTF-8. ERR_INVALID with a sentence if it is not a mail address, or contains a line break. */
int mime_address(struct slice text, struct slice *name, struct slice *address, struct report *r);
/* ERR_INVALID with a sentence if the header must not be set: an invalid name, one that mime_write
 * sets itself, a value with a line break. */
int mime_check_header(struct slice name, struct slice value, struct report *r);

/* Appends the whole message. ERR_INVALID with a sentence, ERR_LIMIT when out is full. */
int mime_write(const struct mime_mail *mail, struct buf *out, struct report *r);

#endif

/*
 * url.h - URLs as they may be shown, without user name and password; and their parts, encoded.
 */
#ifndef ZINGQ_BASE_URL_H
#define ZINGQ_BASE_URL_H

#include "base/buf.h"

/* How many bytes of `rest`, which is what follows a "://", are user name and password with their @;
 * 0 = there are none. A URL ends before a space, a quote or a control character. A password may
 * hold what should have been escaped, such as @ / ? and #. */
size_t url_login_bytes(struct slice rest);
/* Cuts the user names and passwords of the URLs in the text out of it; its length. */
size_t url_cut_logins(char *text);
/* Appends the text without them. */
void url_add_public(struct buf *out, struct slice text);
enum { URL_SHOWN_BYTES = 512 };
/* The URL without them, cut to what fits. Returns `out`. */
const char *url_shown(const char *url, char out[URL_SHOWN_BYTES]);
/* Appends the text percent-encoded, except for ASCII letters, digits and the bytes of `others`. */
void url_add_escaped(struct buf *out, struct slice text, const char *others);
/* Appends a part of a path or a query, percent-encoded. */
void url_add_part(struct buf *out, struct slice part);

#endif

/*
 * head.c - heads that libmicrohttpd accepts and we refuse.
 *
 * Two lengths, or a length with chunks, are read one way by one server and another way by the next:
 * behind a proxy, we would see requests that the proxy has not seen. A path or a query that is not
 * UTF-8 must be a mistake: keys, names and topics are UTF-8. libmicrohttpd passes a path on without
 * its length, so a %00 in it is made one of the mistakes before.
 */
#include "io/httpd/impl.h"

#include "base/utf8.h"

#include <string.h>
#include <strings.h>

struct look {
    size_t lengths, encodings, hosts;
    bool bad_text, bad_header;
};

static bool is_text(struct slice s) {
    return utf8_is_valid(s) && !slice_has_nul(s);
}

static enum MHD_Result on_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 size_t name_len, const char *value, size_t value_len) {
    (void)kind;
    (void)value;
    (void)value_len;
    struct look *look = ctx;
    /* A name of another form, as with a space at its end, is another header to whoever trims it. */
    look->bad_header =
        look->bad_header || !slice_is_plain((struct slice){name, name_len}, HTTP_TOKEN_OTHERS);
    look->hosts += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0 ? 1 : 0;
    look->lengths += strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0 ? 1 : 0;
    look->encodings += strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0 ? 1 : 0;
    return MHD_YES;
}

static enum MHD_Result on_query(void *ctx, enum MHD_ValueKind kind, const char *name,
                                size_t name_len, const char *value, size_t value_len) {
    (void)kind;
    struct look *look = ctx;
    look->bad_text = look->bad_text || !is_text((struct slice){name, name_len}) ||
                     (value != NULL && !is_text((struct slice){value, value_len}));
    return MHD_YES;
}

size_t gateway_unescape(void *ctx, struct MHD_Connection *connection, char *text) {
    (void)ctx;
    (void)connection;
    static const char in_no_utf8 = '\xff';
    size_t len = MHD_http_unescape(text);
    for (char *nul = memchr(text, '\0', len); nul != NULL; nul = memchr(text, '\0', len)) {
        *nul = in_no_utf8;
    }
    return len;
}

const char *gateway_check_head(struct MHD_Connection *connection, const char *path) {
    struct look look = {.bad_text = !is_text(slice_of(path))};
    (void)MHD_get_connection_values_n(connection, MHD_HEADER_KIND, on_header, &look);
    (void)MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, on_query, &look);
    if (look.bad_header || look.hosts > 1) {
        return "{\"error\":\"a header's name is not valid, or there are two Host headers\"}\n";
    }
    if (look.lengths + look.encodings > 1) {
        return "{\"error\":\"the body has more than one length\"}\n";
    }
    return look.bad_text ? "{\"error\":\"the address is not UTF-8, or has a NUL in it\"}\n" : NULL;
}

/*
 * request.c - the contents of a request, and where it comes from, even through our own proxies.
 */
#include "io/httpd/impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *gateway_method(const struct gateway_request *request) {
    return request->method;
}

const char *gateway_path(const struct gateway_request *request) {
    return request->set_path != NULL ? request->set_path : request->path;
}

const char *gateway_query(const struct gateway_request *request, const char *name) {
    if (request->set_value != NULL && strcmp(name, request->set_name) == 0) {
        return request->set_value;
    }
    return request->guest != NULL
               ? gateway_guest_query(request->guest, name)
               : MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *gateway_header(const struct gateway_request *request, const char *name) {
    return request->guest != NULL
               ? gateway_guest_header(request->guest, name)
               : MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct slice gateway_body(const struct gateway_request *request) {
    return buf_slice(&request->body);
}

bool gateway_is_proxy(const struct gateway *g, const struct address *a) {
    for (size_t i = 0; i < g->callbacks.proxy_count; i++) {
        if (address_is_in(a, g->callbacks.proxies[i])) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result note_last(void *ctx, enum MHD_ValueKind kind, const char *name,
                                 const char *value) {
    (void)kind;
    const char **last = ctx;
    if (strcasecmp(name, "X-Forwarded-For") == 0) {
        *last = value;
    }
    return MHD_YES;
}

/* The last word of "a, b, c"; *list then ends before it. */
static struct slice last_word(struct slice *list) {
    size_t from = list->len;
    while (from > 0 && list->data[from - 1] != ',') {
        from--;
    }
    struct slice word = {list->data + from, list->len - from};
    list->len = from == 0 ? 0 : from - 1;
    while (word.len > 0 && *word.data == ' ') {
        word = (struct slice){word.data + 1, word.len - 1};
    }
    while (word.len > 0 && word.data[word.len - 1] == ' ') {
        word.len--;
    }
    return word;
}

void gateway_set_who(struct gateway_request *request, const char *name) {
    (void)snprintf(request->who, sizeof request->who, "%s", name);
}

const char *gateway_who(const struct gateway_request *request) {
    return request->who;
}

void gateway_on_answer(struct gateway_request *request, void *ctx,
                       void (*fn)(void *ctx, const struct gateway_request *request, int status)) {
    request->answer_ctx = ctx;
    request->on_answer = fn;
}

bool gateway_is_secure(const struct gateway_request *request) {
    const char *proto = gateway_header(request, "X-Forwarded-Proto");
    return (request->gateway != NULL && request->gateway->tls) ||
           (proto != NULL && strcmp(proto, "https") == 0);
}

/* Each proxy appends the address it received the request from. So the last entry that is not one of
 * our proxies was written by one of them; anybody may have written what precedes it. */
struct address gateway_from(const struct gateway_request *request) {
    const struct gateway *g = request->gateway;
    const char *header = NULL;
    if (request->guest != NULL) {
        return (struct address){.local = true};
    }
    struct address from = gateway_client_from(request->connection);
    if (!gateway_is_proxy(g, &from)) {
        return from;
    }
    (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, note_last, &header);
    struct slice list = slice_of(header);
    struct address before;
    while (list.len > 0 && gateway_is_proxy(g, &from) && address_parse(last_word(&list), &before)) {
        from = before;
    }
    return from;
}

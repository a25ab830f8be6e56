/*
 * guest.c - requests that did not come over a socket; the code that answers them cannot tell. They
 * own all their bytes, and their answer goes to a callback.
 *
 * Texts are stored as pairs of length-prefixed texts, each with its NUL, so that a lookup can
 * return pointers.
 */
#include "io/httpd/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct gateway_guest {
    struct gateway_request request; /* what others see of it */
    char *method, *path;
    struct buf query, headers; /* pairs, as described above */
    bool final;
    void *ctx;
    void (*on_answer)(void *ctx, const struct gateway_reply *reply);
};

/* Copies the list and adds a NUL to each text. */
static int keep_pairs(struct buf *out, struct slice list) {
    struct reader r = reader_of(list.data, list.len);
    size_t count = 0;
    buf_init(out, list.len * 2 + 16);
    while (r.at < r.end) {
        struct slice text = read_lv(&r);
        if (r.failed || slice_has_nul(text)) {
            return ERR_INVALID;
        }
        buf_add_u32(out, (uint32_t)text.len + 1);
        buf_add_slice(out, text);
        buf_add_u8(out, 0);
        count++;
    }
    return count % 2 != 0 ? ERR_INVALID : out->failed ? ERR_MEMORY : 0;
}

static const char *find(const struct buf *list, const char *name,
                        int (*compare)(const char *, const char *)) {
    struct reader r = reader_of(list->data, list->len);
    while (r.at < r.end) {
        struct slice found = read_lv(&r);
        struct slice value = read_lv(&r);
        assert(!r.failed);
        if (compare(found.data, name) == 0) {
            return value.data;
        }
    }
    return NULL;
}

const char *gateway_guest_query(const struct gateway_guest *guest, const char *name) {
    return find(&guest->query, name, strcmp);
}

const char *gateway_guest_header(const struct gateway_guest *guest, const char *name) {
    return find(&guest->headers, name, strcasecmp);
}

static void free_guest(struct gateway_guest *guest) {
    free(guest->method);
    free(guest->path);
    gateway_forget_set(&guest->request);
    buf_clear(&guest->query);
    buf_clear(&guest->headers);
    buf_clear(&guest->request.body);
    free(guest);
}

int gateway_guest_new(struct gateway_request **out, const struct gateway_words *words, void *ctx,
                      void (*on_answer)(void *ctx, const struct gateway_reply *reply)) {
    struct gateway_guest *guest = calloc(1, sizeof *guest);
    if (guest == NULL) {
        return ERR_MEMORY;
    }
    guest->method = slice_dup(slice_of(words->method));
    guest->path = slice_dup(slice_of(words->path));
    guest->final = words->final;
    guest->ctx = ctx;
    guest->on_answer = on_answer;
    int code = keep_pairs(&guest->query, words->query);
    int headers_code = keep_pairs(&guest->headers, words->headers);
    buf_init(&guest->request.body, words->body.len + 1);
    buf_add_slice(&guest->request.body, words->body);
    guest->request.guest = guest;
    guest->request.method = guest->method;
    guest->request.path = guest->path;
    code = code == 0 ? headers_code : code;
    if (code == 0 && (guest->method == NULL || guest->path == NULL || guest->request.body.failed)) {
        code = ERR_MEMORY;
    }
    if (code != 0) {
        free_guest(guest);
        return code;
    }
    *out = &guest->request;
    return 0;
}

void gateway_guest_free(struct gateway_request *request) {
    assert(request->guest != NULL && !request->answered);
    free_guest(request->guest);
}

void gateway_guest_answer(struct gateway_request *request, const struct gateway_reply *reply) {
    struct gateway_guest *guest = request->guest;
    assert(!request->answered);
    request->answered = true;
    guest->on_answer(guest->ctx, reply);
    free_guest(guest);
}

bool gateway_is_final(const struct gateway_request *request) {
    return request->guest != NULL && request->guest->final;
}

/* ---- a query as an argument list ---- */

struct listing {
    const struct gateway_request *request;
    const char *without;
    struct buf *out;
};

static enum MHD_Result add_pair(void *ctx, enum MHD_ValueKind kind, const char *name,
                                const char *value) {
    (void)kind;
    const struct listing *listing = ctx;
    bool is_set =
        listing->request->set_value != NULL && strcmp(name, listing->request->set_name) == 0;
    if (value != NULL && strcmp(name, listing->without) != 0) {
        buf_add_lv(listing->out, slice_of(name));
        buf_add_lv(listing->out, slice_of(is_set ? listing->request->set_value : value));
    }
    return MHD_YES;
}

void gateway_add_query(const struct gateway_request *request, const char *without,
                       struct buf *out) {
    struct listing listing = {request, without, out};
    if (request->guest == NULL) {
        (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, add_pair,
                                        &listing);
        return;
    }
    const struct buf *list = &request->guest->query;
    struct reader r = reader_of(list->data, list->len);
    while (r.at < r.end) {
        const char *name = read_lv(&r).data;
        (void)add_pair(&listing, MHD_GET_ARGUMENT_KIND, name, read_lv(&r).data);
    }
}

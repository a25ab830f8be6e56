/*
 * changes.c - changes by operators through the API: recorded before they begin and when they are
 * answered, shown by GET /api/audit.
 */
#include "web/admin/impl.h"

#include "query/json.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 100 };

/* The query as a JSON object. */
static json_t *query_json(const struct gateway_request *request) {
    struct buf list;
    buf_init(&list, GATEWAY_BODY_BYTES_MAX);
    gateway_add_query(request, "", &list);
    json_t *object = json_object();
    struct reader r = reader_of(list.data, list.len);
    while (!list.failed && object != NULL && r.at < r.end) {
        struct slice name = read_lv(&r);
        struct slice value = read_lv(&r);
        char *text = slice_dup(name);
        if (text == NULL || !look_json_bytes(object, text, value)) {
            json_decref(object);
            object = NULL;
        }
        free(text);
    }
    buf_clear(&list);
    return object;
}

/* The record of an erasure has a hash in place of the key. */
static void hide_key(struct admin *a, const struct gateway_request *request, int status,
                     json_t *query) {
    static const char prefix[] = "/api/keys/";
    static const char erase[] = "/erase";
    const char *path = gateway_path(request);
    const char *key = gateway_query(request, "key");
    size_t len = strlen(path);
    size_t name_len = len - (sizeof prefix - 1) - (sizeof erase - 1);
    char service[NAME_BYTES_MAX + 1];
    char hash[AUDIT_HASH_BYTES];
    bool erases = len > sizeof prefix + sizeof erase - 2 &&
                  strcmp(path + len - (sizeof erase - 1), erase) == 0;
    if (!erases || key == NULL || name_len > NAME_BYTES_MAX) {
        return;
    }
    (void)snprintf(service, sizeof service, "%.*s", (int)name_len, path + sizeof prefix - 1);
    audit_hash(key, hash);
    (void)json_object_set_new(query, "key", json_string(hash));
    if (status == 202 && division_is_divided(&a->options.conf->hosts.share)) {
        audit_hide_key(a->audit, service, key); /* the host that has the key hides its own */
    }
}

/* `status` 0: it is about to begin. */
static void note(struct admin *a, const struct gateway_request *request, const char *id,
                 int status) {
    char from[ADDRESS_TEXT_BYTES];
    struct address address = gateway_from(request);
    const char *who = gateway_who(request);
    address_text(&address, from);
    json_t *query = query_json(request);
    hide_key(a, request, status, query);
    json_t *record =
        json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", id, "who", who[0] != '\0' ? who : "owner",
                  "from", from, "method", gateway_method(request), "query", query);
    if (record != NULL) {
        (void)json_object_set_new(record, status == 0 ? "asked" : "status",
                                  status == 0 ? json_true() : json_integer(status));
    }
    if (record != NULL && !look_json_bytes(record, "path", slice_of(gateway_path(request)))) {
        json_decref(record);
        record = NULL;
    }
    audit_note(a->audit, record);
}

static void on_answer(void *ctx, const struct gateway_request *request, int status) {
    struct change *change = ctx;
    note(change->admin, request, change->id, status);
    LIST_REMOVE(change, link);
    free(change);
}

bool admin_begin_change(struct admin *a, struct gateway_request *request) {
    uint8_t id[CHANGE_ID_BYTES];
    struct change *change = calloc(1, sizeof *change);
    if (change == NULL) {
        return false;
    }
    randombytes_buf(id, sizeof id);
    (void)sodium_bin2hex(change->id, sizeof change->id, id, sizeof id);
    change->admin = a;
    LIST_INSERT_HEAD(&a->changes, change, link);
    note(a, request, change->id, 0);
    gateway_on_answer(request, change, on_answer);
    return true;
}

void admin_forget_changes(struct admin *a) {
    struct change *change;
    while ((change = LIST_FIRST(&a->changes)) != NULL) {
        LIST_REMOVE(change, link);
        free(change);
    }
}

/* A page of changes. */
struct page {
    json_t *list;       /* newest first */
    const char *before; /* the place that it begins behind; NULL = at the newest */
    bool found, failed;
};

enum { PLACE_BYTES = 64 };

/* The change's id; or when it was, if it has none. */
static void write_place(const json_t *record, char out[PLACE_BYTES]) {
    const char *id = json_string_value(json_object_get(record, "id"));
    int64_t ms = json_integer_value(json_object_get(record, "at_ms"));
    int len = id == NULL ? snprintf(out, PLACE_BYTES, "%" PRId64, ms)
                         : snprintf(out, PLACE_BYTES, "%s", id);
    assert(len >= 0);
}

static bool add_record(void *ctx, json_t *record) {
    struct page *page = ctx;
    char place[PLACE_BYTES];
    write_place(record, place);
    if (page->before != NULL && strcmp(place, page->before) == 0) {
        page->found = true;
        return false;
    }
    page->failed = json_array_insert(page->list, 0, record) != 0;
    return !page->failed;
}

/* Reads as much of the end of the files as has the place and, before it, more changes than the limit. A place
 * that is not in them any more has nothing before it. */
static int read_page(struct admin *a, struct page *page, int64_t since_ms, uint64_t limit,
                     struct report *r) {
    bool whole = false;
    bool enough = false;
    int code = 0;
    for (uint64_t tail = AUDIT_TAIL_BYTES; code == 0 && !whole && !enough; tail *= 4) {
        json_decref(page->list);
        page->list = json_array();
        page->found = page->before == NULL;
        page->failed = page->list == NULL;
        code = page->failed ? 0
                            : audit_read(a->options.conf->store_path, since_ms, tail, &whole, page,
                                         add_record, r);
        code = page->failed ? report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY)) : code;
        enough = page->found && json_array_size(page->list) > limit;
    }
    if (!page->found) {
        json_decref(page->list);
        page->list = json_array();
    }
    return code;
}

/* The list, each row with its place. NULL when out of memory. */
static json_t *placed(const json_t *list) {
    json_t *out = json_array();
    size_t i;
    json_t *record;
    json_array_foreach(list, i, record) {
        char at[PLACE_BYTES];
        write_place(record, at);
        if (out == NULL ||
            json_array_append_new(out, json_pack("{s:s, s:O}", "at", at, "row", record)) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

static void answer_page(struct gateway_request *request, struct page *page, uint64_t limit) {
    char next[PLACE_BYTES];
    char headers[sizeof next + 32] = "";
    bool more = json_array_size(page->list) > limit;
    while (json_array_size(page->list) > limit) {
        (void)json_array_remove(page->list, json_array_size(page->list) - 1);
    }
    if (more) {
        write_place(json_array_get(page->list, limit - 1), next);
        (void)snprintf(headers, sizeof headers, "Zingq-Next: %s\n", next);
    }
    bool part = admin_is_part(request);
    gateway_answer_json(request, 200, headers, part ? placed(page->list) : json_incref(page->list));
}

/* Newest first. */
void admin_show_audit(void *ctx, const struct call *call) {
    static const struct gather_kind kind = {&merge_changes, SHOWN, true};
    struct admin *a = ctx;
    struct report r = {""};
    struct page page = {.before = gateway_query(call->request, "before")};
    uint64_t limit;
    uint64_t since_ms;
    if (admin_gather(a, &kind, call)) {
        return;
    }
    if (!admin_limit(call->request, SHOWN, &limit, &r) ||
        !admin_option(call->request, "since_ms", 0, INT64_MAX, 0, &since_ms, &r)) {
        gateway_answer_error(call->request, 400, NULL, r.text);
        return;
    }
    if (read_page(a, &page, (int64_t)since_ms, limit, &r) == 0) {
        answer_page(call->request, &page, limit);
    } else {
        gateway_answer_error(call->request, 503, NULL, r.text);
    }
    json_decref(page.list);
}

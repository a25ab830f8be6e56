/*
 * changes.c - changes by operators through the API: recorded before they begin and when they are
 * answered, shown by GET /api/audit.
 */
#include "web/admin/impl.h"

#include "query/json.h"

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

static bool add_record(void *ctx, json_t *record) {
    json_t *list = ctx;
    return json_array_insert(list, 0, record) == 0;
}

/* Newest first. */
void admin_show_audit(void *ctx, const struct call *call) {
    static const struct gather_kind kind = {&merge_changes, SHOWN, false};
    struct admin *a = ctx;
    struct report r = {""};
    uint64_t limit;
    uint64_t since_ms;
    if (admin_gather(a, &kind, call)) {
        return;
    }
    json_t *list = json_array();
    if (!admin_option(call->request, "limit", 1, READING_ITEMS_MAX, SHOWN, &limit, &r) ||
        !admin_option(call->request, "since_ms", 0, INT64_MAX, 0, &since_ms, &r)) {
        json_decref(list);
        gateway_answer_error(call->request, 400, NULL, r.text);
        return;
    }
    int code =
        audit_read(a->options.conf->store_path, (int64_t)since_ms, true, list, add_record, &r);
    if (code != 0) {
        json_decref(list);
        gateway_answer_error(call->request, 503, NULL, r.text);
        return;
    }
    while (json_array_size(list) > limit) {
        (void)json_array_remove(list, json_array_size(list) - 1);
    }
    gateway_answer_json(call->request, 200, NULL, list);
}

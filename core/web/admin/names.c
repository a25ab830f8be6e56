/*
 * names.c - what a request names: the key that it is about, or the id.
 */
#include "web/admin/impl.h"

static bool has_noun(const struct parts *parts, const char *const *nouns, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_is(parts->at[1], nouns[i])) {
            return true;
        }
    }
    return false;
}

bool admin_names_key(const struct call *call, struct slice *service, struct slice *key) {
    static const char *const nouns[] = {"keys", "state", "peek"};
    static const char *const filtered[] = {"events", "replay"};
    const struct parts *parts = &call->parts;
    const char *text = gateway_query(call->request, "key");
    const char *name = gateway_query(call->request, "service");
    bool filters =
        parts->count == 2 && has_noun(parts, filtered, sizeof filtered / sizeof *filtered);
    if (filters && name != NULL) {
        *service = slice_of(name);
    } else if (parts->count >= 3 && has_noun(parts, nouns, sizeof nouns / sizeof *nouns)) {
        *service = parts->at[2];
    } else {
        return false;
    }
    *key = slice_of(text);
    return text != NULL && key->len <= KEY_BYTES_MAX;
}

bool admin_names_id(const struct parts *parts) {
    static const char *const nouns[] = {"events", "dlq", "cancel", "outbox"};
    struct uuid id;
    return parts->count >= 3 && has_noun(parts, nouns, sizeof nouns / sizeof *nouns) &&
           uuid_parse(parts->at[2], &id) && !uuid_is_zero(&id);
}

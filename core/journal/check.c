/*
 * check.c - whether a row can be decoded, by the rules of its table's own file.
 */
#include "journal/impl.h"
#include "store/log.h"

#include <string.h>

/* A newer one has records that are not damaged, but unknown. */
static int check_schema(struct slice value) {
    struct reader r = reader_of(value.data, value.len);
    uint32_t schema = read_u32(&r);
    return r.failed ? ERR_CORRUPT : schema > STORE_SCHEMA ? ERR_SCHEMA : 0;
}

static int check_meta(struct slice key, struct slice value) {
    if (slice_is(key, "schema")) {
        return check_schema(value);
    }
    if (journal_key_begins(key, "schedule/")) {
        return journal_check_later(TABLE_META, key, value);
    }
    if (slice_is(key, "dedupe") || journal_key_begins(key, "secret/")) {
        return journal_check_dedupe(TABLE_META, key, value);
    }
    return journal_key_begins(key, "kept/") ? journal_check_kept(value)
                                            : journal_check_meta(key, value);
}

int journal_check_row(enum store_table t, struct slice key, struct slice value) {
    switch (t) {
    case TABLE_META:
        return check_meta(key, value);
    case TABLE_EVENT:
    case TABLE_HISTORY:
        return journal_check_event(t, key, value);
    case TABLE_READY:
    case TABLE_LANE:
    case TABLE_TENANT:
        return journal_check_place(t, key, value);
    case TABLE_DEAD:
        return journal_check_dead(key, value);
    case TABLE_LETTER:
        return journal_check_letter(key, value);
    case TABLE_OUTBOX:
    case TABLE_APPEND:
        return journal_check_outbox(t, key, value);
    case TABLE_STEP:
    case TABLE_SIGNAL:
    case TABLE_WAITER:
        return journal_check_step(t, key, value);
    case TABLE_DELAYED:
        return journal_check_later(t, key, value);
    case TABLE_FORWARD:
    case TABLE_CURSOR:
        return journal_check_forward(t, key, value);
    case TABLE_ASIDE:
        return journal_check_aside(key, value);
    case TABLE_STATE:
    case TABLE_LOCK:
    case TABLE_TIMER:
        return journal_check_keyed(t, key, value);
    default:
        return journal_check_dedupe(t, key, value);
    }
}

bool journal_row_fits(enum store_table t, struct slice key, struct slice value) {
    static const char *const names[] = {"schema", "schema by", "log",       "host",     "secret",
                                        "seq",    "clock",     "dedupe",    "service/", "books/",
                                        "flag/",  "text/",     "schedule/", "secret/",  "kept/"};
    bool named = t != TABLE_META;
    for (size_t i = 0; !named && i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i]);
        bool prefix = names[i][len - 1] == '/';
        named = (prefix ? key.len > len : key.len == len) && memcmp(key.data, names[i], len) == 0;
    }
    return named && journal_check_row(t, key, value) == 0;
}

bool journal_row_is_own(enum store_table t, struct slice key) {
    return store_owns_row(t, key) ||
           (t == TABLE_META && (slice_is(key, "flag/kept") || slice_is(key, "flag/grouped") ||
                                slice_is(key, "flag/files") || journal_key_begins(key, "kept/")));
}

/*
 * check.c - reads the new stores back from their files, and compares them with the old ones.
 *
 * Every old row is looked up where it belongs, byte by byte, and the new rows are counted: so each
 * is there exactly once. Every row that says where an event waits leads to that event. The sums of
 * all books are unchanged.
 */
#include "reshard/impl.h"

#include "journal/event.h"
#include "journal/forward.h"

#include <string.h>

static int expect(struct folder *to, enum store_table t, struct slice key, struct slice value) {
    struct slice there;
    int code = store_get(to->to, t, key, &there);
    if (code != 0) {
        return code == ERR_NOTFOUND ? ERR_CORRUPT : code;
    }
    return slice_equal(there, value) ? 0 : ERR_CORRUPT;
}

/* The note of a key may have come from another folder; it must exist and live as long. */
static int expect_note(struct folder *to, struct slice key, int64_t until_ms) {
    for (size_t i = 0; i < DEDUPE_BUCKETS; i++) {
        struct slice there;
        int code = to->to_buckets[i] < until_ms ? ERR_NOTFOUND
                                                : store_get(to->to, TABLE_DEDUPE + i, key, &there);
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return ERR_CORRUPT;
}

static int check_note(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value) {
    struct row_sight sight;
    struct targets targets = {.folders = 0};
    int64_t until_ms = re->folders[from].buckets[t - TABLE_DEDUPE];
    if (until_ms == 0) {
        return 0;
    }
    int code = journal_row_look(t, key, value, &sight);
    code = code == 0 ? reshard_note_targets(re, from, key, &sight, &targets) : code;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = (targets.folders >> i & 1) != 0 ? expect_note(&re->folders[i], key, until_ms) : 0;
    }
    return code;
}

static int check_cursor(struct folder *to, const struct row_sight *sight, struct slice value) {
    struct reader r = reader_of(value.data, value.len);
    uint64_t there = 0;
    int code = journal_cursor_get(to->to_journal, sight->partition, &sight->id, &there);
    return code == 0 && there < read_u64(&r) ? ERR_CORRUPT : code;
}

static int expect_row(struct reshard *re, const struct routed_row *row) {
    int code = reshard_rewrite(re, row->from, row->route.to, row->table, row->key, row->value,
                               &row->sight, row->route.stray);
    return code == 0 ? expect(&re->folders[row->route.to], row->table, buf_slice(&re->key),
                              buf_slice(&re->value))
                     : code;
}

static const struct row_visitor comparing = {
    .note = check_note, .aside = expect, .cursor = check_cursor, .row = expect_row};

static int check_row(struct reshard *re, size_t from, enum store_table t, struct slice key,
                     struct slice value) {
    return reshard_visit_row(re, from, t, key, value, &comparing);
}

static int check_counts(const struct reshard *re) {
    for (size_t i = 0; i < re->folder_count; i++) {
        const struct folder *f = &re->folders[i];
        for (unsigned t = 0; t < TABLE_COUNT; t++) {
            bool counted = t != TABLE_META && t != TABLE_CURSOR;
            if (counted && store_rows(f->to, (enum store_table)t) != f->written[t]) {
                return ERR_CORRUPT;
            }
        }
    }
    return 0;
}

/* --- events and their places --- */

static int check_place(const struct folder *f, const struct row *row) {
    struct slice record;
    struct event_sight event;
    int code = journal_event_record(f->to_journal, row->partition, &row->id, row->service, &record);
    code = code == 0 ? journal_event_look(record, &event) : code;
    bool fits = code == 0 && event.seq == row->seq && event.lane == row->lane;
    return code == 0 && !fits ? ERR_CORRUPT : code;
}

/* An event whose record was lost is dropped when its turn comes: it had no record before,
 * either. */
static int check_places(const struct folder *f) {
    static int (*const scans[])(struct journal *, struct row *) = {journal_ready_scan,
                                                                   journal_lane_scan};
    for (size_t i = 0; i < sizeof scans / sizeof *scans; i++) {
        struct row row = {0};
        int code;
        while ((code = scans[i](f->to_journal, &row)) == 0) {
            code = check_place(f, &row);
            if (code != 0 && code != ERR_NOTFOUND) {
                return code;
            }
        }
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

/* --- books --- */

static int check_service(const struct reshard *re, const char *name) {
    struct books before = {0};
    struct books after = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        const struct folder *f = &re->folders[i];
        struct books old = {0};
        struct books fresh;
        code = f->journal == NULL ? 0 : reshard_books(f->journal, name, &old);
        code = code == 0 ? reshard_books(f->to_journal, name, &fresh) : code;
        if (code == 0) {
            reshard_add_books(&before, &old);
            reshard_add_books(&after, &fresh);
        }
    }
    return code == 0 && memcmp(&before, &after, sizeof before) != 0 ? ERR_CORRUPT : code;
}

static int check_books(const struct reshard *re) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        const struct journal *j = re->folders[i].journal;
        for (uint16_t n = 0; code == 0 && j != NULL && n < journal_service_count(j); n++) {
            const char *name = journal_service_name(j, n);
            code = name == NULL ? 0 : check_service(re, name);
        }
    }
    return code;
}

int reshard_check(struct reshard *re, struct report *r) {
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = store_begin(re->folders[i].to);
    }
    code = code == 0 ? check_counts(re) : code;
    code = code == 0 ? reshard_walk(re, check_row) : code;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = check_places(&re->folders[i]);
    }
    code = code == 0 ? check_books(re) : code;
    for (size_t i = 0; i < re->folder_count; i++) {
        if (re->folders[i].to != NULL && store_active(re->folders[i].to)) {
            store_abort(re->folders[i].to);
        }
    }
    if (code != 0) {
        return report(r, code,
                      "the new stores are not what the old ones were (%s); nothing was "
                      "changed",
                      error_text(code));
    }
    return 0;
}

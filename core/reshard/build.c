/*
 * build.c - writes all new stores at once, in one pass over the old ones.
 */
#include "reshard/impl.h"

#include "journal/forward.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { ROWS_PER_COMMIT = 20000 };

/* --- the stores --- */

/* Room for everything that the old files contain. */
static uint64_t room_for(const struct reshard *re) {
    uint64_t bytes = (uint64_t)1 << 30;
    for (size_t i = 0; i < re->folder_count; i++) {
        char name[STORE_PATH_BYTES];
        struct stat st;
        if (store_data_file(re->folders[i].path, name, NULL) == 0 && stat(name, &st) == 0) {
            bytes += (uint64_t)st.st_size * 2;
        }
    }
    return bytes;
}

static int make_folder(struct folder *f, struct report *r) {
    int code = store_folder_file(f->path, STORE_RESHARD_FOLDER, f->building, r);
    if (code != 0 || f->has_store) {
        return code;
    }
    code = store_folder_make(f->path, r);
    if (code == 0 && f->lock_fd < 0) {
        code = store_folder_lock(f->path, &f->lock_fd, r);
    }
    if (code == 0) {
        store_folder_tidy(f->path); /* of a store, opening it does that */
    }
    return code;
}

/* An empty store with the meta rows of the old one, or of the first. */
static int open_new(struct reshard *re, size_t i, uint64_t room, struct report *r) {
    struct folder *f = &re->folders[i];
    const struct store_options options = {.path = f->building, .max_bytes = room};
    int code = make_folder(f, r);
    code = code == 0 ? store_open(&f->to, &options, r) : code;
    if (code != 0) {
        return code;
    }
    code = store_begin(f->to);
    code = code == 0 ? journal_meta_copy(f->to, f->has_store ? f->store : re->folders[0].store,
                                         !f->has_store)
                     : code;
    code = code == 0 ? store_commit(f->to) : code;
    if (code != 0) {
        return report(r, code, "cannot write %s: %s", f->building, error_text(code));
    }
    return journal_open(&f->to_journal, f->to, conf_keep_idempotency(re->conf, NULL), r);
}

/* --- rows --- */

static int put(struct folder *to, enum store_table t, struct slice key, struct slice value) {
    int code = store_put(to->to, t, key, value);
    if (code == 0 && ++to->uncommitted >= ROWS_PER_COMMIT) {
        to->uncommitted = 0;
        code = store_commit(to->to);
        code = code == 0 ? store_begin(to->to) : code;
    }
    return code;
}

/* A row that exists already would be overwritten: ERR_EXISTS. */
static int put_new(struct folder *to, enum store_table t, struct slice key, struct slice value) {
    struct slice other;
    int code = store_get(to->to, t, key, &other);
    if (code != ERR_NOTFOUND) {
        return code == 0 ? ERR_EXISTS : code;
    }
    to->written[t]++;
    return put(to, t, key, value);
}

int reshard_rewrite(struct reshard *re, size_t from, size_t to, enum store_table t,
                    struct slice key, struct slice value, const struct row_sight *sight,
                    bool stray) {
    uint16_t service = sight->has_service ? pair_of(re, from, to)->numbers[sight->service] : 0;
    uint64_t seq = stray ? reshard_seq(&re->folders[from], sight->seq) : sight->seq;
    return journal_row_write(t, key, value, service, seq, &re->key, &re->value);
}

static int raise_cursor(struct folder *to, uint8_t partition, const struct uuid *source,
                        uint64_t seq) {
    uint64_t known = 0;
    int code = journal_cursor_get(to->to_journal, partition, source, &known);
    return code == 0 && seq > known ? journal_cursor_put(to->to_journal, partition, source, seq)
                                    : code;
}

static int put_cursor(struct folder *to, const struct row_sight *sight, struct slice value) {
    struct reader r = reader_of(value.data, value.len);
    return raise_cursor(to, sight->partition, &sight->id, read_u64(&r));
}

/* The earliest bucket that lives until `until_ms`; the newest one of the store always does. */
static size_t bucket_for(const struct folder *to, int64_t until_ms) {
    size_t best = 0;
    for (size_t i = 1; i < DEDUPE_BUCKETS; i++) {
        int64_t best_ms = to->to_buckets[best];
        int64_t ms = to->to_buckets[i];
        best = ms >= until_ms && (best_ms < until_ms || ms < best_ms) ? i : best;
    }
    return best;
}

/* The new store's bucket that has the key; DEDUPE_BUCKETS = none. */
static int find_note(struct folder *to, struct slice key, size_t *bucket) {
    for (*bucket = 0; *bucket < DEDUPE_BUCKETS; ++*bucket) {
        struct slice other;
        int code = store_get(to->to, TABLE_DEDUPE + *bucket, key, &other);
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return 0;
}

/* If an earlier reshard gave a key to both folders, the longer life counts, and the note of its
 * partition's owner. */
static int put_note(struct reshard *re, size_t from, struct folder *to, int64_t until_ms,
                    const struct row_sight *sight) {
    struct slice key = buf_slice(&re->key);
    size_t bucket = bucket_for(to, until_ms);
    size_t there;
    int code = find_note(to, key, &there);
    bool owners = sight->partition < PARTITIONS && old_owner(re, sight->partition) == from;
    if (code != 0 || there == DEDUPE_BUCKETS) {
        to->written[TABLE_DEDUPE + bucket]++;
        return code == 0 ? put(to, TABLE_DEDUPE + bucket, key, buf_slice(&re->value)) : code;
    }
    if (to->to_buckets[there] < to->to_buckets[bucket]) {
        code = store_del(to->to, TABLE_DEDUPE + there, key);
        to->written[TABLE_DEDUPE + there]--;
        to->written[TABLE_DEDUPE + bucket]++;
        there = bucket;
        owners = true;
    }
    return code == 0 && owners ? put(to, TABLE_DEDUPE + there, key, buf_slice(&re->value)) : code;
}

static int visit_note(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value) {
    struct row_sight sight;
    struct targets targets;
    int64_t until_ms = re->folders[from].buckets[t - TABLE_DEDUPE];
    if (until_ms == 0) {
        return 0;
    }
    int code = journal_row_look(t, key, value, &sight);
    code = code == 0 ? reshard_note_targets(re, from, key, &sight, &targets) : code;
    code = code == 0 ? reshard_rewrite(re, from, from, t, key, value, &sight, targets.renumbered)
                     : code;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        if ((targets.folders >> i & 1) != 0) {
            code = put_note(re, from, &re->folders[i], until_ms, &sight);
        }
    }
    return code;
}

static int put_row(struct reshard *re, const struct routed_row *row) {
    struct folder *to = &re->folders[row->route.to];
    bool stray = row->route.stray;
    int code = 0;
    if (row->table == TABLE_FORWARD && stray) {
        /* What the broker still has of them comes too late. */
        const struct folder *f = &re->folders[row->from];
        code = raise_cursor(to, row->sight.partition, &f->host, journal_last_seq(f->journal));
    }
    code = code == 0 ? reshard_rewrite(re, row->from, row->route.to, row->table, row->key,
                                       row->value, &row->sight, stray)
                     : code;
    return code == 0 ? put_new(to, row->table, buf_slice(&re->key), buf_slice(&re->value)) : code;
}

static const struct row_visitor writing = {
    .note = visit_note, .aside = put_new, .cursor = put_cursor, .row = put_row};

static int visit_row(struct reshard *re, size_t from, enum store_table t, struct slice key,
                     struct slice value) {
    return reshard_visit_row(re, from, t, key, value, &writing);
}

/* --- all of it --- */

/* Either meta page of the file describes the whole store: see store/compact.c. */
static int settle(struct folder *f, uint64_t max_bytes, struct report *r) {
    struct store_space space = {0};
    struct slice division = {"", 0};
    int code = store_commit(f->to);
    for (int i = 0; i < 2 && code == 0; i++) {
        char text[32];
        code = store_begin(f->to);
        code = code == 0 ? journal_text_get(f->to_journal, RESHARD_DIVISION, &division) : code;
        size_t len = division.len < sizeof text ? division.len : sizeof text;
        memcpy(text, division.data, code == 0 ? len : 0);
        code = code == 0
                   ? journal_text_put(f->to_journal, RESHARD_DIVISION, (struct slice){text, len})
                   : code;
        code = code == 0 ? store_commit(f->to) : code;
    }
    code = code == 0 ? store_usage(f->to, &space) : code;
    if (code == 0 && max_bytes > 0 && space.used > max_bytes) {
        return report(r, ERR_FULL,
                      "%s would have %llu bytes, store.max_size is %llu: raise it; nothing was "
                      "changed",
                      f->path, (unsigned long long)space.used, (unsigned long long)max_bytes);
    }
    return code == 0 ? 0 : report(r, code, "cannot write %s: %s", f->building, error_text(code));
}

int reshard_build(struct reshard *re, struct report *r) {
    uint64_t room = room_for(re);
    int code = 0;
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = open_new(re, i, room, r);
    }
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = store_begin(re->folders[i].to);
        code = code == 0 ? reshard_begin_meta(re, i, r) : code;
    }
    if (code != 0) {
        return code;
    }
    code = reshard_walk(re, visit_row);
    if (code != 0) {
        return report(r, code,
                      code == ERR_EXISTS
                          ? "two rows fall together; nothing was changed"
                          : "the new stores cannot be written: %s; nothing was changed",
                      error_text(code));
    }
    for (size_t i = 0; code == 0 && i < re->folder_count; i++) {
        code = reshard_write_meta(re, i, r);
        code = code == 0 ? settle(&re->folders[i], re->conf->store_max_bytes, r) : code;
    }
    return code;
}

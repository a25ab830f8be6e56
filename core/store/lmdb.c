/*
 * lmdb.c - store/store.h on LMDB.
 *
 * One environment; one named database per table; for each table and transaction, one cached cursor
 * for seeks. store/error.c translates LMDB's errors. store/space.c says how full the store is, and
 * who reads it. store/log.c begins and commits: it has what a log needs around that.
 */
#include "store/impl.h"

#include "base/limits.h"
#include "base/log.h"
#include "store/fault.h"
#include "store/folder.h"
#include "store/pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Extra room that store_lend grants for deleting. */
enum { SPARE_PARTS = 16, SPARE_BYTES_MIN = 1 << 20 };

enum { DISK_FULL_BYTES = 1 << 20 }; /* if less is free, a short write was caused by a full disk */

static const char schema_key[] = "schema";
static const char writer_key[] = "schema by"; /* the version that wrote the schema's number */

enum { VERSION_BYTES = 32 };

/* LMDB would abort: a page that passed store_check_pages has been damaged since, or was not
 * checked. */
static void on_assert(MDB_env *env, const char *text) {
    const char *path = "?";
    (void)mdb_env_get_path(env, &path);
    log_error("store", "damaged path=%s (%s): %s", path, text, store_words(MDB_CORRUPTED));
    _exit(EXIT_CANNOT_RUN);
}

static MDB_val val_of(struct slice s) {
    return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.data};
}

static struct slice slice_of_val(MDB_val v) {
    return (struct slice){v.mv_data, v.mv_size};
}

static int open_table(struct store *s, MDB_txn *txn, size_t t) {
    char name[STORE_TABLE_NAME_BYTES];
    (void)store_table_name((enum store_table)t, name);
    int rc = mdb_dbi_open(txn, name, s->read_only ? 0 : MDB_CREATE, &s->tables[t]);
    if (rc == MDB_NOTFOUND && t != TABLE_META) {
        s->tables[t] = (MDB_dbi)TABLE_ABSENT;
        return 0;
    }
    return rc;
}

static int put_text(struct store *s, MDB_txn *txn, const char *name, struct slice text) {
    MDB_val key = val_of(slice_of(name));
    MDB_val value = val_of(text);
    return mdb_put(txn, s->tables[TABLE_META], &key, &value, 0);
}

static int put_schema(struct store *s, MDB_txn *txn, struct report *r) {
    struct buf b;
    buf_init(&b, 16);
    buf_add_u32(&b, STORE_SCHEMA);
    int rc = b.failed ? ENOMEM : put_text(s, txn, schema_key, buf_slice(&b));
    rc = rc == 0 ? put_text(s, txn, writer_key, slice_of(ZINGQ_VERSION)) : rc;
    buf_clear(&b);
    return rc == 0 ? 0 : report(r, store_code(rc), "%s: %s", s->path, store_words(rc));
}

int store_write_schema(struct store *s) {
    assert(s->txn != NULL && !s->read_only);
    return put_schema(s, s->txn, NULL);
}

static int get_schema(const struct store *s, MDB_txn *txn, uint32_t *schema) {
    MDB_val key = {sizeof schema_key - 1, (void *)(uintptr_t)schema_key};
    MDB_val value;
    int rc = mdb_get(txn, s->tables[TABLE_META], &key, &value);
    if (rc == 0) {
        struct reader reader = reader_of(value.mv_data, value.mv_size);
        *schema = read_u32(&reader);
        rc = reader.failed ? MDB_CORRUPTED : 0;
    }
    return rc;
}

int store_schema(struct store *s, uint32_t *schema) {
    assert(s->txn != NULL);
    return store_failed(s, "schema", get_schema(s, s->txn, schema));
}

/* INV-STORE-8 */
static int refuse_newer(const struct store *s, MDB_txn *txn, uint32_t schema, struct report *r) {
    MDB_val key = val_of(slice_of(writer_key));
    MDB_val value;
    bool known = mdb_get(txn, s->tables[TABLE_META], &key, &value) == 0 &&
                 value.mv_size < VERSION_BYTES && slice_is_plain(slice_of_val(value), ".-+~");
    struct slice by = known ? slice_of_val(value) : slice_of("a newer version");
    return report(r, ERR_SCHEMA,
                  "%s was written by zingq %.*s, with store schema %u; this is zingq " ZINGQ_VERSION
                  ", which knows %d, and nothing was changed: use the newer zingq, or go back with "
                  "`zingq export` of that one and `zingq import` of this one, or with the backup "
                  "from before the upgrade (docs/upgrade.md)",
                  s->path, (int)by.len, by.data, schema, STORE_SCHEMA);
}

/* Said before it is done: there is no way back but by another folder. */
static int raise_schema(struct store *s, MDB_txn *txn, uint32_t schema, struct report *r) {
    log_warn(
        "store",
        "%s has schema %u and gets %d now: a zingq that does not know it refuses the store from "
        "now on, and the way back is `zingq export` and `zingq import`, or a backup from before",
        s->path, schema, STORE_SCHEMA);
    return put_schema(s, txn, r);
}

/* Writes the schema into a new store, refuses a newer one. An older store gets the new number at
 * once, so that its program refuses it: what later schemas added reads as absent, and the keys of
 * events are made new by the journal (journal/regroup.c), which says how far it is. INV-STORE-8 */
static int check_schema(struct store *s, MDB_txn *txn, struct report *r) {
    uint32_t schema = 0;
    int rc = get_schema(s, txn, &schema);
    if (rc == MDB_NOTFOUND && !s->read_only) {
        return put_schema(s, txn, r);
    }
    if (rc != 0) {
        return report(r, store_code(rc), "%s is not a zingq store: %s", s->path, store_words(rc));
    }
    if (schema > STORE_SCHEMA) {
        return refuse_newer(s, txn, schema, r);
    }
    return schema < STORE_SCHEMA && !s->read_only ? raise_schema(s, txn, schema, r) : 0;
}

static int open_tables(struct store *s, struct report *r) {
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &txn);
    for (size_t t = 0; rc == 0 && t < TABLE_COUNT; t++) {
        rc = open_table(s, txn, t);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return report(r, store_code(rc), "cannot open the store %s: %s", s->path, store_words(rc));
    }
    int code = store_refuse_copy(s, txn, r);
    code = code == 0 ? check_schema(s, txn, r) : code;
    if (code != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : report(r, store_code(rc), "%s: %s", s->path, store_words(rc));
}

static int open_env(struct store *s, struct report *r) {
    int rc = mdb_env_create(&s->env);
    if (rc == 0) {
        rc = mdb_env_set_assert(s->env, on_assert);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(s->env, TABLE_COUNT);
    }
    if (rc == 0 && s->map_bytes > 0) {
        rc = mdb_env_set_mapsize(s->env, (size_t)s->map_bytes);
    }
    if (rc == 0) {
        unsigned flags = (s->read_only ? MDB_RDONLY : 0u) | (s->unsynced ? MDB_NOSYNC : 0u);
        rc = mdb_env_open(s->env, s->path, MDB_NOTLS | flags, 0600);
    }
    if (rc == ENOENT && s->read_only) {
        return report(r, ERR_NOTFOUND,
                      "no store at %s yet: it is made by the first `zingq run` (option store.path)",
                      s->path);
    }
    if (rc != 0) {
        return report(r, store_code(rc), "cannot open the store %s: %s", s->path, store_words(rc));
    }
    store_fault_watch(s->path);
    (void)store_clear_readers(s); /* before the first transaction, which may need their slots */
    return open_tables(s, r);
}

static int open_checked(struct store *s, struct report *r) {
    int code = s->rebuilt ? 0 : store_folder_check(s->path, r);
    if (code == 0) {
        /* Next to a running host it would be pointless: the host has checked the file, and is
         * writing to it. */
        bool in_use = s->read_only && store_folder_in_use(s->path);
        uint64_t bytes_max = s->for_a_look ? STORE_WALK_LOOK_BYTES_MAX : STORE_WALK_BYTES_MAX;
        code = store_check_pages(s->path, in_use ? 0 : bytes_max, r);
    }
    return code == 0 ? open_env(s, r) : code;
}

/* INV-STORE-12 */
static int refuse_partial(struct store *s, struct report *r) {
    struct position at = {0};
    int code = store_txn_begin(s);
    if (code == 0) {
        code = store_get_position(s, &at);
        store_abort(s);
    }
    if (code != 0) {
        return report(r, code, "cannot read %s: %s", s->path, error_text(code));
    }
    return at.partial ? report(r, ERR_BUSY,
                               "%s is being loaded from its log (store.url), and lacks rows until "
                               "its host has started: try again then",
                               s->path)
                      : 0;
}

int store_open(struct store **out, const struct store_options *options, struct report *r) {
    assert(out != NULL && options->path != NULL);
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    s->lock_fd = -1;
    s->max_bytes = options->max_bytes;
    s->map_bytes = s->max_bytes / STORE_PAGE * STORE_PAGE; /* LMDB requires whole pages */
    s->read_only = options->read_only;
    s->for_a_look = options->for_a_look;
    s->may_be_copy = options->logged;
    s->rebuilt = options->rebuilt;
    s->follows = options->follows;
    s->path = slice_dup(slice_of(options->path));
    if (s->path == NULL) {
        free(s);
        return report(r, ERR_MEMORY, "out of memory");
    }
    int code = s->read_only ? 0 : store_folder_make(s->path, r);
    code = code == 0 && !s->read_only ? store_folder_lock(s->path, &s->lock_fd, r) : code;
    code = code == 0 ? store_folder_is_settled(s->path, r) : code;
    if (code == 0 && !s->read_only) {
        store_folder_tidy(s->path);
    }
    code = code == 0 ? store_check_synced(s, r) : code;
    code = code == 0 ? open_checked(s, r) : code;
    if (code == 0 && !s->read_only) {
        code = s->rebuilt ? 0 : store_sync_killed(s, r);
        code = code == 0 ? store_folder_mark(s->path, r) : code;
    }
    code = code == 0 && s->read_only ? refuse_partial(s, r) : code;
    if (code != 0) {
        store_close(s);
        return code;
    }
    *out = s;
    return 0;
}

void store_close(struct store *s) {
    if (s == NULL) {
        return;
    }
    if (s->txn != NULL) {
        store_abort(s);
    }
    if (s->env != NULL) {
        (void)store_sync(s);
        store_fault_forget();
        mdb_env_close(s->env);
    }
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd);
    }
    writeset_free(s->writes);
    free(s->path);
    free(s);
}

int store_reopen(struct store *s, struct report *r) {
    assert(s->txn == NULL);
    if (s->env != NULL) {
        mdb_env_close(s->env);
        s->env = NULL;
    }
    int code = open_checked(s, r);
    if (code != 0 && s->env != NULL) {
        mdb_env_close(s->env);
        s->env = NULL;
    }
    return code;
}

/* Lets the file grow by so many bytes beyond its end, even beyond max_bytes. */
static int resize(struct store *s, uint64_t beyond) {
    assert(s->txn == NULL && !s->read_only && s->max_bytes > 0);
    uint64_t max = s->max_bytes / STORE_PAGE * STORE_PAGE;
    uint64_t end = store_taken(s);
    uint64_t bytes = beyond == 0 ? max : (end > max ? end : max) + beyond;
    if (s->env == NULL) {
        return ERR_DISK;
    }
    if (bytes == s->map_bytes) {
        return 0;
    }
    assert(beyond == 0 || bytes >= end + beyond);        /* INV-STORE-9 */
    int rc = mdb_env_set_mapsize(s->env, (size_t)bytes); /* it widens a map smaller than the file */
    s->map_bytes = rc == 0 ? bytes : s->map_bytes;
    store_fault_watch(s->path);
    return store_failed(s, "resizing the map", rc);
}

uint64_t store_pieces(struct store *s, const struct store_space *space) {
    uint64_t max = s->max_bytes / STORE_PAGE * STORE_PAGE;
    uint64_t end = store_taken(s);
    uint64_t scattered = end > space->used ? end - space->used : 0;
    uint64_t from = end > max ? end : max;
    uint64_t left = max * STORE_GROWTH_MAX > from ? max * STORE_GROWTH_MAX - from : 0;
    return scattered < left ? scattered : left;
}

static uint64_t spare(const struct store *s) {
    return s->max_bytes / SPARE_PARTS / STORE_PAGE * STORE_PAGE + SPARE_BYTES_MIN;
}

int store_lend_for(struct store *s, uint64_t record_bytes) {
    uint64_t bytes = (2 * record_bytes / STORE_PAGE + 1) * STORE_PAGE;
    return resize(s, bytes > spare(s) ? bytes : spare(s));
}

int store_lend(struct store *s, enum store_lent what) {
    struct store_space space = {0};
    switch (what) {
    case STORE_LENT_NOTHING:
        return resize(s, 0);
    case STORE_LENT_SPARE:
        return resize(s, spare(s));
    case STORE_LENT_PIECES:
        break;
    }
    int code = s->env == NULL ? ERR_DISK : store_usage(s, &space);
    return code == 0 ? resize(s, store_pieces(s, &space)) : code;
}

int store_txn_begin(struct store *s) {
    assert(s->txn == NULL); /* INV-STORE-1 */
    if (s->env == NULL) {
        return ERR_DISK; /* store_reopen failed */
    }
    s->changed = false;
    int rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &s->txn);
    if (rc == MDB_READERS_FULL && store_clear_readers(s) > 0) {
        rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &s->txn);
    }
    if (rc == MDB_MAP_RESIZED) {
        /* Another process (the host) has been started with a larger store.max_size. */
        rc = mdb_env_set_mapsize(s->env, 0);
        store_fault_watch(s->path);
        if (rc == 0) {
            rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &s->txn);
        }
    }
    if (rc != 0) {
        s->txn = NULL;
        return store_failed(s, "begin", rc);
    }
    return 0;
}

/* Cursors of a read transaction outlive it unless they are closed; those of a write transaction
 * must be closed before it ends. Closing all of them first is right for both. */
static void close_cursors(struct store *s) {
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        if (s->cursors[t] != NULL) {
            mdb_cursor_close(s->cursors[t]);
            s->cursors[t] = NULL;
        }
    }
}

int store_txn_commit(struct store *s) {
    assert(s->txn != NULL);
    close_cursors(s);
    int rc = mdb_txn_commit(s->txn);
    s->txn = NULL;
    if (rc == EIO && store_disk_left(s) < DISK_FULL_BYTES) {
        rc = ENOSPC; /* LMDB takes a short write for an I/O error */
    }
    return store_failed(s, "commit", rc);
}

void store_abort(struct store *s) {
    assert(s->txn != NULL);
    close_cursors(s);
    mdb_txn_abort(s->txn);
    s->txn = NULL;
    if (s->writes != NULL) {
        writeset_reset(s->writes);
    }
}

bool store_active(const struct store *s) {
    return s->txn != NULL;
}

bool store_changed(const struct store *s) {
    return s->txn != NULL && s->changed;
}

bool store_read_only(const struct store *s) {
    return s->read_only;
}

/* The cursor of a table stays where it was last: what lies on the same page, as the next row of a
 * queue or a value about to be replaced, is found without a walk from the root. */
static int cursor_of(struct store *s, enum store_table t, MDB_cursor **out) {
    assert(s->txn != NULL && t < TABLE_COUNT); /* INV-STORE-2 */
    if (store_lacks(s, t)) {
        return ERR_NOTFOUND;
    }
    if (s->cursors[t] == NULL) {
        int rc = mdb_cursor_open(s->txn, s->tables[t], &s->cursors[t]);
        if (rc != 0) {
            s->cursors[t] = NULL;
            return store_failed(s, "seek", rc);
        }
    }
    assert(mdb_cursor_txn(s->cursors[t]) == s->txn); /* INV-STORE-4 */
    *out = s->cursors[t];
    return 0;
}

int store_get(struct store *s, enum store_table t, struct slice key, struct slice *value) {
    MDB_cursor *cursor = NULL;
    int code = cursor_of(s, t, &cursor);
    if (code != 0) {
        return code;
    }
    MDB_val k = val_of(key);
    MDB_val v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET);
    if (rc == 0) {
        *value = slice_of_val(v);
    }
    return store_failed(s, "get", rc);
}

/* Every change passes here before it is made: what a log is to have. */
static int note_change(struct store *s, enum write_kind kind, enum store_table t, struct slice key,
                       const struct slice *value) {
    const struct write write = {
        .kind = kind, .table = t, .key = key, .value = value == NULL ? (struct slice){0} : *value};
    return writeset_add(s->writes, s->home, &write);
}

/* Value NULL = delete. What is not found is no change. */
static int write_row(struct store *s, enum store_table t, struct slice key,
                     const struct slice *value) {
    assert(s->txn != NULL && !s->read_only);               /* INV-STORE-2 */
    assert(key.len > 0 && key.len <= STORE_KEY_BYTES_MAX); /* INV-STORE-3 */
    MDB_cursor *cursor = NULL;
    int code = cursor_of(s, t, &cursor);
    if (code != 0) {
        return code;
    }
    MDB_val k = val_of(key);
    int rc = value == NULL ? mdb_cursor_get(cursor, &k, NULL, MDB_SET) : 0;
    if (rc == 0 && s->writes != NULL) {
        code = note_change(s, value == NULL ? WRITE_DELETE : WRITE_PUT, t, key, value);
    }
    if (rc != 0 || code != 0) {
        return rc != 0 ? store_failed(s, "delete", rc) : code;
    }
    if (value == NULL) {
        return store_failed(s, "delete", mdb_cursor_del(cursor, 0));
    }
    MDB_val v = val_of(*value);
    return store_failed(s, "put", mdb_cursor_put(cursor, &k, &v, 0));
}

int store_put(struct store *s, enum store_table t, struct slice key, struct slice value) {
    s->changed = true;
    return write_row(s, t, key, &value);
}

int store_del(struct store *s, enum store_table t, struct slice key) {
    int code = write_row(s, t, key, NULL);
    s->changed = s->changed || code != ERR_NOTFOUND;
    return code;
}

int store_empty(struct store *s, enum store_table t) {
    assert(s->txn != NULL && !s->read_only);
    if (s->cursors[t] != NULL) {
        mdb_cursor_close(s->cursors[t]);
        s->cursors[t] = NULL;
    }
    s->changed = true;
    int code =
        s->writes == NULL ? 0 : note_change(s, WRITE_CLEAR, t, (struct slice){NULL, 0}, NULL);
    return code == 0 ? store_failed(s, "empty", mdb_drop(s->txn, s->tables[t], 0)) : code;
}

/* Compares as LMDB orders keys. */
static int compare(struct slice a, struct slice b) {
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.data, b.data, len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* Whether it stands there already, as in a walk that goes on: then LMDB need not search. */
static bool is_at(MDB_cursor *cursor, struct slice key) {
    MDB_val k;
    return mdb_cursor_get(cursor, &k, NULL, MDB_GET_CURRENT) == 0 &&
           slice_equal(slice_of_val(k), key);
}

int store_seek(struct store *s, enum store_table t, struct slice from, bool after,
               struct slice *key, struct slice *value) {
    MDB_cursor *cursor = NULL;
    int code = cursor_of(s, t, &cursor);
    if (code != 0) {
        return code;
    }
    MDB_val k = val_of(from);
    MDB_val v;
    bool there = after && from.len > 0 && is_at(cursor, from);
    int rc = there ? 0 : mdb_cursor_get(cursor, &k, &v, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (there || (rc == 0 && after && slice_equal(slice_of_val(k), from))) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (rc != 0) {
        return store_failed(s, "seek", rc);
    }
    int order = compare(slice_of_val(k), from); /* INV-STORE-5 */
    if (order < 0 || (order == 0 && after && from.len > 0)) {
        return store_failed(s, "seek", MDB_CORRUPTED); /* a walk would never end */
    }
    *key = slice_of_val(k);
    *value = slice_of_val(v);
    return 0;
}

/* Where the cursor went by rc, which is before that key: else a walk would never end. INV-STORE-5 */
static int take_before(struct store *s, int rc, const MDB_val row[2], struct slice before,
                       struct slice *key, struct slice *value) {
    if (rc == 0 && compare(slice_of_val(row[0]), before) >= 0) {
        rc = MDB_CORRUPTED;
    }
    if (rc == 0) {
        *key = slice_of_val(row[0]);
        *value = slice_of_val(row[1]);
    }
    return store_failed(s, "seek", rc);
}

int store_seek_back(struct store *s, enum store_table t, struct slice before, struct slice *key,
                    struct slice *value) {
    MDB_cursor *cursor = NULL;
    MDB_val row[2] = {val_of(before)};
    int code = cursor_of(s, t, &cursor);
    if (code != 0) {
        return code;
    }
    bool there = is_at(cursor, before);
    int rc = there ? 0 : mdb_cursor_get(cursor, &row[0], &row[1], MDB_SET_RANGE);
    if (rc == 0 || rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &row[0], &row[1], rc == 0 ? MDB_PREV : MDB_LAST);
    }
    return take_before(s, rc, row, before, key, value);
}

int store_before(struct store *s, enum store_table t, struct slice *key, struct slice *value) {
    MDB_cursor *cursor = NULL;
    MDB_val row[2];
    int code = cursor_of(s, t, &cursor);
    return code != 0 ? code
                     : take_before(s, mdb_cursor_get(cursor, &row[0], &row[1], MDB_PREV), row, *key,
                                   key, value);
}

int store_count(struct store *s, enum store_table t, uint64_t *rows) {
    assert(s->txn != NULL);
    MDB_stat stat = {.ms_entries = 0};
    int rc = store_lacks(s, t) ? 0 : mdb_stat(s->txn, s->tables[t], &stat);
    *rows = rc == 0 ? stat.ms_entries : 0;
    return store_failed(s, "count", rc);
}

uint64_t store_rows(struct store *s, enum store_table t) {
    uint64_t rows;
    return store_count(s, t, &rows) == 0 ? rows : 0;
}

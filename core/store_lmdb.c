/*
 * store_lmdb.c - store.h on LMDB.
 *
 * One environment, one named database per table, one cached cursor per table and transaction for
 * seeks. LMDB's errors become four of ours: not found, full (map or disk), corrupt, disk.
 */
#include "store.h"

#include "log.h"
#include "store_folder.h"
#include "store_pages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct store {
    char *path;
    uint64_t max_bytes;
    bool read_only;
    bool lent;   /* the map is larger than max_bytes by the spare room */
    int lock_fd; /* flock on DATA/zingq.lock while open to write; -1 = none */
    MDB_env *env;
    MDB_txn *txn; /* the one under way, or NULL */
    MDB_dbi tables[TABLE_COUNT];
    MDB_cursor *cursors[TABLE_COUNT]; /* of txn; NULL until a seek needs one */
};

static const char *const table_names[] = {
    [TABLE_META] = "meta",     [TABLE_EVENT] = "event",     [TABLE_READY] = "ready",
    [TABLE_LANE] = "lane",     [TABLE_HISTORY] = "history", [TABLE_OUTBOX] = "outbox",
    [TABLE_TIMER] = "timer",   [TABLE_STATE] = "state",     [TABLE_LOCK] = "lock",
    [TABLE_DEAD] = "dead",     [TABLE_APPEND] = "append",   [TABLE_STEP] = "step",
    [TABLE_SIGNAL] = "signal", [TABLE_WAITER] = "waiter",   [TABLE_DELAYED] = "delayed",
    [TABLE_DEDUPE] = "dedupe",
};

/* Room beyond max_bytes that store_lend gives. */
enum { PAGE = 4096, SPARE_PARTS = 16, SPARE_BYTES_MIN = 1 << 20 };

enum { DISK_FULL_BYTES = 1 << 20 }; /* a disk with less left is what cut a write short */

enum { ABSENT = -1 }; /* in place of a table's handle */

static const char schema_key[] = "schema";

static int code_of(int rc) {
    switch (rc) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOTFOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return ERR_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return ERR_CORRUPT;
    case ENOMEM:
        return ERR_MEMORY;
    default:
        return ERR_DISK;
    }
}

/* What LMDB says of a file that is damaged means little to those who have to mend it. */
static const char *words_of(int rc) {
    switch (rc) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return "data.mdb is damaged: put back a copy of the data folder";
    case MDB_INVALID:
        return "data.mdb is no LMDB file: it is damaged, or something else has been put there";
    case MDB_VERSION_MISMATCH:
        return "data.mdb was written by another version of LMDB, or is damaged";
    case MDB_READERS_FULL:
        return "too many processes read it at once";
    default:
        return mdb_strerror(rc);
    }
}

/* LMDB would abort: a page that came whole through store_check_pages has been damaged since, or
 * was not looked at. */
static void on_assert(MDB_env *env, const char *text) {
    const char *path = "?";
    (void)mdb_env_get_path(env, &path);
    log_error("store", "damaged path=%s (%s): %s", path, text, words_of(MDB_CORRUPTED));
    _exit(EXIT_CANNOT_RUN);
}

/* Logs what LMDB said, once, where it turned into a code of ours. */
static int failed(const struct store *s, const char *what, int rc) {
    int code = code_of(rc);
    if (code != 0 && code != ERR_NOTFOUND) {
        log_error("store", "%s failed path=%s error=\"%s\"", what, s->path, words_of(rc));
    }
    return code;
}

static MDB_val val_of(struct slice s) {
    return (MDB_val){.mv_size = s.len, .mv_data = (void *)(uintptr_t)s.data};
}

static struct slice slice_of_val(MDB_val v) {
    return (struct slice){v.mv_data, v.mv_size};
}

static int open_table(struct store *s, MDB_txn *txn, size_t t) {
    char name[32];
    if (t >= TABLE_DEDUPE) {
        (void)snprintf(name, sizeof name, "dedupe%zu", t - TABLE_DEDUPE);
    } else {
        (void)snprintf(name, sizeof name, "%s", table_names[t]);
    }
    int rc = mdb_dbi_open(txn, name, s->read_only ? 0 : MDB_CREATE, &s->tables[t]);
    if (rc == MDB_NOTFOUND && t != TABLE_META) {
        s->tables[t] = (MDB_dbi)ABSENT;
        return 0;
    }
    return rc;
}

static bool is_absent(const struct store *s, enum store_table t) {
    return s->tables[t] == (MDB_dbi)ABSENT;
}

static int put_schema(struct store *s, MDB_txn *txn, struct report *r) {
    MDB_val key = {sizeof schema_key - 1, (void *)(uintptr_t)schema_key};
    struct buf b;
    buf_init(&b, 16);
    buf_add_u32(&b, STORE_SCHEMA);
    MDB_val value = val_of(buf_slice(&b));
    int rc = b.failed ? ENOMEM : mdb_put(txn, s->tables[TABLE_META], &key, &value, 0);
    buf_clear(&b);
    return rc == 0 ? 0 : report(r, code_of(rc), "%s: %s", s->path, words_of(rc));
}

/* Writes the schema into a new store, refuses a newer one. What later schemas added to the first
 * is read as absent where it is not there, so an older store only needs the new number. */
static int check_schema(struct store *s, MDB_txn *txn, struct report *r) {
    MDB_val key = {sizeof schema_key - 1, (void *)(uintptr_t)schema_key};
    MDB_val value;
    int rc = mdb_get(txn, s->tables[TABLE_META], &key, &value);
    if (rc == MDB_NOTFOUND && !s->read_only) {
        return put_schema(s, txn, r);
    }
    if (rc != 0) {
        return report(r, code_of(rc), "%s is no zingq store: %s", s->path, words_of(rc));
    }
    struct reader reader = reader_of(value.mv_data, value.mv_size);
    uint32_t schema = read_u32(&reader);
    if (reader.failed || schema > STORE_SCHEMA) {
        return report(r, ERR_SCHEMA,
                      "%s was written with store schema %u, this zingq knows %d: use the newer "
                      "zingq, or another data folder",
                      s->path, schema, STORE_SCHEMA);
    }
    return schema < STORE_SCHEMA && !s->read_only ? put_schema(s, txn, r) : 0;
}

static int open_tables(struct store *s, struct report *r) {
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &txn);
    for (size_t t = 0; rc == 0 && t < TABLE_COUNT; t++) {
        rc = open_table(s, txn, t);
    }
    if (rc != 0) {
        mdb_txn_abort(txn);
        return report(r, code_of(rc), "cannot open the store %s: %s", s->path, words_of(rc));
    }
    int code = check_schema(s, txn, r);
    if (code != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : report(r, code_of(rc), "%s: %s", s->path, words_of(rc));
}

/* LMDB wants whole pages; a map smaller than the file is widened to the file by LMDB. */
static size_t map_bytes(const struct store *s) {
    uint64_t bytes = s->max_bytes / PAGE * PAGE;
    return (size_t)(bytes + (s->lent ? bytes / SPARE_PARTS / PAGE * PAGE + SPARE_BYTES_MIN : 0));
}

static int open_env(struct store *s, struct report *r) {
    int rc = mdb_env_create(&s->env);
    if (rc == 0) {
        rc = mdb_env_set_assert(s->env, on_assert);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(s->env, TABLE_COUNT);
    }
    if (rc == 0 && s->max_bytes > 0) {
        rc = mdb_env_set_mapsize(s->env, map_bytes(s));
    }
    if (rc == 0) {
        rc = mdb_env_open(s->env, s->path, MDB_NOTLS | (s->read_only ? MDB_RDONLY : 0u), 0600);
    }
    if (rc == ENOENT && s->read_only) {
        return report(r, ERR_NOTFOUND,
                      "no store at %s yet: it is made by the first `zingq run` (option store.path)",
                      s->path);
    }
    if (rc != 0) {
        return report(r, code_of(rc), "cannot open the store %s: %s", s->path, words_of(rc));
    }
    (void)store_clear_readers(s); /* before the first transaction, which may need their place */
    return open_tables(s, r);
}

static int open_checked(struct store *s, struct report *r) {
    int code = store_folder_check(s->path, r);
    if (code == 0) {
        /* Beside a host it would be in vain: the host has looked, and writes meanwhile. */
        bool whole = !s->read_only || !store_folder_in_use(s->path);
        code = store_check_pages(s->path, whole, r);
    }
    return code == 0 ? open_env(s, r) : code;
}

int store_open(struct store **out, const struct store_options *options, struct report *r) {
    assert(out != NULL && options->path != NULL);
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    s->lock_fd = -1;
    s->max_bytes = options->max_bytes;
    s->read_only = options->read_only;
    s->path = slice_dup(slice_of(options->path));
    if (s->path == NULL) {
        free(s);
        return report(r, ERR_MEMORY, "out of memory");
    }
    int code = s->read_only ? 0 : store_folder_make(s->path, r);
    if (code == 0 && !s->read_only) {
        code = store_folder_lock(s->path, &s->lock_fd, r);
    }
    code = code == 0 ? open_checked(s, r) : code;
    if (code == 0 && !s->read_only) {
        code = store_folder_mark(s->path, r);
    }
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
        mdb_env_close(s->env);
    }
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd);
    }
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

int store_lend(struct store *s, bool lent) {
    assert(s->txn == NULL && !s->read_only && s->max_bytes > 0);
    if (s->lent == lent) {
        return 0;
    }
    s->lent = lent;
    return s->env == NULL
               ? ERR_DISK
               : failed(s, "resizing the map", mdb_env_set_mapsize(s->env, map_bytes(s)));
}

int store_begin(struct store *s) {
    assert(s->txn == NULL);
    if (s->env == NULL) {
        return ERR_DISK; /* store_reopen failed */
    }
    int rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &s->txn);
    if (rc == MDB_READERS_FULL && store_clear_readers(s) > 0) {
        rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &s->txn);
    }
    if (rc == MDB_MAP_RESIZED) {
        /* Another process (the host) was started with a larger store.max_size. */
        rc = mdb_env_set_mapsize(s->env, 0);
        if (rc == 0) {
            rc = mdb_txn_begin(s->env, NULL, s->read_only ? MDB_RDONLY : 0, &s->txn);
        }
    }
    if (rc != 0) {
        s->txn = NULL;
        return failed(s, "begin", rc);
    }
    return 0;
}

/* Cursors of a read transaction outlive it unless closed; those of a write one must be closed
 * before it ends. Closing all first is right for both. */
static void close_cursors(struct store *s) {
    for (size_t t = 0; t < TABLE_COUNT; t++) {
        if (s->cursors[t] != NULL) {
            mdb_cursor_close(s->cursors[t]);
            s->cursors[t] = NULL;
        }
    }
}

static uint64_t disk_left(const struct store *s) {
    struct statvfs disk;
    if (statvfs(s->path, &disk) != 0) {
        return UINT64_MAX; /* not known to be full */
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

int store_commit(struct store *s) {
    assert(s->txn != NULL);
    close_cursors(s);
    int rc = mdb_txn_commit(s->txn);
    s->txn = NULL;
    if (rc == EIO && disk_left(s) < DISK_FULL_BYTES) {
        rc = ENOSPC; /* LMDB takes a write cut short for an error of the disk */
    }
    return failed(s, "commit", rc);
}

void store_abort(struct store *s) {
    assert(s->txn != NULL);
    close_cursors(s);
    mdb_txn_abort(s->txn);
    s->txn = NULL;
}

bool store_active(const struct store *s) {
    return s->txn != NULL;
}

bool store_read_only(const struct store *s) {
    return s->read_only;
}

int store_get(struct store *s, enum store_table t, struct slice key, struct slice *value) {
    assert(s->txn != NULL && t < TABLE_COUNT);
    if (is_absent(s, t)) {
        return ERR_NOTFOUND;
    }
    MDB_val k = val_of(key);
    MDB_val v;
    int rc = mdb_get(s->txn, s->tables[t], &k, &v);
    if (rc == 0) {
        *value = slice_of_val(v);
    }
    return failed(s, "get", rc);
}

/* The one function all writes pass: value NULL = delete. */
static int write_row(struct store *s, enum store_table t, struct slice key,
                     const struct slice *value) {
    assert(s->txn != NULL && !s->read_only);
    assert(key.len > 0 && key.len <= 511);
    MDB_val k = val_of(key);
    if (value == NULL) {
        return failed(s, "delete", mdb_del(s->txn, s->tables[t], &k, NULL));
    }
    MDB_val v = val_of(*value);
    return failed(s, "put", mdb_put(s->txn, s->tables[t], &k, &v, 0));
}

int store_put(struct store *s, enum store_table t, struct slice key, struct slice value) {
    return write_row(s, t, key, &value);
}

int store_del(struct store *s, enum store_table t, struct slice key) {
    return write_row(s, t, key, NULL);
}

int store_empty(struct store *s, enum store_table t) {
    assert(s->txn != NULL && !s->read_only);
    if (s->cursors[t] != NULL) {
        mdb_cursor_close(s->cursors[t]);
        s->cursors[t] = NULL;
    }
    return failed(s, "empty", mdb_drop(s->txn, s->tables[t], 0));
}

static int cursor_of(struct store *s, enum store_table t, MDB_cursor **out) {
    assert(s->txn != NULL && t < TABLE_COUNT);
    if (is_absent(s, t)) {
        return ERR_NOTFOUND;
    }
    if (s->cursors[t] == NULL) {
        int rc = mdb_cursor_open(s->txn, s->tables[t], &s->cursors[t]);
        if (rc != 0) {
            s->cursors[t] = NULL;
            return failed(s, "seek", rc);
        }
    }
    *out = s->cursors[t];
    return 0;
}

/* As LMDB orders keys. */
static int compare(struct slice a, struct slice b) {
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
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
    int rc = mdb_cursor_get(cursor, &k, &v, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (rc == 0 && after && slice_equal(slice_of_val(k), from)) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    }
    if (rc != 0) {
        return failed(s, "seek", rc);
    }
    int order = compare(slice_of_val(k), from);
    if (order < 0 || (order == 0 && after && from.len > 0)) {
        return failed(s, "seek", MDB_CORRUPTED); /* whoever walks on would walk for ever */
    }
    *key = slice_of_val(k);
    *value = slice_of_val(v);
    return 0;
}

int store_seek_back(struct store *s, enum store_table t, struct slice before, struct slice *key,
                    struct slice *value) {
    MDB_cursor *cursor = NULL;
    int code = cursor_of(s, t, &cursor);
    if (code != 0) {
        return code;
    }
    MDB_val k = val_of(before);
    MDB_val v;
    int rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
    } else if (rc == 0) {
        rc = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
    }
    if (rc != 0) {
        return failed(s, "seek", rc);
    }
    if (compare(slice_of_val(k), before) >= 0) {
        return failed(s, "seek", MDB_CORRUPTED);
    }
    *key = slice_of_val(k);
    *value = slice_of_val(v);
    return 0;
}

uint64_t store_rows(struct store *s, enum store_table t) {
    assert(s->txn != NULL);
    MDB_stat stat;
    return !is_absent(s, t) && mdb_stat(s->txn, s->tables[t], &stat) == 0 ? stat.ms_entries : 0;
}

uint64_t store_taken(struct store *s) {
    MDB_envinfo info;
    MDB_stat stat;
    if (s->env == NULL || mdb_env_info(s->env, &info) != 0 || mdb_env_stat(s->env, &stat) != 0) {
        return 0;
    }
    return (info.me_last_pgno + 1) * stat.ms_psize;
}

uint64_t store_limit(struct store *s) {
    uint64_t max = s->max_bytes / PAGE * PAGE;
    uint64_t taken = store_taken(s);
    uint64_t left = disk_left(s);
    return taken >= max || left >= max - taken ? max : taken + left;
}

uint64_t store_rows_kept(struct store *s, enum store_table t) {
    MDB_txn *txn = NULL;
    MDB_stat stat = {0};
    if (s->env == NULL || is_absent(s, t) || mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0) {
        return 0; /* MDB_NOTLS: it may stand beside a writing one */
    }
    int rc = mdb_stat(txn, s->tables[t], &stat);
    mdb_txn_abort(txn);
    return rc == 0 ? stat.ms_entries : 0;
}

struct free_pages {
    uint64_t all, held;
};

/* LMDB shows its table of free pages, number 0, to read transactions only. A row has the commit
 * that freed its pages as its key: who reads an older one keeps them. */
static int count_free_pages(MDB_txn *txn, const struct store_reader *reader,
                            struct free_pages *pages) {
    MDB_cursor *cursor = NULL;
    MDB_val k;
    MDB_val v;
    int rc = mdb_cursor_open(txn, 0, &cursor);
    if (rc != 0) {
        return rc;
    }
    while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        size_t commit;
        size_t count;
        memcpy(&commit, k.mv_data, sizeof commit);
        memcpy(&count, v.mv_data, sizeof count); /* each row begins with its count */
        pages->all += count;
        pages->held += reader->pid != 0 && commit >= reader->commit ? count : 0;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int store_usage(struct store *s, struct store_space *out) {
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn = NULL;
    struct free_pages pages = {0};
    struct store_reader reader = store_old_reader(s);
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn); /* MDB_NOTLS: beside a writing one */
    if (rc == 0) {
        rc = count_free_pages(txn, &reader, &pages);
        mdb_txn_abort(txn);
    }
    if (rc == 0) {
        rc = mdb_env_info(s->env, &info);
    }
    if (rc == 0) {
        rc = mdb_env_stat(s->env, &stat);
    }
    if (rc != 0) {
        return failed(s, "usage", rc);
    }
    uint64_t taken = info.me_last_pgno + 1;
    uint64_t usable = pages.all - pages.held;
    out->used = (taken - (usable < taken ? usable : taken)) * stat.ms_psize;
    out->held = pages.held * stat.ms_psize;
    out->max = s->max_bytes > 0 ? s->max_bytes / PAGE * PAGE : info.me_mapsize;
    return 0;
}

int store_clear_readers(struct store *s) {
    int dead = 0;
    int rc = s->env == NULL ? 0 : mdb_reader_check(s->env, &dead);
    return rc == 0 ? dead : failed(s, "reader check", rc);
}

/* A line of LMDB's list: "pid thread txn", txn "-" when it reads nothing now. */
static int on_reader(const char *line, void *ctx) {
    struct store_reader *oldest = ctx;
    char *end = NULL;
    long pid = strtol(line, &end, 10);
    (void)strtoull(end, &end, 16);
    char *number = end;
    unsigned long long txn = strtoull(number, &end, 10);
    if (end != number && pid > 0 && pid != (long)getpid() && txn < oldest->commit) {
        *oldest = (struct store_reader){.pid = pid, .commit = txn};
    }
    return 0;
}

struct store_reader store_old_reader(struct store *s) {
    MDB_envinfo info;
    if (s->env == NULL || mdb_env_info(s->env, &info) != 0) {
        return (struct store_reader){0};
    }
    struct store_reader oldest = {.commit = info.me_last_txnid};
    return mdb_reader_list(s->env, on_reader, &oldest) < 0 ? (struct store_reader){0} : oldest;
}

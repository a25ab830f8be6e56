/*
 * space.c - how full the store is, and which readers keep pages from being reused.
 */
#include "store/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

uint64_t store_disk_left(const struct store *s) {
    struct statvfs disk;
    if (statvfs(s->path, &disk) != 0) {
        return UINT64_MAX; /* not known to be full */
    }
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}

/* What LMDB knows of the open file; it has no way to fail. */
static MDB_envinfo info_of(const struct store *s) {
    MDB_envinfo info;
    int rc = mdb_env_info(s->env, &info);
    assert(rc == 0);
    return info;
}

static uint64_t page_bytes(const struct store *s) {
    MDB_stat stat;
    int rc = mdb_env_stat(s->env, &stat);
    assert(rc == 0);
    return stat.ms_psize;
}

uint64_t store_taken(struct store *s) {
    return s->env == NULL ? 0 : (info_of(s).me_last_pgno + 1) * page_bytes(s);
}

uint64_t store_limit(struct store *s) {
    uint64_t max = s->max_bytes / STORE_PAGE * STORE_PAGE;
    uint64_t taken = store_taken(s);
    uint64_t left = store_disk_left(s);
    return taken >= max || left >= max - taken ? max : taken + left;
}

static MDB_stat stat_of(struct store *s, enum store_table t) {
    MDB_txn *txn = NULL;
    MDB_stat stat = {0};
    if (s->env == NULL || store_lacks(s, t) || mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0) {
        return stat; /* MDB_NOTLS: allowed next to a write transaction */
    }
    if (mdb_stat(txn, s->tables[t], &stat) != 0) {
        stat = (MDB_stat){0};
    }
    mdb_txn_abort(txn);
    return stat;
}

uint64_t store_rows_kept(struct store *s, enum store_table t) {
    return stat_of(s, t).ms_entries;
}

uint64_t store_bytes_kept(struct store *s, enum store_table t) {
    MDB_stat stat = stat_of(s, t);
    uint64_t pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return pages * stat.ms_psize;
}

struct free_pages {
    uint64_t all, held;
};

/* LMDB shows its table of free pages, number 0, only to read transactions. The key of a row is the
 * commit that freed its pages: readers of an older commit keep them in use. */
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
    MDB_txn *txn = NULL;
    struct free_pages pages = {0};
    struct store_reader reader = store_old_reader(s);
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY,
                           &txn); /* MDB_NOTLS: allowed next to a write transaction */
    if (rc == 0) {
        rc = count_free_pages(txn, &reader, &pages);
        mdb_txn_abort(txn);
    }
    if (rc != 0) {
        return store_failed(s, "usage", rc);
    }
    MDB_envinfo info = info_of(s);
    uint64_t taken = info.me_last_pgno + 1;
    uint64_t usable = pages.all - pages.held;
    out->used = (taken - (usable < taken ? usable : taken)) * page_bytes(s);
    out->held = pages.held * page_bytes(s);
    out->max = s->max_bytes > 0 ? s->max_bytes / STORE_PAGE * STORE_PAGE : info.me_mapsize;
    return 0;
}

int store_clear_readers(struct store *s) {
    int dead = 0;
    int rc = s->env == NULL ? 0 : mdb_reader_check(s->env, &dead);
    return rc == 0 ? dead : store_failed(s, "reader check", rc);
}

/* A line of LMDB's list: "pid thread txn"; txn is "-" when it is not reading. */
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
    if (s->env == NULL) {
        return (struct store_reader){0};
    }
    struct store_reader oldest = {.commit = info_of(s).me_last_txnid};
    if (mdb_reader_list(s->env, on_reader, &oldest) < 0) {
        return (struct store_reader){0};
    }
    return oldest;
}

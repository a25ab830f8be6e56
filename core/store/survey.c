/*
 * survey.c - what the file of a store still contains: see store/pages.h.
 *
 * When a page above others is lost, those below it are still in the file, but nothing refers to
 * them. They belong to one of the tables that have flaws: to the first one in which all their rows
 * make sense.
 */
#include "store/walk.h"

#include "store/folder.h"

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A read transaction keeps LMDB from overwriting the pages it may read. */
static MDB_env *hold_pages(const char *folder, MDB_txn **txn) {
    MDB_env *env = NULL;
    *txn = NULL;
    if (mdb_env_create(&env) != 0) {
        return NULL;
    }
    if (mdb_env_open(env, folder, MDB_RDONLY | MDB_NOTLS, 0600) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, txn) != 0) {
        mdb_env_close(env);
        return NULL;
    }
    return env;
}

/* --- pages below lost pages --- */

/* A survey, and which tables it found to be damaged. */
struct search {
    const struct store_survey *outer;
    struct walk *walk;
    bool walked[TABLE_COUNT], damaged[TABLE_COUNT];
    bool list_damaged; /* the list of tables is damaged */
    bool free_damaged; /* the list of free pages is damaged, so it is unknown which pages are old */
    uint64_t found[TABLE_COUNT]; /* stray pages, by table */
    enum store_table trying;     /* the table that a stray page is being tried as */
};

static int on_row(void *ctx, struct slice table, struct slice key, struct slice value) {
    struct search *s = ctx;
    enum store_table t;
    if (store_table_named(table, &t)) {
        s->walked[t] = true;
    }
    return s->outer->on_row(s->outer->ctx, table, key, value);
}

static int on_flaw(void *ctx, struct slice table, const char *text) {
    struct search *s = ctx;
    enum store_table t;
    if (store_table_named(table, &t)) {
        s->damaged[t] = true;
    } else {
        s->list_damaged = s->list_damaged || table.len == 0;
        s->free_damaged = s->free_damaged || table.len > 0;
    }
    return s->outer->on_flaw(s->outer->ctx, table, text);
}

static int try_row(void *ctx, struct slice key, struct slice value) {
    const struct search *s = ctx;
    return s->outer->fits(s->trying, key, value) ? 0 : ERR_INVALID;
}

static int give_row(void *ctx, struct slice key, struct slice value) {
    const struct search *s = ctx;
    char name[STORE_TABLE_NAME_BYTES];
    struct slice table = slice_of(store_table_name(s->trying, name));
    return s->outer->on_row(s->outer->ctx, table, key, value);
}

/* Keys of state may end in any bytes, so that table is tried last. */
static enum store_table nth_table(unsigned n) {
    unsigned t = n < TABLE_STATE ? n : n + 1;
    return n == TABLE_COUNT - 1 ? TABLE_STATE : (enum store_table)t;
}

static int place_stray(struct search *s, uint64_t number) {
    for (unsigned n = 0; n < TABLE_COUNT; n++) {
        enum store_table t = nth_table(n);
        if (!s->damaged[t] && !(s->list_damaged && !s->walked[t])) {
            continue;
        }
        s->trying = t;
        int code = walk_stray(s->walk, number, try_row, s);
        if (code == 0) {
            s->found[t]++;
            return walk_stray(s->walk, number, give_row, s);
        }
        if (code == ERR_MEMORY) {
            return code;
        }
    }
    return 0;
}

static void tell_found(const struct search *s) {
    for (unsigned t = 0; t < TABLE_COUNT && s->outer->on_found != NULL; t++) {
        char name[STORE_TABLE_NAME_BYTES];
        if (s->found[t] > 0) {
            s->outer->on_found(s->outer->ctx, store_table_name((enum store_table)t, name),
                               s->found[t]);
        }
    }
}

static int find_strays(struct search *s) {
    bool any = s->list_damaged;
    for (unsigned t = 0; t < TABLE_COUNT; t++) {
        any = any || s->damaged[t];
    }
    int code = 0;
    for (uint64_t n = 2; any && !s->free_damaged && n < s->walk->pages && code == 0; n++) {
        code = walk_is_stray(s->walk, n) ? place_stray(s, n) : 0;
    }
    tell_found(s);
    return code;
}

static int survey_file(struct walk *w, const struct store_survey *survey) {
    struct search s = {.outer = survey, .walk = w};
    const struct store_survey inner = {.on_row = on_row, .on_flaw = on_flaw, .ctx = &s};
    w->survey = &inner;
    int code = walk_file(w);
    code = code == 0 && survey->fits != NULL ? find_strays(&s) : code;
    w->survey = survey;
    return code;
}

int store_survey(const char *folder, const struct store_survey *survey, struct report *r) {
    struct walk w = {.fd = -1, .survey = survey};
    MDB_txn *txn = NULL;
    int code = walk_open(&w, folder, r);
    if (code != 0) {
        return code;
    }
    MDB_env *env = store_folder_in_use(folder) ? hold_pages(folder, &txn) : NULL;
    bool known = walk_read_meta(&w);
    code = walk_measure(&w, folder, r);
    if (code == 0 && !known) {
        code = report(r, ERR_CORRUPT, "%s/data.mdb is not an LMDB file: nothing in it can be read",
                      folder);
    } else if (code == 0) {
        code = survey_file(&w, survey);
        code = code == 0 ? 0 : report(r, code, "%s/data.mdb: %s", folder, error_text(code));
    }
    if (env != NULL) {
        mdb_txn_abort(txn);
        mdb_env_close(env);
    }
    free(w.seen);
    (void)close(w.fd);
    return code;
}

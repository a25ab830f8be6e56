/*
 * salvage.c - see query/salvage.h.
 */
#include "query/salvage.h"

#include "base/buf.h"
#include "journal/journal.h"
#include "store/store.h"
#include "store/folder.h"
#include "store/log.h"
#include "store/pages.h"

#include <sys/stat.h>

enum { ROWS_PER_COMMIT = 20000, TEXT_BYTES_MAX = 8192 };

struct work {
    struct salvage *salvage;
    struct store *to;
    unsigned rows; /* not committed yet */
    bool partial;  /* the old one is being loaded from a log */
    int code;      /* of the new store */
};

static void lose(struct work *w, struct buf *text) {
    w->salvage->lost++;
    w->salvage->on_loss(w->salvage->ctx, buf_str(text));
    buf_clear(text);
}

static int put(struct work *w, enum store_table t, struct slice key, struct slice value) {
    int code = store_active(w->to) ? 0 : store_begin(w->to);
    code = code == 0 ? store_put(w->to, t, key, value) : code;
    if (code == 0 && ++w->rows >= ROWS_PER_COMMIT) {
        w->rows = 0;
        code = store_commit(w->to);
    }
    w->salvage->rows += code == 0 ? 1 : 0;
    w->code = code;
    return code;
}

/* Not copied: with rows that were lost "all dead letters have one" may no longer be true. */
static bool is_promise(enum store_table t, struct slice key) {
    return t == TABLE_META && slice_is(key, "flag/letters");
}

static int on_row(void *ctx, struct slice table, struct slice key, struct slice value) {
    struct work *w = ctx;
    enum store_table t;
    bool known = store_table_named(table, &t);
    int code = known ? journal_check_row(t, key, value) : 0;
    if (known && store_row_says_partial(t, key, value)) {
        w->partial = true;
        return ERR_BUSY; /* INV-STORE-12 */
    }
    if (known && code == 0) {
        return journal_row_is_own(t, key) || is_promise(t, key) ? 0 : put(w, t, key, value);
    }
    if (code == ERR_CORRUPT) {
        struct buf text;
        buf_init(&text, TEXT_BYTES_MAX);
        journal_key_text(NULL, t, key, &text);
        buf_add_str(&text, ": cannot be read");
        lose(w, &text);
        return 0;
    }
    return code;
}

static int on_flaw(void *ctx, struct slice table, const char *what) {
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_add_str(&text, table.len == 0 ? "the list of tables" : "table ");
    buf_add_slice(&text, table);
    buf_printf(&text, ": %s", what);
    lose(ctx, &text);
    return 0;
}

static void on_found(void *ctx, const char *table, uint64_t pages) {
    const struct work *w = ctx;
    w->salvage->on_found(w->salvage->ctx, table, pages);
}

/* Room for everything that the old file can contain. */
static uint64_t room_for(const char *folder) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    bool known = store_data_file(folder, name, NULL) == 0 && stat(name, &st) == 0;
    return (known ? (uint64_t)st.st_size * 2 : 0) + ((uint64_t)1 << 30);
}

static int refuse_store(const char *into, struct report *r) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    int code = store_data_file(into, name, r);
    return code != 0 || stat(name, &st) != 0
               ? code
               : report(r, ERR_EXISTS, "there is a store in %s already", into);
}

int store_salvage(struct salvage *salvage, const char *folder, const char *into, struct report *r) {
    const struct store_options options = {.path = into, .max_bytes = room_for(folder)};
    struct work w = {.salvage = salvage};
    salvage->rows = 0;
    salvage->lost = 0;
    int code = refuse_store(into, r);
    code = code == 0 ? store_open(&w.to, &options, r) : code;
    if (code != 0) {
        return code;
    }
    const struct store_survey survey = {.on_row = on_row,
                                        .on_flaw = on_flaw,
                                        .fits = journal_row_fits,
                                        .on_found = on_found,
                                        .ctx = &w};
    code = store_survey(folder, &survey, r);
    if (code == 0 && store_active(w.to)) {
        code = store_commit(w.to);
        w.code = code;
    }
    if (code == 0) { /* a host id, and names for services whose names were lost */
        struct journal *journal = NULL;
        code = journal_open(&journal, w.to, 0, r);
        journal_close(journal);
    }
    if (w.partial) {
        code =
            report(r, ERR_BUSY,
                   "%s is being loaded from its log (store.url), and lacks rows until its host has "
                   "started: its log has everything",
                   folder);
    }
    if (w.code != 0) {
        code = report(r, w.code, "cannot write the new store in %s: %s", into, error_text(w.code));
    }
    store_close(w.to);
    if (code == ERR_SCHEMA || w.partial) { /* what it could read is not what the store holds */
        store_folder_remove(into);
    }
    return code;
}

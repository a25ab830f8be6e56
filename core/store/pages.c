/*
 * pages.c - see store/pages.h.
 *
 * A healthy file may end before LMDB's last page if the pages at its end are free. So a short file
 * is walked (store/walk.c): every page that the last commit reaches must be within it, and LMDB
 * must be able to follow it. Next to a running host, pages change during the walk; after a commit
 * in between, it is repeated.
 */
#include "store/walk.h"

#include "base/limits.h"

#include <stdlib.h>
#include <unistd.h>

enum { TRIES_MAX = 5 };

static int refuse(const struct walk *w, const char *folder, struct report *r) {
    const char *what = w->pages <= w->last ? "lacks pages" : "has damaged pages";
    return report(
        r, ERR_CORRUPT,
        "the store %s/data.mdb %s: it has %lld bytes, its last commit reaches %llu (an "
        "interrupted copy, a damaged file system); nothing was changed: restore a complete copy "
        "of the data folder (`zingq doctor --store` gives the details, `zingq export --salvage` "
        "saves what is readable)",
        folder, what, (long long)w->bytes, (unsigned long long)(w->last + 1) * w->page_size);
}

static int check_file(struct walk *w, const char *folder, uint64_t bytes_max, struct report *r) {
    int code = 0;
    for (int i = 0; i < TRIES_MAX; i++) {
        bool known = walk_read_meta(w);
        uint64_t txn = w->txn;
        code = walk_measure(w, folder, r);
        if (code != 0 || w->bytes == 0) {
            return code; /* new */
        }
        if (!known) {
            return report(r, ERR_CORRUPT,
                          "%s/data.mdb is not an LMDB file: it is damaged, or has been replaced; "
                          "nothing was changed: restore a complete copy of the data folder",
                          folder);
        }
        if (w->pages > w->last && (uint64_t)w->bytes > bytes_max) {
            return 0;
        }
        code = walk_file(w);
        if (code != ERR_CORRUPT || !walk_read_meta(w) || w->txn == txn) {
            break;
        }
        code = 0; /* a host has committed in the meantime: it checked the file itself */
    }
    if (code == ERR_CORRUPT) {
        return refuse(w, folder, r);
    }
    return code == 0 ? 0 : report(r, code, "%s/data.mdb: %s", folder, error_text(code));
}

/* INV-STORE-6 */
int store_check_pages(const char *folder, uint64_t bytes_max, struct report *r) {
    struct walk w = {.fd = -1};
    struct report none;
    int code = walk_open(&w, folder, &none);
    if (code == ERR_NOTFOUND) {
        return 0;
    }
    if (code != 0) {
        return report(r, code, "%s", none.text);
    }
    code = check_file(&w, folder, bytes_max, r);
    free(w.seen);
    (void)close(w.fd);
    return code;
}

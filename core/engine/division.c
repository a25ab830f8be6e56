/*
 * division.c - which keys the store holds: how many hosts there are, and which one it belongs to.
 *
 *   text "division"   "<count>/<place>"; none is "1/1"
 *
 * After a change of the division in topics.conf, keys would be where nobody looks for them. So a
 * store that is not empty refuses it, and names the command that moves the keys.
 */
#include "engine/division.h"

#include "engine/impl.h"

#include <stdio.h>
#include <string.h>

enum { DIVISION_BYTES = 16 };

static void write_text(const struct division *d, char out[DIVISION_BYTES]) {
    (void)snprintf(out, DIVISION_BYTES, "%u/%u", (unsigned)d->count, (unsigned)d->place);
}

/* True if the store holds anything that belongs to one host rather than another. */
static bool holds_anything(struct store *store) {
    static const enum store_table tables[] = {TABLE_EVENT, TABLE_STATE,  TABLE_LOCK,
                                              TABLE_TIMER, TABLE_SIGNAL, TABLE_FORWARD};
    uint64_t rows = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        rows += store_rows(store, tables[i]);
    }
    return rows > 0;
}

static int refuse(const char *was, const struct division *d, const char *path, struct report *r) {
    char before[64] = "all keys, of one host alone";
    const char *slash = strchr(was, '/');
    if (slash != NULL && strcmp(was, "1/1") != 0) {
        (void)snprintf(before, sizeof before, "the keys of host %s of %.*s", slash + 1,
                       (int)(slash - was), was);
    }
    return report(
        r, ERR_INVALID,
        "%s holds %s, and is to be that of host %u of %u: `zingq reshard --count %u DIR...` "
        "moves the keys to where they belong",
        path, before, (unsigned)d->place, (unsigned)d->count, (unsigned)d->count);
}

int engine_check_division(struct engine *e, struct report *r) {
    const struct division *d = &e->conf->hosts.share;
    struct store *store = journal_store(e->journal);
    char wanted[DIVISION_BYTES];
    char was[DIVISION_BYTES] = "1/1";
    struct slice text;
    write_text(d, wanted);
    int code = store_begin(store);
    if (code != 0) {
        return report(r, code, "cannot read the store: %s", error_text(code));
    }
    code = journal_text_get(e->journal, "division", &text);
    if (code == 0 && text.len < sizeof was) {
        memcpy(was, text.data, text.len);
        was[text.len] = '\0';
    }
    bool same = strcmp(was, wanted) == 0;
    bool known = code == 0;
    code = code == ERR_NOTFOUND ? 0 : code;
    if (code == 0 && !same && holds_anything(store)) {
        store_abort(store);
        return refuse(was, d, e->conf->store_path, r);
    }
    if (code == 0 && !(same && known)) {
        code = journal_text_put(e->journal, "division", slice_of(wanted));
        code = code == 0 ? store_commit(store) : code;
    }
    if (store_active(store)) {
        store_abort(store);
    }
    return code == 0 ? 0 : report(r, code, "cannot read the store: %s", error_text(code));
}

/*
 * kept_count.c - counts what services keep, row by row, in a store that does not say so, and after rows
 * were set aside.
 */
#include "journal/kept.h"

#include "journal/impl.h"
#include "journal/letter.h"

#include <string.h>

static int count_table(struct journal *j, enum store_table t, enum kept_kind kind) {
    struct key at = {.len = 0};
    struct slice key;
    struct slice value;
    int code;
    while ((code = store_seek(j->store, t, key_slice(&at), at.len > 0, &key, &value)) == 0) {
        code = journal_kept_row(j, kind, t, key, value);
        if (code != 0) {
            return code;
        }
        key_set(&at, key);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int count_letters(struct journal *j) {
    struct letter_row row = {0};
    int code;
    while ((code = journal_letter_scan(j, &row)) == 0) {
        code = journal_kept_letter(j, &row, true);
        if (code != 0) {
            return code;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int count_all(struct journal *j) {
    memset(j->kept_by_all, 0, sizeof j->kept_by_all);
    for (size_t i = 0; i < j->kept_count; i++) {
        j->kept[i] = (struct kept){.dirty = true}; /* what was stored before is replaced */
    }
    int code = count_table(j, TABLE_STATE, KEPT_STATE);
    code = code == 0 ? count_table(j, TABLE_LOCK, KEPT_STATE) : code;
    code = code == 0 ? count_table(j, TABLE_SIGNAL, KEPT_SIGNALS) : code;
    code = code == 0 ? count_table(j, TABLE_TIMER, KEPT_DELAYED) : code;
    code = code == 0 ? count_letters(j) : code;
    code = code == 0 ? journal_kept_write(j) : code;
    code = code == 0 ? journal_flag_put(j, KEPT_FLAG, KEPT_WITH_LETTERS) : code;
    j->kept_counted = code == 0;
    return code;
}

int journal_count_kept(struct journal *j) {
    return j->kept_counted ? 0 : count_all(j);
}

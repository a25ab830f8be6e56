/*
 * fuzz_record.c - any bytes as a row of the store: what a damaged disk gives back.
 *
 * Input: a table, the length of a key, the key, the value. Promises: a row decodes or it is damage;
 * one that decodes can be told in words, reaches no assertion of whoever writes it again, is written
 * under the same key, and from then on as the same bytes; moved nowhere, by `zingq reshard`, it stays
 * as it is.
 */
#include "fuzz.h"

#include "data_folder.h"
#include "row_copy.h"

#include "base/log.h"
#include "journal/journal.h"
#include "journal/move.h"

enum { ROOM = 1 << 20, KEY_BYTES_MOST = 511, STORE_BYTES = 64 << 20 };

static struct {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
} disk;

static void drop_line(void *ctx, struct slice line) {
    (void)ctx;
    (void)line;
}

static void remove_disk(void) {
    journal_close(disk.journal);
    store_close(disk.store);
    data_folder_remove(&disk.folder);
}

static void make_disk(void) {
    data_folder_make(&disk.folder);
    disk.store = data_folder_store(&disk.folder, STORE_BYTES);
    assert(journal_open(&disk.journal, disk.store, 1000, NULL) == 0);
    assert(store_begin(disk.store) == 0 && journal_set_seq(disk.journal, INT64_MAX) == 0);
    assert(store_commit(disk.store) == 0);
    assert(atexit(remove_disk) == 0);
}

/* The only row of the table: its value is copied. */
static void take_row(enum store_table t, struct slice key, struct buf *value) {
    struct slice found_key;
    struct slice found;
    assert(store_rows(disk.store, t) == 1);
    assert(store_seek(disk.store, t, (struct slice){"", 0}, false, &found_key, &found) == 0);
    assert(slice_equal(key, found_key));
    assert(journal_check_row(t, found_key, found) == 0);
    buf_reset(value);
    buf_add_slice(value, found);
}

/* Reads the row as the engine does and writes it again, twice. */
static void write_again(enum store_table t, struct slice key, struct slice value) {
    struct buf once;
    struct buf twice;
    buf_init(&once, ROOM);
    buf_init(&twice, ROOM);
    assert(store_begin(disk.store) == 0);
    assert(store_empty(disk.store, t) == 0 && store_put(disk.store, t, key, value) == 0);
    if (row_copy(disk.journal, t, key, value)) {
        take_row(t, key, &once);
        assert(row_copy(disk.journal, t, key, buf_slice(&once)));
        take_row(t, key, &twice);
        assert(slice_equal(buf_slice(&once), buf_slice(&twice)));
    }
    journal_forget_broken(disk.journal);
    store_abort(disk.store);
    buf_clear(&twice);
    buf_clear(&once);
}

static void move_nowhere(enum store_table t, struct slice key, struct slice value) {
    struct row_sight sight;
    struct buf new_key;
    struct buf new_value;
    buf_init(&new_key, ROOM);
    buf_init(&new_value, ROOM);
    if (journal_row_look(t, key, value, &sight) == 0) {
        assert(journal_row_write(t, key, value, sight.service, sight.seq, &new_key, &new_value) ==
               0);
        assert(slice_equal(key, buf_slice(&new_key)) && slice_equal(value, buf_slice(&new_value)));
    } else {
        assert(t == TABLE_META || t == TABLE_ASIDE || t == TABLE_EVENT); /* of schema 3 */
    }
    buf_clear(&new_value);
    buf_clear(&new_key);
}

static void tell(enum store_table t, struct slice key) {
    struct buf words;
    buf_init(&words, ROOM);
    journal_key_text(NULL, t, key, &words);
    assert(!words.failed && words.len > 0);
    buf_clear(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    enum store_table t = (enum store_table)(data[0] % TABLE_COUNT);
    size_t most = size - 2 < KEY_BYTES_MOST ? size - 2 : KEY_BYTES_MOST;
    size_t key_len = data[1] == 0 || data[1] > most ? most : data[1];
    struct slice key = {(const char *)data + 2, key_len};
    struct slice value = {key.data + key_len, size - 2 - key_len};
    int code = journal_check_row(t, key, value);
    assert(code == 0 || code == ERR_CORRUPT || code == ERR_MEMORY || code == ERR_SCHEMA);
    tell(t, key);
    (void)journal_row_fits(t, key, value);
    if (disk.store == NULL) {
        make_disk();
    }
    if (code == 0) {
        move_nowhere(t, key, value);
        log_divert(drop_line, NULL);
        write_again(t, key, value);
        log_divert(NULL, NULL);
    }
    return 0;
}

/* journal_fixture.c - a journal on a store in a temporary folder. */
#include "journal_fixture.h"

#include "test.h"

enum { ROOM = 128 << 20 };

void journal_fixture_open(struct journal_fixture *f, bool read_only) {
    struct store_options options = {
        .path = f->folder.path, .max_bytes = ROOM, .read_only = read_only};
    assert_int_equal(store_open(&f->store, &options, NULL), 0);
    assert_int_equal(journal_open(&f->journal, f->store, JOURNAL_KEEP_MS, NULL), 0);
    assert_int_equal(store_begin(f->store), 0);
}

void journal_fixture_close(struct journal_fixture *f) {
    journal_close(f->journal);
    store_close(f->store);
}

int journal_fixture_set_up(void **state) {
    static struct journal_fixture f;
    data_folder_make(&f.folder);
    journal_fixture_open(&f, false);
    *state = &f;
    return 0;
}

int journal_fixture_tear_down(void **state) {
    struct journal_fixture *f = *state;
    journal_fixture_close(f);
    data_folder_remove(&f->folder);
    return 0;
}

void journal_restart(struct journal_fixture *f) {
    assert_int_equal(store_commit(f->store), 0);
    journal_fixture_close(f);
    journal_fixture_open(f, false);
}

struct uuid journal_id(uint8_t n) {
    return (struct uuid){{1, 2, 3, 4, 5, 6, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n}};
}

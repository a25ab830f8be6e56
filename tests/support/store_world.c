/* store_world.c - a store in a folder of its own. */
#include "store_world.h"

#include "test.h"

int store_world_set_up(void **state) {
    static struct store_world f;
    data_folder_make(&f.folder);
    f.store = data_folder_store(&f.folder, ROOM);
    *state = &f;
    return 0;
}

int store_world_tear_down(void **state) {
    struct store_world *f = *state;
    store_close(f->store);
    data_folder_remove(&f->folder);
    return 0;
}

void store_world_put(struct store *s, const char *key, const char *value) {
    assert_int_equal(store_put(s, TABLE_STATE, slice_of(key), slice_of(value)), 0);
}

void assert_store_value(struct store *s, const char *key, const char *value) {
    struct slice found;
    assert_int_equal(store_get(s, TABLE_STATE, slice_of(key), &found), 0);
    assert_true(slice_is(found, value));
}

void assert_store_absent(struct store *s, const char *key) {
    struct slice found;
    assert_int_equal(store_get(s, TABLE_STATE, slice_of(key), &found), ERR_NOTFOUND);
}

void store_world_commit(struct store *s, const char *key, const char *value) {
    assert_int_equal(store_begin(s), 0);
    store_world_put(s, key, value);
    assert_int_equal(store_commit(s), 0);
}

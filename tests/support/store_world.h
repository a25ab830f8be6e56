/*
 * store_world.h - a store in a folder of its own, and rows of text in it: what the tests of the store
 * share.
 */
#ifndef ZINGQ_TEST_STORE_WORLD_H
#define ZINGQ_TEST_STORE_WORLD_H

#include "data_folder.h"
#include "store/store.h"

enum { ROOM = 16 << 20 };

struct store_world {
    struct data_folder folder;
    struct store *store;
};

/* cmocka's; *state is the fixture. */
int store_world_set_up(void **state);
int store_world_tear_down(void **state);

/* In the table of state. */
void store_world_put(struct store *s, const char *key, const char *value);
void store_world_commit(struct store *s, const char *key, const char *value);
void assert_store_value(struct store *s, const char *key, const char *value);
void assert_store_absent(struct store *s, const char *key);

#define STORE_TEST(name)                                                                           \
    cmocka_unit_test_setup_teardown(name, store_world_set_up, store_world_tear_down)

#endif

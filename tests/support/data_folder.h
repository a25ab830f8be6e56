/*
 * data_folder.h - a temporary folder for a store (temp_dir.h), and a store in it.
 */
#ifndef ZINGQ_TEST_DATA_FOLDER_H
#define ZINGQ_TEST_DATA_FOLDER_H

#include "store/store.h"

#include <stdint.h>

struct data_folder {
    char path[64];
};

void data_folder_make(struct data_folder *folder);
/* With everything in it. */
void data_folder_remove(struct data_folder *folder);

/* The same for cmocka; *state is the folder. */
int data_folder_set_up(void **state);
int data_folder_tear_down(void **state);

/* The test fails when it cannot be opened. */
struct store *data_folder_store(const struct data_folder *folder, uint64_t max_bytes);

#define FOLDER_TEST(name)                                                                          \
    cmocka_unit_test_setup_teardown(name, data_folder_set_up, data_folder_tear_down)

#endif

/* data_folder.c - a temporary folder for a store. */
#include "data_folder.h"

#include "temp_dir.h"
#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void data_folder_make(struct data_folder *folder) {
    temp_dir_make("data", folder->path, sizeof folder->path);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void data_folder_remove(struct data_folder *folder) {
    assert_int_equal(nftw(folder->path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

int data_folder_set_up(void **state) {
    static struct data_folder folder;
    data_folder_make(&folder);
    *state = &folder;
    return 0;
}

int data_folder_tear_down(void **state) {
    data_folder_remove(*state);
    return 0;
}

struct store *data_folder_store(const struct data_folder *folder, uint64_t max_bytes) {
    struct store_options options = {.path = folder->path, .max_bytes = max_bytes, .logged = true};
    struct store *store = NULL;
    struct report r = {""};
    if (store_open(&store, &options, &r) != 0) {
        fail_msg("%s", r.text);
    }
    return store;
}

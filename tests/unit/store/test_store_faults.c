/*
 * test_store_faults.c - calls of LMDB, files and memory fail while a store is opened, written, compacted, copied: what was
 * committed before is there, a commit that said it had succeeded is there, and nothing else is.
 *
 * ctest: faults label=torture
 */
#include "backup/backup.h"
#include "fault.h"
#include "store_world.h"
#include "test.h"

#include "store/compact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned KINDS =
    FAULT_MEMORY | FAULT_SYSTEM | FAULT_INTERRUPT | FAULT_SHORT | FAULT_STORE;

enum { ROWS = 20 };

/* A store with rows, some files beside it, and nobody on it. */
static void make(struct data_folder *folder) {
    static char value[3000];
    data_folder_make(folder);
    memset(value, 'v', sizeof value - 1);
    struct store *s = data_folder_store(folder, ROOM);
    for (int i = 0; i < ROWS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%05d", i);
        store_world_commit(s, key, value);
    }
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put(s, TABLE_ASIDE, slice_of("0"), slice_of("what cannot be read")), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/audit.jsonl", folder->path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("{}\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The rows, and so many more. */
static void expect_rows(const char *path, uint64_t more) {
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    struct report r = {""};
    if (store_open(&s, &options, &r) != 0) {
        fail_msg("%s", r.text);
    }
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_rows(s, TABLE_STATE), ROWS);
    assert_int_equal(store_rows(s, TABLE_LOCK), more);
    store_abort(s);
    store_close(s);
}

static bool has_aside(const struct data_folder *folder) {
    struct store *s = data_folder_store(folder, ROOM);
    uint64_t rows = store_rows_kept(s, TABLE_ASIDE);
    store_close(s);
    return rows > 0;
}

static int write_one(const char *path, struct report *r) {
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    int code = store_open(&s, &options, r);
    if (code != 0) {
        return code;
    }
    code = store_begin(s);
    code = code == 0 ? store_put(s, TABLE_LOCK, slice_of("k"), slice_of("v")) : code;
    if (code == 0) {
        code = store_commit(s);
    }
    store_close(s);
    return code == 0 ? 0 : report(r, code, "%s", error_text(code));
}

static bool a_row_is_written(void *ctx) {
    (void)ctx;
    struct data_folder folder;
    struct report r = {""};
    make(&folder);
    fault_on();
    int code = write_one(folder.path, &r);
    fault_off();
    expect_rows(folder.path, code == 0);
    data_folder_remove(&folder);
    return code == 0 || fault_named(r.text);
}

static bool a_store_is_compacted(void *ctx) {
    (void)ctx;
    struct data_folder folder;
    struct report r = {""};
    struct store_sizes sizes;
    make(&folder);
    struct store_options options = {.path = folder.path, .max_bytes = ROOM};
    fault_on();
    int code = store_compact(&options, true, &sizes, &r);
    fault_off();
    expect_rows(folder.path, 0);
    assert_true(code != 0 || !has_aside(&folder));
    data_folder_remove(&folder);
    return code == 0 || fault_named(r.text);
}

/* What was interrupted can be begun again. */
static bool a_backup_is_made(void *ctx) {
    (void)ctx;
    struct data_folder folder, other;
    char to[128];
    struct report r = {""}, again = {""};
    struct backup_sizes sizes = {0};
    make(&folder);
    data_folder_make(&other);
    (void)snprintf(to, sizeof to, "%s/copy", other.path);
    fault_on();
    int code = backup_copy(folder.path, to, &sizes, &r);
    fault_off();
    if (code != 0) {
        int second = backup_copy(folder.path, to, &sizes, &again);
        if (second != 0 && second != ERR_EXISTS) { /* it was complete but for the last sync */
            fail_msg("%s", again.text);
        }
    }
    expect_rows(to, 0);
    char audit[160];
    (void)snprintf(audit, sizeof audit, "%s/audit.jsonl", to);
    FILE *file = fopen(audit, "r");
    assert_non_null(file);
    char text[8] = "";
    assert_non_null(fgets(text, sizeof text, file));
    assert_string_equal(text, "{}\n");
    assert_int_equal(fclose(file), 0);
    expect_rows(folder.path, 0);
    data_folder_remove(&other);
    data_folder_remove(&folder);
    return code == 0 || fault_named(r.text);
}

static void a_commit_is_there_if_it_said_so(void **state) {
    (void)state;
    fault_each("store", KINDS & ~(FAULT_INTERRUPT | FAULT_SHORT), a_row_is_written, NULL);
}

static void compacting_leaves_the_old_file_or_the_new(void **state) {
    (void)state;
    fault_each("compact", KINDS & ~(FAULT_INTERRUPT | FAULT_SHORT), a_store_is_compacted, NULL);
}

static void a_backup_that_failed_can_be_made_again(void **state) {
    (void)state;
    fault_each("backup", KINDS, a_backup_is_made, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_is_there_if_it_said_so),
        cmocka_unit_test(compacting_leaves_the_old_file_or_the_new),
        cmocka_unit_test(a_backup_that_failed_can_be_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

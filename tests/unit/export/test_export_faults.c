/*
 * test_export_faults.c - calls of LMDB, files and memory fail while a data folder is written as lines of JSON, and while one is
 * made from them: what is made is whole, or there is no store.
 *
 * ctest: faults label=torture
 */
#include "data_folder.h"
#include "fault.h"
#include "test.h"

#include "backup/files.h"
#include "export/export.h"
#include "journal/journal.h"
#include "store/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const unsigned KINDS = FAULT_MEMORY | FAULT_SYSTEM | FAULT_STORE;

static struct world {
    struct data_folder source;
    char *text; /* its export */
    size_t bytes;
} world;

static void copy_sample(void) {
    static const char from[] = TESTS_DIR "/data/schema-5/data";
    const struct backup_owner owner = {.user = getuid(), .group = getgid()};
    struct backup_sizes sizes = {0};
    struct report r = {""};
    assert_int_equal(backup_file(from, world.source.path, "data.mdb", &owner, &sizes, &r), 0);
    assert_int_equal(backup_file(from, world.source.path, "audit.jsonl", &owner, &sizes, &r), 0);
    assert_int_equal(backup_folder(from, world.source.path, "files", &owner, &sizes, &r), 0);
}

static int export_of(const char *folder, FILE *out, struct report *r) {
    const struct store_options options = {.path = folder, .read_only = true};
    const struct export_options how = {.folder = folder, .out = out};
    struct store *store = NULL;
    struct journal *journal = NULL;
    struct export_sums sums;
    int code = store_open(&store, &options, r);
    code = code == 0 ? journal_open(&journal, store, 0, r) : code;
    code = code == 0 ? export_write(journal, &how, &sums, r) : code;
    journal_close(journal);
    if (store != NULL) {
        store_close(store);
    }
    return code;
}

/* `counted`: calls of it may fail. */
static int import_to(const char *folder, char *text, size_t bytes, bool counted, struct report *r) {
    enum { ROOM = 64 << 20 };
    struct export_sums sums;
    FILE *in = fmemopen(text, bytes, "r");
    const struct import_options options = {
        .in = in, .name = "export.jsonl", .folder = folder, .max_bytes = ROOM};
    assert_non_null(in);
    counted ? fault_on() : fault_off();
    int code = export_read(&options, &sums, r);
    fault_off();
    assert_int_equal(fclose(in), 0);
    return code;
}

/* Where memory lacked for the fields of a row, it is there as it was stored. */
static void assert_that_gives_the_same(char *text, size_t bytes) {
    struct data_folder target;
    struct report r = {""};
    char *again = NULL;
    size_t again_bytes = 0;
    data_folder_make(&target);
    assert_int_equal(import_to(target.path, text, bytes, false, &r), 0);
    FILE *out = open_memstream(&again, &again_bytes);
    assert_non_null(out);
    assert_int_equal(export_of(target.path, out, &r), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(again_bytes, world.bytes);
    assert_memory_equal(again, world.text, again_bytes);
    free(again);
    data_folder_remove(&target);
}

static bool a_folder_is_written_as_lines(void *ctx) {
    char *text = NULL;
    size_t bytes = 0;
    struct report r = {""};
    FILE *out = open_memstream(&text, &bytes);
    (void)ctx;
    assert_non_null(out);
    fault_on();
    int code = export_of(world.source.path, out, &r);
    fault_off();
    assert_int_equal(fclose(out), 0);
    if (code == 0) {
        assert_that_gives_the_same(text, bytes);
    }
    free(text);
    return code == 0 || fault_named(r.text);
}

static bool is_there(const char *folder, const char *name) {
    char path[STORE_PATH_BYTES];
    struct report r;
    assert_int_equal(store_folder_file(folder, name, path, &r), 0);
    return access(path, F_OK) == 0;
}

/* One that has failed leaves nothing that the next one minds. */
static bool a_folder_is_made_of_lines(void *ctx) {
    struct data_folder target;
    struct report r = {""};
    struct report again = {""};
    (void)ctx;
    data_folder_make(&target);
    int code = import_to(target.path, world.text, world.bytes, true, &r);
    if (code != 0 && !is_there(target.path, "data.mdb")) {
        assert_int_equal(import_to(target.path, world.text, world.bytes, false, &again), 0);
    }
    assert_true(is_there(target.path, "data.mdb"));
    assert_true(is_there(target.path, "audit.jsonl"));
    data_folder_remove(&target);
    return code == 0 || fault_named(r.text);
}

static void an_export_is_whole_or_an_error(void **state) {
    fault_each("export", KINDS, a_folder_is_written_as_lines, *state);
}

static void an_import_is_whole_or_an_error_and_can_be_done_again(void **state) {
    fault_each("import", KINDS, a_folder_is_made_of_lines, *state);
}

static int set_up(void **state) {
    struct report r = {""};
    (void)state;
    data_folder_make(&world.source);
    copy_sample();
    FILE *out = open_memstream(&world.text, &world.bytes);
    assert_non_null(out);
    assert_int_equal(export_of(world.source.path, out, &r), 0);
    return fclose(out);
}

static int tear_down(void **state) {
    (void)state;
    free(world.text);
    data_folder_remove(&world.source);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_is_whole_or_an_error),
        cmocka_unit_test(an_import_is_whole_or_an_error_and_can_be_done_again),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* test_beside.c - the audit log of a host that goes on writing, as a backup and an export read it. */
#include "backup/beside.h"

#include "data_folder.h"
#include "test.h"
#include "wrap.h"

#include "backup/files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct data_folder folder;
static unsigned rotate_at; /* which file that is opened; 0 = none */

static void path_of(const char *name, char path[STORE_PATH_BYTES]) {
    struct report r;
    assert_int_equal(store_folder_file(folder.path, name, path, &r), 0);
}

static void write_file(const char *name, const char *text) {
    char path[STORE_PATH_BYTES];
    path_of(name, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* What a host does when audit.jsonl is full. */
static void rotate(void) {
    char newer[STORE_PATH_BYTES];
    char older[STORE_PATH_BYTES];
    path_of("audit.jsonl", newer);
    path_of("audit.1.jsonl", older);
    assert_int_equal(rename(newer, older), 0);
    write_file("audit.jsonl", "third");
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): named by the linker */
WRAPPED(backup_open);
int __wrap_backup_open(const char *path, struct stat *st, int *code, struct report *r) {
    if (rotate_at > 0 && --rotate_at == 0) {
        rotate();
    }
    return __real_backup_open(path, st, code, r);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static void assert_holds(const struct beside *file, const char *text) {
    char bytes[16] = "";
    assert_true(read(file->fd, bytes, sizeof bytes - 1) >= 0);
    assert_string_equal(bytes, text);
}

static void a_log_that_is_rotated_meanwhile_has_no_gap(void **state) {
    struct beside files[BESIDE_COUNT];
    struct report r;
    (void)state;
    for (unsigned at = 1; at <= BESIDE_COUNT; at++) {
        write_file("audit.1.jsonl", "first");
        write_file("audit.jsonl", "second");
        rotate_at = at;
        assert_int_equal(beside_open(folder.path, files, &r), 0);
        assert_holds(&files[0], "second");
        assert_holds(&files[1], "third");
        beside_close(files);
    }
}

static void a_host_without_an_older_part_has_one_file(void **state) {
    struct beside files[BESIDE_COUNT];
    char older[STORE_PATH_BYTES];
    struct report r;
    (void)state;
    path_of("audit.1.jsonl", older);
    (void)unlink(older);
    write_file("audit.jsonl", "only");
    assert_int_equal(beside_open(folder.path, files, &r), 0);
    assert_int_equal(files[0].fd, -1);
    assert_holds(&files[1], "only");
    beside_close(files);
}

static int set_up(void **state) {
    (void)state;
    data_folder_make(&folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    data_folder_remove(&folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_log_that_is_rotated_meanwhile_has_no_gap, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_host_without_an_older_part_has_one_file, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

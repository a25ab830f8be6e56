/* test_temp.c - where temporary files and folders come to lie. */
#include "base/temp.h"

#include "temp_dir.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[128];

static void begins_with(const char *path, const char *folder) {
    assert_memory_equal(path, folder, strlen(folder));
}

static void a_folder_and_a_file_lie_in_tmpdir_for_their_user_alone(void **state) {
    (void)state;
    char path[1024];
    char begin[1024];
    struct report r;
    struct stat facts;
    assert_int_equal(setenv("TMPDIR", root, 1), 0);
    (void)snprintf(begin, sizeof begin, "%s/zingq-trial-", root);
    assert_int_equal(temp_folder_new("trial", path, sizeof path, &r), 0);
    begins_with(path, begin);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
    int fd = temp_file_new("trial", path, sizeof path, &r);
    assert_true(fd >= 0);
    begins_with(path, begin);
    assert_int_equal(fstat(fd, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(close(fd), 0);
}

static void an_empty_tmpdir_is_none(void **state) {
    (void)state;
    char path[1024];
    struct report r;
    assert_int_equal(setenv("TMPDIR", "", 1), 0);
    assert_int_equal(temp_folder_new("trial", path, sizeof path, &r), 0);
    begins_with(path, "/tmp/zingq-trial-");
    assert_int_equal(rmdir(path), 0);
}

static void a_folder_that_cannot_be_made_is_named(void **state) {
    (void)state;
    char path[64];
    struct report r;
    assert_int_equal(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
    assert_int_equal(temp_folder_new("trial", path, sizeof path, &r), ERR_SYSTEM);
    assert_string_equal(r.text,
                        "cannot make a folder in /nowhere/at/all: No such file or directory");
    assert_string_equal(path, "");
    assert_int_equal(temp_file_new("trial", path, 20, &r), ERR_SYSTEM);
    assert_string_equal(r.text, "cannot make a file in /nowhere/at/all: File name too long");
}

static void a_folder_goes_with_all_that_is_in_it(void **state) {
    (void)state;
    char path[1024];
    char inner[1100];
    struct report r;
    assert_int_equal(setenv("TMPDIR", root, 1), 0);
    assert_int_equal(temp_folder_new("trial", path, sizeof path, &r), 0);
    (void)snprintf(inner, sizeof inner, "%s/a", path);
    assert_int_equal(mkdir(inner, 0700), 0);
    (void)snprintf(inner, sizeof inner, "%s/a/link", path);
    assert_int_equal(symlink(root, inner), 0); /* is removed, not followed */
    assert_int_equal(temp_folder_remove(path), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(root, F_OK), 0);
    assert_int_equal(temp_folder_remove(path), -1);
    assert_int_equal(errno, ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_and_a_file_lie_in_tmpdir_for_their_user_alone),
        cmocka_unit_test(an_empty_tmpdir_is_none),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
        cmocka_unit_test(a_folder_goes_with_all_that_is_in_it),
    };
    temp_dir_make("temp", root, sizeof root);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

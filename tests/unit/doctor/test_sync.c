/*
 * test_sync.c - store.linger = "auto": a host measures its disk, and waits as long as a commit takes.
 */
#include "data_folder.h"
#include "doctor/sync.h"
#include "test.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>

static void a_busy_host_waits_as_long_as_a_commit_takes_within_bounds(void **state) {
    (void)state;
    assert_int_equal(sync_linger_ms(0), LINGER_MS_MIN);
    assert_int_equal(sync_linger_ms(800), LINGER_MS_MIN);
    assert_int_equal(sync_linger_ms(14300), 14);
    assert_int_equal(sync_linger_ms(14700), 15);
    assert_int_equal(sync_linger_ms(900000), LINGER_MS_MAX);
}

static void a_disk_is_measured_and_nothing_is_left_there(void **state) {
    (void)state;
    struct data_folder folder;
    int64_t us[SYNCS_OF_START];
    data_folder_make(&folder);
    assert_int_equal(sync_measure(folder.path, us, SYNCS_OF_START), 0);
    for (int i = 0; i < SYNCS_OF_START; i++) {
        assert_true(us[i] >= 0 && (i == 0 || us[i] >= us[i - 1]));
    }
    DIR *dir = opendir(folder.path);
    assert_non_null(dir);
    int files = 0;
    while (readdir(dir) != NULL) {
        files++;
    }
    assert_int_equal(closedir(dir), 0);
    assert_int_equal(files, 2); /* . and .. */
    data_folder_remove(&folder);
}

static void a_folder_that_cannot_be_written_is_told(void **state) {
    (void)state;
    int64_t us[1];
    assert_int_equal(sync_measure("/proc/zingq", us, 1), ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_busy_host_waits_as_long_as_a_commit_takes_within_bounds),
        cmocka_unit_test(a_disk_is_measured_and_nothing_is_left_there),
        cmocka_unit_test(a_folder_that_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

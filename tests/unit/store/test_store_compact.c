/* test_store_compact.c - the file written anew: smaller, whole, whatever stops it. */
#include "base/buf.h"
#include "data_folder.h"
#include "test.h"
#include "store/store.h"
#include "store/compact.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 16 << 20, ROWS = 500, LEFT = 20 };

struct fixture {
    struct data_folder folder;
    struct store_options options;
};

static void put_row(struct store *s, int i) {
    static char text[2000];
    char key[16];
    (void)snprintf(key, sizeof key, "%05d", i);
    assert_int_equal(store_put(s, TABLE_STATE, slice_of(key), (struct slice){text, sizeof text}),
                     0);
}

/* Rows of which most were deleted. */
static int set_up(void **state) {
    static struct fixture f;
    data_folder_make(&f.folder);
    f.options = (struct store_options){.path = f.folder.path, .max_bytes = ROOM};
    struct store *s = data_folder_store(&f.folder, ROOM);
    assert_int_equal(store_begin(s), 0);
    for (int i = 0; i < ROWS; i++) {
        put_row(s, i);
    }
    assert_int_equal(store_commit(s), 0);
    assert_int_equal(store_begin(s), 0);
    for (int i = LEFT; i < ROWS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%05d", i);
        assert_int_equal(store_del(s, TABLE_STATE, slice_of(key)), 0);
    }
    assert_int_equal(store_commit(s), 0);
    store_close(s);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    data_folder_remove(&f->folder);
    return 0;
}

/* All rows are there, one more can be written and stays, and nothing was left behind. */
static void expect_whole(const struct fixture *f) {
    char path[128];
    for (int round = 0; round < 2; round++) {
        struct store *s = data_folder_store(&f->folder, ROOM);
        assert_int_equal(store_begin(s), 0);
        assert_int_equal(store_rows(s, TABLE_STATE), LEFT);
        assert_int_equal(store_put(s, TABLE_LOCK, slice_of("k"), slice_of("v")), 0);
        assert_int_equal(store_commit(s), 0);
        assert_int_equal(store_rows_kept(s, TABLE_LOCK), 1);
        store_close(s);
    }
    (void)snprintf(path, sizeof path, "%s/compacting", f->folder.path);
    assert_int_equal(access(path, F_OK), -1);
}

static void compact_gives_space_back_and_keeps_every_row(void **state) {
    struct fixture *f = *state;
    struct store_sizes sizes;
    struct report r = {""};
    if (store_compact(&f->options, false, &sizes, &r) != 0) {
        fail_msg("%s", r.text);
    }
    assert_true(sizes.before > (uint64_t)ROWS * 2000);
    assert_true(sizes.after < sizes.before / 4);
    expect_whole(f);
}

static void compact_leaves_the_file_to_its_owner_alone(void **state) {
    struct fixture *f = *state;
    struct store_sizes sizes;
    struct report r = {""};
    struct stat before;
    struct stat after;
    char file[128];
    (void)snprintf(file, sizeof file, "%s/data.mdb", f->folder.path);
    if (geteuid() == 0) { /* as when root compacts the store of the host's user */
        assert_int_equal(chown(file, 1234, 1234), 0);
    }
    mode_t mask = umask(022);
    assert_int_equal(stat(file, &before), 0);
    assert_int_equal(store_compact(&f->options, false, &sizes, &r), 0);
    assert_int_equal(stat(file, &after), 0);
    (void)umask(mask);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
}

static void compact_is_refused_while_a_host_has_the_folder(void **state) {
    struct fixture *f = *state;
    struct store_sizes sizes;
    struct report r = {""};
    struct store *host = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_compact(&f->options, false, &sizes, &r), ERR_BUSY);
    store_close(host);
    expect_whole(f);
}

static void compact_says_when_there_is_no_store(void **state) {
    (void)state;
    struct store_options options = {.path = "/tmp/zingq-none"};
    struct store_sizes sizes;
    struct report r = {""};
    assert_int_equal(store_compact(&options, false, &sizes, &r), ERR_NOTFOUND);
    assert_int_not_equal(access(options.path, F_OK), 0);
}

/* Who reads goes on in the old file; a host that starts meanwhile finds the new one. */
static void a_reader_of_the_old_file_misleads_nobody(void **state) {
    struct fixture *f = *state;
    int ready[2];
    int stop[2];
    char byte = 'r';
    assert_int_equal(pipe(ready) + pipe(stop), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = {.path = f->folder.path, .read_only = true};
        struct store *reader = NULL;
        (void)close(stop[1]);
        bool good = store_open(&reader, &options, NULL) == 0 && store_begin(reader) == 0 &&
                    write(ready[1], &byte, 1) == 1 && read(stop[0], &byte, 1) == 0 &&
                    store_rows(reader, TABLE_STATE) == LEFT;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct store_sizes sizes;
    assert_int_equal(store_compact(&f->options, false, &sizes, NULL), 0);
    expect_whole(f);
    assert_int_equal(close(stop[1]) + close(stop[0]) + close(ready[0]) + close(ready[1]), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    expect_whole(f);
}

/* Runs a compaction up to its n-th system call and kills it there; false: it ended before. */
static bool kill_at_call(const struct fixture *f, unsigned n) {
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_sizes sizes;
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
            _exit(77);
        }
        (void)raise(SIGSTOP);
        int code = store_compact(&f->options, false, &sizes, NULL);
        (void)syscall(SYS_exit_group, code != 0); /* one call: a coverage build's _exit has more */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        skip(); /* this machine lets nobody be traced */
    }
    for (unsigned i = 0; i < n && WIFSTOPPED(status); i++) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, child, NULL, NULL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    if (!WIFSTOPPED(status)) {
        assert_int_equal(status, 0);
        return false;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return true;
}

static void a_compaction_that_is_killed_at_any_call_leaves_a_whole_store(void **state) {
    struct fixture *f = *state;
    unsigned n = 0;
    while (kill_at_call(f, n)) {
        expect_whole(f);
        n += 3; /* a call stops twice, as it begins and as it ends: in turn before and after it */
    }
    expect_whole(f);
    assert_true(n > 60);
}

int main(void) {
#define COMPACT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        COMPACT_TEST(compact_gives_space_back_and_keeps_every_row),
        COMPACT_TEST(compact_leaves_the_file_to_its_owner_alone),
        COMPACT_TEST(compact_is_refused_while_a_host_has_the_folder),
        COMPACT_TEST(compact_says_when_there_is_no_store),
        COMPACT_TEST(a_reader_of_the_old_file_misleads_nobody),
        COMPACT_TEST(a_compaction_that_is_killed_at_any_call_leaves_a_whole_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

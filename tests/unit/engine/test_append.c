/* test_append.c - lines for files, each exactly once, whatever happens in between. */
#include "engine/append.h"
#include "data_folder.h"
#include "test.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 16 << 20 };
static const int64_t T0 = 1700000000000;

struct fixture {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
    struct append *append;
};

static void open_append(struct fixture *f) {
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(journal_open(&f->journal, f->store, 1000, NULL), 0);
    assert_int_equal(append_new(&f->append, f->journal, f->folder.path), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_load(f->append), 0);
    assert_int_equal(store_commit(f->store), 0);
}

/* As kill -9 leaves it. */
static void crash(struct fixture *f) {
    append_free(f->append);
    journal_close(f->journal);
    store_close(f->store);
    open_append(f);
}

static int set_up(void **state) {
    static struct fixture f;
    data_folder_make(&f.folder);
    open_append(&f);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    append_free(f->append);
    journal_close(f->journal);
    store_close(f->store);
    data_folder_remove(&f->folder);
    return 0;
}

static void add(struct fixture *f, const char *file, const char *line) {
    assert_int_equal(append_add(f->append, 3, T0, slice_of(file), slice_of(line)), 0);
}

/* A turn's commit with lines for the file, not yet written. */
static void commit_lines(struct fixture *f, const char *file, const char *first,
                         const char *second) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_settle(f->append, T0), 0);
    add(f, file, first);
    add(f, file, second);
    assert_int_equal(store_commit(f->store), 0);
}

static void settle(struct fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_settle(f->append, T0), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void path_of(const struct fixture *f, const char *file, char path[128]) {
    (void)snprintf(path, 128, "%s/files/%s", f->folder.path, file);
}

static void assert_file(const struct fixture *f, const char *file, const char *expected) {
    char path[128];
    char text[4096] = "";
    path_of(f, file, path);
    FILE *fp = fopen(path, "r");
    assert_non_null(fp);
    size_t len = fread(text, 1, sizeof text - 1, fp);
    assert_int_equal(fclose(fp), 0);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(text, expected);
}

static void write_file(const struct fixture *f, const char *file, const char *text) {
    char path[128];
    path_of(f, "", path);
    assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
    path_of(f, file, path);
    FILE *fp = fopen(path, "w");
    assert_non_null(fp);
    assert_true(fputs(text, fp) >= 0);
    assert_int_equal(fclose(fp), 0);
}

static uint64_t rows(struct fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
    uint64_t count = store_rows(f->store, TABLE_APPEND);
    store_abort(f->store);
    return count;
}

static void append_writes_lines_after_the_commit_in_order(void **state) {
    struct fixture *f = *state;
    commit_lines(f, "sales.csv", "a,1", "b,2");
    assert_true(append_wants_write(f->append));
    append_write(f->append, T0);
    assert_false(append_wants_write(f->append));
    assert_true(append_wants_settle(f->append));
    assert_file(f, "sales.csv", "a,1\nb,2\n");
    settle(f);
    assert_false(append_wants_settle(f->append));
    assert_int_equal(rows(f), 0);
}

static void append_goes_on_at_the_end_of_several_files(void **state) {
    struct fixture *f = *state;
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    commit_lines(f, "y", "3", "");
    append_write(f->append, T0);
    commit_lines(f, "x", "4", "5");
    append_write(f->append, T0);
    settle(f);
    assert_file(f, "x", "1\n2\n4\n5\n");
    assert_file(f, "y", "3\n\n");
}

static void append_writes_after_a_crash_what_was_committed(void **state) {
    struct fixture *f = *state;
    commit_lines(f, "x", "1", "2");
    crash(f);
    assert_true(append_wants_write(f->append));
    append_write(f->append, T0);
    settle(f);
    assert_file(f, "x", "1\n2\n");
    assert_int_equal(rows(f), 0);
}

static void append_writes_once_though_it_crashed_before_settling(void **state) {
    struct fixture *f = *state;
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    settle(f);
    commit_lines(f, "x", "3", "4");
    append_write(f->append, T0);
    for (int i = 0; i < 3; i++) {
        crash(f);
        append_write(f->append, T0);
        assert_file(f, "x", "1\n2\n3\n4\n");
    }
    settle(f);
    crash(f);
    assert_false(append_wants_write(f->append));
    assert_file(f, "x", "1\n2\n3\n4\n");
}

static void append_mends_a_line_cut_in_the_middle(void **state) {
    struct fixture *f = *state;
    commit_lines(f, "x", "first", "second");
    append_write(f->append, T0);
    settle(f);
    commit_lines(f, "x", "third", "fourth");
    write_file(f, "x", "first\nsecond\nthi"); /* what the power cut left of the write */
    crash(f);
    append_write(f->append, T0);
    assert_file(f, "x", "first\nsecond\nthird\nfourth\n");
}

static void append_takes_lines_back_when_the_settling_turn_is_dropped(void **state) {
    struct fixture *f = *state;
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_settle(f->append, T0), 0);
    add(f, "x", "never");
    store_abort(f->store);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_load(f->append), 0);
    store_abort(f->store);
    append_write(f->append, T0);
    settle(f);
    commit_lines(f, "x", "3", "4");
    append_write(f->append, T0);
    assert_file(f, "x", "1\n2\n3\n4\n");
}

static void append_keeps_what_was_in_the_file_before_it_was_ours(void **state) {
    struct fixture *f = *state;
    write_file(f, "x", "old\n");
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    crash(f);
    append_write(f->append, T0);
    assert_file(f, "x", "old\n1\n2\n");
}

static void append_follows_a_file_that_was_rotated_away(void **state) {
    struct fixture *f = *state;
    char path[128];
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    settle(f);
    path_of(f, "x", path);
    assert_int_equal(remove(path), 0);
    commit_lines(f, "x", "3", "4");
    append_write(f->append, T0);
    assert_file(f, "x", "3\n4\n");
    crash(f);
    append_write(f->append, T0);
    settle(f);
    assert_file(f, "x", "3\n4\n");
}

/* One turn of the engine at the time: what is due is taken up, committed and written. */
static void turn(struct fixture *f, int64_t now_ms) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_settle(f->append, now_ms), 0);
    assert_int_equal(store_commit(f->store), 0);
    append_write(f->append, now_ms);
}

static void append_waits_while_a_file_cannot_be_written(void **state) {
    struct fixture *f = *state;
    char path[128];
    struct append_state look;
    path_of(f, "x", path);
    commit_lines(f, "y", "0", "1");
    append_write(f->append, T0);
    settle(f);
    assert_int_equal(append_next_ms(f->append), INT64_MAX);
    assert_int_equal(mkdir(path, 0700), 0); /* where the file should be */
    commit_lines(f, "x", "1", "2");
    commit_lines(f, "y", "2", "3");
    append_write(f->append, T0);
    assert_file(f, "y", "0\n1\n2\n3\n"); /* the others do not wait for it */
    append_look(f->append, &look);
    assert_int_equal(look.waiting, 2);
    assert_int_equal(look.error, EISDIR);
    assert_string_equal(look.file, "x");
    assert_int_equal(rmdir(path), 0);
    turn(f, T0 + 999);
    assert_int_equal(rows(f), 2);
    assert_int_equal(append_next_ms(f->append), T0 + 1000);
    turn(f, T0 + 1000);
    settle(f);
    assert_file(f, "x", "1\n2\n");
    assert_file(f, "y", "0\n1\n2\n3\n");
    assert_int_equal(rows(f), 0);
    append_look(f->append, &look);
    assert_int_equal(look.waiting, 0);
    assert_int_equal(append_next_ms(f->append), INT64_MAX);
}

static void append_cuts_nothing_of_a_file_that_was_out_of_sight(void **state) {
    struct fixture *f = *state;
    char folder[128];
    char kept[128];
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    settle(f);
    path_of(f, "", folder);
    folder[strlen(folder) - 1] = '\0';
    (void)snprintf(kept, sizeof kept, "%s/kept", f->folder.path);
    assert_int_equal(rename(folder, kept), 0);
    FILE *fp = fopen(folder, "w"); /* where the folder should be */
    assert_non_null(fp);
    assert_int_equal(fclose(fp), 0);
    commit_lines(f, "x", "3", "4");
    append_write(f->append, T0);
    crash(f);
    turn(f, T0);
    append_write(f->append, T0);
    assert_int_equal(rows(f), 2);
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(rename(kept, folder), 0);
    turn(f, append_next_ms(f->append));
    settle(f);
    assert_file(f, "x", "1\n2\n3\n4\n");
}

static void append_tries_again_later_and_later_up_to_a_minute(void **state) {
    struct fixture *f = *state;
    char path[128];
    commit_lines(f, "y", "0", "1");
    append_write(f->append, T0);
    path_of(f, "x", path);
    assert_int_equal(mkdir(path, 0700), 0);
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    int64_t now = T0;
    for (int64_t pause = 1000; pause < 200000; pause *= 2) {
        int64_t due = append_next_ms(f->append);
        assert_int_equal(due - now, pause > 60000 ? 60000 : pause);
        now = due;
        turn(f, now);
    }
}

static void append_keeps_the_order_of_what_came_while_the_file_could_not_be_written(void **state) {
    struct fixture *f = *state;
    char path[128];
    commit_lines(f, "y", "0", "1");
    append_write(f->append, T0);
    path_of(f, "x", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store_begin(f->store), 0);
    for (uint8_t i = 0; i < 8; i++) { /* from services of many partitions */
        char line[2] = {(char)('a' + i), '\0'};
        assert_int_equal(
            append_add(f->append, (uint8_t)(60 - 7 * i), T0, slice_of("x"), slice_of(line)), 0);
    }
    assert_int_equal(store_commit(f->store), 0);
    append_write(f->append, T0);
    assert_int_equal(rmdir(path), 0);
    commit_lines(f, "x", "i", "j");
    append_write(f->append, T0);
    crash(f);
    turn(f, T0);
    commit_lines(f, "x", "k", "l");
    append_write(f->append, T0);
    settle(f);
    assert_file(f, "x", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\nl\n");
    assert_int_equal(rows(f), 0);
}

/* Every line of the file is its own number. */
static void assert_counts(const struct fixture *f, const char *file, int count) {
    char path[128];
    char line[32];
    path_of(f, file, path);
    FILE *fp = fopen(path, "r");
    assert_non_null(fp);
    for (int i = 0; i < count; i++) {
        assert_non_null(fgets(line, sizeof line, fp));
        assert_int_equal(strtol(line, NULL, 10), i);
    }
    assert_null(fgets(line, sizeof line, fp));
    assert_int_equal(fclose(fp), 0);
}

static void append_takes_up_bit_by_bit_what_does_not_fit_into_memory(void **state) {
    struct fixture *f = *state;
    const int count = 3 * APPEND_LINES_MAX;
    assert_int_equal(store_begin(f->store), 0);
    for (int i = 0; i < count; i++) {
        char line[16];
        (void)snprintf(line, sizeof line, "%d", i);
        add(f, "x", line);
    }
    add(f, "y", "last");
    assert_int_equal(store_commit(f->store), 0);
    append_write(f->append, T0);
    assert_counts(f, "x", APPEND_LINES_MAX);
    for (int i = 0; i < 20 && append_next_ms(f->append) <= T0; i++) {
        turn(f, T0);
    }
    settle(f);
    assert_counts(f, "x", count);
    assert_file(f, "y", "last\n");
    assert_int_equal(rows(f), 0);
}

static void append_follows_no_link_out_of_the_folder(void **state) {
    struct fixture *f = *state;
    char path[128];
    char target[128];
    commit_lines(f, "y", "0", "1");
    append_write(f->append, T0);
    (void)snprintf(target, sizeof target, "%s/target", f->folder.path);
    path_of(f, "x", path);
    assert_int_equal(symlink(target, path), 0);
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    assert_int_equal(rows(f), 2);
    assert_int_not_equal(access(target, F_OK), 0);
}

static void append_waits_for_no_reader_of_a_pipe(void **state) {
    struct fixture *f = *state;
    char path[128];
    commit_lines(f, "y", "0", "1");
    append_write(f->append, T0);
    path_of(f, "x", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    commit_lines(f, "x", "1", "2");
    append_write(f->append, T0);
    assert_int_equal(rows(f), 2);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    turn(f, T0 + 1000);
    assert_int_equal(rows(f), 2); /* no file, whoever reads it */
    assert_int_equal(close(reader), 0);
    assert_int_equal(unlink(path), 0);
    turn(f, T0 + 10000);
    settle(f);
    assert_file(f, "x", "1\n2\n");
}

int main(void) {
#define APPEND_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        APPEND_TEST(append_writes_lines_after_the_commit_in_order),
        APPEND_TEST(append_goes_on_at_the_end_of_several_files),
        APPEND_TEST(append_writes_after_a_crash_what_was_committed),
        APPEND_TEST(append_writes_once_though_it_crashed_before_settling),
        APPEND_TEST(append_mends_a_line_cut_in_the_middle),
        APPEND_TEST(append_takes_lines_back_when_the_settling_turn_is_dropped),
        APPEND_TEST(append_keeps_what_was_in_the_file_before_it_was_ours),
        APPEND_TEST(append_follows_a_file_that_was_rotated_away),
        APPEND_TEST(append_waits_while_a_file_cannot_be_written),
        APPEND_TEST(append_cuts_nothing_of_a_file_that_was_out_of_sight),
        APPEND_TEST(append_tries_again_later_and_later_up_to_a_minute),
        APPEND_TEST(append_keeps_the_order_of_what_came_while_the_file_could_not_be_written),
        APPEND_TEST(append_takes_up_bit_by_bit_what_does_not_fit_into_memory),
        APPEND_TEST(append_follows_no_link_out_of_the_folder),
        APPEND_TEST(append_waits_for_no_reader_of_a_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

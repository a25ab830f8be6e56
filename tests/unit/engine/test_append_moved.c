/*
 * test_append_moved.c - lines for files of a host that has a log, and goes on in the folder of another machine:
 * its files stay where they were written, and none of their lines is lost.
 */
#include "engine/append.h"
#include "data_folder.h"
#include "fake_log.h"
#include "test.h"
#include "journal/home.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 16 << 20, MACHINES = 2 };
static const int64_t T0 = 1700000000000;

struct fixture {
    struct fake_log *log;
    struct data_folder folders[MACHINES];
    unsigned at; /* the machine that it is on */
    struct store *store;
    struct journal *journal;
    struct append *append;
};

static void close_append(struct fixture *f) {
    append_free(f->append);
    journal_close(f->journal);
    store_close(f->store);
}

static void start(struct fixture *f, unsigned machine, bool logged) {
    f->at = machine;
    f->store = data_folder_store(&f->folders[machine], ROOM);
    if (logged) {
        assert_int_equal(store_use_log(f->store, fake_log_join(f->log), journal_home, NULL), 0);
    }
    assert_int_equal(journal_open(&f->journal, f->store, 1000, NULL), 0);
    assert_int_equal(append_new(&f->append, f->journal, f->folders[machine].path), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_load(f->append), 0);
    assert_int_equal(store_commit(f->store), 0);
}

/* As another machine does that takes it over, or the same one after a crash. */
static void move_to(struct fixture *f, unsigned machine) {
    close_append(f);
    start(f, machine, true);
}

/* As a host does without store.url, in a folder that has a store of its own: after `zingq migrate --to`. */
static void start_alone(struct fixture *f, unsigned machine) {
    close_append(f);
    start(f, machine, false);
}

static void leave_log(struct fixture *f, unsigned machine) {
    close_append(f);
    struct store *store = data_folder_store(&f->folders[machine], ROOM);
    assert_int_equal(store_use_log(store, fake_log_join(f->log), journal_home, NULL), 0);
    assert_int_equal(store_leave_log(store), 0);
    store_close(store);
    start(f, machine, false);
}

static int set_up(void **state) {
    static struct fixture f;
    f.log = fake_log_new();
    for (unsigned i = 0; i < MACHINES; i++) {
        data_folder_make(&f.folders[i]);
    }
    start(&f, 0, true);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    close_append(f);
    for (unsigned i = 0; i < MACHINES; i++) {
        data_folder_remove(&f->folders[i]);
    }
    fake_log_free(f->log);
    return 0;
}

/* A turn with this line, committed and not written yet; and a write of what is to be written. */
static void commit_line(struct fixture *f, const char *line) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_settle(f->append, T0), 0);
    assert_int_equal(append_add(f->append, 3, T0, slice_of("x"), slice_of(line)), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void write_lines(struct fixture *f) {
    append_write(f->append, T0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(append_settle(f->append, T0), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void assert_file(const struct fixture *f, unsigned machine, const char *expected) {
    char path[128];
    char text[256] = "";
    (void)snprintf(path, sizeof path, "%s/files/x", f->folders[machine].path);
    FILE *fp = fopen(path, "r");
    assert_non_null(fp);
    size_t len = fread(text, 1, sizeof text - 1, fp);
    assert_int_equal(fclose(fp), 0);
    assert_int_equal(len, strlen(expected));
    assert_string_equal(text, expected);
}

static void lines_of_an_earlier_stay_are_not_cut(void **state) {
    struct fixture *f = *state;
    commit_line(f, "the first, longer than what the other one writes");
    write_lines(f);
    move_to(f, 1);
    commit_line(f, "2");
    write_lines(f);
    commit_line(f, "3");
    move_to(f, 0);
    write_lines(f);
    assert_file(f, 0, "the first, longer than what the other one writes\n3\n");
    assert_file(f, 1, "2\n");
}

static void a_line_that_another_machine_may_have_written_is_written(void **state) {
    struct fixture *f = *state;
    commit_line(f, "1");
    append_write(f->append, T0); /* and it is lost before it can say so */
    move_to(f, 1);
    write_lines(f);
    assert_file(f, 0, "1\n");
    assert_file(f, 1, "1\n");
}

static void after_a_move_a_crash_writes_nothing_twice(void **state) {
    struct fixture *f = *state;
    commit_line(f, "1");
    move_to(f, 1);
    append_write(f->append, T0);
    move_to(f, 1);
    write_lines(f);
    commit_line(f, "2");
    append_write(f->append, T0);
    move_to(f, 1);
    write_lines(f);
    assert_file(f, 1, "1\n2\n");
}

static void who_leaves_the_log_cuts_nothing_by_lengths_of_another_machine(void **state) {
    struct fixture *f = *state;
    commit_line(f, "the first, longer than what the other one writes");
    write_lines(f);
    move_to(f, 1);
    commit_line(f, "2");
    write_lines(f);
    commit_line(f, "3");
    leave_log(f, 0);
    write_lines(f);
    assert_file(f, 0, "the first, longer than what the other one writes\n3\n");
}

static void after_leaving_the_log_a_crash_writes_nothing_twice(void **state) {
    struct fixture *f = *state;
    commit_line(f, "1");
    write_lines(f);
    move_to(f, 1);
    leave_log(f, 0);
    commit_line(f, "2");
    append_write(f->append, T0);
    start_alone(f, 0);
    write_lines(f);
    assert_file(f, 0, "1\n2\n");
}

static void copy_file(const struct fixture *f, const char *name) {
    char command[256];
    (void)snprintf(command, sizeof command, "mkdir -p %s/files && cp %s/%s %s/%s",
                   f->folders[1].path, f->folders[0].path, name, f->folders[1].path, name);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): names of our own */
}

/* As of a machine that was made from the image of another one. */
static void a_copy_of_a_folder_is_another_folder(void **state) {
    struct fixture *f = *state;
    commit_line(f, "1");
    write_lines(f);
    move_to(f, 1);
    copy_file(f, "zingq.files");
    move_to(f, 0);
    commit_line(f, "2");
    write_lines(f);
    copy_file(f, "files/x");
    commit_line(f, "3");
    write_lines(f);
    move_to(f, 1);
    commit_line(f, "4");
    move_to(f, 0);
    write_lines(f);
    assert_file(f, 0, "1\n2\n3\n4\n");
}

int main(void) {
#define MOVED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MOVED_TEST(lines_of_an_earlier_stay_are_not_cut),
        MOVED_TEST(a_line_that_another_machine_may_have_written_is_written),
        MOVED_TEST(after_a_move_a_crash_writes_nothing_twice),
        MOVED_TEST(a_copy_of_a_folder_is_another_folder),
        MOVED_TEST(who_leaves_the_log_cuts_nothing_by_lengths_of_another_machine),
        MOVED_TEST(after_leaving_the_log_a_crash_writes_nothing_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

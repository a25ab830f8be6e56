/*
 * test_store_log_faults.c - memory, files and LMDB fail while a store is brought into a log, and while a copy of that log is made,
 * written, trimmed and taken out of it: what the log has is whole, and whoever tries again gets on.
 *
 * ctest: faults label=torture
 */
#include "fake_log.h"
#include "fault.h"
#include "store_world.h"
#include "test.h"

#include "journal/home.h"
#include "store/copy.h"
#include "store/migrate.h"
#include "store/trimmer.h"

#include <stdio.h>

static const unsigned KINDS = FAULT_MEMORY | FAULT_SYSTEM | FAULT_STORE;

enum { ROWS = 20, WHY = 200 };

/* --- the log, which is the test's: its own calls do not fail --- */

static struct held {
    struct fake_log *log;
    const struct store_log *inner;
    const struct log_snapshots *inner_snapshots;
    bool counts; /* the program's calls may fail */
} held;

static void count(bool counts) {
    held.counts = counts;
    counts ? fault_on() : fault_off();
}

/* The log answers, and then calls of the program may fail again. */
static int answered(int code) {
    held.counts ? fault_on() : fault_off();
    return code;
}

static int append(void *ctx, const struct log_turn *turn) {
    (void)ctx;
    fault_off();
    return answered(held.inner->append(held.inner->ctx, turn));
}

static int barrier(void *ctx, struct log_state *out) {
    (void)ctx;
    fault_off();
    return answered(held.inner->barrier(held.inner->ctx, out));
}

static int reach(void *ctx, const uint8_t writer[LOG_ID_BYTES], uint64_t *turn) {
    (void)ctx;
    fault_off();
    return answered(held.inner->reach(held.inner->ctx, writer, turn));
}

static int read_turn(void *ctx, uint64_t number, struct log_turn *out) {
    (void)ctx;
    fault_off();
    return answered(held.inner->read(held.inner->ctx, number, out));
}

static int read_slice(void *ctx, uint32_t index, struct log_turn *out) {
    (void)ctx;
    fault_off();
    return answered(held.inner->read_slice(held.inner->ctx, index, out));
}

static int add(void *ctx, uint32_t index, const struct log_turn *slice) {
    (void)ctx;
    fault_off();
    return answered(held.inner_snapshots->add(held.inner_snapshots->ctx, index, slice));
}

static int finish(void *ctx, const struct log_snapshot *snapshot) {
    (void)ctx;
    fault_off();
    return answered(held.inner_snapshots->finish(held.inner_snapshots->ctx, snapshot));
}

static int trim(void *ctx, bool *more) {
    (void)ctx;
    fault_off();
    return answered(held.inner_snapshots->trim(held.inner_snapshots->ctx, more));
}

static const struct store_log door = {NULL, append, barrier, reach, read_turn, read_slice};
static const struct log_snapshots snapshots = {NULL, add, finish, trim};

/* A host starts with the log. */
static void join(void) {
    held.inner = fake_log_join(held.log);
    held.inner_snapshots = fake_log_snapshots(held.log);
}

/* --- stores --- */

static int open_at(const char *path, struct store **s, struct report *r) {
    const struct store_options options = {.path = path, .max_bytes = ROOM, .logged = true};
    *s = NULL;
    return store_open(s, &options, r);
}

static void make(struct data_folder *folder) {
    data_folder_make(folder);
    struct store *s = data_folder_store(folder, ROOM);
    for (int i = 0; i < ROWS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%c%d", 1 + i, i);
        store_world_commit(s, key, "value");
    }
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put(s, TABLE_META, slice_of("host"), slice_of("h")), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
}

static int migrate(const char *path, struct report *r) {
    const struct log_doors doors = {&door, &snapshots};
    struct log_snapshot brought;
    struct store *s;
    int code = open_at(path, &s, r);
    code = code == 0 ? store_migrate(s, &doors, journal_home, &brought, r) : code;
    store_close(s);
    return code;
}

static int write_one(struct store *s, struct report *r) {
    int code = store_begin(s);
    code = code == 0 ? store_put(s, TABLE_LOCK, slice_of("new"), slice_of("v")) : code;
    code = code == 0 ? store_commit(s) : code;
    return code == 0 ? 0 : report(r, code, "%s", error_text(code));
}

static int make_snapshot(struct store *s, struct report *r) {
    const struct trimmer_options options = {
        .store = s, .home_of = journal_home, .door = &snapshots, .slice_bytes = 64};
    struct trimmer *t = trimmer_new(&options);
    int code = t == NULL ? ERR_MEMORY : 0;
    while (code == 0 && (code = trimmer_prepare(t)) == 0) {
        trimmer_send(t);
        code = trimmer_sent(t);
    }
    trimmer_free(t);
    return code == ERR_NOTFOUND ? 0 : report(r, code, "%s", error_text(code));
}

static int copy_out(struct store *s, const char *to, struct report *r) {
    int code = store_copy(s, to, r);
    return code == 0 ? store_copy_leaves_log(s, to, r) : code;
}

static void expect_rows(struct store *s, uint64_t more) {
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_rows(s, TABLE_STATE), ROWS);
    assert_int_equal(store_rows(s, TABLE_LOCK), more);
    store_abort(s);
}

/* A host that starts where there is no folder has what the log has, and can write. */
static void expect_log(uint64_t more) {
    struct data_folder folder;
    struct store *s;
    struct report r = {""};
    char built[96];
    char why[WHY] = "";
    data_folder_make(&folder);
    (void)snprintf(built, sizeof built, "%s/built", folder.path);
    join();
    assert_int_equal(open_at(folder.path, &s, &r), 0);
    assert_int_equal(store_use_log(s, &door, journal_home, &r), 0);
    expect_rows(s, more);
    if (!fake_log_is_store(held.log, s, built, why, sizeof why)) {
        fail_msg("%s", why);
    }
    assert_int_equal(write_one(s, &r), 0);
    assert_false(fake_log_is_broken(held.log));
    store_close(s);
    data_folder_remove(&folder);
}

/* --- the stories --- */

static bool a_store_is_brought_into_a_log(void *ctx) {
    (void)ctx;
    struct data_folder folder;
    struct report r = {""}, again = {""};
    held.log = fake_log_new();
    make(&folder);
    join();
    count(true);
    int code = migrate(folder.path, &r);
    count(false);
    join();
    int second = code == 0 ? 0 : migrate(folder.path, &again);
    if (second != 0 && second != ERR_EXISTS && second != ERR_INVALID) { /* the log had it all */
        fail_msg("%s", again.text);
    }
    expect_log(0);
    data_folder_remove(&folder);
    fake_log_free(held.log);
    return code == 0 || fault_named(r.text);
}

/* Loads the snapshot, writes a row, makes another snapshot, and is a store of its own in the end. */
static int live(const char *path, const char *to, bool *written, struct report *r) {
    struct store *s;
    int code = open_at(path, &s, r);
    code = code == 0 ? store_use_log(s, &door, journal_home, r) : code;
    code = code == 0 ? write_one(s, r) : code;
    *written = code == 0;
    code = code == 0 ? make_snapshot(s, r) : code;
    code = code == 0 ? copy_out(s, to, r) : code;
    if (code == 0) {
        code = store_leave_log(s);
        code = code == 0 ? 0 : report(r, code, "%s", error_text(code));
    }
    store_close(s);
    return code;
}

static void expect_store(const char *path, uint64_t more) {
    const struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    struct report r = {""};
    assert_int_equal(store_open(&s, &options, &r), 0);
    expect_rows(s, more);
    store_close(s);
}

static bool a_copy_of_a_log_lives(void *ctx) {
    (void)ctx;
    struct data_folder source, folder;
    struct report r = {""};
    bool written;
    char to[96];
    held.log = fake_log_new();
    make(&source);
    data_folder_make(&folder);
    (void)snprintf(to, sizeof to, "%s/out", folder.path);
    join();
    assert_int_equal(migrate(source.path, &r), 0);
    join();
    uint64_t before = fake_log_last(held.log);
    count(true);
    int code = live(folder.path, to, &written, &r);
    count(false);
    uint64_t turns = fake_log_last(held.log) - before;
    assert_true(turns == 1 || (turns == 0 && !written));
    if (code == 0) {
        expect_store(folder.path, 1);
        expect_store(to, 1);
    }
    expect_log(turns);
    data_folder_remove(&folder);
    data_folder_remove(&source);
    fake_log_free(held.log);
    return code == 0 || fault_named(r.text);
}

static void what_was_brought_into_a_log_is_all_there_or_can_be_brought_again(void **state) {
    (void)state;
    fault_each("migrate", KINDS, a_store_is_brought_into_a_log, NULL);
}

static void a_log_has_what_its_copy_was_told_it_has(void **state) {
    (void)state;
    fault_each("logged", KINDS, a_copy_of_a_log_lives, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_brought_into_a_log_is_all_there_or_can_be_brought_again),
        cmocka_unit_test(a_log_has_what_its_copy_was_told_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

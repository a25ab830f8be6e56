/*
 * test_store_unsynced.c - the file of a store that has a log does not wait for the disk: what a killed
 * process leaves is used, and what a machine leaves that went down is loaded again from the log.
 */
#include "fake_log.h"
#include "store_world.h"
#include "test.h"
#include "journal/home.h"
#include "store/compact.h"
#include "store/folder.h"
#include "base/uuid.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 128, CHUNK = 4096 };

static const char another_boot[] = "00000000-0000-4000-8000-000000000001";

static struct fake_log *log_of_test;

static void use_log(struct store_world *f) {
    assert_int_equal(store_use_log(f->store, fake_log_join(log_of_test), journal_home, NULL), 0);
}

/* As the host of a log opens it. */
static int open_to_rebuild(struct store_world *f, struct report *r) {
    const struct store_options options = {
        .path = f->folder.path, .max_bytes = ROOM, .logged = true, .rebuilt = true};
    store_close(f->store);
    f->store = NULL;
    return store_open(&f->store, &options, r);
}

static int set_up(void **state) {
    (void)store_world_set_up(state);
    log_of_test = fake_log_new();
    use_log(*state);
    return 0;
}

static int tear_down(void **state) {
    int code = store_world_tear_down(state);
    fake_log_free(log_of_test);
    return code;
}

static const char *file_of(const struct store_world *f, const char *file, char path[PATH]) {
    (void)snprintf(path, PATH, "%s/%s", f->folder.path, file);
    return path;
}

static bool is_marked(const struct store_world *f) {
    char path[PATH];
    return access(file_of(f, "zingq.unsynced", path), F_OK) == 0;
}

static void mark(const struct store_world *f, const char *mode, const char *text) {
    char path[PATH];
    FILE *fp = fopen(file_of(f, "zingq.unsynced", path), mode);
    assert_non_null(fp);
    assert_int_equal(fputs(text, fp) >= 0, 1);
    assert_int_equal(fclose(fp), 0);
}

static void copy_file(const char *from, const char *to) {
    char bytes[CHUNK];
    size_t len;
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    while ((len = fread(bytes, 1, sizeof bytes, in)) > 0) {
        assert_int_equal(fwrite(bytes, 1, len, out), len);
    }
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* The process is killed; its machine goes on. Its files are as they were at that moment. */
static void kill_host(struct store_world *f) {
    static const char *const files[] = {"data.mdb", "zingq.unsynced", "zingq.store"};
    struct store_world killed = {.store = NULL};
    char from[PATH];
    char to[PATH];
    data_folder_make(&killed.folder);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        copy_file(file_of(f, files[i], from), file_of(&killed, files[i], to));
    }
    store_close(f->store);
    data_folder_remove(&f->folder);
    *f = killed;
}

static void tear(const struct store_world *f) {
    char path[PATH];
    char bytes[CHUNK];
    struct stat st;
    memset(bytes, 'x', sizeof bytes);
    FILE *fp = fopen(file_of(f, "data.mdb", path), "r+b");
    assert_non_null(fp);
    assert_int_equal(stat(path, &st), 0);
    for (long at = 0; at < st.st_size; at += CHUNK) {
        assert_int_equal(fseek(fp, at, SEEK_SET), 0);
        assert_int_equal(fwrite(bytes, 1, sizeof bytes, fp), sizeof bytes);
    }
    assert_int_equal(fclose(fp), 0);
}

static void lose_power(struct store_world *f) {
    kill_host(f);
    tear(f);
    mark(f, "r+b", another_boot); /* it also names the log */
}

static void assert_kept(struct store_world *f, const char *key, const char *value) {
    assert_int_equal(store_begin(f->store), 0);
    assert_store_value(f->store, key, value);
    store_abort(f->store);
}

/* --- INV-STORE-15 --- */

static void what_a_killed_process_leaves_is_used(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    store_world_commit(f->store, "a", "1");
    kill_host(f);
    assert_int_equal(open_to_rebuild(f, &r), 0);
    assert_kept(f, "a", "1"); /* the log was not asked */
    use_log(f);
    assert_kept(f, "a", "1");
}

static void what_a_machine_that_went_down_leaves_is_loaded_again(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    store_world_commit(f->store, "a", "1");
    lose_power(f);
    assert_int_equal(open_to_rebuild(f, &r), 0);
    use_log(f);
    assert_kept(f, "a", "1");
    store_world_commit(f->store, "b", "2");
    kill_host(f);
    assert_int_equal(open_to_rebuild(f, &r), 0); /* the mark is this boot's again */
    assert_kept(f, "b", "2");
}

/* Of the mark, or of another name that it had. */
static void assert_says_boot(const char *path, bool known) {
    char line[PATH];
    FILE *fp = fopen(path, "r");
    assert_non_null(fp);
    assert_non_null(fgets(line, sizeof line, fp));
    assert_int_equal(strlen(line), UUID_TEXT_BYTES + 1);
    assert_int_equal(strcmp(line, "00000000-0000-0000-0000-000000000000\n") != 0, known);
    assert_int_equal(fclose(fp), 0);
}

/* The power may fail at any moment: what the mark said goes when all of what it is to say is there. */
static void a_mark_that_changes_takes_the_place_of_a_whole_one(void **state) {
    struct store_world *f = *state;
    char path[PATH];
    char before[PATH];
    store_world_commit(f->store, "a", "1");
    file_of(f, "zingq.unsynced", path);
    assert_int_equal(link(path, file_of(f, "before", before)), 0);
    store_doubt_file(f->store);
    assert_says_boot(path, false);
    assert_says_boot(before, true);
    assert_int_equal(unlink(before), 0);
}

/* The machine may have taken the database with it, which was made anew. */
static void what_is_loaded_again_is_a_copy_of_that_log_and_no_other(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    uint8_t id[LOG_ID_BYTES];
    store_world_commit(f->store, "a", "1");
    memcpy(id, store_log_state(f->store)->id, sizeof id);
    lose_power(f);
    for (int attempts = 0; attempts < 2; attempts++) { /* the database is away at first */
        assert_int_equal(open_to_rebuild(f, &r), 0);
        use_log(f);
        assert_memory_equal(store_log_state(f->store)->id, id, sizeof id);
    }
}

static void a_torn_file_is_kept_until_the_store_is_loaded(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    char path[PATH];
    struct stat torn;
    struct stat kept;
    store_world_commit(f->store, "a", "1");
    lose_power(f);
    assert_int_equal(stat(file_of(f, "data.mdb", path), &torn), 0);
    for (int attempts = 0; attempts < 2; attempts++) {
        assert_int_equal(open_to_rebuild(f, &r), 0);
        assert_int_equal(stat(file_of(f, "data.mdb.torn", path), &kept), 0);
        assert_int_equal(kept.st_ino, torn.st_ino);
    }
    use_log(f);
    assert_kept(f, "a", "1");
    assert_int_equal(access(path, F_OK), -1);
}

static void a_mark_that_cannot_be_read_is_another_boots(void **state) {
    static const char *const texts[] = {"", "00000000", "no boot has such an id, nor any machine"};
    struct store_world *f = *state;
    struct report r = {""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        store_world_commit(f->store, "a", "1");
        lose_power(f);
        mark(f, "wb", texts[i]);
        assert_int_equal(open_to_rebuild(f, &r), 0);
        use_log(f);
        assert_kept(f, "a", "1");
    }
}

static void nobody_but_its_host_opens_a_torn_file(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    store_world_commit(f->store, "a", "1");
    lose_power(f);
    store_close(f->store);
    f->store = NULL;
    for (int writes = 0; writes < 2; writes++) {
        const struct store_options options = {
            .path = f->folder.path, .max_bytes = ROOM, .logged = true, .read_only = writes == 0};
        assert_int_equal(store_open(&f->store, &options, &r), ERR_BUSY);
        assert_non_null(strstr(r.text, "was not synced when its machine went down"));
    }
    assert_true(is_marked(f));
}

static void a_stop_leaves_a_file_that_is_synced(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    store_world_commit(f->store, "a", "1");
    assert_true(is_marked(f));
    store_close(f->store);
    f->store = NULL;
    assert_false(is_marked(f));
    assert_int_equal(open_to_rebuild(f, &r), 0);
    assert_kept(f, "a", "1");
    assert_false(is_marked(f)); /* until there is a log */
}

/* Another thread syncs the file now and then, to hear of that. */
static void what_the_disk_failed_to_write_is_loaded_again(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    char path[PATH];
    store_world_commit(f->store, "a", "1");
    int fd = store_unsynced_file(f->store);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(close(fd), 0);
    store_doubt_file(f->store);
    assert_int_equal(store_begin(f->store), 0); /* the host still stops as usual */
    store_abort(f->store);
    assert_int_equal(open_to_rebuild(f, &r), 0);
    assert_int_equal(access(file_of(f, "data.mdb.torn", path), F_OK), 0);
    assert_int_equal(store_unsynced_file(f->store), -1); /* it has no log yet */
    use_log(f);
    assert_kept(f, "a", "1");
}

static void a_store_that_leaves_its_log_is_synced(void **state) {
    struct store_world *f = *state;
    store_world_commit(f->store, "a", "1");
    assert_int_equal(store_leave_log(f->store), 0);
    assert_false(is_marked(f));
    store_world_commit(f->store, "b", "2");
    assert_false(is_marked(f));
}

static void a_file_that_was_compacted_is_synced(void **state) {
    struct store_world *f = *state;
    struct store_sizes sizes;
    struct report r = {""};
    store_world_commit(f->store, "a", "1");
    kill_host(f);
    const struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
    assert_int_equal(store_compact(&options, false, &sizes, &r), 0);
    assert_false(is_marked(f));
    assert_int_equal(open_to_rebuild(f, &r), 0);
    assert_kept(f, "a", "1");
}

/* By hand, or by a restore into the folder of a host that was killed. */
static void a_store_put_in_place_of_a_copy_is_no_copy(void **state) {
    static const char *const files[] = {"data.mdb", "zingq.store"};
    struct store_world *f = *state;
    char path[PATH];
    store_world_commit(f->store, "a", "1");
    kill_host(f);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(unlink(file_of(f, files[i], path)), 0);
    }
    f->store = data_folder_store(&f->folder, ROOM);
    assert_false(is_marked(f));
}

/* The disk is full, say. */
static void commits_wait_where_no_mark_can_be_written(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    char path[PATH];
    assert_int_equal(open_to_rebuild(f, &r), 0);
    assert_int_equal(mkdir(file_of(f, "zingq.unsynced", path), 0700), 0);
    use_log(f);
    store_world_commit(f->store, "a", "1");
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(rmdir(path), 0); /* which a stop had left */
    f->store = data_folder_store(&f->folder, ROOM);
    assert_kept(f, "a", "1");
}

#define UNSYNCED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        UNSYNCED_TEST(what_a_killed_process_leaves_is_used),
        UNSYNCED_TEST(what_a_machine_that_went_down_leaves_is_loaded_again),
        UNSYNCED_TEST(a_mark_that_changes_takes_the_place_of_a_whole_one),
        UNSYNCED_TEST(what_is_loaded_again_is_a_copy_of_that_log_and_no_other),
        UNSYNCED_TEST(a_torn_file_is_kept_until_the_store_is_loaded),
        UNSYNCED_TEST(a_mark_that_cannot_be_read_is_another_boots),
        UNSYNCED_TEST(nobody_but_its_host_opens_a_torn_file),
        UNSYNCED_TEST(a_stop_leaves_a_file_that_is_synced),
        UNSYNCED_TEST(what_the_disk_failed_to_write_is_loaded_again),
        UNSYNCED_TEST(a_store_that_leaves_its_log_is_synced),
        UNSYNCED_TEST(a_file_that_was_compacted_is_synced),
        UNSYNCED_TEST(a_store_put_in_place_of_a_copy_is_no_copy),
        UNSYNCED_TEST(commits_wait_where_no_mark_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

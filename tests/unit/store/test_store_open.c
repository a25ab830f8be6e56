/* test_store_open.c - who may open a store, of which age, in which state. */
#include "base/buf.h"
#include "store_world.h"
#include "test.h"

#include "store/compact.h"
#include "store/fault.h"
#include "store/folder.h"
#include "store/pages.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- who may open what --------------------------------------------------------------------------
 */

/* INV-STORE-7 */
static void store_refuses_a_second_writer_and_names_the_first(void **state) {
    struct store_world *f = *state;
    struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
    struct store *second = NULL;
    struct report r = {""};
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_int_equal(store_open(&second, &options, &r), ERR_BUSY);
    assert_null(second);
    assert_non_null(strstr(r.text, pid));
    assert_non_null(strstr(r.text, f->folder.path));
    store_world_commit(f->store, "still", "works");
}

static void store_is_free_again_when_its_writer_was_killed(void **state) {
    struct store_world *f = *state;
    store_close(f->store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
        struct store *s = NULL;
        _exit(store_open(&s, &options, NULL) != 0 || store_begin(s) != 0 ||
              store_put(s, TABLE_STATE, slice_of("half"), slice_of("done")) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    assert_store_absent(f->store, "half");
}

static void store_read_only_says_when_there_is_nothing(void **state) {
    struct store_world *f = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/none", f->folder.path);
    struct store_options options = {.path = path, .read_only = true};
    struct store *s = NULL;
    struct report r = {""};
    assert_int_equal(store_open(&s, &options, &r), ERR_NOTFOUND);
    assert_non_null(strstr(r.text, path));
    assert_int_not_equal(access(path, F_OK), 0);
}

static void store_makes_the_folders_above_it(void **state) {
    struct store_world *f = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a/b/c", f->folder.path);
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    assert_int_equal(store_open(&s, &options, NULL), 0);
    store_world_commit(s, "a", "1");
    store_close(s);
}

static void store_says_why_a_folder_cannot_be_made(void **state) {
    struct store_world *f = *state;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/zingq.lock/data", f->folder.path);
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store *s = NULL;
    struct report r = {""};
    assert_int_equal(store_open(&s, &options, &r), ERR_DISK);
    assert_non_null(strstr(r.text, path));
}

/* Writes a row of meta past the store's back; value NULL: deletes it. */
static void write_meta(const char *path, const char *name, struct slice bytes) {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_val key = {strlen(name), (void *)(uintptr_t)name};
    MDB_val value = {bytes.len, (void *)(uintptr_t)bytes.data};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, TABLE_COUNT), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    int rc =
        bytes.data == NULL ? mdb_del(txn, meta, &key, NULL) : mdb_put(txn, meta, &key, &value, 0);
    assert_int_equal(rc, 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* As a newer program would. */
static void write_schema(const char *path, uint32_t schema) {
    const char bytes[4] = {(char)schema, (char)(schema >> 8), 0, 0};
    write_meta(path, "schema", (struct slice){bytes, sizeof bytes});
}

static int open_again(struct store_world *f, bool read_only, struct report *r) {
    struct store_options options = {
        .path = f->folder.path, .max_bytes = ROOM, .read_only = read_only};
    store_close(f->store);
    f->store = NULL;
    *r = (struct report){""};
    return store_open(&f->store, &options, r);
}

/* INV-STORE-8 */
static void store_refuses_what_a_newer_program_wrote(void **state) {
    struct store_world *f = *state;
    store_close(f->store);
    f->store = NULL;
    write_schema(f->folder.path, STORE_SCHEMA + 1);
    for (int read_only = 0; read_only <= 1; read_only++) {
        struct store_options options = {
            .path = f->folder.path, .max_bytes = ROOM, .read_only = read_only == 1};
        struct report r = {""};
        assert_int_equal(store_open(&f->store, &options, &r), ERR_SCHEMA);
        assert_non_null(
            strstr(r.text, "was written by zingq " ZINGQ_VERSION ", with store schema"));
        assert_non_null(strstr(r.text, "use the newer zingq, or go back with `zingq export`"));
    }
    write_schema(f->folder.path, STORE_SCHEMA);
    f->store = data_folder_store(&f->folder, ROOM);
}

/* Its name is shown, so it must be one. */
static void a_newer_program_without_a_name_is_refused_all_the_same(void **state) {
    struct store_world *f = *state;
    struct report r;
    static const char *const names[] = {"9.9 \033[2J", "", "1.2.3-and-more-than-any-version-has",
                                        NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        store_close(f->store);
        f->store = NULL;
        write_schema(f->folder.path, STORE_SCHEMA + 1);
        write_meta(f->folder.path, "schema by", slice_of(names[i]));
        assert_int_equal(open_again(f, true, &r), ERR_SCHEMA);
        assert_non_null(strstr(r.text, "was written by zingq a newer version, with"));
    }
}

static void store_without_a_schema_is_none_of_ours(void **state) {
    struct store_world *f = *state;
    struct report r;
    store_close(f->store);
    f->store = NULL;
    write_meta(f->folder.path, "schema", (struct slice){"1", 1});
    assert_int_equal(open_again(f, false, &r), ERR_CORRUPT);
    assert_int_equal(open_again(f, true, &r), ERR_CORRUPT);
    write_meta(f->folder.path, "schema", (struct slice){NULL, 0});
    assert_int_equal(open_again(f, true, &r), ERR_NOTFOUND);
    assert_non_null(strstr(r.text, "is not a zingq store"));
    assert_int_equal(open_again(f, false, &r), 0); /* as a start that was killed leaves it */
}

static void an_older_store_is_read_as_it_is(void **state) {
    struct store_world *f = *state;
    struct report r;
    uint32_t schema;
    store_world_commit(f->store, "a", "1");
    store_close(f->store);
    f->store = NULL;
    write_schema(f->folder.path, STORE_SCHEMA - 1);
    assert_int_equal(open_again(f, true, &r), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_schema(f->store, &schema), 0);
    assert_int_equal(schema, STORE_SCHEMA - 1);
    assert_store_value(f->store, "a", "1");
}

static void store_brings_an_older_one_up_to_date(void **state) {
    struct store_world *f = *state;
    store_close(f->store);
    write_schema(f->folder.path, STORE_SCHEMA - 1);
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(f->store), 0);
    struct slice schema;
    assert_int_equal(store_get(f->store, TABLE_META, slice_of("schema"), &schema), 0);
    struct reader r = reader_of(schema.data, schema.len);
    assert_int_equal(read_u32(&r), STORE_SCHEMA);
    store_abort(f->store);
}

static void store_says_when_its_file_is_none_of_ours(void **state) {
    struct store_world *f = *state;
    char path[128];
    store_close(f->store);
    f->store = NULL;
    (void)snprintf(path, sizeof path, "%s/data.mdb", f->folder.path);
    FILE *fp = fopen(path, "w");
    assert_non_null(fp);
    for (int i = 0; i < 20000; i++) {
        assert_true(fputc('x', fp) == 'x');
    }
    assert_int_equal(fclose(fp), 0);
    struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
    struct report r = {""};
    assert_int_equal(store_open(&f->store, &options, &r), ERR_CORRUPT);
    assert_non_null(strstr(r.text, f->folder.path));
}

static void store_refuses_a_file_that_lacks_pages(void **state) {
    struct store_world *f = *state;
    char path[128];
    store_world_commit(f->store, "a", "1");
    store_close(f->store);
    f->store = NULL;
    (void)snprintf(path, sizeof path, "%s/data.mdb", f->folder.path);
    for (int read_only = 0; read_only <= 1; read_only++) {
        struct store_options options = {
            .path = f->folder.path, .max_bytes = ROOM, .read_only = read_only == 1};
        struct report r = {""};
        assert_int_equal(truncate(path, 12288), 0);
        assert_int_equal(store_open(&f->store, &options, &r), ERR_CORRUPT);
        assert_non_null(strstr(r.text, "lacks pages"));
    }
}

static void data_file(const struct store_world *f, char path[128]) {
    (void)snprintf(path, 128, "%s/data.mdb", f->folder.path);
}

/* Rows on several levels of pages, and large ones. */
static void put_many(struct store *s) {
    static char text[9000];
    assert_int_equal(store_begin(s), 0);
    for (int i = 0; i < 400; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(store_put(s, i % 2 == 0 ? TABLE_STATE : TABLE_EVENT, slice_of(key),
                                   (struct slice){text, i % 50 == 0 ? sizeof text : 200}),
                         0);
    }
    assert_int_equal(store_commit(s), 0);
}

static void a_store_that_has_gone_is_never_taken_for_a_new_one(void **state) {
    struct store_world *f = *state;
    char path[128];
    data_file(f, path);
    store_world_commit(f->store, "a", "1");
    store_close(f->store);
    f->store = NULL;
    for (int i = 0; i < 4; i++) {
        struct store_options options = {
            .path = f->folder.path, .max_bytes = ROOM, .read_only = i % 2 == 1};
        struct report r = {""};
        assert_int_equal(i < 2 ? truncate(path, 0) : i == 2 ? unlink(path) : 0, 0);
        assert_int_equal(store_open(&f->store, &options, &r), ERR_CORRUPT);
        assert_non_null(strstr(r.text, i < 2 ? "is empty" : "is missing"));
        assert_non_null(strstr(r.text, path));
        assert_int_equal(access(path, F_OK), i < 2 ? 0 : -1);
    }
}

static void
a_start_that_was_killed_before_its_first_commit_leaves_nothing_in_the_way(void **state) {
    struct store_world *f = *state;
    char path[128];
    store_close(f->store);
    data_file(f, path);
    assert_int_equal(truncate(path, 0), 0);
    (void)snprintf(path, sizeof path, "%s/zingq.store", f->folder.path);
    assert_int_equal(unlink(path), 0);
    f->store = data_folder_store(&f->folder, ROOM);
    store_world_commit(f->store, "a", "1");
}

static void overwrite(const char *path, long at, const void *bytes, size_t len) {
    FILE *fp = fopen(path, "r+b");
    assert_non_null(fp);
    assert_int_equal(fseek(fp, at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, fp), len);
    assert_int_equal(fclose(fp), 0);
}

/* INV-STORE-6 */
static void a_damaged_page_is_refused_in_words(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
    char page[4096];
    char path[128];
    data_file(f, path);
    put_many(f->store);
    memset(page, 'x', sizeof page);
    store_close(f->store);
    f->store = NULL;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    for (long at = 2 * 4096; at < st.st_size; at += 4096) {
        overwrite(path, at, page, sizeof page);
    }
    assert_int_equal(store_open(&f->store, &options, &r), ERR_CORRUPT);
    assert_non_null(strstr(r.text, "damaged pages"));
    assert_non_null(strstr(r.text, "restore a complete copy"));
}

static void store_reopens_with_its_lock_and_its_rows(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    store_world_commit(f->store, "a", "1");
    assert_int_equal(store_reopen(f->store, &r), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_store_value(f->store, "a", "1");
    store_abort(f->store);
    store_refuses_a_second_writer_and_names_the_first(state);
}

/* Nothing is read or written meanwhile, and nothing crashes. */
static void a_store_that_cannot_be_reopened_waits_until_it_can(void **state) {
    struct store_world *f = *state;
    struct store_space space = {0};
    struct report r = {""};
    char path[128];
    char other[160];
    data_file(f, path);
    (void)snprintf(other, sizeof other, "%s.away", path);
    store_world_commit(f->store, "a", "1");
    assert_int_equal(rename(path, other), 0);
    for (int tries = 0; tries < 2; tries++) {
        assert_int_equal(store_reopen(f->store, &r), ERR_CORRUPT);
        assert_non_null(strstr(r.text, "is missing"));
        assert_int_equal(store_begin(f->store), ERR_DISK);
        assert_int_equal(store_lend(f->store, STORE_LENT_SPARE), ERR_DISK);
        assert_int_equal(store_lend(f->store, STORE_LENT_PIECES), ERR_DISK);
        assert_int_equal(store_taken(f->store), 0);
        assert_int_equal(store_rows_kept(f->store, TABLE_STATE), 0);
        assert_int_equal(store_clear_readers(f->store), 0);
        assert_int_equal(store_old_reader(f->store).pid, 0);
    }
    assert_int_equal(rename(other, path), 0);
    assert_int_equal(store_reopen(f->store, &r), 0);
    assert_int_equal(store_usage(f->store, &space), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_store_value(f->store, "a", "1");
}

/* What is named on a command line may have any length. */
static void a_folder_with_too_long_a_name_is_refused_in_words(void **state) {
    struct store_world *f = *state;
    static char path[STORE_PATH_BYTES];
    static const struct store_survey survey = {.ctx = NULL};
    struct store_options options = {.path = path, .max_bytes = ROOM};
    struct store_sizes sizes;
    struct store *s = NULL;
    struct report r = {""};
    int fd;
    size_t len = (size_t)snprintf(path, sizeof path, "%s", f->folder.path);
    while (len + 2 < sizeof path) { /* there is such a folder, but no name of a file in it */
        path[len++] = '/';
        path[len++] = '.';
    }
    for (int read_only = 0; read_only <= 1; read_only++) {
        options.read_only = read_only == 1;
        assert_int_equal(store_open(&s, &options, &r), ERR_INVALID);
        assert_non_null(strstr(r.text, "too long"));
    }
    assert_int_equal(store_compact(&options, false, &sizes, &r), ERR_INVALID);
    assert_int_equal(store_survey(path, &survey, &r), ERR_INVALID);
    assert_int_equal(store_check_pages(path, 0, &r), ERR_INVALID);
    assert_int_equal(store_folder_lock(path, &fd, &r), ERR_INVALID);
    assert_int_equal(store_folder_mark(path, &r), ERR_INVALID);
    assert_int_equal(store_folder_check(path, &r), ERR_INVALID);
    assert_int_equal(store_folder_hosts(path), 0);
    assert_false(store_folder_in_use(path));
    store_folder_tidy(path);
    store_fault_watch(path);
    options = (struct store_options){.path = "", .max_bytes = ROOM};
    assert_int_equal(store_open(&s, &options, &r), ERR_INVALID);
    assert_null(s);
}

static void a_folder_of_a_cluster_says_so(void **state) {
    struct store_world *f = *state;
    static char path[STORE_PATH_BYTES];
    char out[STORE_PATH_BYTES];
    struct report r = {""};
    assert_false(store_folder_is_cluster(f->folder.path));
    assert_int_equal(store_folder_mark_cluster(f->folder.path, &r), 0);
    assert_true(store_folder_is_cluster(f->folder.path));
    memset(path, 'p', sizeof path - 3);
    assert_false(store_folder_shard(path, 30, 0, out));
    assert_false(store_folder_is_cluster(path));
}

/* As a store of a zingq that did not have the table yet. */
static void store_read_only_takes_a_table_that_is_not_there_for_an_empty_one(void **state) {
    struct store_world *f = *state;
    struct report r = {""};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    store_world_commit(f->store, "a", "1");
    store_close(f->store);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 1), 0);
    assert_int_equal(mdb_env_open(env, f->folder.path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "delayed", 0, &dbi), 0);
    assert_int_equal(mdb_drop(txn, dbi, 1), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);

    struct store_options options = {.path = f->folder.path, .read_only = true};
    struct slice key = slice_of("k");
    struct slice value;
    assert_int_equal(store_open(&f->store, &options, &r), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_store_value(f->store, "a", "1");
    assert_int_equal(store_get(f->store, TABLE_DELAYED, key, &value), ERR_NOTFOUND);
    assert_int_equal(store_seek(f->store, TABLE_DELAYED, key, false, &key, &value), ERR_NOTFOUND);
    assert_int_equal(store_seek_back(f->store, TABLE_DELAYED, key, &key, &value), ERR_NOTFOUND);
    assert_int_equal(store_rows(f->store, TABLE_DELAYED), 0);
    store_close(f->store);

    f->store = data_folder_store(&f->folder, ROOM); /* who writes makes it */
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(store_put(f->store, TABLE_DELAYED, slice_of("k"), slice_of("v")), 0);
    assert_int_equal(store_commit(f->store), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        STORE_TEST(store_refuses_a_second_writer_and_names_the_first),
        STORE_TEST(store_is_free_again_when_its_writer_was_killed),
        STORE_TEST(store_read_only_says_when_there_is_nothing),
        STORE_TEST(store_read_only_takes_a_table_that_is_not_there_for_an_empty_one),
        STORE_TEST(store_makes_the_folders_above_it),
        STORE_TEST(store_says_why_a_folder_cannot_be_made),
        STORE_TEST(store_refuses_what_a_newer_program_wrote),
        STORE_TEST(a_newer_program_without_a_name_is_refused_all_the_same),
        STORE_TEST(store_without_a_schema_is_none_of_ours),
        STORE_TEST(an_older_store_is_read_as_it_is),
        STORE_TEST(store_brings_an_older_one_up_to_date),
        STORE_TEST(store_says_when_its_file_is_none_of_ours),
        STORE_TEST(store_refuses_a_file_that_lacks_pages),
        STORE_TEST(a_store_that_has_gone_is_never_taken_for_a_new_one),
        STORE_TEST(a_start_that_was_killed_before_its_first_commit_leaves_nothing_in_the_way),
        STORE_TEST(a_damaged_page_is_refused_in_words),
        STORE_TEST(store_reopens_with_its_lock_and_its_rows),
        STORE_TEST(a_store_that_cannot_be_reopened_waits_until_it_can),
        STORE_TEST(a_folder_with_too_long_a_name_is_refused_in_words),
        STORE_TEST(a_folder_of_a_cluster_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_store_open.c - who may open a store, of which age, in which state. */
#include "base/buf.h"
#include "store_world.h"
#include "test.h"

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

/* Writes the schema number past the store's back, as a newer program would. */
static void write_schema(const char *path, uint32_t schema) {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    MDB_val key = {6, "schema"};
    uint8_t bytes[4] = {(uint8_t)schema, (uint8_t)(schema >> 8), 0, 0};
    MDB_val value = {sizeof bytes, bytes};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, TABLE_COUNT), 0);
    assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
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
        STORE_TEST(store_brings_an_older_one_up_to_date),
        STORE_TEST(store_says_when_its_file_is_none_of_ours),
        STORE_TEST(store_refuses_a_file_that_lacks_pages),
        STORE_TEST(a_store_that_has_gone_is_never_taken_for_a_new_one),
        STORE_TEST(a_start_that_was_killed_before_its_first_commit_leaves_nothing_in_the_way),
        STORE_TEST(a_damaged_page_is_refused_in_words),
        STORE_TEST(store_reopens_with_its_lock_and_its_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

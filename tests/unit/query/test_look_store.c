/* test_look_store.c - the whole store read: what is wrong is named with its key. */
#include "data_folder.h"
#include "test.h"
#include "journal/journal.h"
#include "query/salvage.h"
#include "query/store.h"

#include <stdio.h>
#include <string.h>

enum { ROOM = 16 << 20, PAGE = 4096 };

struct fixture {
    struct data_folder folder;
    char into[128];
    char host[UUID_TEXT_BYTES + 1];
};

static int set_up(void **state) {
    static struct fixture f;
    data_folder_make(&f.folder);
    (void)snprintf(f.into, sizeof f.into, "%s/saved", f.folder.path);
    struct store *s = data_folder_store(&f.folder, ROOM);
    struct journal *j = NULL;
    uint16_t number;
    assert_int_equal(journal_open(&j, s, 1000, NULL), 0);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(journal_service_number(j, "seats", &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(store_commit(s), 0);
    (void)snprintf(f.host, sizeof f.host, "%s", journal_host_id(j));
    journal_close(j);
    store_close(s);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    data_folder_remove(&f->folder);
    return 0;
}

static void put(const struct fixture *f, enum store_table t, struct slice key, struct slice value) {
    struct store *s = data_folder_store(&f->folder, ROOM);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(store_put(s, t, key, value), 0);
    assert_int_equal(store_commit(s), 0);
    store_close(s);
}

/* The only finding's text under the name. */
static void expect_finding(const struct fixture *f, const char *where, const char *what) {
    struct store_exam exam;
    struct report r = {""};
    assert_int_equal(store_examine(&exam, f->folder.path, &r), 0);
    assert_int_equal(exam.count, 1);
    const json_t *one = json_array_get(exam.findings, 0);
    assert_non_null(strstr(json_string_value(json_object_get(one, "where")), where));
    assert_non_null(strstr(json_string_value(json_object_get(one, "what")), what));
    assert_true(json_string_length(json_object_get(one, "mend")) > 0);
    store_exam_clear(&exam);
}

static void a_sound_store_has_no_findings(void **state) {
    const struct fixture *f = *state;
    struct store_exam exam;
    assert_int_equal(store_examine(&exam, f->folder.path, NULL), 0);
    assert_int_equal(exam.count, 0);
    assert_true(json_integer_value(json_object_get(exam.rows, "meta")) >= 4);
    store_exam_clear(&exam);
}

static void a_record_that_cannot_be_read_is_named_with_its_key(void **state) {
    static const char key[] = {5, 0, 0, 0, 1, 'k', 'n'};
    put(*state, TABLE_STATE, (struct slice){key, sizeof key}, slice_of("garbage"));
    expect_finding(*state, "state of key \"k\"", "cannot be read");
}

static void a_store_without_its_host_id_is_read_all_the_same(void **state) {
    put(*state, TABLE_META, slice_of("host"), slice_of("garbage"));
    expect_finding(*state, "meta \"host\"", "cannot be read");
}

static void a_row_that_stands_for_no_event_is_named(void **state) {
    static const char key[] = {5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    static const char value[24] = {1, [16] = 5}; /* an id, and a lane of the key's partition */
    put(*state, TABLE_READY, (struct slice){key, sizeof key}, (struct slice){value, sizeof value});
    expect_finding(*state, "of service \"seats\"", "an event that does not exist");
}

static void books_that_do_not_fit_the_rows_are_named(void **state) {
    uint8_t books[13 * 8] = {3}; /* three accepted, none ended */
    put(*state, TABLE_META, slice_of("books/0"), (struct slice){(const char *)books, sizeof books});
    expect_finding(*state, "books of service \"seats\"", "3 events wait");
}

/* As a host leaves it that is killed before its first commit, or before it was loaded from its log. */
static void a_store_that_has_not_begun_is_no_damage(void **state) {
    struct store_exam exam;
    struct report r = {""};
    struct data_folder empty;
    (void)state;
    data_folder_make(&empty);
    store_close(data_folder_store(&empty, ROOM));
    assert_int_equal(store_examine(&exam, empty.path, &r), ERR_NOTFOUND);
    assert_non_null(strstr(r.text, "is empty"));
    assert_non_null(strstr(r.text, "fills it from its log"));
    store_exam_clear(&exam);
    data_folder_remove(&empty);
}

static void note_loss(void *ctx, const char *text) {
    (void)snprintf(ctx, 256, "%s", text);
}

static void note_found(void *ctx, const char *table, uint64_t pages) {
    (void)table;
    (void)pages;
    (void)snprintf(ctx, 256, "found");
}

static void salvage_takes_what_can_be_read_and_names_the_rest(void **state) {
    const struct fixture *f = *state;
    static const char key[] = {5, 0, 0, 0, 1, 'k', 'n'};
    char lost[256] = "";
    struct salvage salvage = {.on_loss = note_loss, .on_found = note_found, .ctx = lost};
    struct report r = {""};
    put(f, TABLE_STATE, (struct slice){key, sizeof key}, slice_of("garbage"));
    put(f, TABLE_META, slice_of("host"), slice_of("garbage"));
    if (store_salvage(&salvage, f->folder.path, f->into, &r) != 0) {
        fail_msg("%s", r.text);
    }
    assert_int_equal(salvage.lost, 2);
    assert_non_null(strstr(lost, "cannot be read"));
    struct store_exam exam;
    assert_int_equal(store_examine(&exam, f->into, &r), 0);
    assert_int_equal(exam.count, 0);
    store_exam_clear(&exam);
    assert_int_equal(store_salvage(&salvage, f->folder.path, f->into, &r), ERR_EXISTS);
}

/* Of the newer of the first two pages; LMDB's MDB_meta begins 16 bytes into a page. */
static uint64_t list_of_tables(const unsigned char *pages) {
    uint64_t turn[2];
    uint64_t root = 0;
    memcpy(&turn[0], pages + 144, sizeof turn[0]);
    memcpy(&turn[1], pages + PAGE + 144, sizeof turn[1]);
    memcpy(&root, pages + (turn[1] > turn[0] ? PAGE : 0) + 128, sizeof root);
    return root;
}

static void lose_list_of_tables(const struct fixture *f) {
    static unsigned char pages[2 * PAGE];
    static const unsigned char none[PAGE];
    char path[160];
    (void)snprintf(path, sizeof path, "%s/data.mdb", f->folder.path);
    FILE *fp = fopen(path, "r+b");
    assert_non_null(fp);
    assert_int_equal(fread(pages, 1, sizeof pages, fp), sizeof pages);
    assert_int_equal(fseek(fp, (long)list_of_tables(pages) * PAGE, SEEK_SET), 0);
    assert_int_equal(fwrite(none, 1, sizeof none, fp), sizeof none);
    assert_int_equal(fclose(fp), 0);
}

static void salvage_finds_who_the_host_is_without_the_list_of_tables(void **state) {
    const struct fixture *f = *state;
    static const char position[8] = {7};
    char told[256] = "";
    struct salvage salvage = {.on_loss = note_loss, .on_found = note_found, .ctx = told};
    struct report r = {""};
    put(f, TABLE_META, slice_of("log"), (struct slice){position, sizeof position});
    lose_list_of_tables(f);
    assert_int_equal(store_salvage(&salvage, f->folder.path, f->into, &r), 0);
    assert_int_equal(salvage.lost, 1); /* the list */
    struct store_options options = {.path = f->into, .max_bytes = ROOM};
    struct store *s = NULL;
    struct journal *j = NULL;
    uint16_t number;
    struct slice value;
    assert_int_equal(store_open(&s, &options, &r), 0);
    assert_int_equal(journal_open(&j, s, 2000, NULL), 0);
    assert_string_equal(journal_host_id(j), f->host);
    assert_int_equal(store_begin(s), 0);
    assert_int_equal(journal_service_number(j, "seats", &number), 0);
    assert_int_equal(number, 0);
    assert_int_equal(store_get(s, TABLE_META, slice_of("log"), &value), ERR_NOTFOUND);
    store_abort(s);
    journal_close(j);
    store_close(s);
}

int main(void) {
#define LOOK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LOOK_TEST(a_sound_store_has_no_findings),
        LOOK_TEST(a_store_that_has_not_begun_is_no_damage),
        LOOK_TEST(a_record_that_cannot_be_read_is_named_with_its_key),
        LOOK_TEST(a_store_without_its_host_id_is_read_all_the_same),
        LOOK_TEST(a_row_that_stands_for_no_event_is_named),
        LOOK_TEST(books_that_do_not_fit_the_rows_are_named),
        LOOK_TEST(salvage_takes_what_can_be_read_and_names_the_rest),
        LOOK_TEST(salvage_finds_who_the_host_is_without_the_list_of_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

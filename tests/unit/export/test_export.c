/*
 * test_export.c - a data folder as lines, and back: all of it or nothing, and what is refused is named by
 * line and field.
 */
#include "data_folder.h"
#include "test.h"

#include "backup/files.h"
#include "export/export.h"
#include "journal/journal.h"
#include "store/folder.h"
#include "temp_dir.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM = 32 << 20 };

struct world {
    struct data_folder source, target; /* the target's folder `new` is not there yet */
    char folder[96], new_folder[96];
    char *text; /* the export */
    size_t bytes;
};

/* The export of a folder; text to be freed. */
static char *export_of(const char *path, size_t *bytes) {
    const struct store_options options = {.path = path, .read_only = true};
    struct store *store = NULL;
    struct journal *journal = NULL;
    struct export_sums sums;
    struct report r = {""};
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    const struct export_options how = {.folder = path, .out = out};
    assert_int_equal(store_open(&store, &options, &r), 0);
    assert_int_equal(journal_open(&journal, store, 0, &r), 0);
    assert_int_equal(export_write(journal, &how, &sums, &r), 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(sums.bytes, *bytes);
    journal_close(journal);
    store_close(store);
    return text;
}

/* The folder of the newest format: opening it where it lies would leave something there. */
static void copy_sample(const char *to) {
    static const char from[] = TESTS_DIR "/data/schema-5/data";
    const struct backup_owner owner = {.user = getuid(), .group = getgid()};
    struct backup_sizes sizes = {0};
    struct report r = {""};
    assert_int_equal(store_folder_make(to, &r), 0);
    assert_int_equal(backup_file(from, to, "data.mdb", &owner, &sizes, &r), 0);
    assert_int_equal(backup_file(from, to, "audit.jsonl", &owner, &sizes, &r), 0);
    assert_int_equal(backup_folder(from, to, "files", &owner, &sizes, &r), 0);
    assert_int_equal(sizes.files, 3);
}

static int set_up(void **state) {
    static struct world w;
    data_folder_make(&w.source);
    data_folder_make(&w.target);
    (void)snprintf(w.folder, sizeof w.folder, "%s/data", w.source.path);
    (void)snprintf(w.new_folder, sizeof w.new_folder, "%s/new", w.target.path);
    copy_sample(w.folder);
    w.text = export_of(w.folder, &w.bytes);
    *state = &w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    free(w->text);
    data_folder_remove(&w->source);
    data_folder_remove(&w->target);
    return 0;
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int import(const struct world *w, const char *text, size_t bytes, struct report *r) {
    struct export_sums sums;
    FILE *in = fmemopen((void *)(uintptr_t)text, bytes, "r");
    const struct import_options options = {
        .in = in, .name = "export.jsonl", .folder = w->new_folder, .max_bytes = ROOM};
    assert_non_null(in);
    int code = export_read(&options, &sums, r);
    assert_int_equal(fclose(in), 0);
    return code;
}

static bool is_there(const char *folder, const char *name) {
    char path[160];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return stat(path, &st) == 0;
}

static void an_export_of_what_was_imported_is_the_same_to_the_byte(void **state) {
    struct world *w = *state;
    struct report r = {""};
    size_t bytes = 0;
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    char *again = export_of(w->new_folder, &bytes);
    assert_int_equal(bytes, w->bytes);
    assert_memory_equal(again, w->text, bytes);
    free(again);
}

/* Replaces the first `from` in the export's line that begins with `line`. */
static char *changed(const struct world *w, const char *line, const char *from, const char *to,
                     size_t *bytes) {
    char *begin = strncmp(w->text, line, strlen(line)) == 0 ? w->text : NULL;
    for (char *at = w->text; begin == NULL && (at = strchr(at, '\n')) != NULL; at++) {
        begin = strncmp(at + 1, line, strlen(line)) == 0 ? at + 1 : NULL;
    }
    assert_non_null(begin);
    char *found = strstr(begin, from);
    assert_non_null(found);
    size_t before = (size_t)(found - w->text);
    *bytes = w->bytes - strlen(from) + strlen(to);
    char *text = malloc(*bytes);
    assert_non_null(text);
    memcpy(text, w->text, before);
    memcpy(text + before, to, strlen(to));
    memcpy(text + before + strlen(to), found + strlen(from), w->bytes - before - strlen(from));
    return text;
}

static void expect_refused(const struct world *w, const char *text, size_t bytes,
                           const char *words) {
    struct report r = {""};
    assert_int_equal(import(w, text, bytes, &r), ERR_INVALID);
    if (strstr(r.text, words) == NULL || strstr(r.text, "nothing was imported") == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", r.text, words);
    }
    assert_false(is_there(w->new_folder, "data.mdb"));
    assert_false(is_there(w->new_folder, "zingq.store"));
}

static const struct {
    const char *line, *from, *to, *words;
} refused[] = {
    {"", "\"export\"", "\"exports\"", "line 1: this is not what `zingq export` writes"},
    {"", "\"format\":1", "\"format\":2", "line 1: it has format 2, of zingq "},
    {"", "\"partitions\":64", "\"partitions\":128", "line 1: its keys are in 128 partitions"},
    {"{\"kind\":\"lock\"", "\"lock\"", "\"vault\"",
     ": \"vault\": kind \"vault\" is none that this zingq knows; zingq "},
    {"{\"kind\":\"lock\"", "\"owner\"", "\"colour\"",
     ": \"lock\": field \"colour\" is none that this zingq knows"},
    {"{\"kind\":\"event\"", "\"service\":\"", "\"service\":\"x",
     "names a service that the first line does not list"},
    {"{\"kind\":\"event\"", "\"state\":\"", "\"state\":\"x",
     "field \"state\" says what this zingq does not know"},
    {"{\"kind\":\"event\"", "\"qos\":1", "\"qos\":16", "field \"qos\" is too large"},
    {"{\"kind\":\"event\"", "\"partition\":", "\"partition\":1", "its fields do not fit together"},
    {"{\"kind\":\"event\"", "\"lane\":\"", "\"lane\":\"g", "is not 16 hexadecimal digits"},
    {"{\"kind\":\"event\"", "\"id\":\"", "\"id\":\"g", "field \"id\" is not an id"},
    {"{\"kind\":\"event\"", "\"partition\":", "\"partition\":1.5,\"x\":", "is not a whole number"},
    {"{\"kind\":\"state\"", "_base64\":\"", "_base64\":\"*", "is not base64"},
    {"{\"kind\":\"state\"", "{", "[", "is not JSON"},
    {"{\"kind\":\"file\"", "files/", "files/../", "is no file that an export has"},
    {"{\"kind\":\"file\"", "\"at\":0", "\"at\":1", "does not go on where the file ends"},
    {"{\"kind\":\"file\"", "\"name\"", "\"names\"", "is no file that an export has"},
    {"{\"kind\":\"event\"", "\"id\"", "\"properties\":7,\"id\"", "field \"properties\""},
    {"{\"kind\":\"state\"", "{", "{\"kind\":\"row\",\"table\":\"meta\",\"key\":\"schema\"}\n{",
     "\"row\": a store says that of itself"},
    {"{\"kind\":\"state\"", "{", "{\"kind\":\"flag\",\"name\":\"grouped\",\"number\":7}\n{",
     "\"flag\": a store says that of itself"},
    {"{\"kind\":\"state\"", "\"value\":2", "\"value\":3", "its checksum is not that of the lines"},
    {"{\"kind\":\"end\"", "\"records\":", "\"records\":1", "records, and it says 1"},
    {"{\"kind\":\"end\"", "}\n", "}\n\n", "more follows it"},
    {"{\"kind\":\"end\"", "}\n", "}", "it is cut off"},
};

static void what_is_not_known_or_was_changed_is_refused_by_line_and_field(void **state) {
    const struct world *w = *state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        size_t bytes;
        char *text = changed(w, refused[i].line, refused[i].from, refused[i].to, &bytes);
        expect_refused(w, text, bytes, refused[i].words);
        free(text);
    }
}

/* Gives the text the checksum that it has now. */
static void reseal(char *text, size_t bytes) {
    unsigned char sum[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof sum + 1];
    char *last = (char *)memrchr(text, '\n', bytes - 1) + 1;
    (void)crypto_hash_sha256(sum, (const unsigned char *)text, (size_t)(last - text));
    (void)sodium_bin2hex(hex, sizeof hex, sum, sizeof sum);
    memcpy(text + bytes - strlen("\"}\n") - strlen(hex), hex, strlen(hex));
}

static void fewer_rows_than_the_first_line_says_are_noticed(void **state) {
    const struct world *w = *state;
    size_t bytes;
    char *text = changed(w, "", "\"event\":", "\"event\":1", &bytes);
    reseal(text, bytes);
    expect_refused(w, text, bytes, "rows, and the first line says 1");
    free(text);
}

static void an_export_that_was_cut_off_at_any_line_is_no_store(void **state) {
    const struct world *w = *state;
    size_t step = w->bytes / 20;
    for (size_t bytes = step; bytes < w->bytes; bytes += step) {
        expect_refused(w, w->text, bytes, "cut off");
    }
}

static void what_was_refused_can_be_imported_when_it_is_whole(void **state) {
    const struct world *w = *state;
    struct report r = {""};
    expect_refused(w, w->text, w->bytes - 1, "cut off");
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    assert_true(is_there(w->new_folder, "data.mdb"));
    assert_true(is_there(w->new_folder, "files/written.txt"));
    assert_false(is_there(w->new_folder, "compacting"));
}

static void a_folder_that_holds_a_store_is_left_as_it_is(void **state) {
    const struct world *w = *state;
    struct report r = {""};
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    assert_int_equal(import(w, w->text, w->bytes, &r), ERR_EXISTS);
    assert_non_null(strstr(r.text, "is never overwritten"));
}

static void a_store_that_is_too_small_for_it_says_what_helps(void **state) {
    const struct world *w = *state;
    struct report r = {""};
    struct export_sums sums;
    FILE *in = fmemopen(w->text, w->bytes, "r");
    const struct import_options options = {
        .in = in, .name = "export.jsonl", .folder = w->new_folder, .max_bytes = 64 << 10};
    assert_int_equal(export_read(&options, &sums, &r), ERR_FULL);
    assert_non_null(strstr(r.text, "a larger store.max_size, or disk, has room for it"));
    assert_false(is_there(w->new_folder, "data.mdb"));
    assert_int_equal(fclose(in), 0);
}

/* What is in the file; NULL: it is not there. To be freed. */
static char *content(const char *folder, const char *name) {
    char path[400];
    char *text = NULL;
    size_t room = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *in = fopen(path, "r");
    if (in != NULL) {
        (void)getdelim(&text, &room, '\0', in);
        (void)fclose(in);
    }
    return text;
}

static void write_text(const char *folder, const char *name, const char *text) {
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void expect_content(const char *folder, const char *name, const char *text) {
    char *found = content(folder, name);
    assert_non_null(found);
    assert_string_equal(found, text);
    free(found);
}

static void a_refused_import_changes_no_file_that_was_in_the_folder(void **state) {
    const struct world *w = *state;
    struct report r = {""};
    char files[120];
    (void)snprintf(files, sizeof files, "%s/files", w->new_folder);
    assert_int_equal(store_folder_make(files, &r), 0);
    write_text(w->new_folder, "files/written.txt", "mine");
    write_text(w->new_folder, "audit.jsonl", "mine, too");
    expect_refused(w, w->text, w->bytes - 1, "cut off");
    expect_content(w->new_folder, "files/written.txt", "mine");
    expect_content(w->new_folder, "audit.jsonl", "mine, too");
    assert_false(is_there(w->new_folder, "compacting"));
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    char *original = content(w->folder, "audit.jsonl");
    assert_non_null(original);
    expect_content(w->new_folder, "audit.jsonl", original);
    free(original);
}

/* As after a kill. */
static void what_an_interrupted_import_left_does_not_get_into_the_next(void **state) {
    const struct world *w = *state;
    struct report r = {""};
    char left[160];
    (void)snprintf(left, sizeof left, "%s/compacting/files", w->new_folder);
    assert_int_equal(store_folder_make(left, &r), 0);
    write_text(left, "other.txt", "of another export");
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    assert_false(is_there(w->new_folder, "files/other.txt"));
    assert_false(is_there(w->new_folder, "compacting"));
}

static void a_file_of_any_name_comes_back(void **state) {
    struct world *w = *state;
    struct report r = {""};
    char longest[sizeof "files/" + 255] = "files/";
    memset(longest + strlen("files/"), 'n', 255);
    write_text(w->folder, longest, "long");
    write_text(w->folder, "files/caf\xe9.log", "not UTF-8");
    write_text(w->folder, "files/empty", "");
    free(w->text);
    w->text = export_of(w->folder, &w->bytes);
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    expect_content(w->new_folder, longest, "long");
    expect_content(w->new_folder, "files/caf\xe9.log", "not UTF-8");
    assert_true(is_there(w->new_folder, "files/empty"));
}

/* Writes nonsense in the place of the first row of state. */
static void damage(const struct world *w) {
    const struct store_options options = {.path = w->folder, .max_bytes = ROOM};
    struct store *store = NULL;
    struct slice key;
    struct slice value;
    char copy[511];
    assert_int_equal(store_open(&store, &options, NULL), 0);
    assert_int_equal(store_begin(store), 0);
    assert_int_equal(store_seek(store, TABLE_STATE, slice_of(""), false, &key, &value), 0);
    memcpy(copy, key.data, key.len);
    assert_int_equal(
        store_put(store, TABLE_STATE, (struct slice){copy, key.len}, slice_of("nonsense")), 0);
    assert_int_equal(store_commit(store), 0);
    store_close(store);
}

static void a_record_that_cannot_be_read_goes_along_as_it_is(void **state) {
    struct world *w = *state;
    struct report r = {""};
    size_t bytes = 0;
    damage(w);
    free(w->text);
    w->text = export_of(w->folder, &w->bytes);
    assert_non_null(strstr(w->text, "{\"kind\":\"row\",\"table\":\"state\",\"key"));
    assert_int_equal(import(w, w->text, w->bytes, &r), 0);
    char *again = export_of(w->new_folder, &bytes);
    assert_int_equal(bytes, w->bytes);
    assert_memory_equal(again, w->text, bytes);
    free(again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_export_of_what_was_imported_is_the_same_to_the_byte),
        WORLD_TEST(what_is_not_known_or_was_changed_is_refused_by_line_and_field),
        WORLD_TEST(fewer_rows_than_the_first_line_says_are_noticed),
        WORLD_TEST(an_export_that_was_cut_off_at_any_line_is_no_store),
        WORLD_TEST(what_was_refused_can_be_imported_when_it_is_whole),
        WORLD_TEST(a_refused_import_changes_no_file_that_was_in_the_folder),
        WORLD_TEST(what_an_interrupted_import_left_does_not_get_into_the_next),
        WORLD_TEST(a_file_of_any_name_comes_back),
        WORLD_TEST(a_folder_that_holds_a_store_is_left_as_it_is),
        WORLD_TEST(a_store_that_is_too_small_for_it_says_what_helps),
        WORLD_TEST(a_record_that_cannot_be_read_goes_along_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_store_damage.c - whatever stands in the file: rows or a sentence, never a signal. */
#include "base/buf.h"
#include "data_folder.h"
#include "test.h"
#include "store/store.h"
#include "store/pages.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 16 << 20, FILE_BYTES_MAX = 1 << 20, ROWS = 400 };

struct fixture {
    struct data_folder folder;
    char path[128];                      /* of data.mdb */
    unsigned char whole[FILE_BYTES_MAX]; /* as it was */
    size_t len;
    uint32_t random;
};

static uint32_t next_random(struct fixture *f) {
    f->random = f->random * 1103515245u + 12345u;
    return f->random >> 8;
}

/* Rows on several levels of pages, large ones, and pages that are free. */
static void put_many(struct store *s, int times) {
    static char text[9000];
    for (int round = 0; round < times; round++) {
        assert_int_equal(store_begin(s), 0);
        for (int i = 0; i < ROWS; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "key %d", i * (round + 1));
            assert_int_equal(store_put(s, i % 2 == 0 ? TABLE_STATE : TABLE_EVENT, slice_of(key),
                                       (struct slice){text, i % 50 == 0 ? sizeof text : 200}),
                             0);
        }
        assert_int_equal(store_commit(s), 0);
    }
}

static int set_up(void **state) {
    static struct fixture f;
    f.random = 1;
    data_folder_make(&f.folder);
    (void)snprintf(f.path, sizeof f.path, "%s/data.mdb", f.folder.path);
    struct store *s = data_folder_store(&f.folder, ROOM);
    put_many(s, 3);
    store_close(s);
    FILE *fp = fopen(f.path, "rb");
    assert_non_null(fp);
    f.len = fread(f.whole, 1, sizeof f.whole, fp);
    assert_int_equal(fclose(fp), 0);
    assert_in_range(f.len, 100000, sizeof f.whole - 1);
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    data_folder_remove(&f->folder);
    return 0;
}

static void overwrite(const char *path, size_t at, const void *bytes, size_t len) {
    FILE *fp = fopen(path, "r+b");
    assert_non_null(fp);
    assert_int_equal(fseek(fp, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, fp), len);
    assert_int_equal(fclose(fp), 0);
}

static void restore(const struct fixture *f) {
    assert_int_equal(truncate(f->path, 0), 0);
    overwrite(f->path, 0, f->whole, f->len);
}

/* --- what a command and a host do --- */

static int read_rows(struct store *s) {
    int code = store_begin(s);
    for (unsigned t = 0; t < TABLE_COUNT && code == 0; t++) {
        char last[512];
        struct slice key = {"", 0};
        struct slice value;
        while ((code = store_seek(s, t, key, key.len > 0, &key, &value)) == 0) {
            memcpy(last, key.data, key.len);
            key.data = last;
        }
        code = code == ERR_NOTFOUND ? 0 : code;
    }
    if (store_active(s)) {
        store_abort(s);
    }
    return code;
}

/* In a few commits, which free pages and use them again. */
static int write_rows(struct store *s) {
    int code = 0;
    for (int i = 0; i < 2 * ROWS && code == 0; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key %d", i * 7);
        code = store_active(s) ? 0 : store_begin(s);
        enum store_table t = i % 2 == 0 ? TABLE_STATE : TABLE_EVENT;
        code = code == 0 ? store_put(s, t, slice_of(key), slice_of("anew")) : code;
        (void)snprintf(key, sizeof key, "key %d", i);
        code = code == 0 ? store_del(s, t, slice_of(key)) : code;
        code = code == ERR_NOTFOUND ? 0 : code;
        code = code == 0 && i % (ROWS / 2) == 0 ? store_commit(s) : code;
    }
    return code;
}

static int use_store(const char *folder, bool writes) {
    struct store_options options = {.path = folder, .max_bytes = ROOM, .read_only = !writes};
    struct store *s = NULL;
    struct report r = {""};
    int code = store_open(&s, &options, &r);
    if (code != 0) {
        return r.text[0] == '\0' ? 99 : code;
    }
    code = read_rows(s);
    code = code == 0 && writes ? write_rows(s) : code;
    store_close(s);
    return code;
}

static int count_row(void *ctx, struct slice table, struct slice key, struct slice value) {
    size_t *rows = ctx;
    (void)table;
    (void)value;
    *rows += key.len > 0 ? 1 : 0;
    return 0;
}

static int ignore_flaw(void *ctx, struct slice table, const char *text) {
    (void)ctx;
    (void)table;
    (void)text;
    return 0;
}

/* In a process of its own: it may not end by a signal. */
static void expect_no_signal(const struct fixture *f, bool writes) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        size_t rows = 0;
        struct report r;
        const struct store_survey survey = {
            .on_row = count_row, .on_flaw = ignore_flaw, .ctx = &rows};
        (void)!freopen("/dev/null", "w", stderr);
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka would go on with the next test */
        (void)signal(SIGBUS, SIG_DFL);
        (void)signal(SIGFPE, SIG_DFL);
        (void)signal(SIGABRT, SIG_DFL);
        (void)store_survey(f->folder.path, &survey, &r);
        _exit(-use_store(f->folder.path, writes) & 0x7f);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status)) {
        fail_msg("it ended by signal %d", WTERMSIG(status));
    }
}

static unsigned tries(void) {
    const char *text = getenv("STORE_DAMAGE_TRIES");
    return text == NULL ? 200 : (unsigned)strtoul(text, NULL, 10);
}

static void bytes_changed_anywhere_end_nothing_by_a_signal(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < tries(); i++) {
        unsigned char bytes[64] = {0};
        size_t count = i % 2 == 0 ? 1 + next_random(f) % 4 : sizeof bytes;
        for (size_t b = 0; b < count; b++) {
            bytes[b] = (unsigned char)next_random(f);
        }
        size_t page = next_random(f) % (f->len / 4096) * 4096;
        size_t at = i % 3 == 0 ? next_random(f) % 64 : next_random(f) % (4096 - sizeof bytes);
        overwrite(f->path, page + at, bytes, count);
        expect_no_signal(f, i % 4 < 2);
        restore(f);
    }
}

static void pages_of_garbage_end_nothing_by_a_signal(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < tries() / 2; i++) {
        unsigned char page[4096];
        for (size_t b = 0; b < sizeof page; b++) {
            page[b] = i % 3 == 0 ? 0 : (unsigned char)next_random(f);
        }
        for (unsigned n = 0; n <= i % 8; n++) {
            overwrite(f->path, next_random(f) % (f->len / 4096) * 4096, page, sizeof page);
        }
        expect_no_signal(f, i % 2 == 0);
        restore(f);
    }
}

static void pages_in_the_place_of_others_end_nothing_by_a_signal(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < tries() / 2; i++) {
        size_t from = next_random(f) % (f->len / 4096) * 4096;
        size_t to = next_random(f) % (f->len / 4096) * 4096;
        overwrite(f->path, to, f->whole + from, 4096);
        if (i % 2 == 0) { /* with the right number */
            uint64_t number = to / 4096;
            overwrite(f->path, to, &number, sizeof number);
        }
        expect_no_signal(f, i % 4 < 2);
        restore(f);
    }
}

static void a_file_cut_anywhere_ends_nothing_by_a_signal(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < tries() / 4; i++) {
        assert_int_equal(truncate(f->path, (off_t)(next_random(f) % f->len)), 0);
        expect_no_signal(f, i % 2 == 0);
        restore(f);
    }
}

static void a_file_cut_while_it_is_read_ends_the_reader_in_words(void **state) {
    struct fixture *f = *state;
    int words[2];
    char text[512] = "";
    int status;
    assert_int_equal(pipe(words), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = {.path = f->folder.path, .read_only = true};
        struct store *s = NULL;
        bool ready = dup2(words[1], STDERR_FILENO) >= 0 && store_open(&s, &options, NULL) == 0 &&
                     truncate(f->path, 8192) == 0;
        _exit(ready ? read_rows(s) : 99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), EXIT_CANNOT_RUN);
    assert_true(read(words[0], text, sizeof text - 1) > 0);
    assert_non_null(strstr(text, f->path));
    assert_int_equal(close(words[0]) + close(words[1]), 0);
}

/* Only what is read of the file is the store's. */
static void another_fault_ends_the_process_as_it_does_without_a_store(void **state) {
    struct fixture *f = *state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store_options options = {.path = f->folder.path, .read_only = true};
        struct store *s = NULL;
        (void)signal(SIGSEGV, SIG_DFL);
        volatile char *closed = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (closed != MAP_FAILED && store_open(&s, &options, NULL) == 0) {
            *closed = 1;
        }
        _exit(EXIT_CANNOT_RUN);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void a_survey_finds_all_rows_but_those_of_the_damaged_page(void **state) {
    struct fixture *f = *state;
    size_t all = 0;
    size_t left = 0;
    struct report r;
    const struct store_survey survey = {.on_row = count_row, .on_flaw = ignore_flaw, .ctx = &all};
    assert_int_equal(store_survey(f->folder.path, &survey, &r), 0);
    assert_true(all > ROWS);
    for (size_t page = 2 * 4096; page + 4096 <= f->len; page += 4096) {
        if (f->whole[page + 10] != 2 /* a leaf */) {
            continue;
        }
        static const unsigned char none[4096];
        overwrite(f->path, page, none, sizeof none);
        const struct store_survey again = {
            .on_row = count_row, .on_flaw = ignore_flaw, .ctx = &left};
        left = 0;
        assert_int_equal(store_survey(f->folder.path, &again, &r), 0);
        if (left < all && left + 100 >= all) {
            break; /* before that: a page that is free, or one above the rows */
        }
        restore(f);
    }
    assert_in_range(left, all - 100, all - 1);
}

static bool is_ours(enum store_table table, struct slice key, struct slice value) {
    (void)value;
    return (table == TABLE_STATE || table == TABLE_EVENT) && key.len > 4 &&
           memcmp(key.data, "key ", 4) == 0;
}

static void a_survey_finds_what_lay_below_a_lost_page(void **state) {
    struct fixture *f = *state;
    size_t all = 0;
    struct report r;
    const struct store_survey survey = {.on_row = count_row, .on_flaw = ignore_flaw, .ctx = &all};
    assert_int_equal(store_survey(f->folder.path, &survey, &r), 0);
    size_t branches = 0;
    for (size_t page = 2 * 4096; page + 4096 <= f->len; page += 4096) {
        static const unsigned char none[4096];
        size_t without = 0;
        size_t with = 0;
        if (f->whole[page + 10] != 1 /* a branch */) {
            continue;
        }
        overwrite(f->path, page, none, sizeof none);
        const struct store_survey blind = {
            .on_row = count_row, .on_flaw = ignore_flaw, .ctx = &without};
        const struct store_survey seeing = {
            .on_row = count_row, .on_flaw = ignore_flaw, .fits = is_ours, .ctx = &with};
        assert_int_equal(store_survey(f->folder.path, &blind, &r), 0);
        assert_int_equal(store_survey(f->folder.path, &seeing, &r), 0);
        assert_int_equal(with, all);
        branches += without < all ? 1 : 0; /* else one that is free */
        restore(f);
    }
    assert_int_equal(branches, 2); /* of both tables */
}

int main(void) {
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        STORE_TEST(bytes_changed_anywhere_end_nothing_by_a_signal),
        STORE_TEST(pages_of_garbage_end_nothing_by_a_signal),
        STORE_TEST(pages_in_the_place_of_others_end_nothing_by_a_signal),
        STORE_TEST(a_file_cut_anywhere_ends_nothing_by_a_signal),
        STORE_TEST(a_file_cut_while_it_is_read_ends_the_reader_in_words),
        STORE_TEST(another_fault_ends_the_process_as_it_does_without_a_store),
        STORE_TEST(a_survey_finds_what_lay_below_a_lost_page),
        STORE_TEST(a_survey_finds_all_rows_but_those_of_the_damaged_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

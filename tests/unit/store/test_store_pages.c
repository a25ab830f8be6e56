/* test_store_pages.c - what LMDB trusts in a store's file: each of it is checked before LMDB has it, and what else is in
 * the file can be saved. */
#include "base/buf.h"
#include "data_folder.h"
#include "test.h"
#include "store/pages.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 16 << 20, FILE_BYTES_MAX = 1 << 20, PAGE = 4096, ROWS = 400 };

struct fixture {
    struct data_folder folder;
    char path[128];
    unsigned char whole[FILE_BYTES_MAX]; /* as LMDB wrote it */
    size_t len;
};

/* --- where things are: the layout is that of store/walk.c --- */

enum {
    META_FREE_TREE = 40,
    META_NAMES_TREE = 88,
    META_TXN = 144,
    TREE_ROOT = 40,
    NODES = 16,
    NODE_KEY_LEN = 6,
    NODE_KEY = 8,
};

static uint64_t number_at(const struct fixture *f, size_t at, size_t bytes) {
    uint64_t number = 0;
    memcpy(&number, f->whole + at, bytes);
    return number;
}

static size_t meta(const struct fixture *f) {
    return number_at(f, META_TXN, 8) > number_at(f, PAGE + META_TXN, 8) ? 0 : PAGE;
}

static size_t root(const struct fixture *f, size_t tree) {
    return number_at(f, tree + TREE_ROOT, 8) * PAGE;
}

static size_t node(const struct fixture *f, size_t page, size_t i) {
    return page + number_at(f, page + NODES + 2 * i, 2);
}

static size_t value(const struct fixture *f, size_t at) {
    return at + NODE_KEY + number_at(f, at + NODE_KEY_LEN, 2);
}

/* Of a table in which there are rows. */
static size_t tree_of(const struct fixture *f, const char *name) {
    size_t names = root(f, meta(f) + META_NAMES_TREE);
    for (size_t i = 0;; i++) {
        size_t at = node(f, names, i);
        assert_true(at < f->len);
        if (memcmp(f->whole + at + NODE_KEY, name, strlen(name)) == 0) {
            return value(f, at);
        }
    }
}

/* The first list of several free pages. */
static size_t free_node(const struct fixture *f, size_t leaf) {
    for (size_t i = 0;; i++) {
        size_t at = node(f, leaf, i);
        assert_true(at < f->len);
        if (number_at(f, value(f, at), 8) > 1) {
            return at;
        }
    }
}

/* The first node with a large value. */
static size_t big_node(const struct fixture *f, size_t leaf) {
    for (size_t i = 0;; i++) {
        size_t at = node(f, leaf, i);
        assert_true(at < f->len);
        if (number_at(f, at + 4, 2) == 1) {
            return at;
        }
    }
}

enum place {
    META,
    FREE_NODE,
    FREE_LIST,
    NAMES_NODE,
    TREE,
    BRANCH,
    CHILD,
    LEAF,
    ROW,
    LARGE_ROW,
    LARGE
};

static size_t place_of(const struct fixture *f, enum place place) {
    size_t branch = root(f, tree_of(f, "state"));
    size_t leaf = number_at(f, node(f, branch, 0), 4) * PAGE;
    size_t large_row = value(f, big_node(f, leaf));
    size_t free_list = free_node(f, root(f, meta(f) + META_FREE_TREE));
    const size_t places[] = {
        [META] = meta(f),
        [FREE_NODE] = free_list,
        [FREE_LIST] = value(f, free_list),
        [NAMES_NODE] = node(f, root(f, meta(f) + META_NAMES_TREE), 0),
        [TREE] = tree_of(f, "state"),
        [BRANCH] = branch,
        [CHILD] = node(f, branch, 1),
        [LEAF] = leaf,
        [ROW] = node(f, leaf, 0),
        [LARGE_ROW] = large_row,
        [LARGE] = number_at(f, large_row, 8) * PAGE,
    };
    return places[place];
}

/* --- what is wrong --- */

static const struct {
    const char *what;
    enum place place;
    unsigned at, bytes;
    enum { IS, FLIPPED } how;
    uint64_t value;
} trusted[] = {
    {"the mark of the file", META, 16, 4, FLIPPED, 1},
    {"the size of its pages, too small", META, 40, 4, IS, 256},
    {"the size of its pages, too large", META, 40, 4, IS, 1 << 17},
    {"the size of its pages, odd", META, 40, 4, IS, 4097},
    {"the kind of free pages' keys", META, 44, 2, FLIPPED, 8},
    {"the kind of tables' keys", META, 92, 2, FLIPPED, 8},
    {"a list of free pages, its count", FREE_LIST, 0, 8, IS, 1 << 20},
    {"a list of free pages, one that is none", FREE_LIST, 8, 8, IS, 1},
    {"a list of free pages, beyond the file", FREE_LIST, 8, 8, FLIPPED, 1 << 30},
    {"a list of free pages, the order", FREE_LIST, 16, 8, IS, UINT32_MAX},
    {"a list of free pages, its key", FREE_NODE, 6, 2, IS, 6},
    {"a list of free pages, its length", FREE_NODE, 0, 2, IS, 4},
    {"a table's name, none", NAMES_NODE, 6, 2, IS, 0},
    {"a table that is a row", NAMES_NODE, 4, 2, FLIPPED, 2},
    {"a table with a large value", NAMES_NODE, 4, 2, FLIPPED, 1},
    {"a table of another kind", TREE, 4, 2, FLIPPED, 4},
    {"a table's depth", TREE, 6, 2, FLIPPED, 1},
    {"a table's rows", TREE, 32, 8, FLIPPED, 1},
    {"a table's first page, beyond the file", TREE, 40, 8, FLIPPED, 1 << 30},
    {"a table's first page, one of the first", TREE, 40, 8, IS, 1},
    {"a branch, no kind", BRANCH, 10, 2, FLIPPED, 1},
    {"a branch, two kinds", BRANCH, 10, 2, FLIPPED, 2},
    {"a branch with one node", BRANCH, 12, 2, IS, NODES + 2},
    {"a branch, its number", BRANCH, 0, 8, FLIPPED, 1},
    {"a page above it", CHILD, 0, 4, IS, 0},
    {"a leaf in the place of a branch", BRANCH, 10, 2, FLIPPED, 3},
    {"a leaf without rows", LEAF, 12, 2, IS, NODES},
    {"a leaf, where its nodes end: odd", LEAF, 12, 2, FLIPPED, 1},
    {"a leaf, where its nodes end: too far", LEAF, 12, 2, IS, 4094},
    {"a leaf, where its rows begin", LEAF, 14, 2, IS, 4098},
    {"a leaf, a gap before its rows", LEAF, 14, 2, FLIPPED, 8},
    {"a row outside of its page", LEAF, NODES, 2, IS, 4094},
    {"a row at an odd place", LEAF, NODES, 2, FLIPPED, 1},
    {"a row among the nodes", LEAF, NODES, 2, IS, 2},
    {"a row of a kind that is not known", ROW, 4, 2, FLIPPED, 64},
    {"a row that is a table", ROW, 4, 2, FLIPPED, 2},
    {"a row with too long a key", ROW, 6, 2, IS, 512},
    {"a row without a key", ROW, 6, 2, IS, 0},
    {"a row with too long a value", ROW, 0, 2, IS, 4000},
    {"a row, the order of its key", ROW, 8, 1, IS, 0xff},
    {"a large value that is nowhere", LARGE_ROW, 0, 8, IS, 0},
    {"a large value beyond the file", LARGE_ROW, 0, 8, IS, 1 << 30},
    {"a large value, its number", LARGE, 0, 8, FLIPPED, 1},
    {"a large value, its kind", LARGE, 10, 2, IS, 2},
    {"a large value without pages", LARGE, 12, 4, IS, 0},
    {"a large value with too many pages", LARGE, 12, 4, IS, 1 << 20},
    {"a large value with too few pages", LARGE, 12, 4, IS, 1},
};

/* --- the file --- */

static void write_at(const struct fixture *f, size_t at, const void *bytes, size_t len) {
    FILE *fp = fopen(f->path, "r+b");
    assert_non_null(fp);
    assert_int_equal(fseek(fp, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, len, fp), len);
    assert_int_equal(fclose(fp), 0);
}

/* Rows on two levels of pages, large ones, and pages that are free. */
static void put_rows(struct store *s) {
    static char text[9000];
    for (int round = 0; round < 2; round++) {
        assert_int_equal(store_begin(s), 0);
        for (int i = 0; i < ROWS; i++) {
            char key[32];
            (void)snprintf(key, sizeof key, "key %05d", i);
            const struct slice row = {text, i % 50 == 3 ? sizeof text : 200};
            assert_int_equal(store_put(s, TABLE_STATE, slice_of(key), row), 0);
        }
        assert_int_equal(store_commit(s), 0);
    }
}

static int set_up(void **state) {
    static struct fixture f;
    data_folder_make(&f.folder);
    (void)snprintf(f.path, sizeof f.path, "%s/data.mdb", f.folder.path);
    struct store *s = data_folder_store(&f.folder, ROOM);
    put_rows(s);
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

struct found {
    size_t rows, flaws;
    uint64_t strays; /* pages that nothing leads to */
};

static int count_row(void *ctx, struct slice table, struct slice key, struct slice row) {
    struct found *found = ctx;
    (void)key;
    (void)row;
    found->rows += slice_is(table, "state") ? 1 : 0;
    return 0;
}

static int count_flaw(void *ctx, struct slice table, const char *text) {
    struct found *found = ctx;
    (void)table;
    found->flaws += text[0] != '\0' ? 1 : 0;
    return 0;
}

static int survey(const struct fixture *f, struct found *found, struct report *r) {
    const struct store_survey each = {.on_row = count_row, .on_flaw = count_flaw, .ctx = found};
    *found = (struct found){0};
    return store_survey(f->folder.path, &each, r);
}

/* --- what must hold --- */

/* INV-STORE-6 */
static void whatever_lmdb_trusts_is_refused_when_it_is_wrong(void **state) {
    struct fixture *f = *state;
    struct report r = {""};
    assert_int_equal(store_check_pages(f->folder.path, UINT64_MAX, &r), 0);
    for (size_t i = 0; i < sizeof trusted / sizeof *trusted; i++) {
        size_t at = place_of(f, trusted[i].place) + trusted[i].at;
        uint64_t was = number_at(f, at, trusted[i].bytes);
        uint64_t is = trusted[i].how == IS ? trusted[i].value : was ^ trusted[i].value;
        struct found found;
        assert_int_not_equal(is, was);
        write_at(f, at, &is, trusted[i].bytes);
        r.text[0] = '\0';
        int code = store_check_pages(f->folder.path, UINT64_MAX, &r);
        if (code != ERR_CORRUPT || strstr(r.text, "nothing was changed") == NULL) {
            fail_msg("%s: %d %s", trusted[i].what, code, r.text);
        }
        code = survey(f, &found, &r);
        bool noted = trusted[i].place == META || found.flaws > 0;
        if (code != 0 || !noted || found.rows > ROWS) {
            fail_msg("%s: surveyed %d %s", trusted[i].what, code, r.text);
        }
        write_at(f, at, &was, trusted[i].bytes);
    }
}

/* A host that writes meanwhile must not use pages again that a survey is about to read. */
static void a_survey_beside_a_host_holds_what_it_reads(void **state) {
    struct fixture *f = *state;
    int ready[2];
    int stop[2];
    char byte = 'r';
    assert_int_equal(pipe(ready) + pipe(stop), 0);
    pid_t host = fork();
    assert_true(host >= 0);
    if (host == 0) {
        struct store_options options = {.path = f->folder.path, .max_bytes = ROOM};
        struct store *s = NULL;
        (void)close(stop[1]);
        _exit(store_open(&s, &options, NULL) != 0 || write(ready[1], &byte, 1) != 1 ||
              read(stop[0], &byte, 1) != 0);
    }
    struct found found;
    struct report r = {""};
    int status;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(survey(f, &found, &r), 0);
    assert_int_equal(found.rows, ROWS);
    assert_int_equal(found.flaws, 0);
    assert_int_equal(close(stop[0]) + close(stop[1]) + close(ready[0]) + close(ready[1]), 0);
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_int_equal(status, 0);
}

static bool is_state(enum store_table table, struct slice key, struct slice row) {
    (void)row;
    return table == TABLE_STATE && key.len == strlen("key 00000") &&
           memcmp(key.data, "key ", 4) == 0;
}

static void name_table(void *ctx, const char *table, uint64_t pages) {
    struct found *found = ctx;
    assert_string_equal(table, "state");
    found->strays += pages;
}

static void rows_are_found_by_what_they_look_like_when_the_list_of_tables_is_lost(void **state) {
    struct fixture *f = *state;
    static const unsigned char none[PAGE];
    struct found found = {0};
    struct report r = {""};
    const struct store_survey each = {.on_row = count_row,
                                      .on_flaw = count_flaw,
                                      .fits = is_state,
                                      .on_found = name_table,
                                      .ctx = &found};
    write_at(f, root(f, meta(f) + META_NAMES_TREE), none, sizeof none);
    assert_int_equal(store_check_pages(f->folder.path, UINT64_MAX, &r), ERR_CORRUPT);
    assert_int_equal(store_survey(f->folder.path, &each, &r), 0);
    assert_int_equal(found.rows, ROWS);
    assert_true(found.strays > 1);
}

int main(void) {
#define PAGES_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PAGES_TEST(whatever_lmdb_trusts_is_refused_when_it_is_wrong),
        PAGES_TEST(a_survey_beside_a_host_holds_what_it_reads),
        PAGES_TEST(rows_are_found_by_what_they_look_like_when_the_list_of_tables_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

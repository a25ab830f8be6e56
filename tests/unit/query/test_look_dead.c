/* test_look_dead.c - the newest dead letters and their groups, without reading the others. */
#include "journal_fixture.h"
#include "test.h"
#include "query/dead.h"

#include <string.h>

enum { BUSY, QUIET, LETTERS = 3000, SHOWN = 50, STEPS_MAX = 2 * PARTITIONS * LETTER_KINDS };

/* `n`th in the order of time; its place has nothing to do with that. */
static void put(struct journal_fixture *f, unsigned n, uint16_t service) {
    struct dead_row row = {.partition = (uint8_t)(n * 7 % PARTITIONS),
                           .service = service,
                           .id = journal_id((uint8_t)n),
                           .dead_ms = 1000 + n,
                           .fingerprint = n % 2 + 1};
    row.id.bytes[0] = (uint8_t)(n >> 8);
    row.id.bytes[1] = (uint8_t)(n >> 16);
    const struct letter_row letter = {.partition = row.partition,
                                      .service = service,
                                      .kind = (uint8_t)(n % LETTER_KINDS),
                                      .dead_ms = row.dead_ms,
                                      .id = row.id,
                                      .fingerprint = row.fingerprint};
    assert_int_equal(journal_dead_put(f->journal, &row), 0);
    assert_int_equal(journal_letter_put(f->journal, &letter), 0);
}

static void put_all(struct journal_fixture *f, unsigned count) {
    for (unsigned n = 0; n < count; n++) {
        put(f, n, n % 100 == 0 ? QUIET : BUSY);
    }
}

/* Returns the number of rows that were read for it. */
static unsigned find(struct journal_fixture *f, const struct dead_filter *filter,
                     struct dead_newest *n) {
    struct dead_walk walk = {.filter = *filter};
    bool matches;
    unsigned rows = 0;
    int code;
    assert_int_equal(dead_newest_init(n, SHOWN), 0);
    for (; (code = dead_walk_next(f->journal, &walk, &matches)) == 0; rows++) {
        if (matches) {
            dead_newest_note(n, &walk);
        }
    }
    assert_int_equal(code, ERR_NOTFOUND);
    dead_newest_sort(n);
    return rows;
}

/* They died one after the other, `step` apart, the newest at that moment. */
static void expect_shown(const struct dead_newest *n, int64_t newest_ms, int64_t step) {
    assert_int_equal(n->count, SHOWN);
    for (size_t i = 0; i < n->count; i++) {
        assert_int_equal(n->rows[i].dead_ms, newest_ms - (int64_t)i * step);
        assert_int_equal(n->rows[i].fingerprint, (n->rows[i].dead_ms - 1000) % 2 + 1);
    }
}

static void the_newest_are_found_without_reading_the_others(void **state) {
    struct journal_fixture *f = *state;
    struct dead_newest n;
    put_all(f, LETTERS);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    assert_in_range(find(f, &(struct dead_filter){.by_service = false}, &n), SHOWN, LETTERS / 3);
    expect_shown(&n, 1000 + LETTERS - 1, 1);
    assert_true(n.cut);
    dead_newest_clear(&n);
}

static void those_of_one_service_are_found_among_many_others(void **state) {
    struct journal_fixture *f = *state;
    struct dead_newest n;
    put_all(f, 2 * LETTERS);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    unsigned rows = find(f, &(struct dead_filter){.by_service = true, .service = QUIET}, &n);
    assert_in_range(rows, SHOWN, 2 * LETTERS / 100);
    expect_shown(&n, 1000 + 2 * LETTERS - 100, 100);
    dead_newest_clear(&n);
}

static void all_of_a_group_are_counted(void **state) {
    struct journal_fixture *f = *state;
    struct dead_newest n;
    put_all(f, LETTERS);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    (void)find(f, &(struct dead_filter){.group = "0000000000000001"}, &n);
    expect_shown(&n, 1000 + LETTERS - 2, 2);
    assert_int_equal(n.seen, LETTERS / 2);
    assert_false(n.cut);
    dead_newest_clear(&n);
}

/* GIVEN a store whose letters have no rows in the order of time yet THEN all are read instead. */
static void an_older_store_shows_the_same(void **state) {
    struct journal_fixture *f = *state;
    struct dead_newest n;
    put_all(f, LETTERS);
    assert_int_equal(find(f, &(struct dead_filter){.by_service = false}, &n), LETTERS);
    expect_shown(&n, 1000 + LETTERS - 1, 1);
    assert_int_equal(n.seen, LETTERS);
    dead_newest_clear(&n);
}

static void a_walk_passes_over_what_died_later(void **state) {
    struct journal_fixture *f = *state;
    struct dead_walk walk = {.filter = {.by_service = false}};
    bool matches;
    unsigned older = 0;
    put_all(f, LETTERS);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    for (unsigned rows = 0; dead_walk_next(f->journal, &walk, &matches) == 0; rows++) {
        older += walk.row.dead_ms <= 1100 ? 1 : 0;
        dead_walk_down_to(&walk, 1100);
        assert_true(rows < older + STEPS_MAX);
    }
    assert_int_equal(older, 101);
}

/* GIVEN a moment before 1970, which no letter has THEN the walk ends all the same. */
static void a_walk_down_to_what_nothing_died_before_ends(void **state) {
    struct journal_fixture *f = *state;
    struct dead_walk walk = {.filter = {.by_service = false}};
    bool matches;
    put_all(f, LETTERS);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    for (unsigned rows = 0; dead_walk_next(f->journal, &walk, &matches) == 0; rows++) {
        dead_walk_down_to(&walk, -5);
        assert_true(rows < STEPS_MAX);
    }
}

static uint64_t count_groups(struct journal_fixture *f, struct dead_groups *groups) {
    uint64_t steps = 0;
    int code;
    assert_int_equal(dead_groups_init(groups, &(struct dead_filter){.by_service = false}), 0);
    while ((code = dead_groups_step(f->journal, groups)) == 0) {
        steps++;
    }
    assert_int_equal(code, ERR_NOTFOUND);
    dead_groups_sort(groups);
    return steps;
}

static void groups_of_few_letters_are_counted_exactly(void **state) {
    struct journal_fixture *f = *state;
    struct dead_groups groups;
    put_all(f, LETTERS);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    (void)count_groups(f, &groups);
    assert_int_equal(groups.count, 3); /* the quiet service's letters are all of one */
    assert_int_equal(groups.items[0].count, LETTERS / 2);
    assert_int_equal(groups.items[0].newest.dead_ms, 1000 + LETTERS - 1);
    assert_int_equal(groups.items[1].count, LETTERS / 2 - LETTERS / 100);
    assert_int_equal(groups.items[2].count, LETTERS / 100);
    assert_false(groups.cut);
    dead_groups_clear(&groups);
}

static void groups_of_very_many_are_those_of_the_newest(void **state) {
    struct journal_fixture *f = *state;
    struct dead_groups groups;
    const unsigned many = READING_ROWS_MAX + READING_ROWS_MAX / 4;
    put_all(f, many);
    assert_int_equal(journal_letters_have_all(f->journal), 0);
    assert_in_range(count_groups(f, &groups), 1, READING_ROWS_MAX + 2 * STEPS_MAX);
    assert_true(groups.cut);
    assert_int_equal(groups.count, 3);
    assert_in_range(groups.items[0].newest.dead_ms, 1000 + many - 2, 1000 + many - 1);
    assert_in_range(groups.items[0].count, READING_ROWS_MAX / 3, READING_ROWS_MAX);
    dead_groups_clear(&groups);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(the_newest_are_found_without_reading_the_others),
        JOURNAL_TEST(those_of_one_service_are_found_among_many_others),
        JOURNAL_TEST(all_of_a_group_are_counted),
        JOURNAL_TEST(an_older_store_shows_the_same),
        JOURNAL_TEST(a_walk_passes_over_what_died_later),
        JOURNAL_TEST(a_walk_down_to_what_nothing_died_before_ends),
        JOURNAL_TEST(groups_of_few_letters_are_counted_exactly),
        JOURNAL_TEST(groups_of_very_many_are_those_of_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_forwards_invariants.c - docs/invariants.md: forwards that contradict themselves end the
 * process. What is counted is known to engine/forwards.c alone, so this is compiled into the test.
 */
#include "aborts.h"
#include "journal_fixture.h"
#include "test.h"
#include "journal/impl.h"

#include "engine/forwards.c" /* NOLINT(bugprone-suspicious-include) */

#include <stdlib.h>

enum { OTHER = 2, P = OTHER - 1, MESSAGE_MAX = 1 << 20 };

static const struct division two = {.count = 2, .place = 1};

struct fixture {
    struct journal_fixture *journal;
    struct forwards *forwards;
};

static void add_row(struct fixture *f) {
    const struct forward forward = {.kind = FORWARD_MESSAGE,
                                    .service = slice_of("s"),
                                    .topic = slice_of("t"),
                                    .payload = slice_of("p")};
    assert_int_equal(forwards_add(f->forwards, JOURNAL_T0, P, &forward), 0);
}

static int take(void *ctx, uint16_t host, struct slice message) {
    (void)ctx;
    (void)message;
    assert_int_equal(host, OTHER);
    return 0;
}

/* Two rows, the first of them in a message that was sent. */
static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    void *journal = NULL;
    assert_non_null(f);
    assert_int_equal(journal_fixture_set_up(&journal), 0);
    f->journal = journal;
    assert_int_equal(forwards_new(&f->forwards, f->journal->journal, &two, 1), 0);
    assert_int_equal(forwards_load(f->forwards), 0);
    assert_int_equal(division_owner(&two, P), OTHER);
    forwards_connected(f->forwards, MESSAGE_MAX);
    add_row(f);
    assert_int_equal(forwards_build(f->forwards, NULL, NULL), 0);
    forwards_send(f->forwards, JOURNAL_T0, NULL, take);
    assert_int_equal(f->forwards->targets[OTHER].in_flight, 1);
    (void)journal_next_seq(f->journal->journal, JOURNAL_T0); /* something else in between */
    add_row(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    void *journal = f->journal;
    forwards_free(f->forwards);
    free(f);
    return journal_fixture_tear_down(&journal);
}

/* INV-FORWARDS-1 */
static void add_behind_what_is_there(void *ctx) {
    struct fixture *f = ctx;
    f->forwards->last[P] = UINT64_MAX;
    add_row(f);
}

static void carry_what_was_carried(void *ctx) {
    const struct fixture *f = ctx;
    f->forwards->done[P] = UINT64_MAX;
    (void)forwards_build(f->forwards, NULL, NULL);
}

static void carry_what_is_not_there(void *ctx) {
    const struct fixture *f = ctx;
    f->forwards->last[P]--;
    (void)forwards_build(f->forwards, NULL, NULL);
}

static void delete_what_was_never_sent(void *ctx) {
    const struct fixture *f = ctx;
    f->forwards->done[P] = f->forwards->last[P];
    f->forwards->receipted = true;
    (void)forwards_settle(f->forwards);
}

static void rows_are_stored_then_carried_then_receipted_then_deleted(void **state) {
    assert_aborts(add_behind_what_is_there, *state, "seq > f->last[partition]");
    assert_aborts(carry_what_was_carried, *state, "f->done[p] <= f->read[p]");
    assert_aborts(carry_what_is_not_there, *state, "seq <= f->last[p]");
    assert_aborts(delete_what_was_never_sent, *state, "f->done[p] <= f->read[p]");
}

/* INV-FORWARDS-2 */
static void forget_what_is_not_counted(void *ctx) {
    const struct fixture *f = ctx;
    f->forwards->targets[OTHER].count = 0;
    (void)forwards_load(f->forwards);
}

static void forget_more_bytes_than_there_are(void *ctx) {
    const struct fixture *f = ctx;
    f->forwards->targets[OTHER].bytes = 0;
    (void)forwards_load(f->forwards);
}

static void forget_what_does_not_fly(void *ctx) {
    const struct fixture *f = ctx;
    f->forwards->targets[OTHER].in_flight = 0;
    (void)forwards_load(f->forwards);
}

static void messages_in_memory_are_counted(void **state) {
    assert_aborts(forget_what_is_not_counted, *state, "t->count > 0");
    assert_aborts(forget_more_bytes_than_there_are, *state, "t->bytes >= m->bytes.len");
    assert_aborts(forget_what_does_not_fly, *state, "t->in_flight > 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_stored_then_carried_then_receipted_then_deleted,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_in_memory_are_counted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

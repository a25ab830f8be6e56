/* test_memory.c - the budget of memory: shares, and what is above them. */
#include "base/memory.h"

#include "aborts.h"
#include "test.h"

#include "base/limits.h"

#define MIB ((size_t)1 << 20)

/* A twelfth is 4 MiB. */
static struct memory a_budget(void) {
    struct memory m;
    memory_init(&m, 48 * MIB + MEMORY_OWN_BYTES);
    assert_int_equal(m.limit, 48 * MIB);
    return m;
}

static void each_use_has_its_share_whatever_others_have(void **state) {
    (void)state;
    struct memory m = a_budget();
    memory_take(&m, MEMORY_BODIES, 500 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_BODIES), 0);
    assert_int_equal(memory_room(&m, MEMORY_LUA), 8 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 4 * MIB);
    memory_take(&m, MEMORY_CALLS, 3 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 1 * MIB);
    memory_take(&m, MEMORY_CALLS, 2 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 0);
}

static void what_is_above_the_shares_goes_to_whoever_needs_it_first(void **state) {
    (void)state;
    struct memory m = a_budget();
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 24 * MIB); /* but for the others' 24 */
    memory_take(&m, MEMORY_CALLS, 16 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 8 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_EVENTS), 12 * MIB);
    memory_take(&m, MEMORY_EVENTS, 12 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 0);
    memory_give(&m, MEMORY_EVENTS, 12 * MIB);
    assert_int_equal(memory_room(&m, MEMORY_CALLS), 8 * MIB);
}

static void without_a_budget_everything_fits(void **state) {
    (void)state;
    memory_take(NULL, MEMORY_LUA, MIB);
    assert_true(memory_room(NULL, MEMORY_LUA) == SIZE_MAX);
    memory_give(NULL, MEMORY_LUA, MIB);
}

/* INV-MEMORY-1 */
static void give_too_much(void *ctx) {
    memory_give(ctx, MEMORY_LUA, 11);
}

static void no_more_is_given_back_than_was_taken(void **state) {
    (void)state;
    struct memory m = a_budget();
    memory_take(&m, MEMORY_LUA, 10);
    memory_take(&m, MEMORY_CALLS, 10);
    assert_aborts(give_too_much, &m, "m->used[use] >= bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_use_has_its_share_whatever_others_have),
        cmocka_unit_test(what_is_above_the_shares_goes_to_whoever_needs_it_first),
        cmocka_unit_test(without_a_budget_everything_fits),
        cmocka_unit_test(no_more_is_given_back_than_was_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

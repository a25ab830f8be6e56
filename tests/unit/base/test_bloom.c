/* test_bloom.c - a filter has every hash that was added, and few others. */
#include "base/bloom.h"

#include "test.h"

#include <stdlib.h>

enum { MEMBERS = 100000, STRANGERS_MAX = MEMBERS / 100 };

/* SplitMix64: as random as a keyed hash. */
static uint64_t hash_of(uint64_t n) {
    uint64_t z = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static struct bloom *filled(uint64_t room, uint64_t members) {
    struct bloom *b = bloom_new(room);
    assert_non_null(b);
    for (uint64_t n = 0; n < members; n++) {
        bloom_add(b, hash_of(n));
    }
    return b;
}

static void expect_all(const struct bloom *b, uint64_t members) {
    for (uint64_t n = 0; n < members; n++) {
        assert_true(bloom_may_have(b, hash_of(n)));
    }
}

static uint64_t strangers_taken(const struct bloom *b) {
    uint64_t taken = 0;
    for (uint64_t n = MEMBERS; n < 2 * (uint64_t)MEMBERS; n++) {
        taken += bloom_may_have(b, hash_of(n)) ? 1 : 0;
    }
    return taken;
}

static void every_member_is_found_and_few_strangers_are(void **state) {
    (void)state;
    struct bloom *b = filled(MEMBERS, MEMBERS);
    expect_all(b, MEMBERS);
    assert_int_equal(bloom_hashes(b), MEMBERS);
    assert_in_range(strangers_taken(b), 1, STRANGERS_MAX);
    free(b);
}

static void one_that_is_too_small_takes_strangers_for_members_but_misses_none(void **state) {
    (void)state;
    struct bloom *b = filled(MEMBERS / 10, MEMBERS);
    expect_all(b, MEMBERS);
    assert_true(strangers_taken(b) > STRANGERS_MAX);
    free(b);
}

static void an_empty_one_has_nothing_and_one_that_would_be_too_large_is_not_made(void **state) {
    (void)state;
    struct bloom *b = filled(0, 0);
    assert_int_equal(strangers_taken(b), 0);
    free(b);
    assert_null(bloom_new(UINT64_MAX));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_is_found_and_few_strangers_are),
        cmocka_unit_test(one_that_is_too_small_takes_strangers_for_members_but_misses_none),
        cmocka_unit_test(an_empty_one_has_nothing_and_one_that_would_be_too_large_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

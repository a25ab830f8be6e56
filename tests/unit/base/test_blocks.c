/* test_blocks.c - blocks that were given back are there for the next one. */
#include "base/blocks.h"

#include "test.h"

#include <string.h>

enum { SIZE = 100 };

static int tear_down(void **state) {
    (void)state;
    blocks_clear();
    return 0;
}

/* As many as fit are kept; under a sanitizer none. */
static void a_block_given_back_is_the_next_one_of_its_size(void **state) {
    (void)state;
    char *block = blocks_take(SIZE);
    assert_non_null(block);
    memset(block, 'x', SIZE);
    blocks_give(block, SIZE);
    char *other = blocks_take(SIZE);
    assert_non_null(other);
    assert_true(other == block || BLOCKS_BYTES_MAX == 0);
    blocks_give(other, SIZE);
}

static void a_size_is_never_served_by_a_smaller_block(void **state) {
    (void)state;
    blocks_give(blocks_take(BLOCK_CLASS_BYTES), BLOCK_CLASS_BYTES);
    char *larger = blocks_take(BLOCK_CLASS_BYTES + 1);
    assert_non_null(larger);
    memset(larger, 'x', BLOCK_CLASS_BYTES + 1); /* valgrind and the sanitizer see the end */
    blocks_give(larger, BLOCK_CLASS_BYTES + 1);
}

static void a_block_that_is_resized_keeps_its_bytes(void **state) {
    (void)state;
    static const size_t sizes[] = {10, 16, 17, 500, 3000, 5000, 40, 5};
    char *block = blocks_take(5);
    assert_non_null(block);
    memcpy(block, "zingq", 5);
    size_t before = 5;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = blocks_resize(block, before, sizes[i]);
        assert_non_null(block);
        assert_memory_equal(block, "zingq", 5);
        before = sizes[i];
    }
    blocks_give(block, before);
}

static void what_is_kept_is_bounded(void **state) {
    (void)state;
    enum { MANY = 4096 };
    static char *blocks[MANY];
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = blocks_take(1000);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < MANY; i++) {
        blocks_give(blocks[i], 1000);
    }
    assert_true(blocks_kept.bytes <= BLOCKS_BYTES_MAX + BLOCK_CLASS_BYTES);
    blocks_clear();
    assert_int_equal(blocks_kept.bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_block_given_back_is_the_next_one_of_its_size, tear_down),
        cmocka_unit_test_teardown(a_size_is_never_served_by_a_smaller_block, tear_down),
        cmocka_unit_test_teardown(a_block_that_is_resized_keeps_its_bytes, tear_down),
        cmocka_unit_test_teardown(what_is_kept_is_bounded, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

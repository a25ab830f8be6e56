/* test_effects_invariants.c - docs/invariants.md: effects that contradict themselves end the process. */
#include "aborts.h"
#include "test.h"
#include "base/limits.h"
#include "lua/effects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct effects *e, const char *name) {
    const struct effect effect = {
        .kind = EFFECT_STATE_SET, .name = slice_of(name), .value = slice_of("t")};
    return effects_add(e, &effect);
}

static void add_one(void *e) {
    (void)add(e, "one");
}

/* INV-EFFECTS-1 */
static void effects_keep_to_their_bounds(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    e.count = 1; /* of no list at all */
    assert_aborts(add_one, &e, "effects->count <= effects->cap");
    e.count = e.cap = EFFECTS_MAX + 1;
    assert_aborts(add_one, &e, "effects->count <= EFFECTS_MAX");
    effects_init(&e);
    e.bytes = EFFECTS_BYTES_MAX + 1;
    assert_aborts(add_one, &e, "effects->bytes <= EFFECTS_BYTES_MAX");
}

/* INV-EFFECTS-2: the block says that more of it is used than there is. */
static void bytes_of_effects_lie_within_their_block(void **state) {
    (void)state;
    struct effects e;
    const size_t all = SIZE_MAX;
    size_t used;
    effects_init(&e);
    assert_int_equal(add(&e, "a"), 0);
    char *number = (char *)e.blocks + sizeof(void *);
    memcpy(&used, number, sizeof used);
    assert_in_range(used, 1, 16);
    memcpy(number, &all, sizeof all);
    assert_aborts(add_one, &e, "block->used <= block->size");
    memcpy(number, &used, sizeof used);
    effects_clear(&e);
}

/* INV-EFFECTS-3: or a search for a name that is not there would never end. */
static void look_for_another(void *e) {
    (void)effects_state(e, slice_of("another"));
}

static void the_index_of_names_is_never_full(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(add(&e, name), 0);
    }
    assert_non_null(e.index);
    size_t cap = e.index_cap;
    e.index_cap = e.count;
    assert_aborts(look_for_another, &e, "effects->index_cap > effects->count");
    e.index_cap = cap;
    effects_clear(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_keep_to_their_bounds),
        cmocka_unit_test(bytes_of_effects_lie_within_their_block),
        cmocka_unit_test(the_index_of_names_is_never_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_effects.c - what an invocation asks for is kept, merged and bounded. */
#include "lua/effects.h"

#include "test.h"

#include "base/limits.h"
#include "event/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct effect set_to(const char *name, const char *value) {
    return (struct effect){
        .kind = EFFECT_STATE_SET, .name = slice_of(name), .value = slice_of(value)};
}

static struct effect incr_by(const char *name, int64_t delta) {
    return (struct effect){.kind = EFFECT_STATE_INCR,
                           .name = slice_of(name),
                           .delta_int = delta,
                           .delta_is_int = true};
}

static struct effect lock_of(enum effect_kind kind, const char *name, const char *owner) {
    return (struct effect){.kind = kind, .name = slice_of(name), .owner = slice_of(owner)};
}

static void add(struct effects *e, struct effect effect) {
    assert_int_equal(effects_add(e, &effect), 0);
}

static void effects_are_copies_that_do_not_move(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    char topic[] = "a/b", payload[] = "hello";
    add(&e, (struct effect){
                .kind = EFFECT_PUBLISH, .name = slice_of(topic), .value = slice_of(payload)});
    const char *first = e.items[0].name.data;
    memset(topic, 'x', 3);
    memset(payload, 'x', 5);
    for (int i = 0; i < 1000; i++) {
        add(&e,
            (struct effect){.kind = EFFECT_APPEND, .name = slice_of("f"), .value = slice_of("l")});
    }
    assert_ptr_equal(first, e.items[0].name.data);
    assert_string_equal(e.items[0].name.data, "a/b");
    assert_string_equal(e.items[0].value.data, "hello");
    assert_null(e.items[0].key.data);
    assert_int_equal(e.count, 1001);
    effects_clear(&e);
}

static void effects_keep_one_entry_a_state_name(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    add(&e, set_to("a", "s1"));
    add(&e, set_to("b", "s2"));
    add(&e, set_to("a", "s3"));
    assert_int_equal(e.count, 2);
    assert_true(slice_is(effects_state(&e, slice_of("a"))->value, "s3"));
    add(&e, (struct effect){.kind = EFFECT_STATE_DELETE, .name = slice_of("a")});
    assert_int_equal(effects_state(&e, slice_of("a"))->kind, EFFECT_STATE_DELETE);
    assert_null(effects_state(&e, slice_of("c")));
    effects_clear(&e);
}

static void effects_merge_increments(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    add(&e, incr_by("n", 2));
    add(&e, incr_by("n", 3));
    assert_int_equal(e.count, 1);
    assert_int_equal(e.items[0].kind, EFFECT_STATE_INCR);
    assert_int_equal(e.items[0].delta_int, 5);
    add(&e, (struct effect){.kind = EFFECT_STATE_INCR, .name = slice_of("n"), .delta = 0.5});
    assert_false(e.items[0].delta_is_int);
    assert_true(e.items[0].delta == 5.5);
    effects_clear(&e);
}

static void effects_increment_past_64_bits_becomes_a_float(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    add(&e, incr_by("n", INT64_MAX));
    add(&e, incr_by("n", 1));
    assert_false(e.items[0].delta_is_int);
    assert_true(e.items[0].delta == 9223372036854775808.0);
    effects_clear(&e);
}

static void effects_increment_a_staged_value(void **state) {
    (void)state;
    struct effects e;
    struct buf value;
    effects_init(&e);
    buf_init(&value, 16);
    assert_int_equal(value_from_json(slice_of("40"), &value, NULL), 0);
    struct effect set = {
        .kind = EFFECT_STATE_SET, .name = slice_of("n"), .value = buf_slice(&value), .due_ms = 99};
    add(&e, set);
    add(&e, incr_by("n", 2));
    buf_reset(&value);
    assert_int_equal(value_to_json(e.items[0].value, &value), 0);
    assert_string_equal(buf_str(&value), "42");
    assert_int_equal(e.items[0].due_ms, 99);
    add(&e, (struct effect){.kind = EFFECT_STATE_DELETE, .name = slice_of("n")});
    add(&e, incr_by("n", 7));
    assert_int_equal(e.items[0].kind, EFFECT_STATE_SET);
    assert_int_equal(e.items[0].due_ms, 0);
    buf_clear(&value);
    effects_clear(&e);
}

static void effects_refuse_to_increment_text(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    add(&e, set_to("n", "stext"));
    struct effect incr = incr_by("n", 1);
    assert_int_equal(effects_add(&e, &incr), ERR_INVALID);
    assert_true(slice_is(e.items[0].value, "stext"));
    effects_clear(&e);
}

static void effects_find_the_last_word_on_a_lock(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    assert_null(effects_lock(&e, slice_of("A1")));
    add(&e, lock_of(EFFECT_LOCK, "A1", "b1"));
    add(&e, set_to("A1", "s")); /* a state of the same name is another thing */
    add(&e, lock_of(EFFECT_UNLOCK, "A1", "b1"));
    assert_int_equal(effects_lock(&e, slice_of("A1"))->kind, EFFECT_UNLOCK);
    add(&e, lock_of(EFFECT_LOCK, "A1", "b2"));
    assert_string_equal(effects_lock(&e, slice_of("A1"))->owner.data, "b2");
    assert_int_equal(e.count, 4);
    effects_clear(&e);
}

static void effects_find_names_among_thousands(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    char name[32];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 4000; i++) {
            (void)snprintf(name, sizeof name, "name/%d", i);
            add(&e, incr_by(name, i));
            add(&e, lock_of(round == 0 ? EFFECT_LOCK : EFFECT_UNLOCK, name, "o"));
            if (i >= 1000 && round == 1) {
                break;
            }
        }
    }
    for (int i = 0; i < 4000; i++) {
        (void)snprintf(name, sizeof name, "name/%d", i);
        int64_t expected = i <= 1000 ? 2 * i : i;
        assert_int_equal(effects_state(&e, slice_of(name))->delta_int, expected);
        assert_int_equal(effects_lock(&e, slice_of(name))->kind,
                         i <= 1000 ? EFFECT_UNLOCK : EFFECT_LOCK);
    }
    assert_null(effects_state(&e, slice_of("name/4000")));
    effects_clear(&e);
}

static void effects_have_limits_in_number_and_bytes(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    struct effect line = {.kind = EFFECT_APPEND, .name = slice_of("f"), .value = slice_of("l")};
    for (int i = 0; i < EFFECTS_MAX; i++) {
        add(&e, line);
    }
    assert_int_equal(effects_add(&e, &line), ERR_LIMIT);
    assert_int_equal(e.count, EFFECTS_MAX);
    effects_clear(&e);

    size_t half = EFFECTS_BYTES_MAX / 2;
    char *bytes = calloc(1, half);
    assert_non_null(bytes);
    line.value = (struct slice){bytes, half};
    add(&e, line);
    assert_int_equal(effects_add(&e, &line), ERR_LIMIT);
    assert_int_equal(e.count, 1);
    free(bytes);
    effects_clear(&e);
}

static void effects_reset_forgets_and_can_be_used_again(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    for (int round = 0; round < 3; round++) {
        int names = round == 1 ? 100 : 2; /* with and without an index */
        for (int i = 0; i < names; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "n%d", i);
            add(&e, set_to(name, "sx"));
        }
        assert_int_equal(e.count, names);
        effects_reset(&e);
        assert_int_equal(e.count, 0);
        assert_null(effects_state(&e, slice_of("n0")));
    }
    effects_clear(&e);
}

static void a_withdrawn_publish_leaves_the_others_and_their_names_as_they_were(void **state) {
    (void)state;
    for (int names = 2; names <= 100; names += 98) { /* without and with an index */
        struct effects e;
        effects_init(&e);
        for (int i = 0; i < names; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "n%d", i);
            struct effect publish = {.kind = EFFECT_PUBLISH, .name = slice_of("t")};
            publish.id.bytes[0] = (uint8_t)(i + 1);
            add(&e, publish);
            add(&e, set_to(name, "sx"));
        }
        struct uuid first = {{1}};
        struct uuid unknown = {{200}};
        assert_false(effects_withdraw(&e, &unknown));
        assert_true(effects_withdraw(&e, &first));
        assert_false(effects_withdraw(&e, &first));
        assert_int_equal(e.count, 2 * names - 1);
        for (int i = 0; i < names; i++) {
            char name[16];
            (void)snprintf(name, sizeof name, "n%d", i);
            add(&e, set_to(name, "sy")); /* the same entry */
            assert_true(slice_is(effects_state(&e, slice_of(name))->value, "sy"));
        }
        assert_int_equal(e.count, 2 * names - 1);
        effects_clear(&e);
    }
}

static void a_cancel_is_known_by_its_id(void **state) {
    (void)state;
    struct effects e;
    effects_init(&e);
    struct uuid id = {{7}};
    add(&e, (struct effect){.kind = EFFECT_PUBLISH, .name = slice_of("t"), .id = id});
    assert_false(effects_cancels(&e, &id));
    add(&e, (struct effect){.kind = EFFECT_CANCEL, .name = slice_of("07"), .id = id});
    assert_true(effects_cancels(&e, &id));
    effects_clear(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_are_copies_that_do_not_move),
        cmocka_unit_test(effects_keep_one_entry_a_state_name),
        cmocka_unit_test(effects_merge_increments),
        cmocka_unit_test(effects_increment_past_64_bits_becomes_a_float),
        cmocka_unit_test(effects_increment_a_staged_value),
        cmocka_unit_test(effects_refuse_to_increment_text),
        cmocka_unit_test(effects_find_the_last_word_on_a_lock),
        cmocka_unit_test(effects_find_names_among_thousands),
        cmocka_unit_test(effects_have_limits_in_number_and_bytes),
        cmocka_unit_test(effects_reset_forgets_and_can_be_used_again),
        cmocka_unit_test(a_withdrawn_publish_leaves_the_others_and_their_names_as_they_were),
        cmocka_unit_test(a_cancel_is_known_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

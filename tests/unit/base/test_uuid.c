/* test_uuid.c - ids are version 7, never go backwards, and repeat with their seed. */
#include "base/uuid.h"

#include "test.h"

#include <string.h>

static const int64_t NOW = 1700000000000;

static struct uuid parsed(const char *text) {
    struct uuid id;
    assert_true(uuid_parse(slice_of(text), &id));
    return id;
}

static void uuid_next_makes_version_7_with_the_time_in_it(void **state) {
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, 1);
    struct uuid id = uuid_next(&source, NOW);
    assert_true(uuid_is_v7(&id));
    assert_int_equal(uuid_ms(&id), NOW);
    assert_false(uuid_is_zero(&id));
}

static void uuid_next_goes_up_within_a_millisecond_and_past_its_counter(void **state) {
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, 2);
    struct uuid last = uuid_next(&source, NOW);
    for (int i = 0; i < 10000; i++) {
        struct uuid id = uuid_next(&source, NOW);
        assert_true(memcmp(last.bytes, id.bytes, UUID_BYTES) < 0);
        assert_true(uuid_is_v7(&id));
        last = id;
    }
    assert_int_equal(uuid_ms(&last), NOW + 2); /* 10,001 ids fill two counters of 4,096 */
}

static void uuid_next_goes_up_while_the_clock_goes_back(void **state) {
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, 3);
    struct uuid before = uuid_next(&source, NOW);
    struct uuid after = uuid_next(&source, NOW - 60000);
    assert_true(memcmp(before.bytes, after.bytes, UUID_BYTES) < 0);
    assert_int_equal(uuid_ms(&after), NOW);
}

static void uuid_source_repeats_itself_with_the_same_seed_and_clock(void **state) {
    (void)state;
    struct uuid_source a, b, c;
    uuid_source_init(&a, 7);
    uuid_source_init(&b, 7);
    uuid_source_init(&c, 8);
    for (int i = 0; i < 100; i++) {
        struct uuid from_a = uuid_next(&a, NOW + i);
        struct uuid from_b = uuid_next(&b, NOW + i);
        struct uuid from_c = uuid_next(&c, NOW + i);
        assert_true(uuid_equal(&from_a, &from_b));
        assert_false(uuid_equal(&from_a, &from_c));
    }
}

static void uuid_source_random_fills_zero_to_one_evenly(void **state) {
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, 4);
    double sum = 0;
    for (int i = 0; i < 10000; i++) {
        double x = uuid_source_random(&source);
        assert_true(x >= 0.0 && x < 1.0);
        sum += x;
    }
    assert_true(sum > 4800 && sum < 5200);
}

static void uuid_text_is_read_back_by_uuid_parse(void **state) {
    (void)state;
    struct uuid_source source;
    uuid_source_init(&source, 5);
    struct uuid id = uuid_next(&source, NOW);
    char text[UUID_TEXT_BYTES + 1];
    assert_int_equal(strlen(uuid_text(&id, text)), UUID_TEXT_BYTES);
    struct uuid back = parsed(text);
    assert_true(uuid_equal(&id, &back));
}

static void uuid_parse_takes_either_case_and_any_version(void **state) {
    (void)state;
    struct uuid upper = parsed("017F22E2-79B0-7CC3-98C4-DC0C0C07398F");
    struct uuid lower = parsed("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_true(uuid_equal(&upper, &lower));
    assert_true(uuid_is_v7(&lower));
    assert_int_equal(uuid_ms(&lower), 1645557742000); /* the example of RFC 9562, A.6 */
    struct uuid v4 = parsed("919108f7-52d1-4320-9bac-f847db4148a8");
    assert_false(uuid_is_v7(&v4));
    struct uuid nil = parsed("00000000-0000-0000-0000-000000000000");
    assert_true(uuid_is_zero(&nil));
}

static void an_id_is_known_by_its_last_digits(void **state) {
    (void)state;
    char text[UUID_SHORT_DIGITS + 1];
    struct uuid id = parsed("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_string_equal(uuid_short(&id, text), "0c07398f");
    assert_true(uuid_ends_in(&id, slice_of(text)));
    assert_true(uuid_ends_in(&id, slice_of("398F")));
    assert_true(uuid_ends_in(&id, slice_of("7398f"))); /* an odd number of them */
    assert_true(uuid_ends_in(&id, slice_of("017f22e279b07cc398c4dc0c0c07398f")));
    assert_false(uuid_ends_in(&id, slice_of("1c07398f")));
    assert_false(uuid_ends_in(&id, slice_of("398e")));
}

static void digits_that_are_too_few_or_none_stand_for_no_id(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "98f", "groups", "398g", "0x398f", "-398f", "0017f22e279b07cc398c4dc0c0c07398f"};
    assert_true(uuid_is_tail(slice_of("398f")));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_false(uuid_is_tail(slice_of(texts[i])));
    }
}

static void uuid_parse_refuses_what_is_not_a_uuid(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e279b07cc398c4dc0c0c07398f",
        "017f22e2x79b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct uuid id;
        assert_false(uuid_parse(slice_of(bad[i]), &id));
    }
}

static void a_name_has_the_same_id_each_time_and_another_one_another(void **state) {
    (void)state;
    struct uuid id = uuid_of_name(slice_of("a"), slice_of("bc"));
    struct uuid same = uuid_of_name(slice_of("a"), slice_of("bc"));
    struct uuid other = uuid_of_name(slice_of("ab"), slice_of("c"));
    char text[UUID_TEXT_BYTES + 1];
    assert_true(uuid_equal(&id, &same) && !uuid_equal(&id, &other) && !uuid_is_v7(&id));
    assert_int_equal(uuid_text(&id, text)[14], '8');
    assert_non_null(strchr("89ab", text[19]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuid_next_makes_version_7_with_the_time_in_it),
        cmocka_unit_test(uuid_next_goes_up_within_a_millisecond_and_past_its_counter),
        cmocka_unit_test(uuid_next_goes_up_while_the_clock_goes_back),
        cmocka_unit_test(uuid_source_repeats_itself_with_the_same_seed_and_clock),
        cmocka_unit_test(uuid_source_random_fills_zero_to_one_evenly),
        cmocka_unit_test(uuid_text_is_read_back_by_uuid_parse),
        cmocka_unit_test(uuid_parse_takes_either_case_and_any_version),
        cmocka_unit_test(an_id_is_known_by_its_last_digits),
        cmocka_unit_test(digits_that_are_too_few_or_none_stand_for_no_id),
        cmocka_unit_test(uuid_parse_refuses_what_is_not_a_uuid),
        cmocka_unit_test(a_name_has_the_same_id_each_time_and_another_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

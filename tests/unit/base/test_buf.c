/* test_buf.c - the buffer's promises: bounded, failing once and for all, reading back what it
 * wrote. */
#include "base/buf.h"

#include "test.h"

#include <stdlib.h>
#include <string.h>

static void a_new_buffer_is_empty_text(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_slice(&b).len, 0);
    assert_false(b.failed);
    buf_clear(&b);
}

static void appends_stand_in_order(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_add(&b, "one ", 4);
    buf_add_str(&b, "two ");
    buf_add_slice(&b, slice_of("three"));
    buf_printf(&b, " %d", 4);
    assert_string_equal(buf_str(&b), "one two three 4");
    assert_int_equal(b.len, 15);
    buf_clear(&b);
}

static void the_terminator_does_not_count(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 3);
    buf_add_str(&b, "abc");
    assert_string_equal(buf_str(&b), "abc");
    assert_int_equal(b.len, 3);
    assert_false(b.failed);
    buf_clear(&b);
}

static void growth_keeps_the_contents(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 10000; i++) {
        buf_printf(&b, "%09d\n", i);
    }
    assert_false(b.failed);
    assert_int_equal(b.len, 100000);
    assert_memory_equal(b.data, "000000000\n000000001\n", 20);
    assert_memory_equal(b.data + b.len - 10, "000009999\n", 10);
    buf_clear(&b);
}

static void an_append_past_the_maximum_fails_and_adds_nothing(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_add_str(&b, "12345");
    buf_add_str(&b, "6789");
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "12345");
    buf_clear(&b);
}

static void a_failed_buffer_takes_nothing_more(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_add_str(&b, "12345");
    buf_add_str(&b, "1");
    buf_printf(&b, "%d", 2);
    buf_add_u8(&b, 3);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
}

static void a_length_that_wraps_around_is_refused(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, SIZE_MAX);
    buf_add_str(&b, "x");
    buf_add(&b, "y", SIZE_MAX);
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "x");
    buf_clear(&b);
}

static void printf_past_the_maximum_leaves_no_half_line(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 6);
    buf_add_str(&b, "ab");
    buf_printf(&b, "%s", "cdefg");
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "ab");
    buf_clear(&b);
}

static void reset_forgets_the_contents_and_the_failure(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_add_str(&b, "abcd");
    buf_add_str(&b, "e");
    size_t cap = b.cap;
    buf_reset(&b);
    buf_add_str(&b, "wxyz");
    assert_false(b.failed);
    assert_int_equal(b.cap, cap);
    assert_string_equal(buf_str(&b), "wxyz");
    buf_clear(&b);
}

static void a_cleared_buffer_keeps_its_maximum(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    buf_add_str(&b, "abcd");
    buf_clear(&b);
    assert_null(b.data);
    buf_add_str(&b, "abcde");
    assert_true(b.failed);
    buf_clear(&b);
}

static void little_endian_is_the_stored_form(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_add_u8(&b, 0x01);
    buf_add_u16(&b, 0x0203);
    buf_add_u32(&b, 0x04050607);
    buf_add_u64(&b, 0x08090a0b0c0d0e0f);
    const uint8_t expected[] = {1, 3, 2, 7, 6, 5, 4, 15, 14, 13, 12, 11, 10, 9, 8};
    assert_int_equal(b.len, sizeof expected);
    assert_memory_equal(b.data, expected, sizeof expected);
    buf_clear(&b);
}

static void big_endian_sorts_as_bytes(void **state) {
    (void)state;
    const uint64_t rising[] = {0, 1, 255, 256, 65535, 1ull << 32, INT64_MAX, UINT64_MAX};
    struct buf low, high;
    buf_init(&low, 8);
    buf_init(&high, 8);
    for (size_t i = 1; i < sizeof rising / sizeof rising[0]; i++) {
        buf_reset(&low);
        buf_reset(&high);
        buf_add_u64_be(&low, rising[i - 1]);
        buf_add_u64_be(&high, rising[i]);
        assert_true(memcmp(low.data, high.data, 8) < 0);
    }
    buf_clear(&low);
    buf_clear(&high);
}

static void a_reader_gives_back_every_number(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_add_u8(&b, UINT8_MAX);
    buf_add_u16(&b, UINT16_MAX - 1);
    buf_add_u32(&b, UINT32_MAX - 2);
    buf_add_u64(&b, UINT64_MAX - 3);
    buf_add_u16_be(&b, 0x1234);
    buf_add_u32_be(&b, 0x12345678);
    buf_add_u64_be(&b, 0x123456789abcdef0);
    struct reader r = reader_of(b.data, b.len);
    assert_int_equal(read_u8(&r), UINT8_MAX);
    assert_int_equal(read_u16(&r), UINT16_MAX - 1);
    assert_int_equal(read_u32(&r), UINT32_MAX - 2);
    assert_true(read_u64(&r) == UINT64_MAX - 3);
    assert_int_equal(read_u16_be(&r), 0x1234);
    assert_int_equal(read_u32_be(&r), 0x12345678);
    assert_true(read_u64_be(&r) == 0x123456789abcdef0);
    assert_false(r.failed);
    assert_ptr_equal(r.at, r.end);
    buf_clear(&b);
}

static void slices_come_back_without_a_copy(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_add_lv(&b, slice_of("with\tbytes"));
    buf_add_lv(&b, slice_of(NULL));
    buf_add_str(&b, "tail");
    struct reader r = reader_of(b.data, b.len);
    struct slice first = read_lv(&r);
    assert_true(slice_is(first, "with\tbytes"));
    assert_ptr_equal(first.data, b.data + 4);
    assert_int_equal(read_lv(&r).len, 0);
    assert_true(slice_is(read_bytes(&r, 4), "tail"));
    assert_false(r.failed);
    buf_clear(&b);
}

static void a_reader_past_its_end_gives_zeros_from_then_on(void **state) {
    (void)state;
    const uint8_t bytes[] = {1, 2, 3};
    struct reader r = reader_of(bytes, sizeof bytes);
    assert_int_equal(read_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(read_u8(&r), 0);
    assert_int_equal(read_u16_be(&r), 0);
    assert_null(read_bytes(&r, 1).data);
}

static void a_length_that_lies_is_not_believed(void **state) {
    (void)state;
    const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 'a', 'b'};
    struct reader r = reader_of(bytes, sizeof bytes);
    struct slice s = read_lv(&r);
    assert_true(r.failed);
    assert_null(s.data);
    assert_int_equal(s.len, 0);
}

static void nothing_can_be_read_from_nothing(void **state) {
    (void)state;
    struct reader r = reader_of(NULL, 0);
    assert_int_equal(read_u8(&r), 0);
    assert_true(r.failed);
}

static void slices_compare_by_their_bytes(void **state) {
    (void)state;
    struct slice with_nul = {"a\0b", 3};
    assert_true(slice_equal(with_nul, (struct slice){"a\0b", 3}));
    assert_false(slice_equal(with_nul, (struct slice){"a\0c", 3}));
    assert_false(slice_is(with_nul, "a"));
    assert_true(slice_equal((struct slice){NULL, 0}, slice_of("")));
}

static void a_copy_is_terminated_and_its_own(void **state) {
    (void)state;
    char bytes[] = "lane-7 and more";
    char *copy = slice_dup((struct slice){bytes, 6});
    assert_non_null(copy);
    bytes[0] = 'X';
    assert_string_equal(copy, "lane-7");
    free(copy);
    copy = slice_dup((struct slice){NULL, 0});
    assert_non_null(copy);
    assert_string_equal(copy, "");
    free(copy);
}

static void letters_and_digits_are_plain_and_what_is_named_beside_them(void **state) {
    (void)state;
    assert_true(slice_is_plain(slice_of("azAZ09"), ""));
    assert_true(slice_is_plain(slice_of("host-1.example"), "-."));
    assert_false(slice_is_plain(slice_of("host 1"), "-."));
    assert_false(slice_is_plain(slice_of("\xc3\xa4"), "-."));
    assert_false(slice_is_plain((struct slice){"a\0", 2}, "-."));
    assert_false(slice_is_plain(slice_of(""), "-."));
    assert_false(byte_is_plain('\0', ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_buffer_is_empty_text),
        cmocka_unit_test(appends_stand_in_order),
        cmocka_unit_test(the_terminator_does_not_count),
        cmocka_unit_test(growth_keeps_the_contents),
        cmocka_unit_test(an_append_past_the_maximum_fails_and_adds_nothing),
        cmocka_unit_test(a_failed_buffer_takes_nothing_more),
        cmocka_unit_test(a_length_that_wraps_around_is_refused),
        cmocka_unit_test(printf_past_the_maximum_leaves_no_half_line),
        cmocka_unit_test(reset_forgets_the_contents_and_the_failure),
        cmocka_unit_test(a_cleared_buffer_keeps_its_maximum),
        cmocka_unit_test(little_endian_is_the_stored_form),
        cmocka_unit_test(big_endian_sorts_as_bytes),
        cmocka_unit_test(a_reader_gives_back_every_number),
        cmocka_unit_test(slices_come_back_without_a_copy),
        cmocka_unit_test(a_reader_past_its_end_gives_zeros_from_then_on),
        cmocka_unit_test(a_length_that_lies_is_not_believed),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
        cmocka_unit_test(slices_compare_by_their_bytes),
        cmocka_unit_test(a_copy_is_terminated_and_its_own),
        cmocka_unit_test(letters_and_digits_are_plain_and_what_is_named_beside_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

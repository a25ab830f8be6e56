/* test_services.c - the books of a service, and what waits by them. Without a store. */
#include "engine/services.h"
#include "engine/impl.h"

#include "test.h"

static void what_waits_follows_from_the_books(void **state) {
    (void)state;
    struct engine_service s = {.index = 0};
    struct engine e = {.services = &s, .service_count = 1};
    engine_count(&e, &s, BOOK_ACCEPTED, 3);
    assert_int_equal(e.waiting, 3);
    engine_count(&e, &s, BOOK_DONE, 1);
    engine_count(&e, &s, BOOK_DEAD, 1);
    assert_int_equal(e.waiting, 1);
    engine_count(&e, &s, BOOK_DEAD, -1); /* replayed */
    assert_int_equal(e.waiting, 2);
    engine_count(&e, &s, BOOK_RETRIES, 5);
    assert_int_equal(e.waiting, 2);
}

static void a_duplicate_never_waits(void **state) {
    (void)state;
    struct engine_service s = {.index = 0};
    struct engine e = {.services = &s, .service_count = 1};
    engine_count(&e, &s, BOOK_ACCEPTED, 1);
    engine_count(&e, &s, BOOK_DUPLICATES, 1);
    assert_int_equal(e.waiting, 0);
    assert_int_equal(s.books.duplicates, 1);
}

static void what_is_counted_is_to_be_written(void **state) {
    (void)state;
    struct engine_service s = {.index = 0};
    struct engine e = {.services = &s, .service_count = 1};
    assert_false(s.books_dirty);
    engine_count(&e, &s, BOOK_SNOOZES, 1);
    assert_true(s.books_dirty);
}

static void a_service_is_found_by_number_and_by_name(void **state) {
    (void)state;
    char *earlier[] = {"z"};
    const struct service_conf a = {.name = "a"};
    const struct service_conf b = {.name = "b", .was = earlier, .was_count = 1};
    struct engine_service both[] = {{.number = 4, .name = slice_of("a"), .conf = &a},
                                    {.number = 9, .name = slice_of("b"), .conf = &b}};
    struct engine e = {.services = both, .service_count = 2};
    assert_ptr_equal(engine_service_of(&e, 9), &both[1]);
    assert_ptr_equal(engine_service_named(&e, slice_of("a")), &both[0]);
    assert_ptr_equal(engine_service_named(&e, slice_of("z")), &both[1]);
    assert_null(engine_service_of(&e, 5));
    assert_null(engine_service_named(&e, slice_of("c")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_follows_from_the_books),
        cmocka_unit_test(a_duplicate_never_waits),
        cmocka_unit_test(what_is_counted_is_to_be_written),
        cmocka_unit_test(a_service_is_found_by_number_and_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_bury.c - deaths are noted, in order and by generation. Without a store. */
#include "engine/bury.h"
#include "engine/impl.h"

#include "test.h"

#include <string.h>

static struct engine engine;
static struct engine_service services[2];

static int begin(void **state) {
    (void)state;
    memset(&engine, 0, sizeof engine);
    engine.services = services;
    engine.service_count = 2;
    return engine_make_deaths(&engine);
}

static int end(void **state) {
    (void)state;
    engine_free_deaths(&engine);
    return 0;
}

static void bury(uint8_t number, const char *reason) {
    const struct event_bytes bytes = {.topic = slice_of("t"), .payload = slice_of("p")};
    struct event *event = event_new(&bytes);
    assert_non_null(event);
    event->id.bytes[0] = number;
    event->partition = 3;
    assert_int_equal(engine_bury(&engine, &services[0], event, EVENT_DEAD, reason), 0);
}

static void deaths_come_in_the_order_in_which_they_were_noted(void **state) {
    (void)state;
    bury(1, "first");
    bury(2, "second");
    struct death *first = engine_next_death(&engine);
    struct death *second = engine_next_death(&engine);
    assert_string_equal(first->reason, "first");
    assert_string_equal(second->reason, "second");
    assert_null(engine_next_death(&engine));
    engine_free_death(first);
    engine_free_death(second);
}

static void a_death_that_another_brings_is_of_the_next_generation(void **state) {
    (void)state;
    bury(1, "the handler");
    struct death *first = engine_next_death(&engine);
    bury(2, "its policy published");
    struct death *second = engine_next_death(&engine);
    bury(3, "and so did that one's");
    struct death *third = engine_next_death(&engine);
    assert_int_equal(first->generation, 0);
    assert_int_equal(second->generation, 1);
    assert_int_equal(third->generation, 2);
    engine_free_death(first);
    engine_free_death(second);
    engine_free_death(third);
}

static void once_all_are_settled_generations_begin_anew(void **state) {
    (void)state;
    bury(1, "one");
    engine_free_death(engine_next_death(&engine));
    assert_null(engine_next_death(&engine));
    bury(2, "another");
    struct death *death = engine_next_death(&engine);
    assert_int_equal(death->generation, 0);
    engine_free_death(death);
}

static void an_id_is_taken_by_a_death_of_its_service_and_partition(void **state) {
    (void)state;
    struct uuid id = {{7}};
    bury(7, "x");
    assert_true(engine_is_dying(&engine, &services[0], 3, &id));
    assert_false(engine_is_dying(&engine, &services[1], 3, &id));
    assert_false(engine_is_dying(&engine, &services[0], 4, &id));
    id.bytes[0] = 8;
    assert_false(engine_is_dying(&engine, &services[0], 3, &id));
}

static void a_turn_that_is_given_up_has_no_deaths(void **state) {
    (void)state;
    bury(1, "x");
    bury(2, "y");
    assert_true(engine_has_deaths(&engine));
    engine_forget_deaths(&engine);
    assert_false(engine_has_deaths(&engine));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(deaths_come_in_the_order_in_which_they_were_noted, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_death_that_another_brings_is_of_the_next_generation,
                                        begin, end),
        cmocka_unit_test_setup_teardown(once_all_are_settled_generations_begin_anew, begin, end),
        cmocka_unit_test_setup_teardown(an_id_is_taken_by_a_death_of_its_service_and_partition,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_turn_that_is_given_up_has_no_deaths, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

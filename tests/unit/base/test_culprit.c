/* test_culprit.c - the page that names who is on the processor, over processes and boots. */
#include "base/culprit.h"
#include "data_folder.h"
#include "test.h"

#include <string.h>

static const uint8_t this_boot[16] = {1};
static const uint8_t other_boot[16] = {2};
static const struct uuid one = {{1}}, two = {{2}};

static struct culprit *open_page(void **state, const uint8_t boot[16]) {
    struct culprit *c = NULL;
    struct report r = {""};
    const struct data_folder *folder = *state;
    assert_int_equal(culprit_open(&c, folder->path, boot, &r), 0);
    return c;
}

static void who_ran_is_known_to_the_next_process_until_settled(void **state) {
    struct culprit *c = open_page(state, this_boot);
    culprit_run(c, 7, 3, &one);
    culprit_close(c);
    for (int i = 0; i < 2; i++) {
        c = open_page(state, this_boot);
        const struct culprit_record *debt = culprit_debt(c);
        assert_int_equal(debt->count, 1);
        assert_int_equal(debt->events[0].service, 7);
        assert_int_equal(debt->events[0].partition, 3);
        assert_true(uuid_equal(&debt->events[0].id, &one));
        culprit_run(c, 7, 3, &two); /* a second crash does not lose the first */
        culprit_close(c);
    }
    c = open_page(state, this_boot);
    culprit_settle(c);
    assert_int_equal(culprit_debt(c)->count, 0);
    culprit_close(c);
}

static void who_had_ended_is_not_named(void **state) {
    struct culprit *c = open_page(state, this_boot);
    culprit_run(c, 7, 3, &one);
    culprit_enter(c, CULPRIT_APPLY);
    culprit_enter(c, CULPRIT_IDLE);
    culprit_close(c);
    c = open_page(state, this_boot);
    assert_int_equal(culprit_debt(c)->count, 0);
    culprit_close(c);
}

static void after_a_reboot_the_page_means_nothing(void **state) {
    struct culprit *c = open_page(state, this_boot);
    culprit_run(c, 7, 3, &one);
    culprit_close(c);
    c = open_page(state, other_boot);
    assert_int_equal(culprit_debt(c)->count, 0);
    culprit_close(c);
}

static void nobody_named_twice_in_a_row_is_told(void **state) {
    struct culprit *c = open_page(state, this_boot);
    culprit_enter(c, CULPRIT_COMMIT);
    culprit_close(c);
    c = open_page(state, this_boot);
    assert_false(culprit_unknown(c));
    culprit_close(c);
    c = open_page(state, this_boot);
    assert_true(culprit_unknown(c));
    culprit_stopped(c);
    culprit_close(c);
    c = open_page(state, this_boot);
    assert_false(culprit_unknown(c));
    culprit_close(c);
}

static void of_a_large_batch_as_many_are_named_as_fit(void **state) {
    struct culprit *c = open_page(state, this_boot);
    culprit_run(c, 7, 3, &one);
    for (int i = 0; i < 2 * CULPRIT_EVENTS; i++) {
        culprit_join(c, 7, 3, &two);
    }
    culprit_close(c);
    c = open_page(state, this_boot);
    assert_int_equal(culprit_debt(c)->count, CULPRIT_EVENTS);
    culprit_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(who_ran_is_known_to_the_next_process_until_settled),
        FOLDER_TEST(who_had_ended_is_not_named),
        FOLDER_TEST(after_a_reboot_the_page_means_nothing),
        FOLDER_TEST(nobody_named_twice_in_a_row_is_told),
        FOLDER_TEST(of_a_large_batch_as_many_are_named_as_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

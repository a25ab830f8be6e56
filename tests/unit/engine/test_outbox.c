/* test_outbox.c - publishes between commit and acknowledgement: order, window, spilling, resending.
 */
#include "outbox_world.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void outbox_sends_nothing_before_the_commit(void **state) {
    struct outbox_world *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    outbox_world_add(f, 3);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 0);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 1);
}

static void outbox_keeps_a_row_until_it_is_acknowledged_and_settled(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 2);
    outbox_world_send(f);
    assert_int_equal(outbox_world_rows_on_disk(f), 2);
    outbox_world_acknowledge(f, 0, 1, 0);
    assert_int_equal(outbox_acked(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 1);
    outbox_world_turn(f, 3, 0);
    assert_int_equal(outbox_world_rows_on_disk(f), 1);
    assert_int_equal(outbox_acked(f->outbox), 0);
}

static void outbox_never_has_more_than_the_window_in_flight(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, WINDOW * 3);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, WINDOW);
    outbox_world_acknowledge(f, 0, 10, 0);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, WINDOW + 10);
    assert_int_equal(outbox_send(f->outbox, f->now_ms, 0, f, outbox_world_door), 0);
    assert_int_equal(f->sent_count, WINDOW + 10);
}

static void outbox_goes_on_after_a_door_that_would_not_take_more(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 3);
    f->publish_code = ERR_BUSY;
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 0);
    f->publish_code = 0;
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 3);
    outbox_world_assert_order(f, 0);
}

static void outbox_ignores_answers_it_does_not_wait_for(void **state) {
    struct outbox_world *f = *state;
    static const int strangers[] = {-1, 0, 77, 65535, 65536, 1 << 30};
    outbox_world_turn(f, 3, 1);
    outbox_world_send(f);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        outbox_acknowledged(f->outbox, f->now_ms, strangers[i], 0);
    }
    assert_int_equal(outbox_rows(f->outbox), 1);
    outbox_world_acknowledge(f, 0, 1, 0);
    outbox_world_acknowledge(f, 0, 1, 0);
    assert_int_equal(outbox_rows(f->outbox), 0);
    assert_int_equal(outbox_acked(f->outbox), 1);
}

static void outbox_keeps_order_when_it_spills_to_disk(void **state) {
    struct outbox_world *f = *state;
    for (unsigned i = 0; i < 30; i++) {
        outbox_world_turn(f, (uint8_t)(i % 3), OUTBOX_QUEUE_MAX / 10);
    }
    assert_int_equal(outbox_rows(f->outbox), f->added);
    outbox_world_drain(f);
    assert_int_equal(f->sent_count, f->added);
    outbox_world_assert_order(f, 0);
    assert_int_equal(outbox_world_rows_on_disk(f), 0);
}

static void outbox_keeps_order_when_it_spills_while_it_drains(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, OUTBOX_QUEUE_MAX + 500);
    for (unsigned i = 0; i < 60; i++) {
        size_t from = f->sent_count;
        outbox_world_send(f);
        outbox_world_acknowledge(f, from, f->sent_count, 0);
        outbox_world_turn(f, (uint8_t)(i % 2), 50);
    }
    outbox_world_drain(f);
    assert_int_equal(f->sent_count, f->added);
    outbox_world_assert_order(f, 0);
}

static void outbox_sends_again_in_order_after_a_disconnect(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 50);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 10, 20, 0); /* acknowledged out of order, as a broker may */
    (void)outbox_world_disconnect(f);
    assert_int_equal(outbox_rows(f->outbox), 40);
    outbox_world_turn(f, 3, 5);
    size_t from = f->sent_count;
    outbox_world_drain(f);
    assert_int_equal(f->sent_count - from, 45);
    assert_int_equal(f->sent[from].number, 0);
    assert_int_equal(f->sent[from + 10].number, 20);
    outbox_world_assert_order(f, from);
}

static void outbox_takes_no_late_answer_for_what_it_sent_again(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 1);
    outbox_world_send(f);
    (void)outbox_world_disconnect(f);
    outbox_acknowledged(f->outbox, f->now_ms, f->sent[0].mid, 0);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(outbox_acked(f->outbox), 0);
}

static void a_number_still_in_use_ends_the_round_and_not_the_host(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 1);
    outbox_world_send(f);
    f->last_mid = 0;
    outbox_world_turn(f, 3, 1);
    assert_int_equal(outbox_send(f->outbox, f->now_ms, WINDOW, f, outbox_world_door), ERR_BUSY);
    (void)outbox_world_disconnect(f);
    outbox_world_drain(f);
}

static void outbox_takes_up_after_a_crash_what_was_not_settled(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 20);
    outbox_world_turn(f, 4, 20);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 5, 0);
    outbox_world_turn(f, 3, 0);
    outbox_world_acknowledge(f, 5, 8, 0); /* acknowledged, but the rows are still there */
    outbox_world_close(f);
    outbox_world_open(f);
    assert_int_equal(outbox_rows(f->outbox), 35);
    assert_true(outbox_wants_settle(f->outbox));
    size_t from = f->sent_count;
    outbox_world_turn(f, 3, 1);
    outbox_world_send(f);
    assert_int_equal(f->sent_count - from, 36);
    outbox_world_assert_order(f, from);
}

static void outbox_loads_the_truth_after_a_dropped_transaction(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 3);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_settle(f->outbox), 0);
    outbox_world_add(f, 3);
    store_abort(f->store);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_load(f->outbox), 0);
    store_abort(f->store);
    assert_int_equal(outbox_rows(f->outbox), 3);
    (void)outbox_world_disconnect(f);
    size_t from = f->sent_count;
    outbox_world_drain(f);
    assert_int_equal(f->sent_count - from, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(outbox_sends_nothing_before_the_commit),
        OUTBOX_TEST(outbox_keeps_a_row_until_it_is_acknowledged_and_settled),
        OUTBOX_TEST(outbox_never_has_more_than_the_window_in_flight),
        OUTBOX_TEST(outbox_goes_on_after_a_door_that_would_not_take_more),
        OUTBOX_TEST(outbox_ignores_answers_it_does_not_wait_for),
        OUTBOX_TEST(outbox_keeps_order_when_it_spills_to_disk),
        OUTBOX_TEST(outbox_keeps_order_when_it_spills_while_it_drains),
        OUTBOX_TEST(outbox_sends_again_in_order_after_a_disconnect),
        OUTBOX_TEST(outbox_takes_no_late_answer_for_what_it_sent_again),
        OUTBOX_TEST(a_number_still_in_use_ends_the_round_and_not_the_host),
        OUTBOX_TEST(outbox_takes_up_after_a_crash_what_was_not_settled),
        OUTBOX_TEST(outbox_loads_the_truth_after_a_dropped_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

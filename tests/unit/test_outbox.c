/* test_outbox.c - publishes between commit and acknowledgement: order, window, spilling, resending.
 */
#include "data_folder.h"
#include "outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ROOM = 64 << 20, SENT_MAX = 20000, WINDOW = 100, REFUSED = 0x87 };
static const int64_t T0 = 1700000000000;

struct sent {
    int mid;
    unsigned number;
    uint8_t partition;
};

struct fixture {
    struct data_folder folder;
    struct store *store;
    struct journal *journal;
    struct outbox *outbox;
    struct sent sent[SENT_MAX];
    size_t sent_count;
    int last_mid;
    int publish_code; /* what the door answers */
    unsigned added;
    int64_t now_ms;
};

static void open_outbox(struct fixture *f) {
    f->store = data_folder_store(&f->folder, ROOM);
    assert_int_equal(journal_open(&f->journal, f->store, 1000, NULL), 0);
    assert_int_equal(outbox_new(&f->outbox, f->journal), 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_load(f->outbox), 0);
    assert_int_equal(store_commit(f->store), 0);
}

static void close_outbox(struct fixture *f) {
    outbox_free(f->outbox);
    journal_close(f->journal);
    store_close(f->store);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->now_ms = T0;
    data_folder_make(&f->folder);
    open_outbox(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    close_outbox(f);
    data_folder_remove(&f->folder);
    free(f);
    return 0;
}

/* Payloads are "partition/number". */
static int publish(void *ctx, const struct publication *p, int *mid) {
    struct fixture *f = ctx;
    if (f->publish_code != 0) {
        return f->publish_code;
    }
    char text[32] = "";
    assert_true(p->payload.len < sizeof text && f->sent_count < SENT_MAX);
    memcpy(text, p->payload.data, p->payload.len);
    char *end;
    struct sent sent = {.partition = (uint8_t)strtoul(text, &end, 10)};
    sent.number = (unsigned)strtoul(end + 1, NULL, 10);
    f->last_mid = f->last_mid % 65535 + 1;
    sent.mid = f->last_mid;
    f->sent[f->sent_count++] = sent;
    *mid = sent.mid;
    return 0;
}

static void add(struct fixture *f, uint8_t partition) {
    char text[32];
    (void)snprintf(text, sizeof text, "%u/%u", partition, f->added++);
    struct publication p = {.qos = 1, .topic = slice_of("t"), .payload = slice_of(text)};
    assert_int_equal(outbox_add(f->outbox, T0, &p), 0);
}

/* A turn that settles and publishes `count` more from one partition. */
static void turn(struct fixture *f, uint8_t partition, unsigned count) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_settle(f->outbox), 0);
    for (unsigned i = 0; i < count; i++) {
        add(f, partition);
    }
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
}

static void send_all(struct fixture *f) {
    outbox_send(f->outbox, f->now_ms, WINDOW, f, publish);
}

static void acknowledge(struct fixture *f, size_t from, size_t to, uint8_t reason) {
    for (size_t i = from; i < to; i++) {
        outbox_acknowledged(f->outbox, f->sent[i].mid, reason);
    }
}

/* Turns, sends and acknowledges until nothing is left. */
static void drain(struct fixture *f) {
    size_t acked = f->sent_count;
    for (int i = 0; i < 1000 && outbox_rows(f->outbox) + outbox_acked(f->outbox) > 0; i++) {
        send_all(f);
        acknowledge(f, acked, f->sent_count, 0);
        acked = f->sent_count;
        turn(f, 0, 0);
    }
    assert_int_equal(outbox_rows(f->outbox), 0);
}

static uint64_t rows_on_disk(struct fixture *f) {
    assert_int_equal(store_begin(f->store), 0);
    uint64_t rows = store_rows(f->store, TABLE_OUTBOX);
    store_abort(f->store);
    return rows;
}

/* Each partition's numbers, from `from` on, ascend. */
static void assert_order_within_partitions(const struct fixture *f, size_t from) {
    int64_t last[PARTITIONS];
    memset(last, 0xff, sizeof last);
    for (size_t i = from; i < f->sent_count; i++) {
        const struct sent *s = &f->sent[i];
        assert_true((int64_t)s->number > last[s->partition]);
        last[s->partition] = s->number;
    }
}

static void outbox_sends_nothing_before_the_commit(void **state) {
    struct fixture *f = *state;
    assert_int_equal(store_begin(f->store), 0);
    add(f, 3);
    send_all(f);
    assert_int_equal(f->sent_count, 0);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
    send_all(f);
    assert_int_equal(f->sent_count, 1);
}

static void outbox_keeps_a_row_until_it_is_acknowledged_and_settled(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 2);
    send_all(f);
    assert_int_equal(rows_on_disk(f), 2);
    acknowledge(f, 0, 1, 0);
    assert_int_equal(outbox_acked(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 1);
    turn(f, 3, 0);
    assert_int_equal(rows_on_disk(f), 1);
    assert_int_equal(outbox_acked(f->outbox), 0);
}

static void outbox_never_has_more_than_the_window_in_flight(void **state) {
    struct fixture *f = *state;
    turn(f, 3, WINDOW * 3);
    send_all(f);
    assert_int_equal(f->sent_count, WINDOW);
    acknowledge(f, 0, 10, 0);
    send_all(f);
    assert_int_equal(f->sent_count, WINDOW + 10);
    outbox_send(f->outbox, f->now_ms, 0, f, publish);
    assert_int_equal(f->sent_count, WINDOW + 10);
}

static void outbox_goes_on_after_a_door_that_would_not_take_more(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 3);
    f->publish_code = ERR_BUSY;
    send_all(f);
    assert_int_equal(f->sent_count, 0);
    f->publish_code = 0;
    send_all(f);
    assert_int_equal(f->sent_count, 3);
    assert_order_within_partitions(f, 0);
}

static void outbox_ignores_answers_it_does_not_wait_for(void **state) {
    struct fixture *f = *state;
    static const int strangers[] = {-1, 0, 77, 65535, 65536, 1 << 30};
    turn(f, 3, 1);
    send_all(f);
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        outbox_acknowledged(f->outbox, strangers[i], 0);
    }
    assert_int_equal(outbox_rows(f->outbox), 1);
    acknowledge(f, 0, 1, 0);
    acknowledge(f, 0, 1, 0);
    assert_int_equal(outbox_rows(f->outbox), 0);
    assert_int_equal(outbox_acked(f->outbox), 1);
}

static void outbox_keeps_order_when_it_spills_to_disk(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 30; i++) {
        turn(f, (uint8_t)(i % 3), OUTBOX_QUEUE_MAX / 10);
    }
    assert_int_equal(outbox_rows(f->outbox), f->added);
    drain(f);
    assert_int_equal(f->sent_count, f->added);
    assert_order_within_partitions(f, 0);
    assert_int_equal(rows_on_disk(f), 0);
}

static void outbox_keeps_order_when_it_spills_while_it_drains(void **state) {
    struct fixture *f = *state;
    turn(f, 1, OUTBOX_QUEUE_MAX + 500);
    for (unsigned i = 0; i < 60; i++) {
        size_t from = f->sent_count;
        send_all(f);
        acknowledge(f, from, f->sent_count, 0);
        turn(f, (uint8_t)(i % 2), 50);
    }
    drain(f);
    assert_int_equal(f->sent_count, f->added);
    assert_order_within_partitions(f, 0);
}

static void outbox_sends_again_in_order_after_a_disconnect(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 50);
    send_all(f);
    acknowledge(f, 10, 20, 0); /* acknowledged out of order, as a broker may */
    outbox_disconnected(f->outbox);
    assert_int_equal(outbox_rows(f->outbox), 40);
    turn(f, 3, 5);
    size_t from = f->sent_count;
    send_all(f);
    assert_int_equal(f->sent_count - from, 45);
    assert_int_equal(f->sent[from].number, 0);
    assert_int_equal(f->sent[from + 10].number, 20);
    assert_order_within_partitions(f, from);
}

static void outbox_takes_no_late_answer_for_what_it_sent_again(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 1);
    send_all(f);
    outbox_disconnected(f->outbox);
    outbox_acknowledged(f->outbox, f->sent[0].mid, 0);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(outbox_acked(f->outbox), 0);
}

static void outbox_keeps_what_the_broker_refuses_and_tries_it_again_after_a_while(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 4);
    send_all(f);
    acknowledge(f, 0, 1, 0);
    acknowledge(f, 2, 3, REFUSED);
    turn(f, 3, 0);
    assert_int_equal(outbox_refused(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 3);
    assert_int_equal(rows_on_disk(f), 3);
    send_all(f);
    outbox_disconnected(f->outbox);
    send_all(f);
    assert_int_equal(f->sent_count, 6);
    assert_int_equal(outbox_refused(f->outbox), 1);

    f->now_ms += OUTBOX_RETRY_MS;
    send_all(f);
    assert_int_equal(outbox_refused(f->outbox), 0);
    assert_int_equal(f->sent_count, 7);
    assert_int_equal(f->sent[6].number, 2);
}

/* The broker closes the connection when number 2 comes, and acknowledges what it got before. */
static void lose_connection_over_number_2(struct fixture *f) {
    size_t from = f->sent_count;
    send_all(f);
    size_t to = from;
    while (to < f->sent_count && f->sent[to].number != 2) {
        to++;
    }
    acknowledge(f, from, to, 0);
    if (to < f->sent_count) {
        outbox_disconnected(f->outbox);
    }
}

static void
outbox_finds_the_publish_that_costs_the_connection_and_lets_the_others_go(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 10);
    for (unsigned i = 0; i < 30; i++) {
        lose_connection_over_number_2(f);
    }
    assert_int_equal(outbox_refused(f->outbox), 1);
    turn(f, 3, 0);
    assert_int_equal(outbox_rows(f->outbox), 1);

    size_t from = f->sent_count;
    turn(f, 3, 5);
    f->now_ms += OUTBOX_RETRY_MS;
    send_all(f); /* a suspect goes alone */
    assert_int_equal(f->sent_count - from, 1);
    assert_int_equal(f->sent[from].number, 2);
    outbox_disconnected(f->outbox);
    assert_int_equal(outbox_refused(f->outbox), 1);
    send_all(f);
    assert_int_equal(f->sent_count - from, 6);
}

static void outbox_takes_nothing_for_refused_when_connections_are_lost_by_themselves(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 50);
    for (unsigned i = 0; i < 20; i++) {
        size_t from = f->sent_count;
        send_all(f);
        acknowledge(f, from, from + 1, 0);
        send_all(f);
        outbox_disconnected(f->outbox);
        turn(f, 3, 1);
    }
    assert_int_equal(outbox_refused(f->outbox), 0);
}

static void outbox_counts_what_the_door_can_never_carry_as_refused(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 2);
    f->publish_code = ERR_INVALID;
    send_all(f);
    assert_int_equal(outbox_refused(f->outbox), 2);
    assert_int_equal(outbox_rows(f->outbox), 2);
    f->publish_code = 0;
    turn(f, 3, 1);
    send_all(f);
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0].number, 2);
}

static void outbox_bounds_its_memory_when_the_broker_refuses_everything(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 12; i++) {
        turn(f, (uint8_t)(i % 4), 500);
        for (unsigned k = 0; k < 5; k++) {
            size_t from = f->sent_count;
            send_all(f);
            acknowledge(f, from, f->sent_count, REFUSED);
        }
    }
    assert_int_equal(outbox_refused(f->outbox), f->added);
    assert_int_equal(outbox_rows(f->outbox), f->added);
    /* The broker is mended. */
    send_all(f);
    f->now_ms += OUTBOX_RETRY_MS;
    send_all(f);
    assert_true(outbox_wants_settle(f->outbox));
    size_t from = f->sent_count;
    drain(f);
    assert_int_equal(f->sent_count - from, f->added);
    assert_order_within_partitions(f, from);
}

static void outbox_takes_up_after_a_crash_what_was_not_settled(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 20);
    turn(f, 4, 20);
    send_all(f);
    acknowledge(f, 0, 5, 0);
    turn(f, 3, 0);
    acknowledge(f, 5, 8, 0); /* acknowledged, but the rows are still there */
    close_outbox(f);
    open_outbox(f);
    assert_int_equal(outbox_rows(f->outbox), 35);
    assert_true(outbox_wants_settle(f->outbox));
    size_t from = f->sent_count;
    turn(f, 3, 1);
    send_all(f);
    assert_int_equal(f->sent_count - from, 36);
    assert_order_within_partitions(f, from);
}

static void outbox_loads_the_truth_after_a_dropped_transaction(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 3);
    send_all(f);
    acknowledge(f, 0, 1, 0);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_settle(f->outbox), 0);
    add(f, 3);
    store_abort(f->store);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_load(f->outbox), 0);
    store_abort(f->store);
    assert_int_equal(outbox_rows(f->outbox), 3);
    outbox_disconnected(f->outbox);
    size_t from = f->sent_count;
    drain(f);
    assert_int_equal(f->sent_count - from, 3);
}

int main(void) {
#define OUTBOX_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
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
        OUTBOX_TEST(outbox_keeps_what_the_broker_refuses_and_tries_it_again_after_a_while),
        OUTBOX_TEST(outbox_finds_the_publish_that_costs_the_connection_and_lets_the_others_go),
        OUTBOX_TEST(outbox_takes_nothing_for_refused_when_connections_are_lost_by_themselves),
        OUTBOX_TEST(outbox_counts_what_the_door_can_never_carry_as_refused),
        OUTBOX_TEST(outbox_bounds_its_memory_when_the_broker_refuses_everything),
        OUTBOX_TEST(outbox_takes_up_after_a_crash_what_was_not_settled),
        OUTBOX_TEST(outbox_loads_the_truth_after_a_dropped_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

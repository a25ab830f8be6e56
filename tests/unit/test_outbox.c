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
    char topic[16];
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
    (void)snprintf(sent.topic, sizeof sent.topic, "%s", p->topic.data);
    f->sent[f->sent_count++] = sent;
    *mid = sent.mid;
    return 0;
}

static void add_of(struct fixture *f, uint8_t partition, const char *topic, uint64_t owner) {
    char text[32];
    (void)snprintf(text, sizeof text, "%u/%u", partition, f->added++);
    struct publication p = {
        .id = {{0}}, .qos = 1, .topic = slice_of(topic), .payload = slice_of(text), .owner = owner};
    p.id.bytes[0] = (uint8_t)(f->added >> 8);
    p.id.bytes[1] = (uint8_t)f->added;
    p.id.bytes[2] = 1;
    assert_int_equal(outbox_add(f->outbox, T0, &p), 0);
}

static void add(struct fixture *f, uint8_t partition) {
    add_of(f, partition, "t", 0);
}

/* A turn that publishes one on a topic, for an owner; its number. */
static unsigned publish_of(struct fixture *f, const char *topic, uint64_t owner) {
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_settle(f->outbox), 0);
    add_of(f, 1, topic, owner);
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
    return f->added - 1;
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
    assert_int_equal(outbox_send(f->outbox, f->now_ms, WINDOW, f, publish), 0);
}

static void acknowledge(struct fixture *f, size_t from, size_t to, uint8_t reason) {
    for (size_t i = from; i < to; i++) {
        outbox_acknowledged(f->outbox, f->now_ms, f->sent[i].mid, reason);
    }
}

static bool disconnect(struct fixture *f) {
    return outbox_disconnected(f->outbox, f->now_ms);
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
    assert_int_equal(outbox_send(f->outbox, f->now_ms, 0, f, publish), 0);
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
        outbox_acknowledged(f->outbox, f->now_ms, strangers[i], 0);
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
    (void)disconnect(f);
    assert_int_equal(outbox_rows(f->outbox), 40);
    turn(f, 3, 5);
    size_t from = f->sent_count;
    drain(f);
    assert_int_equal(f->sent_count - from, 45);
    assert_int_equal(f->sent[from].number, 0);
    assert_int_equal(f->sent[from + 10].number, 20);
    assert_order_within_partitions(f, from);
}

static void outbox_takes_no_late_answer_for_what_it_sent_again(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 1);
    send_all(f);
    (void)disconnect(f);
    outbox_acknowledged(f->outbox, f->now_ms, f->sent[0].mid, 0);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(outbox_acked(f->outbox), 0);
}

static void outbox_keeps_what_the_broker_refuses_and_tries_it_again_after_a_while(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 4);
    send_all(f);
    acknowledge(f, 0, 1, 0);
    acknowledge(f, 2, 3, REFUSED);
    acknowledge(f, 1, 2, 0);
    acknowledge(f, 3, 4, 0);
    turn(f, 3, 0);
    assert_int_equal(outbox_refused(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(rows_on_disk(f), 1);
    assert_string_equal(outbox_refused_topic(f->outbox), "t");
    send_all(f);
    assert_int_equal(f->sent_count, 4);

    assert_true(outbox_next_ms(f->outbox) > f->now_ms);
    f->now_ms = outbox_next_ms(f->outbox);
    assert_true(f->now_ms <= T0 + 5000);
    send_all(f);
    assert_int_equal(f->sent_count, 5);
    assert_int_equal(f->sent[4].number, 2);
    acknowledge(f, 4, 5, REFUSED);
    int64_t before_ms = f->now_ms;
    f->now_ms = outbox_next_ms(f->outbox);
    assert_true(f->now_ms > before_ms + 5000 && f->now_ms <= before_ms + 15000);
    send_all(f);
    acknowledge(f, 5, 6, 0);
    assert_int_equal(outbox_refused(f->outbox), 0);
    turn(f, 3, 0);
    assert_int_equal(rows_on_disk(f), 0);
}

/* What one round of sending ends in: the broker answers in order until a topic that begins with
 * `bad` costs the connection. Returns whether it did. */
static bool round_with(struct fixture *f, const char *bad) {
    size_t from = f->sent_count;
    send_all(f);
    for (size_t i = from; i < f->sent_count; i++) {
        if (strncmp(f->sent[i].topic, bad, strlen(bad)) == 0) {
            (void)disconnect(f);
            return true;
        }
        acknowledge(f, i, i + 1, 0);
    }
    return false;
}

static size_t times_sent(const struct fixture *f, unsigned number) {
    size_t times = 0;
    for (size_t i = 0; i < f->sent_count; i++) {
        times += f->sent[i].number == number ? 1 : 0;
    }
    return times;
}

static void
outbox_finds_the_publish_that_costs_the_connection_and_lets_the_others_go(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 5);
    unsigned bad = publish_of(f, "bad", 0);
    turn(f, 3, 5);
    unsigned losses = 0;
    for (unsigned i = 0; i < 8; i++) {
        losses += round_with(f, "bad") ? 1 : 0;
    }
    assert_int_equal(losses, 2);
    assert_int_equal(times_sent(f, bad), 2);
    assert_int_equal(outbox_refused(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 1);
    (void)publish_of(f, "bad", 7);
    (void)round_with(f, "bad");
    assert_int_equal(outbox_refused(f->outbox), 2);
    assert_int_equal(times_sent(f, bad + 6), 0);
}

static void outbox_lets_one_good_publish_past_forty_refused_ones(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 40; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "bad/%u", i);
        (void)publish_of(f, topic, 100 + i);
    }
    unsigned good = publish_of(f, "t", 1);
    unsigned losses = 0;
    for (unsigned i = 0; i < 20 && times_sent(f, good) == 0; i++) {
        size_t from = f->sent_count;
        assert_int_equal(outbox_send(f->outbox, f->now_ms, 20, f, publish), 0);
        size_t at = from;
        while (at < f->sent_count && f->sent[at].topic[0] == 't') {
            acknowledge(f, at, at + 1, 0);
            at++;
        }
        losses += at < f->sent_count ? 1 : 0;
        if (at < f->sent_count) {
            assert_true(disconnect(f));
        }
    }
    assert_int_equal(times_sent(f, good), 1);
    assert_in_range(losses, 1, 4);
    assert_true(outbox_rows(f->outbox) >= 40);
}

static void outbox_tries_a_refused_one_with_nothing_else_in_flight(void **state) {
    struct fixture *f = *state;
    (void)publish_of(f, "bad", 1);
    send_all(f);
    acknowledge(f, 0, 1, REFUSED);
    f->now_ms += 60000;
    turn(f, 3, 3);
    send_all(f); /* it is long overdue, so it goes first */
    assert_int_equal(f->sent_count, 2);
    send_all(f);
    assert_int_equal(f->sent_count, 2);
    acknowledge(f, 1, 2, REFUSED);
    send_all(f);
    assert_int_equal(f->sent_count, 5);
}

static void a_refused_publish_holds_what_comes_after_it_of_its_owner_alone(void **state) {
    struct fixture *f = *state;
    unsigned bad = publish_of(f, "bad", 1);
    send_all(f);
    acknowledge(f, 0, 1, REFUSED);
    unsigned behind = publish_of(f, "t", 1);
    unsigned other = publish_of(f, "t", 2);
    unsigned nobodys = publish_of(f, "t", 0);
    send_all(f);
    assert_int_equal(times_sent(f, behind), 0);
    assert_int_equal(times_sent(f, other), 1);
    assert_int_equal(times_sent(f, nobodys), 1);
    assert_int_equal(outbox_held(f->outbox), 1);
    acknowledge(f, 1, 3, 0);

    f->now_ms = outbox_next_ms(f->outbox);
    send_all(f);
    assert_int_equal(times_sent(f, bad), 2);
    assert_int_equal(times_sent(f, behind), 0);
    acknowledge(f, 3, 4, 0);
    send_all(f);
    assert_int_equal(times_sent(f, behind), 1);
    acknowledge(f, 4, 5, 0);
    assert_int_equal(outbox_rows(f->outbox), 0);
}

static void one_row_is_tried_for_its_topic_and_frees_the_others(void **state) {
    struct fixture *f = *state;
    for (unsigned i = 0; i < 10; i++) {
        (void)publish_of(f, "bad", 0);
        send_all(f);
        acknowledge(f, 0, f->sent_count, REFUSED);
    }
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(outbox_refused(f->outbox), 10);
    f->now_ms = outbox_next_ms(f->outbox);
    send_all(f);
    assert_int_equal(f->sent_count, 2);
    acknowledge(f, 1, 2, 0); /* the broker is mended */
    drain(f);
    assert_int_equal(f->sent_count, 11);
}

static void a_refused_row_is_known_as_such_after_a_restart(void **state) {
    struct fixture *f = *state;
    (void)publish_of(f, "bad", 1);
    send_all(f);
    acknowledge(f, 0, 1, REFUSED);
    unsigned behind = publish_of(f, "t", 1);
    assert_false(outbox_wants_settle(f->outbox));
    close_outbox(f);
    open_outbox(f);
    turn(f, 3, 1);
    assert_int_equal(outbox_refused(f->outbox), 1);
    send_all(f);
    assert_int_equal(times_sent(f, behind), 0);
}

static void outbox_blames_no_publish_for_what_went_out_before_it(void **state) {
    struct fixture *f = *state;
    (void)publish_of(f, "t", 1);
    for (unsigned i = 0; i < 10; i++) {
        outbox_beside(f->outbox);
        send_all(f);
        assert_false(disconnect(f));
    }
    assert_int_equal(outbox_refused(f->outbox), 0);
    send_all(f);
    outbox_beside(f->outbox);
    assert_true(disconnect(f)); /* it was the first the broker did not answer */
}

static void a_passing_refusal_is_tried_soon_and_keeps_the_owners_order(void **state) {
    struct fixture *f = *state;
    static const uint8_t passing[] = {0x80, 0x83, 0x97};
    unsigned first = publish_of(f, "t", 1);
    unsigned second = publish_of(f, "t", 1);
    for (size_t i = 0; i < sizeof passing; i++) {
        size_t from = f->sent_count;
        send_all(f);
        assert_true(f->sent_count > from);
        acknowledge(f, from, f->sent_count, passing[i]);
        assert_int_equal(outbox_refused(f->outbox), 0);
        assert_true(outbox_next_ms(f->outbox) <= f->now_ms + (1000 << i));
        f->now_ms = outbox_next_ms(f->outbox);
    }
    size_t from = f->sent_count;
    for (unsigned i = 0; i < 20 && outbox_rows(f->outbox) > 0; i++) {
        size_t sent = f->sent_count;
        send_all(f);
        acknowledge(f, sent, f->sent_count, 0);
        f->now_ms += 1000;
    }
    assert_int_equal(f->sent_count - from, 2);
    assert_int_equal(f->sent[from].number, first);
    assert_int_equal(f->sent[from + 1].number, second);
}

static void what_people_ask_for_is_done_to_refused_publishes(void **state) {
    struct fixture *f = *state;
    static const struct uuid unknown = {{9}};
    struct uuid ids[2] = {{{0, 2, 1}}, {{0, 3, 1}}};
    (void)publish_of(f, "t", 0);
    (void)publish_of(f, "bad/1", 1);
    (void)publish_of(f, "bad/2", 2);
    send_all(f);
    acknowledge(f, 0, 1, 0);
    acknowledge(f, 1, 3, REFUSED);
    turn(f, 3, 0);
    assert_int_equal(outbox_retry(f->outbox, f->now_ms, &unknown), 0);
    assert_int_equal(outbox_retry(f->outbox, f->now_ms, &ids[0]), 1);
    send_all(f);
    assert_int_equal(f->sent_count, 4);
    assert_int_equal(f->sent[3].number, 1);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_discard(f->outbox, &unknown), ERR_NOTFOUND);
    assert_int_equal(outbox_discard(f->outbox, &ids[0]), ERR_BUSY);
    assert_int_equal(outbox_discard(f->outbox, &ids[1]), 0);
    assert_int_equal(store_commit(f->store), 0);
    acknowledge(f, 3, 4, 0);
    turn(f, 3, 0);
    assert_int_equal(outbox_rows(f->outbox), 0);
    assert_int_equal(rows_on_disk(f), 0);
}

static void a_number_still_in_use_ends_the_round_and_not_the_host(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 1);
    send_all(f);
    f->last_mid = 0;
    turn(f, 3, 1);
    assert_int_equal(outbox_send(f->outbox, f->now_ms, WINDOW, f, publish), ERR_BUSY);
    (void)disconnect(f);
    drain(f);
}

static void outbox_takes_nothing_for_refused_when_connections_are_lost_by_themselves(void **state) {
    struct fixture *f = *state;
    turn(f, 3, 50);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned k = 0; k < 3; k++) {
            size_t from = f->sent_count;
            send_all(f);
            acknowledge(f, from, f->sent_count, 0);
        }
        send_all(f);
        (void)disconnect(f);
        turn(f, 3, 20);
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
    acknowledge(f, 0, 1, 0);
    turn(f, 3, 0);
    assert_int_equal(rows_on_disk(f), 2);
}

static void outbox_discards_the_oldest_refused_past_the_quota_and_counts_them(void **state) {
    struct fixture *f = *state;
    while (f->added < OUTBOX_BLOCKED_MAX + 500) {
        turn(f, 3, 500);
        size_t from = f->sent_count;
        send_all(f);
        acknowledge(f, from, f->sent_count, REFUSED);
    }
    for (unsigned i = 0; i < 10; i++) {
        send_all(f);
        turn(f, 3, 0);
    }
    assert_int_equal(outbox_refused(f->outbox), OUTBOX_BLOCKED_MAX);
    assert_int_equal(outbox_rows(f->outbox), OUTBOX_BLOCKED_MAX);
    assert_int_equal(outbox_discarded(f->outbox), f->added - OUTBOX_BLOCKED_MAX);
    assert_int_equal(rows_on_disk(f), OUTBOX_BLOCKED_MAX);
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
    (void)disconnect(f);
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
        OUTBOX_TEST(outbox_discards_the_oldest_refused_past_the_quota_and_counts_them),
        OUTBOX_TEST(outbox_lets_one_good_publish_past_forty_refused_ones),
        OUTBOX_TEST(outbox_tries_a_refused_one_with_nothing_else_in_flight),
        OUTBOX_TEST(a_refused_publish_holds_what_comes_after_it_of_its_owner_alone),
        OUTBOX_TEST(one_row_is_tried_for_its_topic_and_frees_the_others),
        OUTBOX_TEST(a_refused_row_is_known_as_such_after_a_restart),
        OUTBOX_TEST(outbox_blames_no_publish_for_what_went_out_before_it),
        OUTBOX_TEST(a_passing_refusal_is_tried_soon_and_keeps_the_owners_order),
        OUTBOX_TEST(what_people_ask_for_is_done_to_refused_publishes),
        OUTBOX_TEST(a_number_still_in_use_ends_the_round_and_not_the_host),
        OUTBOX_TEST(outbox_takes_up_after_a_crash_what_was_not_settled),
        OUTBOX_TEST(outbox_loads_the_truth_after_a_dropped_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

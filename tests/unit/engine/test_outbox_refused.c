/* test_outbox_refused.c - publishes the broker refuses: whom they hold, when they are tried again.
 */
#include "outbox_world.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void outbox_keeps_what_the_broker_refuses_and_tries_it_again_after_a_while(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 4);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, 0);
    outbox_world_acknowledge(f, 2, 3, REFUSED);
    outbox_world_acknowledge(f, 1, 2, 0);
    outbox_world_acknowledge(f, 3, 4, 0);
    outbox_world_turn(f, 3, 0);
    assert_int_equal(outbox_refused(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 1);
    assert_int_equal(outbox_world_rows_on_disk(f), 1);
    assert_string_equal(outbox_refused_topic(f->outbox), "t");
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 4);

    assert_true(outbox_next_ms(f->outbox) > f->now_ms);
    f->now_ms = outbox_next_ms(f->outbox);
    assert_true(f->now_ms <= T0 + 5000);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 5);
    assert_int_equal(f->sent[4].number, 2);
    outbox_world_acknowledge(f, 4, 5, REFUSED);
    int64_t before_ms = f->now_ms;
    f->now_ms = outbox_next_ms(f->outbox);
    assert_true(f->now_ms > before_ms + 5000 && f->now_ms <= before_ms + 15000);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 5, 6, 0);
    assert_int_equal(outbox_refused(f->outbox), 0);
    outbox_world_turn(f, 3, 0);
    assert_int_equal(outbox_world_rows_on_disk(f), 0);
}

/* What one round of sending ends in: the broker answers in order until a topic that begins with
 * `bad` costs the connection. Returns whether it did. */
static bool round_with(struct outbox_world *f, const char *bad) {
    size_t from = f->sent_count;
    outbox_world_send(f);
    for (size_t i = from; i < f->sent_count; i++) {
        if (strncmp(f->sent[i].topic, bad, strlen(bad)) == 0) {
            (void)outbox_world_disconnect(f);
            return true;
        }
        outbox_world_acknowledge(f, i, i + 1, 0);
    }
    return false;
}

static size_t times_sent(const struct outbox_world *f, unsigned number) {
    size_t times = 0;
    for (size_t i = 0; i < f->sent_count; i++) {
        times += f->sent[i].number == number ? 1 : 0;
    }
    return times;
}

static void
outbox_finds_the_publish_that_costs_the_connection_and_lets_the_others_go(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 5);
    unsigned bad = outbox_world_publish(f, "bad", 0);
    outbox_world_turn(f, 3, 5);
    unsigned losses = 0;
    for (unsigned i = 0; i < 8; i++) {
        losses += round_with(f, "bad") ? 1 : 0;
    }
    assert_int_equal(losses, 2);
    assert_int_equal(times_sent(f, bad), 2);
    assert_int_equal(outbox_refused(f->outbox), 1);
    assert_int_equal(outbox_rows(f->outbox), 1);
    (void)outbox_world_publish(f, "bad", 7);
    (void)round_with(f, "bad");
    assert_int_equal(outbox_refused(f->outbox), 2);
    assert_int_equal(times_sent(f, bad + 6), 0);
}

static void outbox_lets_one_good_publish_past_forty_refused_ones(void **state) {
    struct outbox_world *f = *state;
    for (unsigned i = 0; i < 40; i++) {
        char topic[16];
        (void)snprintf(topic, sizeof topic, "bad/%u", i);
        (void)outbox_world_publish(f, topic, 100 + i);
    }
    unsigned good = outbox_world_publish(f, "t", 1);
    unsigned losses = 0;
    for (unsigned i = 0; i < 20 && times_sent(f, good) == 0; i++) {
        size_t from = f->sent_count;
        assert_int_equal(outbox_send(f->outbox, f->now_ms, 20, f, outbox_world_door), 0);
        size_t at = from;
        while (at < f->sent_count && f->sent[at].topic[0] == 't') {
            outbox_world_acknowledge(f, at, at + 1, 0);
            at++;
        }
        losses += at < f->sent_count ? 1 : 0;
        if (at < f->sent_count) {
            assert_true(outbox_world_disconnect(f));
        }
    }
    assert_int_equal(times_sent(f, good), 1);
    assert_in_range(losses, 1, 4);
    assert_true(outbox_rows(f->outbox) >= 40);
}

static void outbox_tries_a_refused_one_with_nothing_else_in_flight(void **state) {
    struct outbox_world *f = *state;
    (void)outbox_world_publish(f, "bad", 1);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, REFUSED);
    f->now_ms += 60000;
    outbox_world_turn(f, 3, 3);
    outbox_world_send(f); /* it is long overdue, so it goes first */
    assert_int_equal(f->sent_count, 2);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 2);
    outbox_world_acknowledge(f, 1, 2, REFUSED);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 5);
}

static void a_refused_publish_holds_what_comes_after_it_of_its_owner_alone(void **state) {
    struct outbox_world *f = *state;
    unsigned bad = outbox_world_publish(f, "bad", 1);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, REFUSED);
    unsigned behind = outbox_world_publish(f, "t", 1);
    unsigned other = outbox_world_publish(f, "t", 2);
    unsigned nobodys = outbox_world_publish(f, "t", 0);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, behind), 0);
    assert_int_equal(times_sent(f, other), 1);
    assert_int_equal(times_sent(f, nobodys), 1);
    assert_int_equal(outbox_held(f->outbox), 1);
    outbox_world_acknowledge(f, 1, 3, 0);

    f->now_ms = outbox_next_ms(f->outbox);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, bad), 2);
    assert_int_equal(times_sent(f, behind), 0);
    outbox_world_acknowledge(f, 3, 4, 0);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, behind), 1);
    outbox_world_acknowledge(f, 4, 5, 0);
    assert_int_equal(outbox_rows(f->outbox), 0);
}

static void one_row_is_tried_for_its_topic_and_frees_the_others(void **state) {
    struct outbox_world *f = *state;
    for (unsigned i = 0; i < 10; i++) {
        (void)outbox_world_publish(f, "bad", 0);
        outbox_world_send(f);
        outbox_world_acknowledge(f, 0, f->sent_count, REFUSED);
    }
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(outbox_refused(f->outbox), 10);
    f->now_ms = outbox_next_ms(f->outbox);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 2);
    outbox_world_acknowledge(f, 1, 2, 0); /* the broker is mended */
    outbox_world_drain(f);
    assert_int_equal(f->sent_count, 11);
}

static void a_refused_row_is_known_as_such_after_a_restart(void **state) {
    struct outbox_world *f = *state;
    (void)outbox_world_publish(f, "bad", 1);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, REFUSED);
    unsigned behind = outbox_world_publish(f, "t", 1);
    assert_false(outbox_wants_settle(f->outbox));
    outbox_world_close(f);
    outbox_world_open(f);
    outbox_world_turn(f, 3, 1);
    assert_int_equal(outbox_refused(f->outbox), 1);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, behind), 0);
}

static void outbox_blames_no_publish_for_what_went_out_before_it(void **state) {
    struct outbox_world *f = *state;
    (void)outbox_world_publish(f, "t", 1);
    for (unsigned i = 0; i < 10; i++) {
        outbox_beside(f->outbox);
        outbox_world_send(f);
        assert_false(outbox_world_disconnect(f));
    }
    assert_int_equal(outbox_refused(f->outbox), 0);
    outbox_world_send(f);
    outbox_beside(f->outbox);
    assert_true(outbox_world_disconnect(f)); /* it was the first the broker did not answer */
}

static void what_was_answered_beside_takes_no_blame(void **state) {
    struct outbox_world *f = *state;
    (void)outbox_world_publish(f, "t", 1);
    outbox_beside(f->outbox);
    outbox_beside_proven(f->outbox);
    outbox_world_send(f);
    assert_true(outbox_world_disconnect(f));
}

static void a_passing_refusal_is_tried_soon_and_keeps_the_owners_order(void **state) {
    struct outbox_world *f = *state;
    static const uint8_t passing[] = {0x80, 0x83, 0x97};
    unsigned first = outbox_world_publish(f, "t", 1);
    unsigned second = outbox_world_publish(f, "t", 1);
    for (size_t i = 0; i < sizeof passing; i++) {
        size_t from = f->sent_count;
        outbox_world_send(f);
        assert_true(f->sent_count > from);
        outbox_world_acknowledge(f, from, f->sent_count, passing[i]);
        assert_int_equal(outbox_refused(f->outbox), 0);
        assert_true(outbox_next_ms(f->outbox) <= f->now_ms + (1000 << i));
        f->now_ms = outbox_next_ms(f->outbox);
    }
    size_t from = f->sent_count;
    for (unsigned i = 0; i < 20 && outbox_rows(f->outbox) > 0; i++) {
        size_t sent = f->sent_count;
        outbox_world_send(f);
        outbox_world_acknowledge(f, sent, f->sent_count, 0);
        f->now_ms += 1000;
    }
    assert_int_equal(f->sent_count - from, 2);
    assert_int_equal(f->sent[from].number, first);
    assert_int_equal(f->sent[from + 1].number, second);
}

/* The broker answers what was sent by its topic: "bad" is always "unspecified error". How many good
 * ones it took. */
static unsigned answer_by_topic(struct outbox_world *f) {
    unsigned good = 0;
    for (size_t i = 0; i < f->sent_count; i++) {
        bool bad = strcmp(f->sent[i].topic, "bad") == 0;
        outbox_acknowledged(f->outbox, f->now_ms, f->sent[i].mid, bad ? 0x80 : 0);
        good += bad ? 0 : 1;
    }
    f->sent_count = 0;
    return good;
}

static unsigned play_s(struct outbox_world *f, unsigned seconds) {
    unsigned good = 0;
    for (unsigned i = 0; i < seconds; i++) {
        outbox_world_send(f);
        good += answer_by_topic(f);
        outbox_world_turn(f, 3, 0);
        f->now_ms += 1000;
    }
    return good;
}

static void a_refusal_that_does_not_pass_ends_as_any_other(void **state) {
    struct outbox_world *f = *state;
    (void)outbox_world_publish(f, "bad", 1);
    outbox_world_turn(f, 3, 1);
    assert_int_equal(play_s(f, 60), 1);
    assert_int_equal(outbox_refused(f->outbox), 0);
    (void)play_s(f, 600);
    assert_int_equal(outbox_refused(f->outbox), 1);
    assert_string_equal(outbox_refused_topic(f->outbox), "bad");
}

static void a_broker_that_takes_nothing_for_an_hour_costs_nothing(void **state) {
    struct outbox_world *f = *state;
    for (unsigned i = 0; i < 20; i++) {
        (void)outbox_world_publish(f, "bad", i);
    }
    (void)play_s(f, 3600);
    assert_int_equal(outbox_refused(f->outbox), 0);
    assert_int_equal(outbox_rows(f->outbox), 20);
}

/* Else each row of the topic would be tried alone, one after the other. */
static void a_passing_answer_to_one_that_is_tried_for_its_topic_counts_for_the_topic(void **state) {
    struct outbox_world *f = *state;
    for (unsigned i = 0; i < 50; i++) {
        (void)outbox_world_publish(f, "bad", 0);
    }
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, f->sent_count, REFUSED);
    outbox_world_turn(f, 3, 0);
    f->now_ms += 6000;
    f->sent_count = 0;
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 1);
    outbox_world_acknowledge(f, 0, 1, 0x97);
    assert_int_equal(outbox_refused(f->outbox), 50);
    outbox_world_turn(f, 3, 20);
    f->now_ms += 1000;
    f->sent_count = 0;
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 20);
    assert_string_equal(f->sent[0].topic, "t");
}

static void refusals_that_do_not_pass_stop_no_other(void **state) {
    struct outbox_world *f = *state;
    enum { GOOD = 500, BAD = OUTBOX_BLOCKED_MAX + OUTBOX_QUEUE_MAX };
    assert_int_equal(store_begin(f->store), 0);
    for (unsigned i = 0; i < BAD + GOOD; i++) {
        outbox_world_add_to(f, i % (BAD / GOOD) == 0 && i / (BAD / GOOD) < GOOD ? "t" : "bad", 0);
    }
    assert_int_equal(store_commit(f->store), 0);
    outbox_committed(f->outbox);
    assert_int_equal(play_s(f, 900), GOOD);
    assert_int_equal(outbox_refused(f->outbox), OUTBOX_BLOCKED_MAX);
}

static void what_people_ask_for_is_done_to_refused_publishes(void **state) {
    struct outbox_world *f = *state;
    static const struct uuid unknown = {{9}};
    struct uuid ids[2] = {{{0, 2, 1}}, {{0, 3, 1}}};
    (void)outbox_world_publish(f, "t", 0);
    (void)outbox_world_publish(f, "bad/1", 1);
    (void)outbox_world_publish(f, "bad/2", 2);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, 0);
    outbox_world_acknowledge(f, 1, 3, REFUSED);
    outbox_world_turn(f, 3, 0);
    assert_int_equal(outbox_retry(f->outbox, f->now_ms, &unknown), 0);
    assert_int_equal(outbox_retry(f->outbox, f->now_ms, &ids[0]), 1);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 4);
    assert_int_equal(f->sent[3].number, 1);
    assert_int_equal(store_begin(f->store), 0);
    assert_int_equal(outbox_discard(f->outbox, &unknown), ERR_NOTFOUND);
    assert_int_equal(outbox_discard(f->outbox, &ids[0]), ERR_BUSY);
    assert_int_equal(outbox_discard(f->outbox, &ids[1]), 0);
    assert_int_equal(store_commit(f->store), 0);
    outbox_world_acknowledge(f, 3, 4, 0);
    outbox_world_turn(f, 3, 0);
    assert_int_equal(outbox_rows(f->outbox), 0);
    assert_int_equal(outbox_world_rows_on_disk(f), 0);
}

static void outbox_takes_nothing_for_refused_when_connections_are_lost_by_themselves(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 50);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned k = 0; k < 3; k++) {
            size_t from = f->sent_count;
            outbox_world_send(f);
            outbox_world_acknowledge(f, from, f->sent_count, 0);
        }
        outbox_world_send(f);
        (void)outbox_world_disconnect(f);
        outbox_world_turn(f, 3, 20);
    }
    assert_int_equal(outbox_refused(f->outbox), 0);
}

static void outbox_counts_what_the_door_can_never_carry_as_refused(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 3, 2);
    f->publish_code = ERR_INVALID;
    outbox_world_send(f);
    assert_int_equal(outbox_refused(f->outbox), 2);
    assert_int_equal(outbox_rows(f->outbox), 2);
    f->publish_code = 0;
    outbox_world_turn(f, 3, 1);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 1);
    assert_int_equal(f->sent[0].number, 2);
    outbox_world_acknowledge(f, 0, 1, 0);
    outbox_world_turn(f, 3, 0);
    assert_int_equal(outbox_world_rows_on_disk(f), 2);
}

static void outbox_discards_the_oldest_refused_past_the_quota_and_counts_them(void **state) {
    struct outbox_world *f = *state;
    while (f->added < OUTBOX_BLOCKED_MAX + 500) {
        outbox_world_turn(f, 3, 500);
        size_t from = f->sent_count;
        outbox_world_send(f);
        outbox_world_acknowledge(f, from, f->sent_count, REFUSED);
    }
    for (unsigned i = 0; i < 10; i++) {
        outbox_world_send(f);
        outbox_world_turn(f, 3, 0);
    }
    assert_int_equal(outbox_refused(f->outbox), OUTBOX_BLOCKED_MAX);
    assert_int_equal(outbox_rows(f->outbox), OUTBOX_BLOCKED_MAX);
    assert_int_equal(outbox_discarded(f->outbox), f->added - OUTBOX_BLOCKED_MAX);
    assert_int_equal(outbox_world_rows_on_disk(f), OUTBOX_BLOCKED_MAX);
}

/* --- what takes the host down --- */

/* While it sends the publish with the number; and up again. */
static int go_down(struct outbox_world *f, unsigned number) {
    const struct uuid id = {{(uint8_t)((number + 1) >> 8), (uint8_t)(number + 1), 1}};
    assert_int_equal(store_begin(f->store), 0);
    int code = outbox_charge_crash(f->outbox, f->now_ms, &id);
    assert_int_equal(store_commit(f->store), 0);
    outbox_world_close(f);
    outbox_world_open(f);
    outbox_world_turn(f, 1, 0);
    return code;
}

static void what_took_the_host_down_is_tried_again_alone(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, 3);
    assert_int_equal(go_down(f, 1), 0);
    assert_int_equal(outbox_refused(f->outbox), 1);
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 2);
    assert_int_equal(times_sent(f, 1), 0);
    outbox_world_acknowledge(f, 0, 2, 0);
    f->now_ms = outbox_next_ms(f->outbox);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, 1), 1);
    outbox_world_acknowledge(f, 2, 3, 0);
    outbox_world_turn(f, 1, 0);
    assert_int_equal(outbox_world_rows_on_disk(f), 0);
}

static void what_took_the_host_down_waits_for_older_ones_of_its_owner(void **state) {
    struct outbox_world *f = *state;
    for (int i = 0; i < 3; i++) {
        (void)outbox_world_publish(f, "t", 7);
    }
    assert_int_equal(go_down(f, 2), 0);
    f->now_ms += 60000; /* there was no broker meanwhile */
    outbox_world_send(f);
    assert_int_equal(f->sent_count, 2);
    assert_int_equal(times_sent(f, 2), 0);
    outbox_world_acknowledge(f, 0, 2, 0);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, 2), 1);
}

static void what_took_the_host_down_twice_is_for_a_person(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, 2);
    assert_int_equal(go_down(f, 0), 0);
    assert_int_equal(go_down(f, 0), 0);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, 0);
    assert_int_equal(outbox_next_ms(f->outbox), INT64_MAX);
    f->now_ms += 3600000;
    outbox_world_send(f);
    assert_int_equal(times_sent(f, 0), 0);
    assert_int_equal(outbox_retry(f->outbox, f->now_ms, NULL), 1);
    outbox_world_send(f);
    assert_int_equal(times_sent(f, 0), 1);
}

static void what_the_broker_has_meanwhile_is_not_charged(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, 1);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, 0);
    outbox_world_turn(f, 1, 0);
    assert_int_equal(go_down(f, 0), ERR_NOTFOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(outbox_keeps_what_the_broker_refuses_and_tries_it_again_after_a_while),
        OUTBOX_TEST(outbox_finds_the_publish_that_costs_the_connection_and_lets_the_others_go),
        OUTBOX_TEST(outbox_lets_one_good_publish_past_forty_refused_ones),
        OUTBOX_TEST(outbox_tries_a_refused_one_with_nothing_else_in_flight),
        OUTBOX_TEST(a_refused_publish_holds_what_comes_after_it_of_its_owner_alone),
        OUTBOX_TEST(one_row_is_tried_for_its_topic_and_frees_the_others),
        OUTBOX_TEST(a_refused_row_is_known_as_such_after_a_restart),
        OUTBOX_TEST(outbox_blames_no_publish_for_what_went_out_before_it),
        OUTBOX_TEST(what_was_answered_beside_takes_no_blame),
        OUTBOX_TEST(a_passing_refusal_is_tried_soon_and_keeps_the_owners_order),
        OUTBOX_TEST(a_refusal_that_does_not_pass_ends_as_any_other),
        OUTBOX_TEST(a_broker_that_takes_nothing_for_an_hour_costs_nothing),
        OUTBOX_TEST(a_passing_answer_to_one_that_is_tried_for_its_topic_counts_for_the_topic),
        OUTBOX_TEST(refusals_that_do_not_pass_stop_no_other),
        OUTBOX_TEST(what_people_ask_for_is_done_to_refused_publishes),
        OUTBOX_TEST(outbox_takes_nothing_for_refused_when_connections_are_lost_by_themselves),
        OUTBOX_TEST(outbox_counts_what_the_door_can_never_carry_as_refused),
        OUTBOX_TEST(outbox_discards_the_oldest_refused_past_the_quota_and_counts_them),
        OUTBOX_TEST(what_took_the_host_down_is_tried_again_alone),
        OUTBOX_TEST(what_took_the_host_down_waits_for_older_ones_of_its_owner),
        OUTBOX_TEST(what_took_the_host_down_twice_is_for_a_person),
        OUTBOX_TEST(what_the_broker_has_meanwhile_is_not_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

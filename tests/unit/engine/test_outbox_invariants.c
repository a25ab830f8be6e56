/* test_outbox_invariants.c - docs/invariants.md: an outbox that contradicts itself ends the process. */
#include "aborts.h"
#include "test.h"
#include "engine/outbox_impl.h"
#include "outbox_world.h"

#include <stdlib.h>

/* INV-OUTBOX-1 */
static void one_number_for_two(void *ctx) {
    const struct outbox_world *f = ctx;
    outbox_flies(f->outbox, f->sent[0].mid, f->outbox->by_mid[f->sent[0].mid]);
}

static void a_number_that_none_is(void *ctx) {
    const struct outbox_world *f = ctx;
    outbox_flies(f->outbox, MQTT_PACKET_IDS, f->outbox->by_mid[f->sent[0].mid]);
}

static void a_packet_number_is_of_one_publish(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, 1);
    outbox_world_send(f);
    assert_aborts(one_number_for_two, f, "o->by_mid[mid] == NULL");
    assert_aborts(a_number_that_none_is, f, "mid < MQTT_PACKET_IDS");
}

/* INV-OUTBOX-2 */
static void one_more_than_the_window(void *ctx) {
    const struct outbox_world *f = ctx;
    f->outbox->in_flight = OUTBOX_WINDOW_MAX;
    outbox_flies(f->outbox, f->sent[0].mid + 1, f->outbox->by_mid[f->sent[0].mid]);
}

static void an_answer_to_nothing(void *ctx) {
    const struct outbox_world *f = ctx;
    (void)outbox_landed(f->outbox, f->sent[0].mid + 1);
}

static void an_answer_that_was_not_counted(void *ctx) {
    struct outbox_world *f = ctx;
    f->outbox->in_flight = 0;
    outbox_world_acknowledge(f, 0, 1, 0);
}

static void what_is_in_flight_is_counted_and_bounded(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, 1);
    outbox_world_send(f);
    assert_aborts(one_more_than_the_window, f, "o->in_flight < OUTBOX_WINDOW_MAX");
    assert_aborts(an_answer_to_nothing, f, "item != NULL");
    assert_aborts(an_answer_that_was_not_counted, f, "o->in_flight > 0");
}

/* INV-OUTBOX-3 */
static void block_twice(void *ctx) {
    const struct outbox_world *f = ctx;
    blocked_add(&f->outbox->blocked, TAILQ_FIRST(&f->outbox->blocked.items), ITEM_HELD);
}

static void move_what_is_not_blocked(void *ctx) {
    const struct outbox_world *f = ctx;
    TAILQ_FIRST(&f->outbox->blocked.items)->state = ITEM_CLEAN;
    blocked_move(&f->outbox->blocked, TAILQ_FIRST(&f->outbox->blocked.items), ITEM_HELD);
}

static void land_what_does_not_fly(void *ctx) {
    const struct outbox_world *f = ctx;
    blocked_out(&f->outbox->blocked, TAILQ_FIRST(&f->outbox->blocked.items), false);
}

static void remove_what_flies(void *ctx) {
    const struct outbox_world *f = ctx;
    TAILQ_FIRST(&f->outbox->blocked.items)->out = true;
    blocked_remove(&f->outbox->blocked, TAILQ_FIRST(&f->outbox->blocked.items));
}

static void refuse_one(struct outbox_world *f) {
    (void)outbox_world_publish(f, "t", 1);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, REFUSED);
    assert_int_equal(outbox_refused(f->outbox), 1);
}

static void a_row_is_blocked_once_and_for_one_reason(void **state) {
    struct outbox_world *f = *state;
    refuse_one(f);
    assert_aborts(block_twice, f, "item->state == ITEM_CLEAN");
    assert_aborts(move_what_is_not_blocked, f, "item->state != ITEM_CLEAN");
    assert_aborts(land_what_does_not_fly, f, "item->out != out");
    assert_aborts(remove_what_flies, f, "!item->out");
}

/* INV-OUTBOX-4 */
static void count_what_does_not_fly(void *ctx) {
    const struct outbox_world *f = ctx;
    f->outbox->blocked.out = 1;
    (void)outbox_rows(f->outbox);
}

static void remove_more_than_there_is(void *ctx) {
    const struct outbox_world *f = ctx;
    f->outbox->blocked.bytes = 0;
    blocked_remove(&f->outbox->blocked, TAILQ_FIRST(&f->outbox->blocked.items));
}

static void what_is_blocked_is_counted(void **state) {
    struct outbox_world *f = *state;
    refuse_one(f);
    assert_aborts(count_what_does_not_fly, f, "o->blocked.out <= o->in_flight");
    assert_aborts(remove_more_than_there_is, f, "b->bytes >= item->bytes");
}

/* INV-OUTBOX-5 */
static void delete_what_was_refused(void *ctx) {
    struct outbox_world *f = ctx;
    TAILQ_FIRST(&f->outbox->acked.items)->state = ITEM_REFUSED;
    outbox_world_turn(f, 1, 0);
}

static void a_row_goes_once_the_broker_took_it(void **state) {
    struct outbox_world *f = *state;
    outbox_world_turn(f, 1, 1);
    outbox_world_send(f);
    outbox_world_acknowledge(f, 0, 1, 0);
    assert_aborts(delete_what_was_refused, f, "item->state == ITEM_CLEAN");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OUTBOX_TEST(a_packet_number_is_of_one_publish),
        OUTBOX_TEST(what_is_in_flight_is_counted_and_bounded),
        OUTBOX_TEST(a_row_is_blocked_once_and_for_one_reason),
        OUTBOX_TEST(what_is_blocked_is_counted),
        OUTBOX_TEST(a_row_goes_once_the_broker_took_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

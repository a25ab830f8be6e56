/* test_booking.c - seat_lock.lua: every way a booking can go. */
#include "shop.h"

#include "base/json.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int seats_open(void **state) {
    *state = shop_open("seat_lock.lua", NULL, NULL);
    return 0;
}

static void a_free_seat_is_held_for_a_valid_request(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/seat-locked ", "\"hold_until\":1700000600");
    expect(shop, 0, "publish booking/seat-locked ", "\"email\":\"ada@example.org\"");
    assert_int_equal(shop->w->lock_count, 1);
    assert_int_equal(shop->w->locks[0].expires_ms, shop->w->now_ms + HOLD_MS);
}

static void a_held_seat_is_refused_to_others_only(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    say(shop, "booking/request", "{" OTHER "}");
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/rejected/b-2 ", "\"reason\":\"seat taken\"");
    say(shop, "booking/request", "{" REQUEST "}");
    assert_int_equal(shop->line_count, 0);
}

static void a_payment_sells_the_seat_once(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    say(shop, "booking/paid", "{" HELD ",\"charge_id\":\"ch_1\"}");
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "publish booking/confirmed/b-1 ", "\"charge_id\":\"ch_1\"");
    expect(shop, 1, "publish booking/sold ", "\"email\":\"ada@example.org\"");
    assert_int_equal(shop->w->lock_count, 0);
    say(shop, "booking/paid", "{" HELD ",\"charge_id\":\"ch_1\"}");
    assert_int_equal(shop->line_count, 0);
    say(shop, "booking/request", "{" OTHER "}");
    expect(shop, 0, "publish booking/rejected/b-2 ", "\"reason\":\"seat taken\"");
}

static void a_failed_payment_frees_the_seat(void **state) {
    struct shop *shop = *state;
    static const char *const reasons[][2] = {{"payment declined", "payment declined"},
                                             {"payment failed", "payment failed"},
                                             {"nonsense", "payment failed"}};
    for (size_t i = 0; i < 3; i++) {
        char payload[512];
        char answer[64];
        forget_state(shop->w);
        say(shop, "booking/request", "{" REQUEST "}");
        (void)snprintf(payload, sizeof payload, "{" HELD ",\"reason\":\"%s\"}", reasons[i][0]);
        (void)snprintf(answer, sizeof answer, "\"reason\":\"%s\"", reasons[i][1]);
        say(shop, "booking/payment-failed", payload);
        assert_int_equal(shop->line_count, 1);
        expect(shop, 0, "publish booking/rejected/b-1 ", answer);
        assert_int_equal(shop->w->lock_count, 0);
    }
}

static void expire_hold(struct shop *shop) {
    struct event *event =
        world_event(shop->w, "zingq/lock-expired",
                    "{\"name\":\"A1\",\"owner\":\"b-1\",\"expires_ms\":1,\"data\":{" REQUEST "}}");
    event->kind = EVENT_LOCK_EXPIRED;
    remove_lock(shop->w, slice_of("A1"));
    (void)world_run_event(shop->w, RUN_EVENT, NULL);
    shop_settle(shop);
}

static void a_hold_that_runs_out_is_a_dead_letter_and_a_rejection(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    expire_hold(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "dead hold expired ", "\"booking_id\":\"b-1\"");
    expect(shop, 1, "publish booking/rejected/b-1 ", "\"reason\":\"hold expired\"");
    say(shop, "booking/request", "{" OTHER "}");
    expect(shop, 0, "publish booking/seat-locked ", "\"b-2\"");
}

static void a_payment_after_the_hold_ran_out_is_refunded(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    expire_hold(shop);
    say(shop, "booking/request", "{" OTHER "}");
    say(shop, "booking/paid", "{" HELD ",\"charge_id\":\"ch_1\"}");
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/refund ", "\"charge_id\":\"ch_1\"");
    expect(shop, 0, "publish booking/refund ", "\"reason\":\"hold expired\"");
    assert_string_equal(shop->w->locks[0].owner, "b-2");
}

static void a_failure_after_the_hold_ran_out_is_no_second_answer(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    expire_hold(shop);
    say(shop, "booking/payment-failed", "{" HELD ",\"reason\":\"payment failed\"}");
    assert_int_equal(shop->line_count, 0);
}

static void payments_may_see_first_that_the_hold_ran_out(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{" REQUEST "}");
    say(shop, "booking/payment-failed", "{" HELD ",\"reason\":\"hold expired\"}");
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "dead hold expired ", "b-1");
    expect(shop, 1, "publish booking/rejected/b-1 ", "hold expired");
    assert_int_equal(shop->w->lock_count, 0);
}

static void a_cancellation_frees_a_held_seat_and_its_payment_goes_back(void **state) {
    struct shop *shop = *state;
    const char *cancel = "{\"booking_id\":\"b-1\",\"event_id\":\"jazz\",\"seat\":\"A1\"}";
    say(shop, "booking/request", "{" REQUEST "}");
    say(shop, "booking/cancel", cancel);
    expect(shop, 0, "publish booking/rejected/b-1 ", "\"reason\":\"cancelled\"");
    assert_int_equal(shop->w->lock_count, 0);
    say(shop, "booking/paid", "{" HELD ",\"charge_id\":\"ch_1\"}");
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/refund ", "\"reason\":\"cancelled\"");
}

static void a_cancellation_changes_nothing_for_others_or_once_sold(void **state) {
    struct shop *shop = *state;
    const char *cancel = "{\"booking_id\":\"b-1\",\"event_id\":\"jazz\",\"seat\":\"A1\"}";
    say(shop, "booking/cancel", cancel);
    assert_int_equal(shop->line_count, 0);
    say(shop, "booking/request", "{" OTHER "}");
    say(shop, "booking/cancel", cancel);
    assert_int_equal(shop->line_count, 0);
    assert_string_equal(shop->w->locks[0].owner, "b-2");
    say(shop, "booking/paid", "{" OTHER ",\"charge_id\":\"ch_2\"}");
    say(shop, "booking/cancel", "{\"booking_id\":\"b-2\",\"event_id\":\"jazz\",\"seat\":\"A1\"}");
    assert_int_equal(shop->line_count, 0);
}

static void an_invalid_request_is_answered_so(void **state) {
    struct shop *shop = *state;
    say(shop, "booking/request", "{\"booking_id\":7,\"event_id\":\"jazz\",\"seat\":5}");
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/rejected/7 ", "\"reason\":\"invalid\"");
    assert_int_equal(shop->w->lock_count, 0);
}

static void every_field_of_a_request_is_looked_at(void **state) {
    struct shop *shop = *state;
    static const char *const rows[] = {
        "\"seat\":\"\"", "\"user\":3",          "\"email\":\"nobody\"", "\"amount\":42.5",
        "\"amount\":-1", "\"amount\":\"4200\"", "\"currency\":\"e\"",   "\"currency\":\"eu\\n\""};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *request = json_read(slice_of("{" REQUEST "}"), "text", NULL);
        char field[64];
        (void)snprintf(field, sizeof field, "{%s}", rows[i]);
        json_t *change = json_read(slice_of(field), "text", NULL);
        assert_int_equal(json_object_update(request, change), 0);
        char *text = json_dumps(request);
        forget_state(shop->w);
        say(shop, "booking/request", text);
        expect(shop, 0, "publish booking/rejected/b-1 ", "\"reason\":\"invalid\"");
        free(text);
        json_decref(change);
        json_decref(request);
    }
}

static void a_request_that_cannot_be_answered_is_a_dead_letter(void **state) {
    struct shop *shop = *state;
    static const char *const rows[] = {"{\"event_id\":\"jazz\"}",
                                       "[1]",
                                       "7",
                                       "{\"booking_id\":\"a/b\"}",
                                       "{\"booking_id\":\"#\"}",
                                       "{\"booking_id\":null}",
                                       "{\"booking_id\":1.5}"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(start(shop, "booking/request", rows[i])->outcome, OUTCOME_REJECT);
    }
    assert_int_equal(start(shop, "booking/paid", "{" HELD "}")->outcome, OUTCOME_REJECT);
    assert_int_equal(start(shop, "booking/cancel", "{}")->outcome, OUTCOME_REJECT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, seats_open, shop_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_free_seat_is_held_for_a_valid_request),
        TEST(a_held_seat_is_refused_to_others_only),
        TEST(a_payment_sells_the_seat_once),
        TEST(a_failed_payment_frees_the_seat),
        TEST(a_hold_that_runs_out_is_a_dead_letter_and_a_rejection),
        TEST(a_payment_after_the_hold_ran_out_is_refunded),
        TEST(a_failure_after_the_hold_ran_out_is_no_second_answer),
        TEST(payments_may_see_first_that_the_hold_ran_out),
        TEST(a_cancellation_frees_a_held_seat_and_its_payment_goes_back),
        TEST(a_cancellation_changes_nothing_for_others_or_once_sold),
        TEST(an_invalid_request_is_answered_so),
        TEST(every_field_of_a_request_is_looked_at),
        TEST(a_request_that_cannot_be_answered_is_a_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

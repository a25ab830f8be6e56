/* test_booking_pay.c - payment.lua, and the policies beside it, retry.lua and dlq.lua. */
#include "shop.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int payments_open(void **state) {
    *state = shop_open("payment.lua", "retry.lua", "dlq.lua");
    return 0;
}

static void a_held_seat_is_charged_under_the_bookings_key(void **state) {
    struct shop *shop = *state;
    assert_int_equal(start(shop, "booking/seat-locked", "{" HELD "}")->outcome, OUTCOME_CALL);
    assert_true(asks_for(shop, "http://pay/v1/charges"));
    assert_true(asks_for(shop, "Idempotency-Key: charge-b-1"));
    assert_true(asks_for(shop, "amount=4200&currency=eur&metadata%5Bbooking_id%5D=b-1&source=ada"));
    world_answer(shop->w, 200, "", "{\"id\":\"ch_1\",\"status\":\"succeeded\"}");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/paid ", "\"charge_id\":\"ch_1\"");
    expect(shop, 0, "publish booking/paid ", "\"seat\":\"A1\"");
}

static void a_decline_is_final(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/seat-locked", "{" HELD "}");
    world_answer(shop->w, 402, "", "{\"error\":{\"code\":\"card_declined\"}}");
    shop_settle(shop);
    expect(shop, 0, "publish booking/payment-failed ", "\"reason\":\"payment declined\"");
}

static void what_may_have_happened_is_tried_again(void **state) {
    struct shop *shop = *state;
    static const long statuses[] = {500, 503, 409, 408};
    for (size_t i = 0; i < 4; i++) {
        (void)start(shop, "booking/seat-locked", "{" HELD "}");
        world_answer(shop->w, statuses[i], "", "");
        assert_int_equal(shop->w->run->outcome, OUTCOME_ERROR);
    }
    (void)start(shop, "booking/seat-locked", "{" HELD "}");
    world_fail_call(shop->w, ERR_TIMEOUT, true, "timed out");
    assert_int_equal(shop->w->run->outcome, OUTCOME_ERROR);
    (void)start(shop, "booking/seat-locked", "{" HELD "}");
    world_answer(shop->w, 200, "", "{\"status\":\"pending\"}");
    assert_int_equal(shop->w->run->outcome, OUTCOME_ERROR);
}

static void too_many_requests_slow_the_service_down(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/seat-locked", "{" HELD "}");
    world_answer(shop->w, 429, "retry-after: 7\n", "");
    assert_int_equal(shop->w->run->outcome, OUTCOME_THROTTLE);
    assert_int_equal(shop->w->run->after_ms, 7000);
}

static void a_request_that_is_wrong_is_a_dead_letter(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/seat-locked", "{" HELD "}");
    world_answer(shop->w, 401, "", "no such account");
    assert_int_equal(shop->w->run->outcome, OUTCOME_REJECT);
    assert_non_null(strstr(world_error(shop->w), "refused the charge: 401 no such account"));
    assert_int_equal(start(shop, "booking/seat-locked", "[]")->outcome, OUTCOME_REJECT);
}

static void nothing_is_charged_once_the_hold_ran_out(void **state) {
    struct shop *shop = *state;
    shop->w->now_ms += HOLD_MS;
    say(shop, "booking/seat-locked", "{" HELD "}");
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/payment-failed ", "\"reason\":\"hold expired\"");
}

static void a_later_try_looks_for_a_charge_of_an_earlier_one(void **state) {
    struct shop *shop = *state;
    shop->w->now_ms += HOLD_MS;
    world_event(shop->w, "booking/seat-locked", "{" HELD "}")->attempts = 2;
    (void)world_run_event(shop->w, RUN_EVENT, NULL);
    shop_settle(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "later booking/charge-unknown ", "b-1");
    expect(shop, 1, "publish booking/payment-failed ", "\"reason\":\"hold expired\"");
}

static void a_payment_that_died_is_answered_and_looked_after(void **state) {
    struct shop *shop = *state;
    (void)world_event(shop->w, "booking/seat-locked", "{" HELD "}");
    (void)world_run_event(shop->w, RUN_ON_DEAD, "gave up");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "publish booking/payment-failed ", "\"reason\":\"payment failed\"");
    expect(shop, 1, "later booking/charge-unknown ", "b-1");
    static const char *const silent[][2] = {{"booking/refund", "{" HELD "}"},
                                            {"booking/seat-locked", "not JSON"}};
    for (size_t i = 0; i < 2; i++) {
        (void)world_event(shop->w, silent[i][0], silent[i][1]);
        (void)world_run_event(shop->w, RUN_ON_DEAD, "gave up");
        shop_settle(shop);
        assert_int_equal(shop->line_count, 0);
    }
}

static void a_charge_that_is_found_is_given_back(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/charge-unknown", "{" HELD "}");
    assert_true(asks_for(shop, "/v1/charges/search?query=metadata%5B%27booking_id%27%5D%3A%27b-1"));
    world_answer(shop->w, 200, "",
                 "{\"data\":[{\"id\":\"ch_0\",\"status\":\"succeeded\",\"refunded\":true},"
                 "{\"id\":\"ch_1\",\"status\":\"succeeded\",\"refunded\":false}]}");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/refund ", "\"charge_id\":\"ch_1\"");
    (void)start(shop, "booking/charge-unknown", "{" HELD "}");
    world_answer(shop->w, 200, "", "{\"data\":[]}");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 0);
}

static void a_gateway_that_cannot_search_is_asked_under_the_old_key(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/charge-unknown", "{" HELD "}");
    world_answer(shop->w, 404, "", "");
    assert_int_equal(shop->w->run->outcome, OUTCOME_CALL);
    assert_true(asks_for(shop, "Idempotency-Key: charge-b-1"));
    world_answer(shop->w, 200, "", "{\"id\":\"ch_1\",\"status\":\"succeeded\"}");
    shop_settle(shop);
    expect(shop, 0, "publish booking/refund ", "\"charge_id\":\"ch_1\"");
}

static void a_refund_is_made_once(void **state) {
    struct shop *shop = *state;
    const char *refund = "{" HELD ",\"charge_id\":\"ch_1\",\"reason\":\"cancelled\"}";
    (void)start(shop, "booking/refund", refund);
    assert_true(asks_for(shop, "http://pay/v1/refunds"));
    assert_true(asks_for(shop, "Idempotency-Key: refund-b-1"));
    assert_true(asks_for(shop, "charge=ch_1"));
    world_answer(shop->w, 200, "", "{\"id\":\"re_1\",\"status\":\"succeeded\"}");
    shop_settle(shop);
    (void)start(shop, "booking/refund", refund);
    world_answer(shop->w, 400, "", "{\"error\":{\"code\":\"charge_already_refunded\"}}");
    shop_settle(shop);
    (void)start(shop, "booking/refund", refund);
    world_answer(shop->w, 404, "", "{}");
    assert_int_equal(shop->w->run->outcome, OUTCOME_REJECT);
}

static struct retry_verdict verdict_of(struct shop *shop, const char *topic, uint32_t attempts) {
    struct retry_verdict verdict;
    struct report r = {""};
    struct event *event = world_event(shop->w, topic, "{}");
    event->attempts = attempts;
    int code = run_retry_policy(shop->w->host, 0, event, "it broke", &shop->w->view, &verdict, &r);
    assert_string_equal(r.text, "");
    assert_int_equal(code, 0);
    return verdict;
}

static void retries_grow_and_end(void **state) {
    struct shop *shop = *state;
    struct retry_verdict v = verdict_of(shop, "booking/seat-locked", 1);
    assert_in_range(v.after_ms, 800, 1200);
    v = verdict_of(shop, "booking/seat-locked", 5);
    assert_in_range(v.after_ms, 12800, 19200);
    v = verdict_of(shop, "booking/seat-locked", 6);
    assert_true(v.dead);
    assert_string_equal(v.reason, "gave up after 6 tries: it broke");
    v = verdict_of(shop, "booking/refund", 399);
    assert_in_range(v.after_ms, 240000, 360000);
    assert_true(verdict_of(shop, "some/topic", 4).dead);
}

static void a_dead_letter_leaves_a_line(void **state) {
    struct shop *shop = *state;
    (void)world_event(shop->w, "booking/refund", "{" HELD "}");
    (void)world_run_event(shop->w, RUN_DEAD_POLICY, "gave up\nstack traceback: ...");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "append dead-letters-svc.log 2023-11-14T22:13:20Z svc booking/refund key=k1",
           ": gave up");
    assert_null(strstr(shop->lines[0], "traceback"));
}

static void a_refund_that_died_is_told_to_the_shop(void **state) {
    struct shop *shop = *state;
    shop->w->vars[3] = (struct var_conf){"alert_to", "boss@example.org", false};
    script_host_free(shop->w->host);
    shop->w->host = NULL;
    assert_int_equal(world_load(shop->w), 0);
    (void)world_event(shop->w, "booking/refund", "{" HELD "}");
    (void)world_run_event(shop->w, RUN_DEAD_POLICY, "gave up");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 1, "publish email/send ", "\"to\":\"boss@example.org\"");
    (void)world_event(shop->w, "email/send", "{}");
    (void)world_run_event(shop->w, RUN_DEAD_POLICY, "gave up");
    shop_settle(shop);
    assert_int_equal(shop->line_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, payments_open, shop_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_held_seat_is_charged_under_the_bookings_key),
        TEST(a_decline_is_final),
        TEST(what_may_have_happened_is_tried_again),
        TEST(too_many_requests_slow_the_service_down),
        TEST(a_request_that_is_wrong_is_a_dead_letter),
        TEST(nothing_is_charged_once_the_hold_ran_out),
        TEST(a_later_try_looks_for_a_charge_of_an_earlier_one),
        TEST(a_payment_that_died_is_answered_and_looked_after),
        TEST(a_charge_that_is_found_is_given_back),
        TEST(a_gateway_that_cannot_search_is_asked_under_the_old_key),
        TEST(a_refund_is_made_once),
        TEST(retries_grow_and_end),
        TEST(a_dead_letter_leaves_a_line),
        TEST(a_refund_that_died_is_told_to_the_shop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_booking.c - the scripts that ship: every way a booking, a payment, a mail can go. Events are
 * fed one by one; effects are applied to the world's state and locks, publishes are looked at. */
#include "lua_world.h"
#include "value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { LINES_MAX = 8, HOLD_MS = 600000 };

#define REQUEST                                                                                    \
    "\"booking_id\":\"b-1\",\"event_id\":\"jazz\",\"seat\":\"A1\",\"user\":\"ada\","               \
    "\"email\":\"ada@example.org\",\"amount\":4200,\"currency\":\"eur\""
#define OTHER                                                                                      \
    "\"booking_id\":\"b-2\",\"event_id\":\"jazz\",\"seat\":\"A1\",\"user\":\"bob\","               \
    "\"email\":\"bob@example.org\",\"amount\":4200,\"currency\":\"eur\""
#define HELD REQUEST ",\"hold_until\":1700000600.0"

/* A world with one of the scripts, and what the last event led to, a line each. */
struct shop {
    struct lua_world *w;
    char lines[LINES_MAX][1024];
    size_t line_count;
};

static struct shop *shop_open(const char *handler, const char *retry, const char *dead_letter) {
    struct shop *shop = calloc(1, sizeof *shop);
    assert_non_null(shop);
    shop->w = world_new_unloaded("return function() end");
    shop->w->conf.scripts_dir = (char *)(uintptr_t)TESTS_DIR "/../scripts";
    shop->w->service.handler = (char *)(uintptr_t)handler;
    shop->w->service.retry = (char *)(uintptr_t)retry;
    shop->w->service.dead_letter = (char *)(uintptr_t)dead_letter;
    shop->w->vars[1] = (struct var_conf){"gateway_url", "http://pay", false};
    if (world_load(shop->w) != 0) {
        print_error("%s\n", shop->w->report.text);
        fail();
    }
    return shop;
}

static void shop_close(struct shop *shop) {
    world_free(shop->w);
    free(shop);
}

static void remove_lock(struct lua_world *w, struct slice name) {
    for (size_t i = 0; i < w->lock_count; i++) {
        if (slice_is(name, w->locks[i].name)) {
            struct buf gone = w->locks[i].value;
            w->locks[i] = w->locks[--w->lock_count];
            w->locks[w->lock_count].value = (struct buf){0};
            buf_clear(&gone);
            return;
        }
    }
}

static void forget_state(struct lua_world *w) {
    while (w->state_count > 0) {
        buf_clear(&w->state[--w->state_count].value);
    }
}

/* The effect as a line: "publish TOPIC PAYLOAD", "dead REASON PAYLOAD", "append FILE LINE". */
static void note(struct shop *shop, const char *kind, struct slice what, struct slice value) {
    assert_true(shop->line_count < LINES_MAX);
    (void)snprintf(shop->lines[shop->line_count++], sizeof shop->lines[0], "%s %.*s %.*s", kind,
                   (int)what.len, what.data, (int)value.len, value.data);
}

static void apply(struct shop *shop, const struct effect *effect) {
    struct buf json;
    buf_init(&json, 1 << 16);
    switch (effect->kind) {
    case EFFECT_PUBLISH:
        note(shop, effect->due_ms > 0 ? "later" : "publish", effect->name, effect->value);
        break;
    case EFFECT_DEAD_LETTER:
        note(shop, "dead", effect->owner, effect->value);
        break;
    case EFFECT_APPEND:
        note(shop, "append", effect->name, effect->value);
        break;
    case EFFECT_STATE_SET:
        assert_int_equal(value_to_json(effect->value, &json), 0);
        world_set(shop->w, effect->name.data, buf_str(&json));
        break;
    case EFFECT_LOCK:
        buf_add_slice(&json, effect->value);
        world_lock(shop->w, effect->name.data, effect->owner.data, effect->due_ms, buf_str(&json));
        break;
    case EFFECT_UNLOCK:
        remove_lock(shop->w, effect->name);
        break;
    case EFFECT_STATE_DELETE:
    case EFFECT_STATE_INCR:
        fail_msg("the scripts do not do this");
    }
    buf_clear(&json);
}

/* The run is over: it must have returned. */
static void settle(struct shop *shop) {
    struct run *run = shop->w->run;
    if (run->outcome != OUTCOME_DONE) {
        print_error("outcome %d: %s\n", (int)run->outcome, world_error(shop->w));
    }
    assert_int_equal(run->outcome, OUTCOME_DONE);
    shop->line_count = 0;
    for (size_t i = 0; i < run->effects.count; i++) {
        apply(shop, &run->effects.items[i]);
    }
}

static struct run *start(struct shop *shop, const char *topic, const char *payload) {
    (void)world_event(shop->w, topic, payload);
    return world_run_event(shop->w, RUN_EVENT, NULL);
}

static void say(struct shop *shop, const char *topic, const char *payload) {
    (void)start(shop, topic, payload);
    settle(shop);
}

static void expect(const struct shop *shop, size_t line, const char *begins, const char *contains) {
    assert_true(line < shop->line_count);
    const char *text = shop->lines[line];
    if (strncmp(text, begins, strlen(begins)) != 0 || strstr(text, contains) == NULL) {
        print_error("line %zu is: %s\n", line, text);
        fail();
    }
}

/* ---- seats ---- */

static int seats_open(void **state) {
    *state = shop_open("seat_lock.lua", NULL, NULL);
    return 0;
}

static int close_shop(void **state) {
    shop_close(*state);
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
    settle(shop);
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
        json_t *request = json_loads("{" REQUEST "}", 0, NULL);
        char field[64];
        (void)snprintf(field, sizeof field, "{%s}", rows[i]);
        json_t *change = json_loads(field, 0, NULL);
        assert_int_equal(json_object_update(request, change), 0);
        char *text = json_dumps(request, 0);
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

/* ---- payments ---- */

static int payments_open(void **state) {
    *state = shop_open("payment.lua", "retry.lua", "dlq.lua");
    return 0;
}

static bool asks_for(const struct shop *shop, const char *text) {
    const struct call_request *request = shop->w->run->request;
    for (size_t i = 0; i < request->header_count; i++) {
        if (strstr(request->headers[i], text) != NULL) {
            return true;
        }
    }
    return strstr(request->url, text) != NULL ||
           (request->body != NULL && strstr(request->body, text) != NULL);
}

static void a_held_seat_is_charged_under_the_bookings_key(void **state) {
    struct shop *shop = *state;
    assert_int_equal(start(shop, "booking/seat-locked", "{" HELD "}")->outcome, OUTCOME_CALL);
    assert_true(asks_for(shop, "http://pay/v1/charges"));
    assert_true(asks_for(shop, "Idempotency-Key: charge-b-1"));
    assert_true(asks_for(shop, "amount=4200&currency=eur&metadata%5Bbooking_id%5D=b-1&source=ada"));
    world_answer(shop->w, 200, "", "{\"id\":\"ch_1\",\"status\":\"succeeded\"}");
    settle(shop);
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/paid ", "\"charge_id\":\"ch_1\"");
    expect(shop, 0, "publish booking/paid ", "\"seat\":\"A1\"");
}

static void a_decline_is_final(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/seat-locked", "{" HELD "}");
    world_answer(shop->w, 402, "", "{\"error\":{\"code\":\"card_declined\"}}");
    settle(shop);
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
    settle(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "later booking/charge-unknown ", "b-1");
    expect(shop, 1, "publish booking/payment-failed ", "\"reason\":\"hold expired\"");
}

static void a_payment_that_died_is_answered_and_looked_after(void **state) {
    struct shop *shop = *state;
    (void)world_event(shop->w, "booking/seat-locked", "{" HELD "}");
    (void)world_run_event(shop->w, RUN_ON_DEAD, "gave up");
    settle(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 0, "publish booking/payment-failed ", "\"reason\":\"payment failed\"");
    expect(shop, 1, "later booking/charge-unknown ", "b-1");
    static const char *const silent[][2] = {{"booking/refund", "{" HELD "}"},
                                            {"booking/seat-locked", "not JSON"}};
    for (size_t i = 0; i < 2; i++) {
        (void)world_event(shop->w, silent[i][0], silent[i][1]);
        (void)world_run_event(shop->w, RUN_ON_DEAD, "gave up");
        settle(shop);
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
    settle(shop);
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "publish booking/refund ", "\"charge_id\":\"ch_1\"");
    (void)start(shop, "booking/charge-unknown", "{" HELD "}");
    world_answer(shop->w, 200, "", "{\"data\":[]}");
    settle(shop);
    assert_int_equal(shop->line_count, 0);
}

static void a_gateway_that_cannot_search_is_asked_under_the_old_key(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/charge-unknown", "{" HELD "}");
    world_answer(shop->w, 404, "", "");
    assert_int_equal(shop->w->run->outcome, OUTCOME_CALL);
    assert_true(asks_for(shop, "Idempotency-Key: charge-b-1"));
    world_answer(shop->w, 200, "", "{\"id\":\"ch_1\",\"status\":\"succeeded\"}");
    settle(shop);
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
    settle(shop);
    (void)start(shop, "booking/refund", refund);
    world_answer(shop->w, 400, "", "{\"error\":{\"code\":\"charge_already_refunded\"}}");
    settle(shop);
    (void)start(shop, "booking/refund", refund);
    world_answer(shop->w, 404, "", "{}");
    assert_int_equal(shop->w->run->outcome, OUTCOME_REJECT);
}

/* ---- emails ---- */

static int emails_open(void **state) {
    *state = shop_open("email.lua", "retry.lua", "dlq.lua");
    return 0;
}

static void a_sold_seat_is_confirmed_by_mail(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "booking/sold", "{" REQUEST ",\"charge_id\":\"ch_1\"}");
    assert_int_equal(shop->w->run->outcome, OUTCOME_CALL);
    const struct call_request *request = shop->w->run->request;
    assert_string_equal(request->mail_to[0], "ada@example.org");
    assert_non_null(strstr(request->body, "42.00 EUR"));
    assert_non_null(strstr(request->body, "Subject: Your ticket: seat A1"));
    world_answer(shop->w, 250, "", "");
    settle(shop);
}

static void money_has_the_digits_of_its_currency(void **state) {
    struct shop *shop = *state;
    static const char *const rows[][3] = {{"4205", "usd", "42.05 USD"},
                                          {"5", "EUR", "0.05 EUR"},
                                          {"4200", "jpy", "4200 JPY"},
                                          {"4200", "kwd", "4.200 KWD"}};
    for (size_t i = 0; i < 4; i++) {
        char payload[512];
        (void)snprintf(
            payload, sizeof payload,
            "{\"booking_id\":\"b\",\"event_id\":\"e\",\"seat\":\"A\",\"user\":\"u\","
            "\"email\":\"u@x.org\",\"charge_id\":\"c\",\"amount\":%s,\"currency\":\"%s\"}",
            rows[i][0], rows[i][1]);
        (void)start(shop, "booking/sold", payload);
        assert_non_null(strstr(shop->w->run->request->body, rows[i][2]));
        world_answer(shop->w, 250, "", "");
    }
}

static void a_mail_for_anyone_is_checked_and_sent(void **state) {
    struct shop *shop = *state;
    (void)start(shop, "email/send",
                "{\"to\":\"a@b.org\",\"subject\":\"Hi\",\"text\":\"x\",\"html\":null}");
    assert_int_equal(shop->w->run->outcome, OUTCOME_CALL);
    static const char *const rows[] = {"[]",
                                       "{\"subject\":\"Hi\"}",
                                       "{\"to\":\"a@b.org\"}",
                                       "{\"to\":\"nobody\",\"subject\":\"Hi\"}",
                                       "{\"to\":7,\"subject\":\"Hi\"}",
                                       "{\"to\":\"a@b.org\\r\\nBcc: c@d\",\"subject\":\"Hi\"}",
                                       "{\"to\":\"a@b.org\",\"subject\":\"Hi\",\"text\":{}}"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(start(shop, "email/send", rows[i])->outcome, OUTCOME_REJECT);
    }
}

/* ---- policies ---- */

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
    settle(shop);
    assert_int_equal(shop->line_count, 1);
    expect(shop, 0, "append dead-letters.log 2023-11-14T22:13:20Z svc booking/refund key=k1",
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
    settle(shop);
    assert_int_equal(shop->line_count, 2);
    expect(shop, 1, "publish email/send ", "\"to\":\"boss@example.org\"");
    (void)world_event(shop->w, "email/send", "{}");
    (void)world_run_event(shop->w, RUN_DEAD_POLICY, "gave up");
    settle(shop);
    assert_int_equal(shop->line_count, 1);
}

#define SEATS(name) cmocka_unit_test_setup_teardown(name, seats_open, close_shop)
#define PAYMENTS(name) cmocka_unit_test_setup_teardown(name, payments_open, close_shop)
#define EMAILS(name) cmocka_unit_test_setup_teardown(name, emails_open, close_shop)

int main(void) {
    const struct CMUnitTest tests[] = {
        SEATS(a_free_seat_is_held_for_a_valid_request),
        SEATS(a_held_seat_is_refused_to_others_only),
        SEATS(a_payment_sells_the_seat_once),
        SEATS(a_failed_payment_frees_the_seat),
        SEATS(a_hold_that_runs_out_is_a_dead_letter_and_a_rejection),
        SEATS(a_payment_after_the_hold_ran_out_is_refunded),
        SEATS(a_failure_after_the_hold_ran_out_is_no_second_answer),
        SEATS(payments_may_see_first_that_the_hold_ran_out),
        SEATS(a_cancellation_frees_a_held_seat_and_its_payment_goes_back),
        SEATS(a_cancellation_changes_nothing_for_others_or_once_sold),
        SEATS(an_invalid_request_is_answered_so),
        SEATS(every_field_of_a_request_is_looked_at),
        SEATS(a_request_that_cannot_be_answered_is_a_dead_letter),
        PAYMENTS(a_held_seat_is_charged_under_the_bookings_key),
        PAYMENTS(a_decline_is_final),
        PAYMENTS(what_may_have_happened_is_tried_again),
        PAYMENTS(too_many_requests_slow_the_service_down),
        PAYMENTS(a_request_that_is_wrong_is_a_dead_letter),
        PAYMENTS(nothing_is_charged_once_the_hold_ran_out),
        PAYMENTS(a_later_try_looks_for_a_charge_of_an_earlier_one),
        PAYMENTS(a_payment_that_died_is_answered_and_looked_after),
        PAYMENTS(a_charge_that_is_found_is_given_back),
        PAYMENTS(a_gateway_that_cannot_search_is_asked_under_the_old_key),
        PAYMENTS(a_refund_is_made_once),
        EMAILS(a_sold_seat_is_confirmed_by_mail),
        EMAILS(money_has_the_digits_of_its_currency),
        EMAILS(a_mail_for_anyone_is_checked_and_sent),
        PAYMENTS(retries_grow_and_end),
        PAYMENTS(a_dead_letter_leaves_a_line),
        PAYMENTS(a_refund_that_died_is_told_to_the_shop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_booking_mail.c - email.lua: confirmations, and mails for anyone. */
#include "shop.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    shop_settle(shop);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, emails_open, shop_close)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_sold_seat_is_confirmed_by_mail),
        TEST(money_has_the_digits_of_its_currency),
        TEST(a_mail_for_anyone_is_checked_and_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

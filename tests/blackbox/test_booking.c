/*
 * test_booking.c - the booking system that ships, in a sale where everything breaks: the host is
 * killed twenty times, the broker restarts, the payment gateway and the mail server are away for a
 * while. Then the books of everyone must agree with what was promised; see tests/demo/audit.c.
 *
 * ctest: long disk label=torture timeout=400
 */
#include "booking.h"
#include "chance.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KILLS = 20, MOMENT_MS = 1000, SETTLE_S = 260 };

/* What breaks besides, at which kill. */
enum {
    BROKER_RESTARTS = 8,
    MAIL_GOES = 3,
    MAIL_IS_BACK = 14,
    GATEWAY_GOES = 6,
    GATEWAY_IS_BACK = 17
};

static void start_gateway(struct stage *s) {
    char log[128];
    (void)snprintf(log, sizeof log, "%s/gateway.log", s->host.dir);
    helper_gateway(&s->gateway, "--log", log, "--decline", "0.06", "--fail", "0.05",
                   "--timeout-rate", "0.03", "--slow-ms", "100", "--stall-ms", "7000", NULL);
}

static void start_mail(struct stage *s) {
    char log[128];
    (void)snprintf(log, sizeof log, "%s/mail.log", s->host.dir);
    helper_mail(&s->mail, "--log", log, "--fail-rate", "0.05", NULL);
}

static void play_booking(struct stage *s) {
    booking_copy(&s->host);
    start_gateway(s);
    start_mail(s);
    booking_set_stage(s);
    /* Mosquitto keeps no shared subscription over its restart. */
    assert_int_equal(setenv("ZINGQ_BROKER_ALONE", "yes", 1), 0);
    program_start(&s->host);
}

static void begin_sale(struct stage *s) {
    char port[8];
    char output[128];
    (void)snprintf(port, sizeof port, "%u", s->broker.port);
    (void)snprintf(output, sizeof output, "%s/sale", s->host.dir);
    helper_program(&s->sale, "flash_sale", output, "--killed", port, s->host.dir, NULL);
}

static void break_something(struct stage *s, int kill) {
    if (kill == BROKER_RESTARTS) {
        broker_stop(&s->broker);
        broker_start(&s->broker, STAGE_BROKER_KEEPS);
    } else if (kill == MAIL_GOES) {
        helper_kill(&s->mail);
    } else if (kill == MAIL_IS_BACK) {
        start_mail(s);
    } else if (kill == GATEWAY_GOES) {
        helper_kill(&s->gateway);
    } else if (kill == GATEWAY_IS_BACK) {
        start_gateway(s);
    }
}

static void show_sale(struct stage *s) {
    char *text = program_read(&s->host, "sale");
    (void)fputs(text, stdout); /* too long for print_message */
    (void)fflush(stdout);
    free(text);
}

static void whatever_breaks_the_promises_of_the_booking_system_hold(void **state) {
    struct stage *s = *state;
    struct chance chance = chance_of_run();
    int status = -1;
    broker_stop(&s->broker);
    broker_start(&s->broker, STAGE_BROKER_KEEPS);
    play_booking(s);
    begin_sale(s);

    for (int kill = 0; kill < KILLS; kill++) {
        struct wait moment = wait_of_ms((int64_t)chance_next(&chance, MOMENT_MS));
        while (wait_more(&moment)) {
        }
        program_kill(&s->host);
        break_something(s, kill);
        program_launch(&s->host);
    }

    struct wait w = wait_of(SETTLE_S);
    while (!helper_has_ended(&s->sale, &status) && wait_more(&w)) {
    }
    show_sale(s);
    if (status != 0) {
        program_show(&s->host);
    }
    assert_int_equal(status, 0);
    assert_int_equal(program_stop(&s->host), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_ON_STAGE(whatever_breaks_the_promises_of_the_booking_system_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_mqtt_fake.c - the MQTT door and brokers that misbehave, in ways a real one cannot be made
 * to. */
#include "mqtt_world.h"
#include "test.h"

#include <mqtt_protocol.h>
#include <stdlib.h>
#include <string.h>

static void a_broker_without_mqtt_5_is_fatal(void **state) {
    struct bench *b = *state;
    fake_start(b, "\x20\x02\x00\x01", 4); /* MQTT 3.1.1: unacceptable protocol version */
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_FATAL);
    assert_non_null(strstr(worker->text, "does not speak MQTT 5"));
}

static void something_that_is_no_broker_is_told_so(void **state) {
    struct bench *b = *state;
    const char *http = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
                       "Connection: close\r\n\r\nThis is a web server, and it says so.\r\n";
    fake_start(b, http, strlen(http));
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "does not speak MQTT 5"));
}

static const struct refusal_case {
    uint8_t reason;
    enum mqtt_down why;
    const char *says;
} refusal_cases[] = {
    {0x84, MQTT_DOWN_FATAL, "does not speak MQTT 5"},
    {0x85, MQTT_DOWN_FATAL, "refused the client id \"worker\""},
    {0x86, MQTT_DOWN_FATAL, "user name or password"},
    {0x87, MQTT_DOWN_FATAL, "requires a user name and password"},
    {0x88, MQTT_DOWN_REFUSED, "0x88"},
    {0x89, MQTT_DOWN_REFUSED, "0x89"},
    {0x97, MQTT_DOWN_REFUSED, "0x97"},
    {0x9d, MQTT_DOWN_FATAL, "has moved"},
};

static void a_refusal_is_final_only_when_it_cannot_pass(void **state) {
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof refusal_cases / sizeof refusal_cases[0]; i++) {
        const struct refusal_case *row = &refusal_cases[i];
        char answer[5] = {0x20, 3, 0, (char)row->reason, 0};
        fake_start(b, answer, sizeof answer);
        struct client *worker = &b->clients[0];
        client_make(b, worker, "worker", NULL);
        mqtt_start(worker->mqtt);
        bench_wait(b, &worker->downs, 1);
        assert_int_equal(worker->why, row->why);
        assert_non_null(strstr(worker->text, row->says));
        client_end(worker);
        fake_end(b);
    }
}

static void a_broker_that_carries_no_will_is_connected_to_without_one(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    struct mqtt_publish will = {.topic = "will", .payload = slice_of("gone"), .retain = true};
    fake_start(b, "\x20\x03\x00\x9b\x00", 5);
    client_make(b, worker, "worker", &will);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_REFUSED);
    assert_true(b->fake->has_will);
    fake_end(b);

    fake_start(b, "\x20\x03\x00\x00\x00", 5);
    bench_wait(b, &worker->ups, 1);

    assert_false(b->fake->has_will);
}

static void a_broker_that_retains_nothing_gets_a_will_that_is_not_retained(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    struct mqtt_publish will = {.topic = "will", .payload = slice_of("gone"), .retain = true};
    fake_start(b, "\x20\x03\x00\x9a\x00", 5);
    client_make(b, worker, "worker", &will);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_REFUSED);
    fake_end(b);

    fake_start(b, "\x20\x03\x00\x00\x00", 5);
    bench_wait(b, &worker->ups, 1);

    assert_true(b->fake->has_will);
}

static void a_broker_that_closes_twice_over_the_will_is_tried_without_one(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    struct mqtt_publish will = {.topic = "will", .payload = slice_of("gone"), .retain = true};
    for (int i = 0; i < 4; i++) {
        fake_start(b, "", 0);
        if (i == 0) {
            client_make(b, worker, "worker", &will);
            mqtt_start(worker->mqtt);
        }
        while (!b->fake->answered) {
            (void)uv_run(&b->loop, UV_RUN_ONCE);
        }
        assert_int_equal(b->fake->has_will, i != 2);
        fake_end(b);
        bench_wait(b, &worker->downs, i + 1);
    }
}

static void every_other_try_is_without_a_will_that_may_be_what_is_refused(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    struct mqtt_publish will = {.topic = "will", .payload = slice_of("gone"), .retain = true};
    for (int i = 0; i < 3; i++) {
        fake_start(b, "\x20\x03\x00\x87\x00", 5);
        if (i == 0) {
            client_make(b, worker, "worker", &will);
            mqtt_start(worker->mqtt);
        }
        bench_wait(b, &worker->downs, i + 1);
        assert_int_equal(b->fake->has_will, i % 2 == 0);
        assert_int_equal(worker->why, i % 2 == 0 ? MQTT_DOWN_REFUSED : MQTT_DOWN_FATAL);
        fake_end(b);
    }
    fake_start(b, "\x20\x03\x00\x00\x00", 5);
    bench_wait(b, &worker->ups, 1);
    assert_false(b->fake->has_will);
}

static void a_disconnect_of_the_broker_is_a_loss_with_its_reason(void **state) {
    struct bench *b = *state;
    /* CONNACK, then DISCONNECT: server shutting down. */
    fake_start(b, "\x20\x03\x00\x00\x00\xe0\x01\x8b", 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->ups, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "0x8b"));
}

static void a_session_taken_over_is_told_and_tried_again(void **state) {
    struct bench *b = *state;
    fake_start(b, "\x20\x03\x00\x00\x00\xe0\x01\x8e", 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_TAKEN_OVER);
    assert_non_null(strstr(worker->text, "our client id \"worker\""));
    fake_end(b);
    fake_start(b, "\x20\x03\x00\x00\x00", 5);
    bench_wait(b, &worker->ups, 2);
}

static void a_connack_reason_of_mqtt_3_1_1_is_a_refusal(void **state) {
    struct bench *b = *state;
    fake_start(b, "\x20\x03\x00\x05\x00", 5);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_REFUSED);
    assert_non_null(strstr(worker->text, "0x05"));
}

static void a_refused_subscription_is_told(void **state) {
    struct bench *b = *state;
    /* CONNACK, then SUBACK for packet 1: not authorized. */
    fake_start(b, "\x20\x03\x00\x00\x00\x90\x04\x00\x01\x00\x87", 11);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, "seats", "closed/#", 1), 0);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->subscribed, 1);
    assert_int_equal(worker->subscribe_reason, MQTT_RC_NOT_AUTHORIZED);
    assert_string_equal(worker->filter, "$share/seats/closed/#");
}

static void a_refused_subscription_is_asked_for_again_and_had(void **state) {
    struct bench *b = *state;
    /* CONNACK, then SUBACK for packet 1: quota exceeded. */
    fake_start(b, "\x20\x03\x00\x00\x00\x90\x04\x00\x01\x00\x97", 11);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, "seats", "closed/#", 1), 0);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->subscribed, 1);
    bench_wait(b, &b->fake->subscribes, 2);
    fake_say(b->fake, "\x90\x04\x00\x02\x00\x97", 6); /* the same again tells nothing new */
    bench_wait(b, &b->fake->subscribes, 3);
    assert_int_equal(worker->resubscribed, 0);
    fake_say(b->fake, "\x90\x04\x00\x03\x00\x01", 6);
    bench_wait(b, &worker->resubscribed, 1);
    assert_int_equal(worker->subscribe_before, MQTT_RC_QUOTA_EXCEEDED);
    assert_int_equal(worker->subscribe_reason, 1);
    assert_string_equal(worker->filter, "$share/seats/closed/#");
    assert_int_equal(worker->subscribed, 1);
    assert_int_equal(worker->downs, 0);
}

static void collect_stops_at_its_bound_and_says_so(void **state) {
    struct bench *b = *state;
    char bytes[5 + 8 * 9] = "\x20\x03\x00\x00\x00";
    for (size_t i = 0; i < 8; i++) {
        memcpy(bytes + 5 + i * 9, "\x32\x07\x00\x01x\x00\x01\x00!", 9);
    }
    fake_start(b, bytes, sizeof bytes);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->collects = worker->flushes = false;
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    assert_true(mqtt_collect(worker->mqtt, 3));
    assert_int_equal(worker->messages, 3);
    assert_true(mqtt_collect(worker->mqtt, 5));
    assert_int_equal(worker->messages, 8);
    assert_false(mqtt_collect(worker->mqtt, 5));
}

/* CONNACK with a Server Keep Alive of 2 s, so that the test is short. */
#define CONNACK_KEEPALIVE_2 "\x20\x06\x00\x00\x03\x13\x00\x02"

static void a_held_client_shows_life_without_waiting_for_an_answer(void **state) {
    struct bench *b = *state;
    fake_start(b, CONNACK_KEEPALIVE_2, 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    assert_int_equal(mqtt_session(worker->mqtt)->keepalive_s, 2);
    mqtt_hold(worker->mqtt, true);
    bench_wait(b, &b->fake->unsubscribes, 4); /* longer than the keepalive, unanswered */
    assert_int_equal(b->fake->pings, 0);
    assert_int_equal(worker->downs, 0);
}

static void a_broker_that_answers_no_ping_is_lost(void **state) {
    struct bench *b = *state;
    fake_start(b, CONNACK_KEEPALIVE_2, 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "did not answer a ping"));
    assert_int_equal(b->fake->pings, 1);
}

/* What waits for a flush must not leave with a keepalive. */
static void no_puback_leaves_with_a_keepalive(void **state) {
    struct bench *b = *state;
    fake_start(b, CONNACK_KEEPALIVE_2 "\x32\x07\x00\x01x\x00\x01\x00!", 17);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->flushes = false;
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->messages, 1);
    uint64_t end = uv_hrtime() + 2500000000; /* past the keepalive: nothing may happen */
    while (uv_hrtime() < end) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(b->fake->pubacks + b->fake->pings + b->fake->unsubscribes, 0);
    mqtt_flush(worker->mqtt);
    bench_wait(b, &b->fake->pubacks, 1);
}

static void the_limits_in_connack_are_passed_on(void **state) {
    struct bench *b = *state;
    const char connack[] = "\x20\x18\x01\x00\x15"
                           "\x21\x00\x0a"         /* Receive Maximum 10 */
                           "\x11\x00\x00\x00\x3c" /* Session Expiry 60 */
                           "\x13\x00\x14"         /* Server Keep Alive 20 */
                           "\x24\x01"             /* Maximum QoS 1 */
                           "\x25\x00"             /* no retain */
                           "\x28\x00"             /* no wildcards */
                           "\x29\x00"             /* no subscription ids */
                           "\x2a\x00";            /* no shared subscriptions */
    fake_start(b, connack, sizeof connack - 1);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    const struct mqtt_session *s = mqtt_session(worker->mqtt);
    assert_true(s->connected && s->session_present);
    assert_int_equal(s->receive_maximum, 10);
    assert_int_equal(s->session_expiry_s, 60);
    assert_int_equal(s->keepalive_s, 20);
    assert_int_equal(s->qos_max, 1);
    assert_false(s->retain_available || s->wildcard_available);
    assert_false(s->subscription_ids_available || s->shared_available);
}

static void an_assigned_client_identifier_is_passed_over(void **state) {
    struct bench *b = *state;
    fake_start(b, "\x20\x0b\x00\x00\x08\x12\x00\x05other", 13);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    assert_int_equal(worker->downs, 0);
    assert_string_equal(mqtt_session(worker->mqtt)->client_id, "worker");
}

#define SMALL_PACKETS "\x20\x08\x00\x00\x05\x27\x00\x00\x00\x28" /* Maximum Packet Size 40 */

static void a_filter_too_long_for_the_broker_is_told_and_the_others_are_had(void **state) {
    struct bench *b = *state;
    const char *longer = "a/filter/of/more/than/forty/bytes/in/all";
    fake_start(b, SMALL_PACKETS, 10);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, longer, 1), 0);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->subscribed, 1);
    assert_int_equal(worker->subscribe_reason, MQTT_RC_PACKET_TOO_LARGE);
    assert_string_equal(worker->filter, longer);
    assert_int_equal(worker->downs, 0);
    client_end(worker);
    fake_end(b);

    fake_start(b, SMALL_PACKETS "\x90\x04\x00\x01\x00\x01", 16);
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, longer, 1), 0);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, "short", 2), 0);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->subscribed, 2);
    assert_int_equal(worker->subscribe_reason, 1);
    assert_string_equal(worker->filter, "short");

    assert_int_equal(mqtt_unsubscribe_all(worker->mqtt), 0); /* it has no end to wait for */
    bench_wait(b, &b->fake->unsubscribes, 1);
    fake_say(b->fake, "\xb0\x04\x00\x02\x00\x00", 6);
    bench_wait(b, &worker->unsubscribed, 1);
}

/* The socket takes only part of a flush; a message is collected meanwhile; then the socket drains.
 * The rest of the flush may leave by itself, the PUBACK may not. */
static void no_puback_leaves_with_the_rest_of_an_earlier_flush(void **state) {
    struct bench *b = *state;
    const char *bytes = "\x20\x03\x00\x00\x00"            /* CONNACK */
                        "\x32\x07\x00\x01x\x00\x01\x00!"; /* PUBLISH x, QoS 1, id 1, "!" */
    fake_start(b, bytes, 14);
    b->fake->deaf = true;
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->collects = worker->flushes = false;
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);

    enum { SIZE = 8 << 20 };
    char *big = calloc(1, SIZE);
    struct mqtt_publish p = {.topic = "big", .payload = {big, SIZE}, .qos = 1};
    int mid = 0;
    assert_int_equal(mqtt_publish(worker->mqtt, &p, &mid, NULL), 0);
    mqtt_flush(worker->mqtt);
    while (worker->messages == 0) {
        (void)mqtt_collect(worker->mqtt, 1);
    }
    fake_listen(b->fake);
    for (int i = 0; i < 20; i++) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(b->fake->pubacks, 0);

    while (b->fake->pubacks == 0) {
        mqtt_flush(worker->mqtt);
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(b->fake->publishes, 1);
    free(big);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BENCH_TEST(collect_stops_at_its_bound_and_says_so),
        BENCH_TEST(a_session_taken_over_is_told_and_tried_again),
        BENCH_TEST(a_connack_reason_of_mqtt_3_1_1_is_a_refusal),
        BENCH_TEST(a_refused_subscription_is_told),
        BENCH_TEST(a_broker_without_mqtt_5_is_fatal),
        BENCH_TEST(something_that_is_no_broker_is_told_so),
        BENCH_TEST(a_refusal_is_final_only_when_it_cannot_pass),
        BENCH_TEST(a_broker_that_carries_no_will_is_connected_to_without_one),
        BENCH_TEST(a_broker_that_retains_nothing_gets_a_will_that_is_not_retained),
        BENCH_TEST(a_disconnect_of_the_broker_is_a_loss_with_its_reason),
        BENCH_TEST(the_limits_in_connack_are_passed_on),
        BENCH_TEST(a_refused_subscription_is_asked_for_again_and_had),
        BENCH_TEST(a_broker_that_closes_twice_over_the_will_is_tried_without_one),
        BENCH_TEST(every_other_try_is_without_a_will_that_may_be_what_is_refused),
        BENCH_TEST(an_assigned_client_identifier_is_passed_over),
        BENCH_TEST(a_filter_too_long_for_the_broker_is_told_and_the_others_are_had),
        BENCH_TEST(no_puback_leaves_with_the_rest_of_an_earlier_flush),
        BENCH_TEST(no_puback_leaves_with_a_keepalive),
        BENCH_TEST(a_held_client_shows_life_without_waiting_for_an_answer),
        BENCH_TEST(a_broker_that_answers_no_ping_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_mqtt.c - messages through the MQTT door against a real Mosquitto: received, acknowledged,
 * published, subscribed to. */
#include "event/event.h"
#include "mqtt_world.h"
#include "test.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <string.h>

/* ---- messages ---- */

static void a_message_arrives_with_its_properties_and_subscription_id(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);
    assert_string_equal(worker->filter, "$share/seats/booking/+");

    struct buf properties;
    buf_init(&properties, 1000);
    property_add(&properties, slice_of("tenant"), slice_of("blue"));
    struct mqtt_publish p = {
        .topic = "booking/request",
        .payload = slice_of("{\"a\":1}"),
        .content_type = slice_of("application/json"),
        .response_topic = slice_of("answers/1"),
        .correlation = slice_of("c-1"),
        .properties = buf_slice(&properties),
        .qos = 1,
    };
    int mid = 0;
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
    mqtt_flush(sender->mqtt);
    bench_wait(b, &worker->messages, 1);
    bench_wait(b, &sender->published, 1);

    assert_string_equal(worker->topic, "booking/request");
    assert_string_equal(worker->payload, "{\"a\":1}");
    assert_string_equal(worker->content_type, "application/json");
    assert_string_equal(worker->response, "answers/1");
    assert_string_equal(worker->correlation, "c-1");
    assert_string_equal(worker->property, "blue");
    assert_int_equal(worker->qos, 1);
    assert_int_equal(worker->id_count, 1);
    assert_int_equal(worker->ids[0], 7);
    assert_int_equal(sender->published_mid, mid);
    buf_clear(&properties);
}

static void a_publisher_of_mqtt_3_1_1_is_heard(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", "seats", "booking/+");

    struct mosquitto *old = mosquitto_new(NULL, true, NULL);
    assert_int_equal(mosquitto_connect(old, "127.0.0.1", b->broker.port, 60), 0);
    assert_int_equal(mosquitto_publish(old, NULL, "booking/request", 2, "hi", 0, false), 0);
    bench_wait(b, &worker->messages, 1);

    assert_string_equal(worker->payload, "hi");
    assert_int_equal(worker->qos, 0);
    assert_int_equal(worker->id_count, 1);
    mosquitto_destroy(old);
}

static void two_members_of_a_group_share_the_messages(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *one = &b->clients[0];
    struct client *two = &b->clients[1];
    struct client *sender = &b->clients[2];
    client_up(b, one, "one", "seats", "booking/+");
    client_up(b, two, "two", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);

    int total = 0;
    for (int i = 0; i < 20; i++) {
        (void)client_publish(sender, "booking/request", "x", 1);
    }
    while (total < 20) {
        bench_wait(b, &sender->published, 20);
        (void)uv_run(&b->loop, UV_RUN_ONCE);
        total = one->messages + two->messages;
    }

    assert_int_equal(total, 20);
    assert_true(one->messages > 0 && two->messages > 0);
}

/* ---- acknowledging ---- */

static void an_unflushed_message_comes_again(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);
    worker->flushes = false;
    (void)client_publish(sender, "booking/request", "precious", 1);
    bench_wait(b, &worker->messages, 1);
    client_end(worker); /* as a crash would */

    client_up(b, worker, "worker", "seats", "booking/+");
    assert_true(worker->session_present);
    bench_wait(b, &worker->messages, 1);
    assert_string_equal(worker->payload, "precious");
}

static void a_flushed_message_does_not_come_again(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);
    (void)client_publish(sender, "booking/request", "first", 1);
    bench_wait(b, &worker->messages, 1);
    client_end(worker);

    client_up(b, worker, "worker", "seats", "booking/+");
    (void)client_publish(sender, "booking/request", "second", 1);
    bench_wait(b, &worker->messages, 1);
    assert_string_equal(worker->payload, "second");
}

static void a_drop_brings_unacknowledged_messages_back(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);
    worker->flushes = false;
    (void)client_publish(sender, "booking/request", "precious", 1);
    bench_wait(b, &worker->messages, 1);

    worker->flushes = true;
    mqtt_drop(worker->mqtt);
    assert_int_equal(worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_false(mqtt_session(worker->mqtt)->connected);
    bench_wait(b, &worker->messages, 2);
    assert_string_equal(worker->payload, "precious");
}

static void who_may_not_connect_again_asks_until_it_may(void **state) {
    struct bench *b = *state;
    struct client *c = &b->clients[0];
    broker_start(&b->broker, NULL);
    client_up(b, c, "worker", NULL, NULL);
    assert_int_equal(c->asked, 1);
    c->kept_off = true;
    mqtt_drop(c->mqtt);
    bench_wait(b, &c->asked, 2);
    assert_int_equal(c->ups, 1);
    c->kept_off = false;
    bench_wait(b, &c->ups, 2);
}

static void a_held_socket_is_not_read_until_released(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *witness = &b->clients[1];
    client_up(b, worker, "worker", NULL, "booking/+");
    client_up(b, witness, "witness", NULL, "booking/+");
    worker->holds = true;
    for (int i = 0; i < 5; i++) {
        (void)client_publish(witness, "booking/request", "x", 1);
    }
    bench_wait(b, &witness->messages, 5);
    bench_wait(b, &worker->messages, 1);
    assert_int_equal(worker->messages, 1);
    assert_false(mqtt_collect(worker->mqtt, 10));

    worker->holds = false;
    mqtt_hold(worker->mqtt, false);
    bench_wait(b, &worker->messages, 5);
    assert_int_equal(worker->messages, 5);
}

static void a_held_client_notices_that_the_broker_went(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", NULL, "booking/+");
    mqtt_hold(worker->mqtt, true);
    broker_kill(&b->broker);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
}

/* ---- publishing ---- */

static void a_refused_publish_tells_its_reason(void **state) {
    struct bench *b = *state;
    char acl[128];
    char options[256];
    broker_file(&b->broker, "acl", "topic readwrite open/#\n", acl);
    (void)snprintf(options, sizeof options, "allow_anonymous true\nacl_file %s\n", acl);
    broker_start(&b->broker, options);
    struct client *sender = &b->clients[0];
    client_up(b, sender, "sender", NULL, NULL);

    int mid = client_publish(sender, "closed/x", "x", 1);
    bench_wait(b, &sender->published, 1);
    assert_int_equal(sender->published_mid, mid);
    assert_int_equal(sender->publish_reason, MQTT_RC_NOT_AUTHORIZED);

    (void)client_publish(sender, "open/x", "x", 1);
    bench_wait(b, &sender->published, 2);
    assert_true(sender->publish_reason < 0x80);
}

static void a_qos_0_publish_is_told_as_published_once_written(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *sender = &b->clients[0];
    client_up(b, sender, "sender", NULL, NULL);
    int mid = client_publish(sender, "a/b", "x", 0);
    assert_int_equal(sender->published, 1);
    assert_int_equal(sender->published_mid, mid);
    assert_int_equal(sender->publish_reason, 0);
}

static void what_mqtt_cannot_carry_is_refused_with_a_sentence(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmax_packet_size 2000\n");
    struct client *sender = &b->clients[0];
    client_up(b, sender, "sender", NULL, NULL);
    assert_int_equal(mqtt_session(sender->mqtt)->packet_bytes_max, 2000);
    char long_payload[2000];
    memset(long_payload, 'x', sizeof long_payload);
    const struct mqtt_publish bad[] = {
        {.topic = "a/+", .qos = 1},
        {.topic = "", .qos = 1},
        {.topic = "a", .payload = {long_payload, sizeof long_payload}, .qos = 1},
        {.topic = "a", .content_type = {"a\0b", 3}, .qos = 1},
        {.topic = "a", .response_topic = {"\xff\xfe", 2}, .qos = 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct report r = {""};
        int mid = 0;
        assert_int_equal(mqtt_publish(sender->mqtt, &bad[i], &mid, &r), ERR_INVALID);
        assert_true(strlen(r.text) > 10);
    }
    assert_int_equal(sender->downs, 0);
}

static void publishing_while_not_connected_is_a_network_error(void **state) {
    struct bench *b = *state;
    struct client *sender = &b->clients[0];
    client_make(b, sender, "sender", NULL);
    struct mqtt_publish p = {.topic = "a", .qos = 1};
    struct report r = {""};
    int mid = 0;
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, &r), ERR_NETWORK);
}

static void the_brokers_receive_maximum_is_never_passed(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmax_inflight_messages 3\n");
    struct client *sender = &b->clients[0];
    client_up(b, sender, "sender", NULL, NULL);
    assert_int_equal(mqtt_session(sender->mqtt)->receive_maximum, 3);
    struct mqtt_publish p = {.topic = "a", .qos = 1};
    int mid = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
    }
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), ERR_BUSY);
    mqtt_flush(sender->mqtt);
    bench_wait(b, &sender->published, 3);
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
}

static void publishes_with_qos_0_take_no_place_in_the_window(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, "allow_anonymous true\nmax_inflight_messages 3\n");
    struct client *sender = &b->clients[0];
    client_up(b, sender, "sender", NULL, NULL);
    struct mqtt_publish p = {.topic = "a", .qos = 0};
    int mid = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
    }
    p.qos = 1;
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
    mqtt_flush(sender->mqtt);
    bench_wait(b, &sender->published, 11);
}

static void publishes_in_flight_are_forgotten_when_the_connection_goes(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *sender = &b->clients[0];
    struct client *worker = &b->clients[1];
    client_up(b, worker, "worker", NULL, "a");
    client_up(b, sender, "sender", NULL, NULL);
    struct mqtt_publish p = {.topic = "a", .payload = slice_of("lost"), .qos = 1};
    int mid = 0;
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
    mqtt_drop(sender->mqtt);
    bench_wait(b, &sender->ups, 2);
    (void)client_publish(sender, "a", "sent again", 1);
    bench_wait(b, &sender->published, 1);
    bench_wait(b, &worker->messages, 1);
    assert_string_equal(worker->payload, "sent again");
    assert_int_equal(worker->messages, 1);
}

/* ---- subscriptions and sessions ---- */

static void a_filter_that_is_none_is_refused_at_once(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, "a/#/b", 1), ERR_INVALID);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, "\xff", 1), ERR_INVALID);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, "", 1), ERR_INVALID);
}

static void a_watch_gets_what_is_retained_on_every_connection(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, sender, "sender", NULL, NULL);
    struct mqtt_publish kept = {
        .topic = "figures/one", .payload = slice_of("1"), .qos = 1, .retain = true};
    int mid = 0;
    assert_int_equal(mqtt_publish(sender->mqtt, &kept, &mid, NULL), 0);
    mqtt_flush(sender->mqtt);
    bench_wait(b, &sender->published, 1);
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_watch(worker->mqtt, "figures/#", 9), ERR_NETWORK);
    mqtt_start(worker->mqtt);

    for (int round = 1; round <= 2; round++) {
        bench_wait(b, &worker->ups, round);
        assert_int_equal(mqtt_watch(worker->mqtt, "figures/#", 9), 0);
        bench_wait(b, &worker->subscribed, round);
        bench_wait(b, &worker->messages, round);
        assert_string_equal(worker->payload, "1");
        assert_int_equal(worker->qos, 0);
        assert_int_equal(worker->ids[0], 9);
        mqtt_drop(worker->mqtt);
    }
}

/* With QoS 1 the broker would queue them for the session, in front of what must not be lost. */
static void the_broker_queues_nothing_for_a_watch(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, sender, "sender", NULL, NULL);
    client_up(b, worker, "worker", NULL, "marker");
    assert_int_equal(mqtt_watch(worker->mqtt, "figures/#", 9), 0);
    bench_wait(b, &worker->subscribed, 2);
    mqtt_disconnect(worker->mqtt, -1);
    client_end(worker);

    (void)client_publish(sender, "figures/one", "missed", 1);
    (void)client_publish(sender, "marker", "queued", 1);
    bench_wait(b, &sender->published, 2);
    client_up(b, worker, "worker", NULL, "marker");
    bench_wait(b, &worker->messages, 1);

    assert_true(worker->session_present);
    assert_string_equal(worker->payload, "queued");
}

static void what_is_withheld_is_subscribed_when_it_is_released(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, sender, "sender", NULL, NULL);
    client_make(b, worker, "worker", NULL);
    mqtt_withhold(worker->mqtt);
    assert_int_equal(mqtt_subscribe(worker->mqtt, "seats", "booking/+", 7), 0);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    (void)client_publish(sender, "booking/request", "early", 1);
    bench_wait(b, &sender->published, 1);
    assert_int_equal(worker->subscribed, 0);

    mqtt_release(worker->mqtt);

    bench_wait(b, &worker->subscribed, 1);
    (void)client_publish(sender, "booking/request", "late", 1);
    bench_wait(b, &worker->messages, 1);
    assert_string_equal(worker->payload, "late");
}

static void a_subscription_that_is_given_up_ends_and_can_be_made_again(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);

    mqtt_give_up(worker->mqtt, NULL, "booking/+"); /* there is no such plain one */
    mqtt_give_up(worker->mqtt, "seats", "booking/+");
    bench_wait(b, &worker->unsubscribed, 1);
    (void)client_publish(sender, "booking/request", "unheard", 1);
    bench_wait(b, &sender->published, 1);
    assert_int_equal(mqtt_subscribe(worker->mqtt, "seats", "booking/+", 7), 0);
    bench_wait(b, &worker->subscribed, 2);
    (void)client_publish(sender, "booking/request", "heard", 1);
    bench_wait(b, &worker->messages, 1);

    assert_string_equal(worker->payload, "heard");
    assert_int_equal(worker->unsubscribed, 1);
}

static void a_watch_is_nothing_to_unsubscribe(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", NULL, NULL);
    assert_int_equal(mqtt_watch(worker->mqtt, "a/#/b", 9), ERR_INVALID);
    assert_int_equal(mqtt_watch(worker->mqtt, "figures/#", 9), 0);
    assert_int_equal(mqtt_unsubscribe_all(worker->mqtt), ERR_NOTFOUND);
}

static void unsubscribing_all_ends_deliveries(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, "booking/+");
    assert_int_equal(mqtt_unsubscribe_all(worker->mqtt), 0);
    bench_wait(b, &worker->unsubscribed, 1);
    assert_int_equal(mqtt_unsubscribe_all(worker->mqtt), ERR_NOTFOUND);
    (void)client_publish(sender, "booking/request", "x", 1);
    bench_wait(b, &sender->messages, 1);
    assert_int_equal(worker->messages, 0);
}

static void a_disconnect_with_expiry_0_ends_the_session(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", "seats", "booking/+");
    mqtt_disconnect(worker->mqtt, -1);
    client_end(worker);
    client_up(b, worker, "worker", "seats", "booking/+");
    assert_true(worker->session_present);
    mqtt_disconnect(worker->mqtt, 0);
    client_end(worker);
    client_up(b, worker, "worker", "seats", "booking/+");
    assert_false(worker->session_present);
    assert_int_equal(worker->downs, 0);
}

static void the_will_is_published_when_we_vanish_and_not_when_we_leave(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *witness = &b->clients[0];
    struct client *worker = &b->clients[1];
    client_up(b, witness, "witness", NULL, "will/#");
    struct mqtt_publish will = {.topic = "will/worker", .payload = slice_of("gone"), .qos = 1};
    client_make(b, worker, "worker", &will);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    mqtt_disconnect(worker->mqtt, -1);
    client_end(worker);
    (void)client_publish(witness, "will/marker", "marker", 1);
    bench_wait(b, &witness->messages, 1);
    assert_string_equal(witness->payload, "marker");

    client_make(b, worker, "worker", &will);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->ups, 1);
    client_end(worker);
    bench_wait(b, &witness->messages, 2);
    assert_string_equal(witness->payload, "gone");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_message_arrives_with_its_properties_and_subscription_id),
        BENCH_TEST(a_publisher_of_mqtt_3_1_1_is_heard),
        BENCH_TEST(two_members_of_a_group_share_the_messages),
        BENCH_TEST(an_unflushed_message_comes_again),
        BENCH_TEST(a_flushed_message_does_not_come_again),
        BENCH_TEST(a_drop_brings_unacknowledged_messages_back),
        BENCH_TEST(who_may_not_connect_again_asks_until_it_may),
        BENCH_TEST(a_held_socket_is_not_read_until_released),
        BENCH_TEST(a_held_client_notices_that_the_broker_went),
        BENCH_TEST(a_refused_publish_tells_its_reason),
        BENCH_TEST(a_qos_0_publish_is_told_as_published_once_written),
        BENCH_TEST(what_mqtt_cannot_carry_is_refused_with_a_sentence),
        BENCH_TEST(publishing_while_not_connected_is_a_network_error),
        BENCH_TEST(the_brokers_receive_maximum_is_never_passed),
        BENCH_TEST(publishes_with_qos_0_take_no_place_in_the_window),
        BENCH_TEST(publishes_in_flight_are_forgotten_when_the_connection_goes),
        BENCH_TEST(a_filter_that_is_none_is_refused_at_once),
        BENCH_TEST(a_watch_gets_what_is_retained_on_every_connection),
        BENCH_TEST(the_broker_queues_nothing_for_a_watch),
        BENCH_TEST(what_is_withheld_is_subscribed_when_it_is_released),
        BENCH_TEST(a_subscription_that_is_given_up_ends_and_can_be_made_again),
        BENCH_TEST(a_watch_is_nothing_to_unsubscribe),
        BENCH_TEST(unsubscribing_all_ends_deliveries),
        BENCH_TEST(a_disconnect_with_expiry_0_ends_the_session),
        BENCH_TEST(the_will_is_published_when_we_vanish_and_not_when_we_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

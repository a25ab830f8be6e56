/*
 * test_mqtt.c - the MQTT door against a real Mosquitto, and against a few lines of fake broker
 * where a real one cannot be made to misbehave.
 */
#include "mqtt.h"

#include "broker.h"
#include "event.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { WAIT_MS = 15000, NOTES_MAX = 64 };

/* ---- a client that writes down what it is told ---- */

struct client {
    struct mqtt *mqtt;
    int *takeovers; /* counted over all clients */
    struct broker_conf conf;
    bool collects; /* reads when there is something to read */
    bool flushes;  /* and acknowledges */
    bool holds;    /* holds itself from the first message on */
    int ups, downs, messages, published, subscribed, unsubscribed;
    uint8_t publish_reason, subscribe_reason;
    int published_mid;
    bool session_present;
    enum mqtt_down why;
    char text[1024];
    char topic[256], payload[256], content_type[64], response[64], correlation[64], property[64];
    char filter[256];
    uint32_t ids[MQTT_SUBSCRIPTION_IDS_MAX];
    size_t id_count;
    uint8_t qos;
};

static void copy_slice(char *to, size_t size, struct slice s) {
    (void)snprintf(to, size, "%.*s", (int)s.len, s.data != NULL ? s.data : "");
}

static void on_message(void *ctx, const struct mqtt_message *message) {
    struct client *c = ctx;
    c->messages++;
    c->qos = message->qos;
    copy_slice(c->topic, sizeof c->topic, message->topic);
    copy_slice(c->payload, sizeof c->payload, message->payload);
    copy_slice(c->content_type, sizeof c->content_type, message->content_type);
    copy_slice(c->response, sizeof c->response, message->response_topic);
    copy_slice(c->correlation, sizeof c->correlation, message->correlation);
    struct slice value = {0};
    (void)property_find(message->properties, "tenant", &value);
    copy_slice(c->property, sizeof c->property, value);
    memcpy(c->ids, message->subscription_ids, sizeof c->ids);
    c->id_count = message->subscription_id_count;
    if (c->holds) {
        mqtt_hold(c->mqtt, true);
    }
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    struct client *c = ctx;
    c->published++;
    c->published_mid = mid;
    c->publish_reason = reason;
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct client *c = ctx;
    c->ups++;
    c->session_present = session->session_present;
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct client *c = ctx;
    c->downs++;
    c->why = why;
    *c->takeovers += why == MQTT_DOWN_TAKEN_OVER;
    (void)snprintf(c->text, sizeof c->text, "%s", text);
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    struct client *c = ctx;
    c->subscribed++;
    c->subscribe_reason = reason;
    (void)snprintf(c->filter, sizeof c->filter, "%s", filter);
}

static void on_unsubscribed(void *ctx) {
    struct client *c = ctx;
    c->unsubscribed++;
}

static void on_readable(void *ctx) {
    struct client *c = ctx;
    while (c->collects && mqtt_collect(c->mqtt, 10)) {
    }
    if (c->flushes) {
        mqtt_flush(c->mqtt);
    }
}

/* ---- the bench: one loop, one broker ---- */

/* What a real broker cannot be made to do; see below. */
struct fake {
    uv_tcp_t server, peer;
    bool accepted;
    const char *answer; /* bytes sent when the first bytes come */
    size_t answer_len;
    bool answered;
    bool deaf;        /* reads nothing after the answer */
    bool has_will;    /* says the CONNECT */
    int pubacks;      /* 0x40 packets seen */
    int publishes;    /* 0x30 packets seen */
    int unsubscribes; /* 0xA0 packets seen */
    int pings;        /* 0xC0 packets seen */
    size_t skip;      /* bytes of the packet under way still to come */
    uint8_t header;   /* its first byte; 0 = between packets */
    uint32_t length, shift;
    char bytes[65536];
};

struct bench {
    struct client clients[3]; /* freed by teardown, also after a failed test */
    struct fake *fake;        /* the same */
    int takeovers;
    uv_loop_t loop;
    uv_timer_t guard; /* wakes the loop, so that a wait can end */
    struct broker broker;
};

static void fake_end(struct bench *b) {
    if (b->fake != NULL) {
        uv_close((uv_handle_t *)&b->fake->server, NULL);
        uv_close((uv_handle_t *)&b->fake->peer, NULL);
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        free(b->fake);
        b->fake = NULL;
    }
}

static void on_guard(uv_timer_t *timer) {
    (void)timer;
}

static int setup(void **state) {
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(uv_timer_init(&b->loop, &b->guard), 0);
    assert_int_equal(uv_timer_start(&b->guard, on_guard, 20, 20), 0);
    broker_init(&b->broker);
    *state = b;
    return 0;
}

/* Every handle is closed by then: uv_loop_close says so. */
static int teardown(void **state) {
    struct bench *b = *state;
    for (size_t i = 0; i < sizeof b->clients / sizeof b->clients[0]; i++) {
        mqtt_free(b->clients[i].mqtt);
    }
    fake_end(b);
    uv_close((uv_handle_t *)&b->guard, NULL);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    broker_clear(&b->broker);
    free(b);
    return 0;
}

static void client_end(struct client *c) {
    mqtt_free(c->mqtt);
    c->mqtt = NULL;
}

static void wait_until(struct bench *b, const int *value, int at_least) {
    uint64_t end = uv_hrtime() + (uint64_t)WAIT_MS * 1000000;
    while (*value < at_least && uv_hrtime() < end) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    if (*value < at_least) {
        fail_msg("waited in vain for %d, have %d", at_least, *value);
    }
}

static void client_make(struct bench *b, struct client *c, const char *id,
                        const struct mqtt_publish *will) {
    *c = (struct client){.collects = true, .flushes = true, .takeovers = &b->takeovers};
    c->conf = (struct broker_conf){
        .url = b->broker.url,
        .host = (char *)"127.0.0.1",
        .port = b->broker.port,
        .client_id = (char *)id,
        .username = (char *)"",
        .password = (char *)"",
        .ca_file = (char *)"",
        .cert_file = (char *)"",
        .key_file = (char *)"",
        .receive_maximum = 1000,
        .session_expiry_s = 3600,
    };
    struct mqtt_callbacks callbacks = {
        .ctx = c,
        .on_message = on_message,
        .on_published = on_published,
        .on_up = on_up,
        .on_down = on_down,
        .on_subscribed = on_subscribed,
        .on_unsubscribed = on_unsubscribed,
        .on_readable = on_readable,
    };
    struct report r = {""};
    int error = mqtt_new(&c->mqtt, &b->loop, &c->conf, id, will, &callbacks, &r);
    if (error != 0) {
        fail_msg("mqtt_new: %s", r.text);
    }
}

/* A client that is up and, with a filter, subscribed under id 7. */
static void client_up(struct bench *b, struct client *c, const char *id, const char *group,
                      const char *filter) {
    client_make(b, c, id, NULL);
    if (filter != NULL) {
        assert_int_equal(mqtt_subscribe(c->mqtt, group, filter, 7), 0);
    }
    mqtt_start(c->mqtt);
    wait_until(b, &c->ups, 1);
    if (filter != NULL) {
        wait_until(b, &c->subscribed, 1);
    }
}

static int publish(struct client *c, const char *topic, const char *payload, uint8_t qos) {
    struct mqtt_publish p = {.topic = topic, .payload = slice_of(payload), .qos = qos};
    struct report r = {""};
    int mid = 0;
    int error = mqtt_publish(c->mqtt, &p, &mid, &r);
    if (error != 0) {
        fail_msg("mqtt_publish: %s", r.text);
    }
    mqtt_flush(c->mqtt);
    return mid;
}

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
    wait_until(b, &worker->messages, 1);
    wait_until(b, &sender->published, 1);

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
    wait_until(b, &worker->messages, 1);

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
        (void)publish(sender, "booking/request", "x", 1);
    }
    while (total < 20) {
        wait_until(b, &sender->published, 20);
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
    (void)publish(sender, "booking/request", "precious", 1);
    wait_until(b, &worker->messages, 1);
    client_end(worker); /* as a crash would */

    client_up(b, worker, "worker", "seats", "booking/+");
    assert_true(worker->session_present);
    wait_until(b, &worker->messages, 1);
    assert_string_equal(worker->payload, "precious");
}

static void a_flushed_message_does_not_come_again(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    struct client *sender = &b->clients[1];
    client_up(b, worker, "worker", "seats", "booking/+");
    client_up(b, sender, "sender", NULL, NULL);
    (void)publish(sender, "booking/request", "first", 1);
    wait_until(b, &worker->messages, 1);
    client_end(worker);

    client_up(b, worker, "worker", "seats", "booking/+");
    (void)publish(sender, "booking/request", "second", 1);
    wait_until(b, &worker->messages, 1);
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
    (void)publish(sender, "booking/request", "precious", 1);
    wait_until(b, &worker->messages, 1);

    worker->flushes = true;
    mqtt_drop(worker->mqtt);
    assert_int_equal(worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_false(mqtt_session(worker->mqtt)->connected);
    wait_until(b, &worker->messages, 2);
    assert_string_equal(worker->payload, "precious");
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
        (void)publish(witness, "booking/request", "x", 1);
    }
    wait_until(b, &witness->messages, 5);
    wait_until(b, &worker->messages, 1);
    assert_int_equal(worker->messages, 1);
    assert_false(mqtt_collect(worker->mqtt, 10));

    worker->holds = false;
    mqtt_hold(worker->mqtt, false);
    wait_until(b, &worker->messages, 5);
    assert_int_equal(worker->messages, 5);
}

static void a_held_client_notices_that_the_broker_went(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", NULL, "booking/+");
    mqtt_hold(worker->mqtt, true);
    broker_kill(&b->broker);
    wait_until(b, &worker->downs, 1);
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

    int mid = publish(sender, "closed/x", "x", 1);
    wait_until(b, &sender->published, 1);
    assert_int_equal(sender->published_mid, mid);
    assert_int_equal(sender->publish_reason, MQTT_RC_NOT_AUTHORIZED);

    (void)publish(sender, "open/x", "x", 1);
    wait_until(b, &sender->published, 2);
    assert_true(sender->publish_reason < 0x80);
}

static void a_qos_0_publish_is_told_as_published_once_written(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *sender = &b->clients[0];
    client_up(b, sender, "sender", NULL, NULL);
    int mid = publish(sender, "a/b", "x", 0);
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
    wait_until(b, &sender->published, 3);
    assert_int_equal(mqtt_publish(sender->mqtt, &p, &mid, NULL), 0);
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
    wait_until(b, &sender->ups, 2);
    (void)publish(sender, "a", "sent again", 1);
    wait_until(b, &sender->published, 1);
    wait_until(b, &worker->messages, 1);
    assert_string_equal(worker->payload, "sent again");
    assert_int_equal(worker->messages, 1);
}

/* ---- connections that come and go ---- */

static void a_broker_restart_is_survived_with_the_session(void **state) {
    struct bench *b = *state;
    const char *options = "allow_anonymous true\npersistence true\n";
    broker_start(&b->broker, options);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", "seats", "booking/+");
    assert_false(worker->session_present);

    broker_stop(&b->broker);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    broker_start(&b->broker, options);
    wait_until(b, &worker->ups, 2);
    assert_true(worker->session_present);
    assert_int_equal(mqtt_session(worker->mqtt)->connects, 2);

    struct client *sender = &b->clients[1];
    client_up(b, sender, "sender", NULL, NULL);
    (void)publish(sender, "booking/request", "after", 1);
    wait_until(b, &worker->messages, 1);
}

static void a_port_nobody_answers_is_tried_until_someone_does(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 2);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "connection refused"));
    broker_start(&b->broker, NULL);
    wait_until(b, &worker->ups, 1);
}

static void a_host_without_an_address_is_named(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->conf.host = (char *)"no such host.invalid";
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "\"no such host.invalid\""));
}

static void freeing_while_connecting_leaves_nothing_behind(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    for (int i = 0; i < 10; i++) {
        struct client *worker = &b->clients[0];
        client_make(b, worker, "worker", NULL);
        mqtt_start(worker->mqtt);
        client_end(worker);
        (void)uv_run(&b->loop, UV_RUN_ONCE);
        assert_int_equal(worker->ups + worker->downs, 0);
    }
}

static void a_wrong_password_is_fatal(void **state) {
    struct bench *b = *state;
    char file[128];
    char options[256];
    broker_password(&b->broker, "passwd", "zing", "right", file);
    (void)snprintf(options, sizeof options, "allow_anonymous false\npassword_file %s\n", file);
    broker_start(&b->broker, options);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->conf.username = (char *)"zing";
    worker->conf.password = (char *)"wrong";
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_FATAL);
    char expected[128];
    (void)snprintf(expected, sizeof expected,
                   "the broker at 127.0.0.1:%u refused the user name or password", b->broker.port);
    assert_string_equal(worker->text, expected);
    client_end(worker);

    client_make(b, worker, "worker", NULL);
    worker->conf.username = (char *)"zing";
    worker->conf.password = (char *)"right";
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->ups, 1);
}

/* Mosquitto 2.0.11 closes the older connection without a word: each twin comes back and throws the
 * other out, until one of them has understood. */
static void of_two_clients_with_one_id_exactly_one_stops(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *first = &b->clients[0];
    struct client *second = &b->clients[1];
    client_up(b, first, "twin", NULL, NULL);
    client_up(b, second, "twin", NULL, NULL);
    wait_until(b, &b->takeovers, 1);
    struct client *left = first->why == MQTT_DOWN_TAKEN_OVER ? second : first;
    struct client *stopped = left == first ? second : first;
    assert_int_equal(stopped->why, MQTT_DOWN_TAKEN_OVER);
    assert_non_null(strstr(stopped->text, "\"twin\""));

    int ups = left->ups;
    while (!mqtt_session(left->mqtt)->connected) {
        wait_until(b, &left->ups, ups + 1);
    }
    (void)publish(left, "a", "x", 1);
    wait_until(b, &left->published, 1);
    assert_int_equal(b->takeovers, 1);
}

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
    wait_until(b, &sender->published, 1);
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_watch(worker->mqtt, "figures/#", 9), ERR_NETWORK);
    mqtt_start(worker->mqtt);

    for (int round = 1; round <= 2; round++) {
        wait_until(b, &worker->ups, round);
        assert_int_equal(mqtt_watch(worker->mqtt, "figures/#", 9), 0);
        wait_until(b, &worker->subscribed, round);
        wait_until(b, &worker->messages, round);
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
    wait_until(b, &worker->subscribed, 2);
    mqtt_disconnect(worker->mqtt, -1);
    client_end(worker);

    (void)publish(sender, "figures/one", "missed", 1);
    (void)publish(sender, "marker", "queued", 1);
    wait_until(b, &sender->published, 2);
    client_up(b, worker, "worker", NULL, "marker");
    wait_until(b, &worker->messages, 1);

    assert_true(worker->session_present);
    assert_string_equal(worker->payload, "queued");
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
    wait_until(b, &worker->unsubscribed, 1);
    assert_int_equal(mqtt_unsubscribe_all(worker->mqtt), ERR_NOTFOUND);
    (void)publish(sender, "booking/request", "x", 1);
    wait_until(b, &sender->messages, 1);
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
    wait_until(b, &worker->ups, 1);
    mqtt_disconnect(worker->mqtt, -1);
    client_end(worker);
    (void)publish(witness, "will/marker", "marker", 1);
    wait_until(b, &witness->messages, 1);
    assert_string_equal(witness->payload, "marker");

    client_make(b, worker, "worker", &will);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->ups, 1);
    client_end(worker);
    wait_until(b, &witness->messages, 2);
    assert_string_equal(witness->payload, "gone");
}

static void a_tls_file_that_cannot_be_read_is_named(void **state) {
    struct bench *b = *state;
    struct broker_conf conf = {
        .host = (char *)"127.0.0.1",
        .port = 1,
        .tls = true,
        .username = (char *)"",
        .password = (char *)"",
        .ca_file = (char *)"/no/such/ca.pem",
        .cert_file = (char *)"",
        .key_file = (char *)"",
        .receive_maximum = 10,
    };
    struct mqtt_callbacks callbacks = {
        .on_message = on_message,
        .on_published = on_published,
        .on_up = on_up,
        .on_down = on_down,
        .on_subscribed = on_subscribed,
        .on_readable = on_readable,
    };
    struct mqtt *m = NULL;
    struct report r = {""};
    assert_int_equal(mqtt_new(&m, &b->loop, &conf, "worker", NULL, &callbacks, &r), ERR_INVALID);
    assert_non_null(strstr(r.text, "broker.ca_file \"/no/such/ca.pem\""));
}

/* ---- TLS ---- */

static void tls_client(struct bench *b, struct client *c, const char *id, const char *ca) {
    client_make(b, c, id, NULL);
    c->conf.tls = true;
    c->conf.ca_file = (char *)ca;
}

/* What TLS reads ahead wakes no watcher: a burst, bounded collects and a hold find out. */
static void over_tls_every_message_of_a_burst_arrives(void **state) {
    struct bench *b = *state;
    char cert[128];
    char options[512];
    broker_certificate(&b->broker, cert, options);
    broker_start(&b->broker, options);
    struct client *worker = &b->clients[0];
    tls_client(b, worker, "worker", cert);
    assert_int_equal(mqtt_subscribe(worker->mqtt, NULL, "a", 7), 0);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->subscribed, 1);

    for (int i = 0; i < 20; i++) {
        (void)publish(worker, "a", "x", 1);
    }
    wait_until(b, &worker->messages, 3);
    mqtt_hold(worker->mqtt, true);
    mqtt_hold(worker->mqtt, false);
    wait_until(b, &worker->messages, 20);
    wait_until(b, &worker->published, 20);
    assert_int_equal(worker->downs, 0);
}

static void a_certificate_nobody_vouches_for_is_told(void **state) {
    struct bench *b = *state;
    char cert[128];
    char options[512];
    broker_certificate(&b->broker, cert, options);
    broker_start(&b->broker, options);
    struct client *worker = &b->clients[0];
    tls_client(b, worker, "worker", ""); /* the system's CAs */
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "certificate verify failed"));
}

static void a_plain_client_at_a_tls_port_is_told(void **state) {
    struct bench *b = *state;
    char cert[128];
    char options[512];
    broker_certificate(&b->broker, cert, options);
    broker_start(&b->broker, options);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_non_null(strstr(worker->text, "wants TLS"));
}

static void a_tls_client_at_a_plain_port_is_told(void **state) {
    struct bench *b = *state;
    char cert[128];
    char options[512];
    broker_certificate(&b->broker, cert, options);
    broker_start(&b->broker, NULL);
    struct client *worker = &b->clients[0];
    tls_client(b, worker, "worker", cert);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "TLS handshake"));
}

/* ---- a fake broker: what a real one cannot be made to do ---- */

static void on_fake_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    (void)size;
    struct fake *f = handle->data;
    *buf = uv_buf_init(f->bytes, sizeof f->bytes);
}

/* Counts the packets by their first byte. */
static void fake_parse(struct fake *f, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len;) {
        if (f->skip > 0) {
            size_t n = f->skip < len - i ? f->skip : len - i;
            f->skip -= n;
            i += n;
        } else if (f->header == 0) {
            f->header = data[i++];
            f->length = f->shift = 0;
            f->pubacks += (f->header & 0xF0) == 0x40;
            f->publishes += (f->header & 0xF0) == 0x30;
            f->unsubscribes += (f->header & 0xF0) == 0xA0;
            f->pings += (f->header & 0xF0) == 0xC0;
        } else {
            uint8_t byte = data[i++];
            f->length |= (uint32_t)(byte & 127) << f->shift;
            f->shift += 7;
            if ((byte & 128) == 0) {
                f->skip = f->length;
                f->header = 0;
            }
        }
    }
}

static void on_fake_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct fake *f = stream->data;
    if (n <= 0) {
        (void)uv_read_stop(stream);
        return;
    }
    fake_parse(f, (const uint8_t *)buf->base, (size_t)n);
    if (!f->answered) {
        assert_memory_equal(buf->base + 2, "\0\4MQTT\5", 7); /* a short CONNECT: MQTT 5, 3.1.2 */
        f->has_will = (buf->base[9] & 4) != 0;
        f->answered = true;
        uv_buf_t out = uv_buf_init((char *)f->answer, (unsigned)f->answer_len);
        assert_int_equal(uv_try_write(stream, &out, 1), (int)f->answer_len);
        if (f->deaf) {
            (void)uv_read_stop(stream);
        }
    }
}

static void on_fake_connection(uv_stream_t *server, int status) {
    struct fake *f = server->data;
    assert_int_equal(status, 0);
    if (f->accepted) {
        return;
    }
    f->accepted = true;
    assert_int_equal(uv_accept(server, (uv_stream_t *)&f->peer), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&f->peer, on_fake_alloc, on_fake_read), 0);
}

static void fake_start(struct bench *b, const char *answer, size_t len) {
    struct fake *f = calloc(1, sizeof *f);
    assert_non_null(f);
    b->fake = f;
    f->answer = answer;
    f->answer_len = len;
    struct sockaddr_in address;
    assert_int_equal(uv_ip4_addr("127.0.0.1", b->broker.port, &address), 0);
    assert_int_equal(uv_tcp_init(&b->loop, &f->server), 0);
    assert_int_equal(uv_tcp_init(&b->loop, &f->peer), 0);
    f->server.data = f->peer.data = f;
    assert_int_equal(uv_tcp_bind(&f->server, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&f->server, 8, on_fake_connection), 0);
}

static void a_broker_without_mqtt_5_is_fatal(void **state) {
    struct bench *b = *state;
    fake_start(b, "\x20\x02\x00\x01", 4); /* MQTT 3.1.1: unacceptable protocol version */
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
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
    wait_until(b, &worker->downs, 1);
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
    {0x87, MQTT_DOWN_FATAL, "wants a user name and password"},
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
        wait_until(b, &worker->downs, 1);
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
    fake_start(b, "\x20\x03\x00\x9a\x00", 5);
    client_make(b, worker, "worker", &will);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_REFUSED);
    assert_true(b->fake->has_will);
    fake_end(b);

    fake_start(b, "\x20\x03\x00\x00\x00", 5);
    wait_until(b, &worker->ups, 1);

    assert_false(b->fake->has_will);
}

static void a_disconnect_of_the_broker_is_a_loss_with_its_reason(void **state) {
    struct bench *b = *state;
    /* CONNACK, then DISCONNECT: server shutting down. */
    fake_start(b, "\x20\x03\x00\x00\x00\xe0\x01\x8b", 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->ups, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "0x8b"));
}

static void a_session_taken_over_is_final(void **state) {
    struct bench *b = *state;
    fake_start(b, "\x20\x03\x00\x00\x00\xe0\x01\x8e", 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_TAKEN_OVER);
    assert_non_null(strstr(worker->text, "our client id \"worker\""));
}

static void a_refused_subscription_is_told(void **state) {
    struct bench *b = *state;
    /* CONNACK, then SUBACK for packet 1: not authorized. */
    fake_start(b, "\x20\x03\x00\x00\x00\x90\x04\x00\x01\x00\x87", 11);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    assert_int_equal(mqtt_subscribe(worker->mqtt, "seats", "closed/#", 1), 0);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->subscribed, 1);
    assert_int_equal(worker->subscribe_reason, MQTT_RC_NOT_AUTHORIZED);
    assert_string_equal(worker->filter, "$share/seats/closed/#");
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
    wait_until(b, &worker->ups, 1);
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
    wait_until(b, &worker->ups, 1);
    assert_int_equal(mqtt_session(worker->mqtt)->keepalive_s, 2);
    mqtt_hold(worker->mqtt, true);
    wait_until(b, &b->fake->unsubscribes, 4); /* longer than the keepalive, unanswered */
    assert_int_equal(b->fake->pings, 0);
    assert_int_equal(worker->downs, 0);
}

static void a_broker_that_answers_no_ping_is_lost(void **state) {
    struct bench *b = *state;
    fake_start(b, CONNACK_KEEPALIVE_2, 8);
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    wait_until(b, &worker->downs, 1);
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
    wait_until(b, &worker->messages, 1);
    uint64_t end = uv_hrtime() + 2500000000; /* past the keepalive: nothing may happen */
    while (uv_hrtime() < end) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    assert_int_equal(b->fake->pubacks + b->fake->pings + b->fake->unsubscribes, 0);
    mqtt_flush(worker->mqtt);
    wait_until(b, &b->fake->pubacks, 1);
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
    wait_until(b, &worker->ups, 1);
    const struct mqtt_session *s = mqtt_session(worker->mqtt);
    assert_true(s->connected && s->session_present);
    assert_int_equal(s->receive_maximum, 10);
    assert_int_equal(s->session_expiry_s, 60);
    assert_int_equal(s->keepalive_s, 20);
    assert_int_equal(s->qos_max, 1);
    assert_false(s->retain_available || s->wildcard_available);
    assert_false(s->subscription_ids_available || s->shared_available);
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
    wait_until(b, &worker->ups, 1);

    enum { SIZE = 8 << 20 };
    char *big = calloc(1, SIZE);
    struct mqtt_publish p = {.topic = "big", .payload = {big, SIZE}, .qos = 1};
    int mid = 0;
    assert_int_equal(mqtt_publish(worker->mqtt, &p, &mid, NULL), 0);
    mqtt_flush(worker->mqtt);
    while (worker->messages == 0) {
        (void)mqtt_collect(worker->mqtt, 1);
    }
    assert_int_equal(uv_read_start((uv_stream_t *)&b->fake->peer, on_fake_alloc, on_fake_read), 0);
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
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_message_arrives_with_its_properties_and_subscription_id),
        T(a_publisher_of_mqtt_3_1_1_is_heard),
        T(two_members_of_a_group_share_the_messages),
        T(an_unflushed_message_comes_again),
        T(a_flushed_message_does_not_come_again),
        T(a_drop_brings_unacknowledged_messages_back),
        T(a_held_socket_is_not_read_until_released),
        T(a_held_client_notices_that_the_broker_went),
        T(collect_stops_at_its_bound_and_says_so),
        T(a_refused_publish_tells_its_reason),
        T(a_qos_0_publish_is_told_as_published_once_written),
        T(what_mqtt_cannot_carry_is_refused_with_a_sentence),
        T(publishing_while_not_connected_is_a_network_error),
        T(the_brokers_receive_maximum_is_never_passed),
        T(publishes_in_flight_are_forgotten_when_the_connection_goes),
        T(a_broker_restart_is_survived_with_the_session),
        T(a_port_nobody_answers_is_tried_until_someone_does),
        T(a_host_without_an_address_is_named),
        T(freeing_while_connecting_leaves_nothing_behind),
        T(a_wrong_password_is_fatal),
        T(of_two_clients_with_one_id_exactly_one_stops),
        T(a_session_taken_over_is_final),
        T(a_refused_subscription_is_told),
        T(a_filter_that_is_none_is_refused_at_once),
        T(a_watch_gets_what_is_retained_on_every_connection),
        T(the_broker_queues_nothing_for_a_watch),
        T(a_watch_is_nothing_to_unsubscribe),
        T(unsubscribing_all_ends_deliveries),
        T(a_disconnect_with_expiry_0_ends_the_session),
        T(the_will_is_published_when_we_vanish_and_not_when_we_leave),
        T(a_tls_file_that_cannot_be_read_is_named),
        T(over_tls_every_message_of_a_burst_arrives),
        T(a_certificate_nobody_vouches_for_is_told),
        T(a_plain_client_at_a_tls_port_is_told),
        T(a_tls_client_at_a_plain_port_is_told),
        T(a_broker_without_mqtt_5_is_fatal),
        T(something_that_is_no_broker_is_told_so),
        T(a_refusal_is_final_only_when_it_cannot_pass),
        T(a_broker_that_carries_no_will_is_connected_to_without_one),
        T(a_disconnect_of_the_broker_is_a_loss_with_its_reason),
        T(the_limits_in_connack_are_passed_on),
        T(no_puback_leaves_with_the_rest_of_an_earlier_flush),
        T(no_puback_leaves_with_a_keepalive),
        T(a_held_client_shows_life_without_waiting_for_an_answer),
        T(a_broker_that_answers_no_ping_is_lost),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

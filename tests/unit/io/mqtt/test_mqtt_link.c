/* test_mqtt_link.c - connections of the MQTT door that come and go, in plain text and over TLS. */
#include "mqtt_world.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- connections that come and go ---- */

static void a_broker_restart_is_survived_with_the_session(void **state) {
    struct bench *b = *state;
    const char *options = "allow_anonymous true\npersistence true\n";
    broker_start(&b->broker, options);
    struct client *worker = &b->clients[0];
    client_up(b, worker, "worker", "seats", "booking/+");
    assert_false(worker->session_present);

    broker_stop(&b->broker);
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    broker_start(&b->broker, options);
    bench_wait(b, &worker->ups, 2);
    assert_true(worker->session_present);
    assert_int_equal(mqtt_session(worker->mqtt)->connects, 2);

    struct client *sender = &b->clients[1];
    client_up(b, sender, "sender", NULL, NULL);
    (void)client_publish(sender, "booking/request", "after", 1);
    bench_wait(b, &worker->messages, 1);
}

static void a_port_nobody_answers_is_tried_until_someone_does(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 2);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "connection refused"));
    broker_start(&b->broker, NULL);
    bench_wait(b, &worker->ups, 1);
}

static void a_host_without_an_address_is_named(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    client_make(b, worker, "worker", NULL);
    worker->conf.host = (char *)"no such host.invalid";
    mqtt_start(worker->mqtt);
    bench_wait(b, &worker->downs, 1);
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
    bench_wait(b, &worker->downs, 1);
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
    bench_wait(b, &worker->ups, 1);
}

/* Mosquitto 2.0.11 closes the older connection without a word: nobody may conclude anything. */
static void of_two_clients_with_one_id_neither_stops(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    struct client *first = &b->clients[0];
    struct client *second = &b->clients[1];
    client_up(b, first, "twin", NULL, NULL);
    client_up(b, second, "twin", NULL, NULL);
    bench_wait(b, &first->ups, 4);
    bench_wait(b, &second->ups, 4);
    assert_int_equal(b->takeovers, 0);
}

/* ---- TLS ---- */

static void tls_client(struct bench *b, struct client *c, const char *id, const char *ca) {
    client_make(b, c, id, NULL);
    c->conf.tls = true;
    c->conf.ca_file = (char *)ca;
}

static void a_tls_file_that_cannot_be_read_is_named(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    tls_client(b, worker, "worker", "/no/such/ca.pem");
    mqtt_start(worker->mqtt);
    assert_int_equal(worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_FATAL);
    assert_non_null(strstr(worker->text, "broker.ca_file \"/no/such/ca.pem\""));
}

static void a_tls_file_that_is_a_pipe_is_not_waited_for(void **state) {
    struct bench *b = *state;
    struct client *worker = &b->clients[0];
    char path[128];
    (void)snprintf(path, sizeof path, "%s/pipe", b->broker.dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    tls_client(b, worker, "worker", path);
    mqtt_start(worker->mqtt);
    assert_int_equal(worker->downs, 1);
    assert_non_null(strstr(worker->text, "is a pipe or a device"));
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
    bench_wait(b, &worker->subscribed, 1);

    for (int i = 0; i < 20; i++) {
        (void)client_publish(worker, "a", "x", 1);
    }
    bench_wait(b, &worker->messages, 3);
    mqtt_hold(worker->mqtt, true);
    mqtt_hold(worker->mqtt, false);
    bench_wait(b, &worker->messages, 20);
    bench_wait(b, &worker->published, 20);
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
    bench_wait(b, &worker->downs, 1);
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
    bench_wait(b, &worker->downs, 1);
    assert_non_null(strstr(worker->text, "requires TLS"));
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
    bench_wait(b, &worker->downs, 1);
    assert_int_equal(worker->why, MQTT_DOWN_LOST);
    assert_non_null(strstr(worker->text, "TLS handshake"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_broker_restart_is_survived_with_the_session),
        BENCH_TEST(a_port_nobody_answers_is_tried_until_someone_does),
        BENCH_TEST(a_host_without_an_address_is_named),
        BENCH_TEST(freeing_while_connecting_leaves_nothing_behind),
        BENCH_TEST(a_wrong_password_is_fatal),
        BENCH_TEST(of_two_clients_with_one_id_neither_stops),
        BENCH_TEST(a_tls_file_that_cannot_be_read_is_named),
        BENCH_TEST(a_tls_file_that_is_a_pipe_is_not_waited_for),
        BENCH_TEST(over_tls_every_message_of_a_burst_arrives),
        BENCH_TEST(a_certificate_nobody_vouches_for_is_told),
        BENCH_TEST(a_plain_client_at_a_tls_port_is_told),
        BENCH_TEST(a_tls_client_at_a_plain_port_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * bench_echo.c - the measure: what a good engineer writes with libmosquitto alone. It subscribes as
 * a consumer group with QoS 1 and publishes each message again with QoS 1. It keeps nothing: a
 * message that is acknowledged and not yet published again is lost when it dies.
 *
 *   bench_echo PORT FILTER TOPIC
 */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECEIVE_MAXIMUM = 1000 }; /* as zingq has it; with Mosquitto's 20 it would be slower */

struct echo {
    const char *filter, *topic;
};

static void check(int rc, const char *what) {
    if (rc != MOSQ_ERR_SUCCESS) {
        (void)fprintf(stderr, "bench_echo: %s: %s\n", what, mosquitto_strerror(rc));
        exit(3);
    }
}

static void on_connect(struct mosquitto *mosq, void *ctx, int reason) {
    const struct echo *echo = ctx;
    check(reason, "the broker refused us");
    check(mosquitto_subscribe(mosq, NULL, echo->filter, 1), "subscribe");
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *m) {
    const struct echo *echo = ctx;
    check(mosquitto_publish(mosq, NULL, echo->topic, m->payloadlen, m->payload, 1, false),
          "publish");
}

int main(int argc, char **argv) {
    if (argc != 4) {
        (void)fprintf(stderr, "usage: bench_echo PORT FILTER TOPIC\n");
        return 2;
    }
    struct echo echo = {.filter = argv[2], .topic = argv[3]};
    check(mosquitto_lib_init(), "libmosquitto");
    struct mosquitto *mosq = mosquitto_new("bench-echo", true, &echo);
    if (mosq == NULL) {
        check(MOSQ_ERR_NOMEM, "mosquitto_new");
    }
    check(mosquitto_int_option(mosq, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5), "MQTT 5");
    check(mosquitto_int_option(mosq, MOSQ_OPT_TCP_NODELAY, 1), "no delay");
    check(mosquitto_int_option(mosq, MOSQ_OPT_SEND_MAXIMUM, UINT16_MAX), "send maximum");
    mosquitto_connect_callback_set(mosq, on_connect);
    mosquitto_message_callback_set(mosq, on_message);
    mosquitto_property *properties = NULL;
    check(mosquitto_property_add_int16(&properties, MQTT_PROP_RECEIVE_MAXIMUM, RECEIVE_MAXIMUM),
          "receive maximum");
    int port = (int)strtol(argv[1], NULL, 10);
    check(mosquitto_connect_bind_v5(mosq, "127.0.0.1", port, 60, NULL, properties), "connect");
    mosquitto_property_free_all(&properties);
    check(mosquitto_loop_forever(mosq, -1, 1), "loop");
    return 0;
}

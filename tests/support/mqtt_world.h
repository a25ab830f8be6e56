/*
 * mqtt_world.h - clients of the MQTT door that write down what they are told, a real Mosquitto, and
 * a few lines of fake broker for what a real one cannot be made to do.
 */
#ifndef ZINGQ_TEST_MQTT_WORLD_H
#define ZINGQ_TEST_MQTT_WORLD_H

#include "broker.h"
#include "io/mqtt/mqtt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct client {
    struct mqtt *mqtt;
    int *takeovers; /* counted over all clients */
    struct broker_conf conf;
    bool collects; /* reads when there is something to read */
    bool flushes;  /* and acknowledges */
    bool holds;    /* holds itself from the first message on */
    bool kept_off; /* may not connect again */
    int asked;     /* whether it may */
    int ups, downs, messages, published, subscribed, resubscribed, unsubscribed;
    uint8_t publish_reason, subscribe_reason, subscribe_before;
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

/* What a real broker cannot be made to do; see below. */
struct fake {
    uv_tcp_t server, peer;
    bool accepted;
    const char *answer; /* bytes sent when the first bytes come */
    size_t answer_len;
    bool answered;
    bool deaf;        /* reads nothing after the answer */
    bool forgets_one; /* acknowledges publishes to topics of one letter, but for the first */
    bool has_will;    /* says the CONNECT */
    int pubacks;      /* 0x40 packets seen */
    int publishes;    /* 0x30 packets seen */
    int subscribes;   /* 0x80 packets seen */
    int unsubscribes; /* 0xA0 packets seen */
    int pings;        /* 0xC0 packets seen */
    size_t skip;      /* bytes of the packet under way still to come */
    uint8_t header;   /* the first byte of one whose length is under way; else 0 */
    uint8_t kind;     /* of the packet under way, or of the last one */
    uint32_t length, shift;
    uint8_t body[5]; /* its first bytes */
    size_t body_len;
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

/* Of a cmocka test; nothing of it may be left on the loop in the end. */
int bench_set_up(void **state);
int bench_tear_down(void **state);
/* Runs the loop until the number is reached; fails the test when it never is. */
void bench_wait(struct bench *b, const int *value, int at_least);

/* What writes down in the client what it is told. */
struct mqtt_callbacks client_callbacks(struct client *c);
/* A client that is not started yet. */
void client_make(struct bench *b, struct client *c, const char *id,
                 const struct mqtt_publish *will);
/* A client that is up and, with a filter, subscribed under id 7. */
void client_up(struct bench *b, struct client *c, const char *id, const char *group,
               const char *filter);
void client_end(struct client *c);
/* Publishes and flushes; the packet id. */
int client_publish(struct client *c, const char *topic, const char *payload, uint8_t qos);

/* Listens on the port of the broker, which must not run, and takes one connection. */
void fake_start(struct bench *b, const char *answer, size_t len);
/* Sends more on the connection there is. */
void fake_say(struct fake *f, const char *bytes, size_t len);
/* A deaf one reads from now on. */
void fake_listen(struct fake *f);
void fake_end(struct bench *b);

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_set_up, bench_tear_down)

#endif

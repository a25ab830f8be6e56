/*
 * fuzz_mqtt.c - any bytes as what a broker says: the door with its guard, and libmosquitto.
 *
 * Input: a byte for what the door does, a script (mimic.h). Promises: each publish has one answer at
 * most, and none before it was sent; messages are terminated topics with whole properties; what comes
 * when the connection ends comes after it began.
 */
#include "fuzz.h"

#include "mimic.h"

#include "event/event.h"
#include "io/mqtt/mqtt.h"

#include <stdio.h>

enum { PUBLISHES = 3 };

struct seen {
    struct mqtt *mqtt;
    uint8_t choice;
    bool up, down, readable;
    int mids[PUBLISHES];
    int answers[PUBLISHES];
};

static void on_message(void *ctx, const struct mqtt_message *message) {
    struct seen *s = ctx;
    struct slice name;
    struct slice value;
    size_t at = 0;
    assert(s->up && message->topic.data[message->topic.len] == '\0');
    assert(strlen(message->topic.data) == message->topic.len && message->qos <= 2);
    while (property_next(message->properties, &at, &name, &value)) {
    }
    assert(at == message->properties.len);
    assert(message->subscription_id_count <= MQTT_SUBSCRIPTION_IDS_MAX);
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    struct seen *s = ctx;
    (void)reason;
    for (int i = 0; i < PUBLISHES; i++) {
        if (s->mids[i] == mid) {
            assert(++s->answers[i] == 1);
            return;
        }
    }
    assert(false); /* an answer to nothing */
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct seen *s = ctx;
    assert(!s->up && session->connected && session->qos_max <= 2 && session->receive_maximum > 0);
    s->up = true;
    for (int i = 0; i < PUBLISHES; i++) {
        struct mqtt_publish publish = {.topic = "a/b", .payload = slice_of("x"), .qos = (uint8_t)i};
        if (mqtt_publish(s->mqtt, &publish, &s->mids[i], NULL) != 0) {
            s->mids[i] = 0;
        }
    }
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct seen *s = ctx;
    (void)why;
    assert(text[0] != '\0');
    s->up = false;
    s->down = true;
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    const struct seen *s = ctx;
    (void)reason;
    assert(s->up && filter[0] != '\0');
}

static void on_unsubscribed(void *ctx) {
    const struct seen *s = ctx;
    assert(s->up);
}

static void on_readable(void *ctx) {
    struct seen *s = ctx;
    assert(s->up);
    s->readable = true;
}

static void take_turn(struct seen *s) {
    s->readable = false;
    while (mqtt_collect(s->mqtt, 2)) {
    }
    if ((s->choice & 1) != 0) {
        (void)mqtt_give_up(s->mqtt, NULL, "a/#");
    }
    mqtt_flush(s->mqtt);
}

static void live(struct mimic *m, struct seen *s, struct slice script) {
    mimic_play(m, script);
    mqtt_start(s->mqtt);
    while (!s->down) {
        mimic_turn(m);
        if (s->readable) {
            take_turn(s);
        }
    }
    mimic_end(m);
    mqtt_free(s->mqtt);
    (void)uv_run(&m->loop, UV_RUN_NOWAIT);
    (void)uv_run(&m->loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice script = fuzz_slice(data, size);
    struct mimic *m = mimic_get();
    struct seen seen = {.choice = fuzz_byte(&script)};
    char none[] = "";
    char host[] = "127.0.0.1";
    char url[64];
    (void)snprintf(url, sizeof url, "mqtt://%s:%u", host, (unsigned)m->port);
    const struct broker_conf conf = {.url = url,
                                     .host = host,
                                     .port = m->port,
                                     .client_id = none,
                                     .username = none,
                                     .password = none,
                                     .ca_file = none,
                                     .cert_file = none,
                                     .key_file = none,
                                     .packet_bytes_max = 1 << 20,
                                     .receive_maximum = 10,
                                     .session_expiry_s = 3600};
    struct mqtt_callbacks callbacks = {.ctx = &seen,
                                       .on_message = on_message,
                                       .on_published = on_published,
                                       .on_up = on_up,
                                       .on_down = on_down,
                                       .on_subscribed = on_subscribed,
                                       .on_unsubscribed = on_unsubscribed,
                                       .on_readable = on_readable};
    assert(mqtt_new(&seen.mqtt, &m->loop, &conf, "zingq", NULL, &callbacks, NULL) == 0);
    assert(mqtt_subscribe(seen.mqtt, (seen.choice & 2) != 0 ? "g" : NULL, "a/#", 7) == 0);
    live(m, &seen, script);
    return 0;
}

/*
 * test_mqtt_faults.c - memory, libmosquitto and libuv fail while a client connects, subscribes, publishes and is sent messages by
 * a real Mosquitto: it connects again, what was published is confirmed, and every message comes.
 *
 * ctest: faults timeout=120 label=torture
 */
#include "fault.h"
#include "mqtt_world.h"
#include "test.h"

#include "event/event.h"

#include <stdio.h>
#include <string.h>

enum { MESSAGES = 3 };

struct told {
    struct client client;
    bool seen[MESSAGES], confirmed[MESSAGES];
    int mids[MESSAGES]; /* 0: not on its way */
};

static void on_message(void *ctx, const struct mqtt_message *message) {
    struct told *t = ctx;
    unsigned n = (unsigned)(message->topic.data[message->topic.len - 1] - '0');
    struct slice tenant = {0};
    assert_true(n < MESSAGES);
    assert_true(slice_is(message->payload, "hello"));
    (void)property_find(message->properties, "tenant", &tenant);
    assert_true(slice_is(tenant, "blue"));
    t->seen[n] = true;
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    struct told *t = ctx;
    for (int i = 0; i < MESSAGES; i++) {
        if (t->mids[i] == mid) {
            t->confirmed[i] = reason < 0x80;
            t->mids[i] = 0;
        }
    }
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct told *t = ctx;
    assert_true(session->connected);
    t->client.ups++;
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct told *t = ctx;
    (void)why;
    (void)fault_named(text);
    t->client.downs++;
    memset(t->mids, 0, sizeof t->mids);
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    struct told *t = ctx;
    assert_non_null(filter);
    t->client.subscribed = reason < 0x80;
}

static void on_readable(void *ctx) {
    struct told *t = ctx;
    while (mqtt_collect(t->client.mqtt, 10)) {
    }
    mqtt_flush(t->client.mqtt);
}

static void publish_missing(struct told *t, const char *base, const struct buf *properties) {
    char topic[64];
    for (int i = 0; i < MESSAGES && t->client.subscribed; i++) {
        (void)snprintf(topic, sizeof topic, "%s/%d", base, i);
        struct mqtt_publish p = {.topic = topic,
                                 .payload = slice_of("hello"),
                                 .content_type = slice_of("text/plain"),
                                 .properties = buf_slice(properties),
                                 .qos = 1};
        if (!t->confirmed[i] && t->mids[i] == 0) {
            (void)mqtt_publish(t->client.mqtt, &p, &t->mids[i], NULL);
        }
    }
    mqtt_flush(t->client.mqtt);
}

static bool has_all(const struct told *t) {
    bool all = true;
    for (int i = 0; i < MESSAGES; i++) {
        all = all && t->seen[i] && t->confirmed[i];
    }
    return all;
}

/* Until everything has come; then it leaves. */
static void live(struct bench *b, struct told *t, const char *base) {
    struct buf properties;
    buf_init(&properties, 1000);
    property_add(&properties, slice_of("tenant"), slice_of("blue"));
    fault_on();
    mqtt_start(t->client.mqtt);
    while (!has_all(t)) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
        publish_missing(t, base, &properties);
    }
    mqtt_disconnect(t->client.mqtt, 0);
    fault_off();
    buf_clear(&properties);
}

static bool messages_go_and_come(void *ctx) {
    static unsigned number;
    struct bench *b = ctx;
    struct told t = {0};
    char id[32], filter[40];
    struct mqtt_publish will = {.topic = "will", .payload = slice_of("gone"), .qos = 1};
    struct report r = {""};
    (void)snprintf(id, sizeof id, "faults-%u", ++number);
    (void)snprintf(filter, sizeof filter, "%s/+", id);
    client_make(b, &t.client, id, NULL);
    client_end(&t.client); /* for its conf */
    struct mqtt_callbacks callbacks = {.ctx = &t,
                                       .on_message = on_message,
                                       .on_published = on_published,
                                       .on_up = on_up,
                                       .on_down = on_down,
                                       .on_subscribed = on_subscribed,
                                       .on_readable = on_readable};
    fault_on();
    int code = mqtt_new(&t.client.mqtt, &b->loop, &t.client.conf, id, &will, &callbacks, &r);
    if (code == 0) {
        code = mqtt_subscribe(t.client.mqtt, NULL, filter, 7);
    }
    fault_off();
    if (code == 0) {
        live(b, &t, id);
    }
    fault_on();
    mqtt_free(t.client.mqtt);
    fault_off();
    (void)uv_run(&b->loop, UV_RUN_NOWAIT);
    return code == 0 ? t.client.downs == 0
                     : fault_named(r.text[0] != '\0' ? r.text : error_text(code));
}

static void every_message_goes_and_comes(void **state) {
    struct bench *b = *state;
    broker_start(&b->broker, NULL);
    fault_each("mqtt", FAULT_MEMORY | FAULT_SYSTEM | FAULT_LIBRARY, messages_go_and_come, b);
}

int main(void) {
    const struct CMUnitTest tests[] = {BENCH_TEST(every_message_goes_and_comes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

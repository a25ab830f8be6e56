/* mqtt_world.c - see mqtt_world.h. */
#include "mqtt_world.h"

#include "test.h"

#include "event/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 15000 };

/* At a DISCONNECT of the broker libmosquitto (2.0.11) unlocks a mutex it has not locked; no other
 * thread has the handle then. */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void) {
    return "mutex:libmosquitto\n";
}

/* ---- a client that writes down what it is told ---- */

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

static void on_resubscribed(void *ctx, const char *filter, uint8_t before, uint8_t reason) {
    struct client *c = ctx;
    c->resubscribed++;
    c->subscribe_before = before;
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

static void on_guard(uv_timer_t *timer) {
    (void)timer;
}

int bench_set_up(void **state) {
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
int bench_tear_down(void **state) {
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

void client_end(struct client *c) {
    mqtt_free(c->mqtt);
    c->mqtt = NULL;
}

void bench_wait(struct bench *b, const int *value, int at_least) {
    uint64_t end = uv_hrtime() + (uint64_t)WAIT_MS * 1000000;
    while (*value < at_least && uv_hrtime() < end) {
        (void)uv_run(&b->loop, UV_RUN_ONCE);
    }
    if (*value < at_least) {
        fail_msg("waited in vain for %d, have %d", at_least, *value);
    }
}

static bool may_connect(void *ctx) {
    struct client *c = ctx;
    c->asked++;
    return !c->kept_off;
}

struct mqtt_callbacks client_callbacks(struct client *c) {
    return (struct mqtt_callbacks){
        .ctx = c,
        .on_message = on_message,
        .on_published = on_published,
        .on_up = on_up,
        .on_down = on_down,
        .on_subscribed = on_subscribed,
        .on_resubscribed = on_resubscribed,
        .on_unsubscribed = on_unsubscribed,
        .on_readable = on_readable,
        .may_connect = may_connect,
    };
}

void client_make(struct bench *b, struct client *c, const char *id,
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
    struct mqtt_callbacks callbacks = client_callbacks(c);
    struct report r = {""};
    int error = mqtt_new(&c->mqtt, &b->loop, &c->conf, id, will, &callbacks, &r);
    if (error != 0) {
        fail_msg("mqtt_new: %s", r.text);
    }
}

void client_up(struct bench *b, struct client *c, const char *id, const char *group,
               const char *filter) {
    client_make(b, c, id, NULL);
    if (filter != NULL) {
        assert_int_equal(mqtt_subscribe(c->mqtt, group, filter, 7), 0);
    }
    mqtt_start(c->mqtt);
    bench_wait(b, &c->ups, 1);
    if (filter != NULL) {
        bench_wait(b, &c->subscribed, 1);
    }
}

int client_publish(struct client *c, const char *topic, const char *payload, uint8_t qos) {
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

/* ---- a fake broker: what a real one cannot be made to do ---- */

static void on_fake_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    (void)size;
    struct fake *f = handle->data;
    *buf = uv_buf_init(f->bytes, sizeof f->bytes);
}

static void fake_acknowledge(struct fake *f) {
    const uint8_t puback[] = {0x40, 2, f->body[3], f->body[4]};
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)puback, sizeof puback);
    if (f->forgets_one && f->publishes > 1) {
        assert_int_equal(uv_try_write((uv_stream_t *)&f->peer, &out, 1), (int)sizeof puback);
    }
}

/* What comes of the packet under way. */
static size_t fake_take(struct fake *f, const uint8_t *data, size_t len) {
    size_t n = f->skip < len ? f->skip : len;
    for (size_t i = 0; i < n && f->body_len < sizeof f->body; i++) {
        f->body[f->body_len++] = data[i];
    }
    f->skip -= n;
    if (f->skip == 0 && (f->kind & 0xF0) == 0x30) {
        fake_acknowledge(f);
    }
    return n;
}

/* Counts the packets by their first byte. */
static void fake_parse(struct fake *f, const uint8_t *data, size_t len) {
    for (size_t i = 0; i < len;) {
        if (f->skip > 0) {
            i += fake_take(f, data + i, len - i);
        } else if (f->header == 0) {
            f->header = data[i++];
            f->length = f->shift = 0;
            f->pubacks += (f->header & 0xF0) == 0x40;
            f->publishes += (f->header & 0xF0) == 0x30;
            f->subscribes += (f->header & 0xF0) == 0x80;
            f->unsubscribes += (f->header & 0xF0) == 0xA0;
            f->pings += (f->header & 0xF0) == 0xC0;
        } else {
            uint8_t byte = data[i++];
            f->length |= (uint32_t)(byte & 127) << f->shift;
            f->shift += 7;
            if ((byte & 128) == 0) {
                f->skip = f->length;
                f->kind = f->header;
                f->header = 0;
                f->body_len = 0;
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

void fake_say(struct fake *f, const char *bytes, size_t len) {
    uv_buf_t out = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)len);
    assert_int_equal(uv_try_write((uv_stream_t *)&f->peer, &out, 1), (int)len);
}

void fake_start(struct bench *b, const char *answer, size_t len) {
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

void fake_listen(struct fake *f) {
    assert_int_equal(uv_read_start((uv_stream_t *)&f->peer, on_fake_alloc, on_fake_read), 0);
}

void fake_end(struct bench *b) {
    if (b->fake != NULL) {
        uv_close((uv_handle_t *)&b->fake->server, NULL);
        uv_close((uv_handle_t *)&b->fake->peer, NULL);
        (void)uv_run(&b->loop, UV_RUN_NOWAIT);
        free(b->fake);
        b->fake = NULL;
    }
}

/*
 * mqtt.c - the MQTT 5 client: its life, from connecting to the end.
 *
 *   idle ──▶ connecting ──▶ greeting ──▶ up
 *               ▲  │           │          │
 *   (timer) waiting ◀──────────┴──────────┘        any of them ──▶ stopped
 *
 * connecting: mqtt_link's thread has the handle. greeting: CONNECT was sent, CONNACK is awaited.
 * up: io/mqtt/turn.c reads and writes. One timer serves all states: the deadline, the keepalive's
 * tick, the wait before a reconnect.
 *
 * Callbacks of libmosquitto run under its locks: they only record something or pass it on; its
 * consequences for the connection are decided after the call has returned.
 *
 * Left out: QoS 2 (see io/mqtt/mqtt.h), topic aliases, enhanced authentication, MQTT 3.1.1.
 */
#include "io/mqtt/impl.h"

#include "base/clock.h"
#include "base/limits.h"
#include "io/mqtt/guard.h"
#include "io/mqtt/tls.h"

#include <assert.h>
#include <errno.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    TICK_MS = 1000,
    ASK_AGAIN_MS = 500,  /* for leave to connect */
    GREETING_READS = 16, /* packets (TLS records) read in one wake-up before CONNACK */
};

/* ---- greeting ---- */

static void on_connack(struct mosquitto *mosq, void *userdata, int reason, int flags,
                       const mosquitto_property *properties) {
    (void)mosq;
    struct mqtt *m = mqtt_heard(userdata);
    m->answer = reason;
    if (reason == 0) {
        mqtt_session_read(&m->session, (flags & 1) != 0, properties, MQTT_KEEPALIVE_S,
                          m->conf->session_expiry_s);
        mqtt_apply_lacks(m);
    }
}

/* May come twice for one end; the first has the reason. */
static void on_disconnect(struct mosquitto *mosq, void *userdata, int code,
                          const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = mqtt_heard(userdata);
    if (!m->gone) {
        m->gone = true;
        m->gone_code = code;
    }
}

static void come_up(struct mqtt *m) {
    mqtt_move(m, UP);
    m->up_ms = m->wrote_ms = uv_now(m->loop);
    m->session.connected = true;
    m->session.connects++;
    mqtt_link_settled(m->link);
    mqtt_set_timer(m, mqtt_on_tick, TICK_MS, TICK_MS);
    int rc = m->withheld ? MOSQ_ERR_SUCCESS : mqtt_send_subscriptions(m);
    if (rc != MOSQ_ERR_SUCCESS) {
        mqtt_lose(m, rc, errno);
        return;
    }
    m->readable = true; /* TLS may have read ahead; the caller's first collect finds out */
    (void)mqtt_write_or_leave(m); /* what there is to read is told below, after on_up */
    if (m->state == UP) {
        m->callbacks.on_up(m->callbacks.ctx, &m->session);
        mqtt_tell_left_out(m);
        mqtt_tell_readable(m);
    }
}

static void answered(struct mqtt *m) {
    if (m->answer == 0) {
        mqtt_will_taken(m);
        come_up(m);
        return;
    }
    struct report r;
    if (mqtt_will_refused(m)) {
        (void)report(&r, 0, "the broker at %s refused our last will: connecting %s", m->where,
                     m->will.topic == NULL ? "without one" : "with one that is not retained");
        mqtt_go_down(m, MQTT_DOWN_REFUSED, r.text);
        return;
    }
    enum mqtt_down why = mqtt_refusal((uint8_t)m->answer, m->conf, m->client_id, m->where, &r);
    if (mqtt_suspect_will(m)) {
        why = MQTT_DOWN_REFUSED;
        size_t len = strlen(r.text);
        (void)snprintf(r.text + len, sizeof r.text - len,
                       "; in case the reason is our last will, the next attempt is without one");
    } else {
        mqtt_leave_address(m, m->answer);
    }
    mqtt_go_down(m, why, r.text);
}

/* One step towards CONNACK; false when there is nothing to do but wait. With TLS 1.3 a broker
 * checks our certificate after the handshake is over for us, sends its reason and closes: a write
 * would then fail and lose the reason. So reading comes first, and CONNECT is sent after some
 * silence. */
static bool greet_step(struct mqtt *m, int *rc, int *err) {
    mqtt_guard_look(mqtt_link_guard(m->link));
    *rc = mqtt_read_packets(m, err);
    bool dry = *err == EAGAIN;
    bool waits = *rc == MOSQ_ERR_SUCCESS && !m->gone && m->answer == NO_ANSWER;
    if (waits && m->says_connect && mqtt_wants_write(m)) {
        *rc = mqtt_write_packets(m, err);
    }
    return waits && *rc == MOSQ_ERR_SUCCESS && !m->gone && !dry;
}

static void on_silence(uv_timer_t *timer);
static void on_greeting_socket(void *owner, int status, int events);

static void greet(struct mqtt *m) {
    int rc = MOSQ_ERR_SUCCESS;
    int err = 0;
    for (int i = 0; i < GREETING_READS && greet_step(m, &rc, &err); i++) {
    }
    if (m->answer != NO_ANSWER) {
        answered(m);
        return;
    }
    /* libmosquitto reports success for a TLS handshake that the peer has abandoned. */
    if (rc != MOSQ_ERR_SUCCESS || m->gone || mqtt_link_ended(m->link)) {
        mqtt_lose(m, rc, err);
        return;
    }
    if (!m->says_connect && uv_now(m->loop) - m->joined_ms < MQTT_CONNECT_MS) {
        mqtt_set_timer(m, on_silence, MQTT_ALERT_MS, 0);
    }
    m->unsent = m->says_connect && mqtt_wants_write(m);
    int events = UV_READABLE | (m->unsent ? UV_WRITABLE : 0);
    if (mqtt_link_watch(m->link, events, on_greeting_socket) != 0) {
        mqtt_lose(m, MOSQ_ERR_ERRNO, errno);
    }
}

static void on_greeting_socket(void *owner, int status, int events) {
    struct mqtt *m = owner;
    assert(m->state == GREETING);
    (void)status; /* reading returns the error */
    (void)events;
    greet(m);
}

/* ---- connecting ---- */

static void on_deadline(uv_timer_t *timer) {
    struct mqtt *m = timer->data;
    assert(m->state == CONNECTING || m->state == GREETING);
    mqtt_lose(m, MOSQ_ERR_TIMEOUT, 0);
}

static void on_silence(uv_timer_t *timer) {
    struct mqtt *m = timer->data;
    assert(m->state == GREETING);
    m->says_connect = true;
    mqtt_set_timer(m, on_deadline, MQTT_CONNECT_MS, 0);
    greet(m);
}

static void begin_connect(struct mqtt *m);

/* The name has no address after the skipped ones: nothing was tried. */
static bool all_skipped(const struct mqtt *m) {
    return m->skip_addresses > 0 && mqtt_guard_tried(mqtt_link_guard(m->link)) <= m->skip_addresses;
}

static void connect_joined(struct mqtt *m) {
    int code = MOSQ_ERR_SUCCESS;
    int err = 0;
    if (!mqtt_link_joined(m->link, &code, &err)) {
        return;
    }
    if (code != MOSQ_ERR_SUCCESS && all_skipped(m)) {
        m->skip_addresses = 0;
        mqtt_close_link(m);
        mqtt_move(m, WAITING);
        begin_connect(m);
        return;
    }
    if (code != MOSQ_ERR_SUCCESS) {
        mqtt_lose(m, code, err);
        return;
    }
    mqtt_move(m, GREETING);
    m->says_connect = !m->conf->tls;
    m->joined_ms = uv_now(m->loop);
    mqtt_set_timer(m, on_deadline, MQTT_CONNECT_MS, 0);
    greet(m);
}

static void on_wake(uv_async_t *wake) {
    struct mqtt *m = wake->data;
    if (m->state == CONNECTING) {
        connect_joined(m);
    } else {
        mqtt_tell_readable(m);
    }
}

static void set_callbacks(struct mosquitto *mosq) {
    mosquitto_connect_v5_callback_set(mosq, on_connack);
    mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
    mosquitto_message_v5_callback_set(mosq, mqtt_on_message);
    mosquitto_publish_v5_callback_set(mosq, mqtt_on_publish);
    mosquitto_subscribe_v5_callback_set(mosq, mqtt_on_suback);
    mosquitto_unsubscribe_v5_callback_set(mosq, mqtt_on_unsuback);
}

static int make_link(struct mqtt *m, struct report *r) {
    struct mqtt_link_settings settings = {
        .conf = m->conf,
        .client_id = m->client_id,
        .will = m->will.topic != NULL && !m->without_will ? &m->will : NULL,
        .will_properties = m->will_properties,
        .owner = m,
        .skip_addresses = m->skip_addresses,
    };
    int error = mqtt_link_new(&m->link, m->loop, &settings, r);
    if (error == 0) {
        m->mosq = mqtt_link_handle(m->link);
        set_callbacks(m->mosq);
    }
    return error;
}

static void begin_connect(struct mqtt *m) {
    mqtt_move(m, CONNECTING);
    struct report r;
    int error = mqtt_tls_check(m->conf, &r); /* the files may have been renewed, or broken */
    enum mqtt_down why = error == ERR_INVALID ? MQTT_DOWN_FATAL : MQTT_DOWN_LOST;
    error = error == 0 ? make_link(m, &r) : error;
    if (error == 0) {
        mqtt_set_timer(m, on_deadline, MQTT_CONNECT_MS, 0);
        error = mqtt_link_connect(m->link, &m->wake, &r);
    }
    if (error != 0) {
        mqtt_close_link(m);
        mqtt_move(m, WAITING);
        mqtt_set_timer(m, m->on_retry_due, mqtt_backoff_ms(m->attempts++, MQTT_BACKOFF_MS_MAX), 0);
        m->callbacks.on_down(m->callbacks.ctx, why, r.text);
    }
}

static void on_retry_due(uv_timer_t *timer) {
    struct mqtt *m = timer->data;
    if (m->callbacks.may_connect != NULL && !m->callbacks.may_connect(m->callbacks.ctx)) {
        mqtt_set_timer(m, on_retry_due, ASK_AGAIN_MS, 0);
        return;
    }
    begin_connect(m);
}

/* ---- life ---- */

static void name_broker(struct mqtt *m) {
    bool v6 = strchr(m->conf->host, ':') != NULL;
    (void)snprintf(m->where, sizeof m->where, v6 ? "[%s]:%u" : "%s:%u", m->conf->host,
                   m->conf->port);
}

static void free_memory(struct mqtt *m) {
    while (m->sub_count > 0) {
        mqtt_forget_subscription(m, m->sub_count - 1);
    }
    free(m->subs);
    free(m->sent_s);
    free(m->will_topic);
    free(m->will_payload);
    mosquitto_property_free_all(&m->will_properties);
    mqtt_incoming_clear(&m->incoming);
    buf_clear(&m->scratch);
    free(m);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct mqtt *m = handle->data;
    assert(m->open_handles > 0);
    if (--m->open_handles == 0) {
        free_memory(m);
    }
}

static int open_handles(struct mqtt *m, struct report *r) {
    int failed = uv_async_init(m->loop, &m->wake, on_wake);
    if (failed != 0) {
        return report(r, ERR_SYSTEM, "cannot create a wake-up for the broker's connection: %s",
                      uv_strerror(failed));
    }
    failed = uv_timer_init(m->loop, &m->timer);
    assert(failed == 0); /* libuv: always 0 */
    m->wake.data = m->timer.data = m;
    m->open_handles = 2;
    return 0;
}

static int set_client_id(struct mqtt *m, const char *id, struct report *r) {
    size_t len = strlen(id);
    if (len == 0 || len >= sizeof m->session.client_id) {
        return report(r, ERR_INVALID, "broker.client_id must have 1 to %zu bytes",
                      sizeof m->session.client_id - 1);
    }
    m->client_id = id;
    memcpy(m->session.client_id, id, len);
    return 0;
}

/* Settings that libmosquitto refuses are reported now, not at the first connection. */
static int try_settings(struct mqtt *m, struct report *r) {
    if (mqtt_tls_check(m->conf, NULL) != 0) {
        return 0; /* files that may be mended: told at each connection */
    }
    int code = make_link(m, r);
    mqtt_close_link(m);
    return code;
}

int mqtt_new(struct mqtt **out, uv_loop_t *loop, const struct broker_conf *conf,
             const char *client_id, const struct mqtt_publish *will,
             const struct mqtt_callbacks *callbacks, struct report *r) {
    assert(callbacks->on_message != NULL && callbacks->on_published != NULL);
    assert(callbacks->on_up != NULL && callbacks->on_down != NULL);
    assert(callbacks->on_subscribed != NULL && callbacks->on_readable != NULL);
    struct mqtt *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    *m = (struct mqtt){.loop = loop,
                       .conf = conf,
                       .callbacks = *callbacks,
                       .on_retry_due = on_retry_due,
                       .answer = NO_ANSWER};
    mqtt_incoming_init(&m->incoming);
    buf_init(&m->scratch, MQTT_PROPERTY_BYTES_MAX);
    name_broker(m);
    m->sent_s = calloc(MQTT_PACKET_IDS, sizeof *m->sent_s);
    int error = m->sent_s == NULL ? report(r, ERR_MEMORY, "out of memory") : 0;
    error = error == 0 ? set_client_id(m, client_id, r) : error;
    error = error == 0 ? mqtt_copy_will(m, will, r) : error;
    error = error == 0 ? try_settings(m, r) : error;
    error = error == 0 ? open_handles(m, r) : error;
    if (error != 0) {
        free_memory(m);
        return error;
    }
    *out = m;
    return 0;
}

void mqtt_free(struct mqtt *m) {
    if (m == NULL) {
        return;
    }
    assert(!m->in_library);
    mqtt_close_link(m);
    mqtt_move(m, STOPPED);
    uv_close((uv_handle_t *)&m->wake, on_handle_closed);
    uv_close((uv_handle_t *)&m->timer, on_handle_closed);
}

void mqtt_start(struct mqtt *m) {
    assert(m->state == IDLE);
    mqtt_move(m, WAITING);
    on_retry_due(&m->timer);
}

void mqtt_drop(struct mqtt *m) {
    assert(!m->in_library);
    if (m->link != NULL) {
        mqtt_go_down(m, MQTT_DOWN_LOST,
                     "dropped, so that the broker sends unacknowledged messages again");
    }
}

void mqtt_moved(struct mqtt *m, bool wait) {
    assert(!m->in_library);
    if (m->state == UP) {
        mqtt_go_down(m, MQTT_DOWN_LOST, "dropped: both connections must use the same broker");
    } else if (m->link != NULL) {
        mqtt_close_link(m);
        mqtt_move(m, WAITING);
        wait = false;
    }
    name_broker(m);
    m->lacks = (struct mqtt_lacks){false};
    m->will = m->asked_will;
    m->without_will = false;
    m->skip_addresses = 0;
    if (m->state == WAITING && !wait) {
        mqtt_set_timer(m, on_retry_due, mqtt_backoff_ms(0, MQTT_BACKOFF_MS_MAX), 0);
    }
}

void mqtt_forgive(struct mqtt *m) {
    assert(!m->in_library);
    m->attempts = 0;
}

/* Waits until the broker has closed, too, or time is up. If it sent something to a closed socket,
 * the kernel would answer with a reset, and the broker would not read what we wrote before. */
static void await_close(int socket, int64_t end_ms) {
    char unread[4096];
    struct pollfd input = {.fd = socket, .events = POLLIN};
    int64_t left_ms = 0;
    (void)shutdown(socket, SHUT_WR);
    while ((left_ms = end_ms - clock_monotonic_ms()) > 0) {
        int ready = poll(&input, 1, (int)left_ms);
        if (ready > 0 && read(socket, unread, sizeof unread) <= 0) {
            return;
        }
    }
}

/* Writes until the DISCONNECT is sent (libmosquitto then closes the socket) or time is up. */
static void write_goodbye(struct mqtt *m, int64_t end_ms) {
    while (!m->gone) {
        int err = 0;
        if (mqtt_write_packets(m, &err) != MOSQ_ERR_SUCCESS || m->gone) {
            return;
        }
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= end_ms) {
            return;
        }
        struct pollfd socket = {.fd = mosquitto_socket(m->mosq), .events = POLLOUT};
        if (poll(&socket, 1, (int)(end_ms - now_ms) + 1) < 0 && errno != EINTR) {
            return;
        }
    }
}

static void say_goodbye(struct mqtt *m) {
    int64_t end_ms = clock_monotonic_ms() + MQTT_GOODBYE_MS;
    int socket = dup(mosquitto_socket(m->mosq)); /* libmosquitto closes its own */
    m->leaving = true;
    write_goodbye(m, end_ms);
    m->leaving = false;
    if (socket >= 0) {
        await_close(socket, end_ms);
        (void)close(socket);
    }
}

void mqtt_disconnect(struct mqtt *m, int64_t session_expiry_s) {
    assert(!m->in_library);
    assert(session_expiry_s <= UINT32_MAX);
    if (m->state == UP && !m->acks) {
        mosquitto_property *properties = NULL;
        int rc = MOSQ_ERR_SUCCESS;
        if (session_expiry_s >= 0) {
            rc = mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                              (uint32_t)session_expiry_s);
        }
        if (rc == MOSQ_ERR_SUCCESS &&
            mosquitto_disconnect_v5(m->mosq, 0, properties) == MOSQ_ERR_SUCCESS) {
            say_goodbye(m);
        }
        mosquitto_property_free_all(&properties);
    }
    mqtt_close_link(m);
    (void)uv_timer_stop(&m->timer);
    mqtt_move(m, STOPPED);
}

const struct mqtt_session *mqtt_session(const struct mqtt *m) {
    return &m->session;
}

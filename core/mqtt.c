/*
 * mqtt.c - the MQTT 5 client: states, subscriptions, the turn's reads and writes.
 *
 *   idle ──▶ connecting ──▶ greeting ──▶ up
 *               ▲  │           │          │
 *   (timer) waiting ◀──────────┴──────────┘        any of them ──▶ stopped
 *
 * connecting: mqtt_link's thread has the handle. greeting: CONNECT is out, CONNACK is awaited.
 * One timer serves them all: the deadline, the keepalive's tick, the wait before a reconnect.
 *
 * The rule everything here keeps: no PUBACK leaves before the mqtt_flush that follows it. Writing
 * empties libmosquitto's whole queue, so while `dirty` (something was queued since the last flush)
 * neither the keepalive nor the writable watcher may write: the flush to come does it for them.
 *
 * Reading dry: mosquitto_loop_read returns success both for a packet handled and for an empty
 * socket. Only errno tells, and a packet's own handling can leave EAGAIN there too (its byte into
 * a full socket pair, a callback). So: dry means EAGAIN and no callback ran. A packet that runs no
 * callback queues nothing either, and the worst of a wrong "dry" is one more wake-up.
 *
 * The socket's watcher is level-triggered. It is stopped when it fires and set again when
 * mqtt_collect has read the socket dry, so that a caller who waits a little is not woken for it.
 *
 * Callbacks of libmosquitto run under its locks: they record, or hand up; what they mean for the
 * connection is decided after the call has returned.
 *
 * Left out: QoS 2 (see mqtt.h), topic aliases, enhanced authentication, MQTT 3.1.1.
 */
#include "mqtt.h"

#include "limits.h"
#include "mqtt_link.h"
#include "mqtt_wire.h"

#include <assert.h>
#include <errno.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state { IDLE, CONNECTING, GREETING, UP, WAITING, STOPPED, STATE_COUNT };

enum {
    TICK_MS = 1000,
    STEADY_MS = 5000,    /* a connection that lasted this long makes the next wait short again */
    KICKS_MAX = 4,       /* connections in a row that the broker closed before they were steady */
    GREETING_READS = 16, /* packets (TLS records) looked at in one wake-up before CONNACK */
    NO_ANSWER = -1,
};

struct subscription {
    char *filter; /* as registered; owned */
    char *shared; /* $share/<group>/<filter>; owned, NULL = not shared */
    uint32_t id;
    int mid;      /* of its SUBSCRIBE or UNSUBSCRIBE on this connection; 0 = none */
    bool leaving; /* given up, waiting for UNSUBACK */
};

struct mqtt {
    uv_loop_t *loop;
    const struct broker_conf *conf; /* borrowed */
    const char *client_id;          /* borrowed */
    struct mqtt_callbacks callbacks;
    char where[300]; /* "host:port" for sentences */
    struct mqtt_publish will;
    char *will_topic, *will_payload; /* owned; back will */
    mosquitto_property *will_properties;

    enum state state;
    struct mqtt_link *link; /* from CONNECTING to UP */
    struct mosquitto *mosq; /* the link's handle */
    uv_timer_t timer;
    uv_async_t wake;   /* the connect thread is done, or there may be input unread */
    int open_handles;  /* of the two above */
    uint32_t attempts; /* connects since the last steady connection */
    uint32_t kicks;    /* see was_kicked */
    uint64_t up_ms;    /* loop time: when the connection came up */
    uint64_t wrote_ms; /* loop time: the last write */

    struct subscription *subs;
    size_t sub_count, sub_cap;
    struct mqtt_session session;
    struct mqtt_incoming incoming;
    struct buf scratch;

    bool held;
    bool readable; /* there may be unread input: the caller knows, the watcher is off */
    bool unsent;   /* the last write was incomplete */
    bool dirty;    /* something was queued since the last flush */
    size_t queued; /* packets of it, for the cork */
    bool acks;     /* of it: PUBACKs */
    size_t in_flight;

    /* What libmosquitto's callbacks recorded, for after the call. */
    bool in_library;
    bool no_memory;
    size_t heard; /* callbacks so far */
    size_t taken; /* messages handed up by this mqtt_collect */
    int answer;   /* CONNACK's reason; NO_ANSWER */
    bool gone;    /* the socket is closed */
    int gone_code;
};

/* ---- state ---- */

static const bool legal_moves[STATE_COUNT][STATE_COUNT] = {
    [IDLE] = {[CONNECTING] = true, [STOPPED] = true},
    [CONNECTING] = {[GREETING] = true, [WAITING] = true, [STOPPED] = true},
    [GREETING] = {[UP] = true, [WAITING] = true, [STOPPED] = true},
    [UP] = {[WAITING] = true, [STOPPED] = true},
    [WAITING] = {[CONNECTING] = true, [STOPPED] = true},
    [STOPPED] = {[STOPPED] = true},
};

static void move(struct mqtt *m, enum state to) {
    assert(legal_moves[m->state][to]);
    m->state = to;
}

static void set_timer(struct mqtt *m, uv_timer_cb on_timer, uint64_t ms, uint64_t repeat_ms) {
    int failed = uv_timer_start(&m->timer, on_timer, ms, repeat_ms);
    assert(failed == 0); /* only a closing handle refuses */
}

/* Half of the step is sure, half is chance: hosts that lost one broker come back spread out. */
static uint64_t backoff_ms(uint32_t attempts) {
    uint64_t step = (uint64_t)MQTT_BACKOFF_MS_MIN << (attempts < 7 ? attempts : 7);
    if (step > MQTT_BACKOFF_MS_MAX) {
        step = MQTT_BACKOFF_MS_MAX;
    }
    uint32_t chance = 0;
    if (uv_random(NULL, NULL, &chance, sizeof chance, 0, NULL) != 0) {
        chance = (uint32_t)uv_hrtime();
    }
    return step / 2 + chance % (step / 2 + 1);
}

static void close_link(struct mqtt *m) {
    mqtt_link_free(m->link);
    m->link = NULL;
    m->mosq = NULL;
    m->session.connected = false;
    m->readable = m->unsent = m->dirty = m->acks = m->gone = m->no_memory = false;
    m->in_flight = m->queued = 0;
    m->answer = NO_ANSWER;
    for (size_t i = 0; i < m->sub_count; i++) {
        m->subs[i].mid = 0;
    }
}

static void on_retry_due(uv_timer_t *timer);

static bool was_steady(const struct mqtt *m) {
    return m->state == UP && uv_now(m->loop) - m->up_ms >= STEADY_MS;
}

/* The one way down: every loss, refusal and drop ends here. */
static void go_down(struct mqtt *m, enum mqtt_down why, const char *text) {
    assert(!m->in_library && m->link != NULL);
    if (was_steady(m)) {
        m->attempts = 0;
    }
    close_link(m);
    if (why == MQTT_DOWN_FATAL || why == MQTT_DOWN_TAKEN_OVER) {
        move(m, STOPPED);
        (void)uv_timer_stop(&m->timer);
    } else {
        move(m, WAITING);
        set_timer(m, on_retry_due, backoff_ms(m->attempts++), 0);
    }
    m->callbacks.on_down(m->callbacks.ctx, why, text);
}

/* A broker that closes the connection without a word moments after it stood, session present, has
 * most likely let another client of our id in: Mosquitto before 2.0.15 does not say 0x8E. The other
 * comes back as we do, so after KICKS_MAX rounds one of the two has to stop. */
static bool was_kicked(const struct mqtt *m, int code, int err) {
    bool closed = code == MOSQ_ERR_CONN_LOST || (code == MOSQ_ERR_ERRNO && err == EPIPE);
    return m->state == UP && closed && m->session.session_present && !was_steady(m);
}

static void lose(struct mqtt *m, int rc, int err) {
    struct report r;
    int code = m->gone ? m->gone_code : rc;
    if (m->no_memory) {
        code = MOSQ_ERR_NOMEM;
    }
    m->kicks = was_kicked(m, code, err) ? m->kicks + 1 : 0;
    enum mqtt_down why = MQTT_DOWN_LOST;
    if (m->kicks >= KICKS_MAX) {
        why = mqtt_ending(MQTT_RC_SESSION_TAKEN_OVER, 0, m->client_id, m->where, &r);
    } else if (m->state == UP || code >= 0x80) {
        why = mqtt_ending(code, err, m->client_id, m->where, &r);
    } else {
        mqtt_failure(code, err, m->conf, m->where, mqtt_link_complaint(m->link), &r);
    }
    go_down(m, why, r.text);
}

/* ---- libmosquitto's callbacks: under its locks, they record and hand up ---- */

static struct mqtt *heard(void *userdata) {
    struct mqtt *m = mqtt_link_owner(userdata);
    assert(m->in_library);
    m->heard++;
    return m;
}

static void on_connack(struct mosquitto *mosq, void *userdata, int reason, int flags,
                       const mosquitto_property *properties) {
    (void)mosq;
    struct mqtt *m = heard(userdata);
    m->answer = reason;
    if (reason == 0) {
        mqtt_session_read(&m->session, (flags & 1) != 0, properties, MQTT_KEEPALIVE_S,
                          m->conf->session_expiry_s);
    }
}

/* May come twice for one end; the first knows why. */
static void on_disconnect(struct mosquitto *mosq, void *userdata, int code,
                          const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = heard(userdata);
    if (!m->gone) {
        m->gone = true;
        m->gone_code = code;
    }
}

static void on_message(struct mosquitto *mosq, void *userdata,
                       const struct mosquitto_message *message,
                       const mosquitto_property *properties) {
    (void)mosq;
    struct mqtt *m = heard(userdata);
    m->taken++;
    if (message->qos > 0) {
        m->dirty = m->acks = true;
        m->queued++;
    }
    if (mqtt_incoming_read(&m->incoming, message, properties) != 0) {
        m->no_memory = true; /* the connection goes, and the message comes again */
        return;
    }
    m->callbacks.on_message(m->callbacks.ctx, &m->incoming.message);
}

static void on_publish(struct mosquitto *mosq, void *userdata, int mid, int reason,
                       const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = heard(userdata);
    assert(m->in_flight > 0);
    m->in_flight--;
    m->callbacks.on_published(m->callbacks.ctx, mid, (uint8_t)reason);
}

static const char *wire_filter(const struct mqtt *m, const struct subscription *sub) {
    return sub->shared != NULL && m->session.shared_available ? sub->shared : sub->filter;
}

static void on_suback(struct mosquitto *mosq, void *userdata, int mid, int count,
                      const int *granted, const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = heard(userdata);
    for (size_t i = 0; i < m->sub_count; i++) {
        struct subscription *sub = &m->subs[i];
        if (sub->mid == mid && !sub->leaving && count > 0) {
            sub->mid = 0;
            m->callbacks.on_subscribed(m->callbacks.ctx, wire_filter(m, sub), (uint8_t)granted[0]);
            return;
        }
    }
}

static void forget_subscription(struct mqtt *m, size_t i) {
    free(m->subs[i].filter);
    free(m->subs[i].shared);
    m->subs[i] = m->subs[--m->sub_count];
}

static bool any_leaving(const struct mqtt *m) {
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].leaving) {
            return true;
        }
    }
    return false;
}

static void on_unsuback(struct mosquitto *mosq, void *userdata, int mid,
                        const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = heard(userdata);
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].mid == mid && m->subs[i].leaving) {
            forget_subscription(m, i);
            if (!any_leaving(m) && m->callbacks.on_unsubscribed != NULL) {
                m->callbacks.on_unsubscribed(m->callbacks.ctx);
            }
            return;
        }
    }
}

/* ---- calls into libmosquitto ---- */

static int read_packets(struct mqtt *m, int *err) {
    assert(!m->in_library);
    m->in_library = true;
    errno = 0;
    int rc = mosquitto_loop_read(m->mosq, 1);
    *err = errno;
    m->in_library = false;
    return m->no_memory && rc == MOSQ_ERR_SUCCESS ? MOSQ_ERR_NOMEM : rc;
}

static int write_packets(struct mqtt *m, int *err) {
    assert(!m->in_library);
    m->in_library = true;
    errno = 0;
    int rc = mosquitto_loop_write(m->mosq, 1);
    *err = errno;
    m->in_library = false;
    m->wrote_ms = uv_now(m->loop);
    return rc;
}

static void on_socket(void *owner, int status, int events);

/* Sets the watcher to what the state asks for. */
static void watch(struct mqtt *m) {
    int events = m->unsent ? UV_WRITABLE : 0;
    if (m->held) {
        events |= UV_DISCONNECT;
    } else if (!m->readable) {
        events |= UV_READABLE;
    }
    if (mqtt_link_watch(m->link, events, on_socket) != 0) {
        lose(m, MOSQ_ERR_ERRNO, errno);
    }
}

/* Writes all that is queued; what the socket refuses is left to the watcher. libmosquitto makes one
 * send of each packet; the cork turns a batch of them into few segments, which halved the time this
 * thread spends in the kernel (12 to 6 us a message echoed, batches of some 30). */
static void write_queued(struct mqtt *m) {
    assert(m->state == UP && !m->dirty);
    if (mosquitto_want_write(m->mosq)) {
        bool batch = m->queued > 1;
        m->queued = 0;
        if (batch) {
            mqtt_link_cork(m->link, true);
        }
        int err = 0;
        int rc = write_packets(m, &err);
        if (rc != MOSQ_ERR_SUCCESS || m->gone) {
            lose(m, rc, err);
            return;
        }
        if (batch) {
            mqtt_link_cork(m->link, false);
        }
    }
    m->unsent = mosquitto_want_write(m->mosq);
    watch(m);
}

/* ---- subscriptions ---- */

static int send_subscription(struct mqtt *m, struct subscription *sub) {
    const char *filter = wire_filter(m, sub);
    if (sub->leaving) {
        return mosquitto_unsubscribe_v5(m->mosq, &sub->mid, filter, NULL);
    }
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;
    if (m->session.subscription_ids_available) {
        rc = mosquitto_property_add_varint(&properties, MQTT_PROP_SUBSCRIPTION_IDENTIFIER, sub->id);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        int options = filter == sub->shared ? 0 : MQTT_SUB_OPT_SEND_RETAIN_NEW;
        rc = mosquitto_subscribe_v5(m->mosq, &sub->mid, filter, 1, options, properties);
    }
    mosquitto_property_free_all(&properties);
    return rc;
}

static char *shared_filter(const char *group, const char *filter) {
    char *shared = NULL;
    return asprintf(&shared, "$share/%s/%s", group, filter) < 0 ? NULL : shared;
}

static bool grow_subscriptions(struct mqtt *m) {
    if (m->sub_count < m->sub_cap) {
        return true;
    }
    size_t cap = m->sub_cap == 0 ? 16 : m->sub_cap * 2;
    struct subscription *subs = realloc(m->subs, cap * sizeof *subs);
    if (subs == NULL) {
        return false;
    }
    m->subs = subs;
    m->sub_cap = cap;
    return true;
}

/* Sends a new packet at once when nothing waits for a flush; otherwise that flush takes it. */
static void write_if_clean(struct mqtt *m) {
    if (m->state == UP && !m->dirty) {
        write_queued(m);
    }
}

int mqtt_subscribe(struct mqtt *m, const char *group, const char *filter, uint32_t id) {
    assert(!m->in_library);
    assert(id >= 1 && id <= 268435455);
    if (filter[0] == '\0' || mosquitto_sub_topic_check(filter) != MOSQ_ERR_SUCCESS ||
        mosquitto_validate_utf8(filter, (int)strlen(filter)) != MOSQ_ERR_SUCCESS) {
        return ERR_INVALID;
    }
    struct subscription sub = {.filter = strdup(filter), .id = id};
    if (group != NULL) {
        sub.shared = shared_filter(group, filter);
    }
    if (sub.filter == NULL || (group != NULL && sub.shared == NULL) || !grow_subscriptions(m)) {
        free(sub.filter);
        free(sub.shared);
        return ERR_MEMORY;
    }
    m->subs[m->sub_count++] = sub;
    if (m->state == UP) {
        if (send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
            return ERR_MEMORY; /* it stays registered: the next connection has it */
        }
        write_if_clean(m);
    }
    return 0;
}

int mqtt_unsubscribe_all(struct mqtt *m) {
    assert(!m->in_library);
    if (m->sub_count == 0) {
        return ERR_NOTFOUND;
    }
    int rc = MOSQ_ERR_SUCCESS;
    for (size_t i = 0; i < m->sub_count; i++) {
        m->subs[i].leaving = true;
        if (m->state == UP && rc == MOSQ_ERR_SUCCESS) {
            rc = send_subscription(m, &m->subs[i]);
        }
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        return ERR_MEMORY;
    }
    write_if_clean(m);
    return 0;
}

/* ---- up: the keepalive, the watcher ---- */

/* While input waits unread a PINGRESP would stand behind it, and libmosquitto would take its
 * absence for a dead broker. So a packet with no effect shows the broker that we live: the answer
 * to giving up a filter we never had is read whenever. */
static int show_life(struct mqtt *m) {
    uint64_t half_ms = (uint64_t)m->session.keepalive_s * 1000 / 2;
    if (half_ms == 0 || uv_now(m->loop) - m->wrote_ms < half_ms) {
        return MOSQ_ERR_SUCCESS;
    }
    return mosquitto_unsubscribe_v5(m->mosq, NULL, "zingq/none", NULL);
}

static void on_tick(uv_timer_t *timer) {
    struct mqtt *m = timer->data;
    assert(m->state == UP);
    if (m->dirty) {
        return;
    }
    m->in_library = true;
    int rc = m->held || m->readable ? show_life(m) : mosquitto_loop_misc(m->mosq);
    m->in_library = false;
    if (rc != MOSQ_ERR_SUCCESS || m->gone) {
        lose(m, rc, errno);
        return;
    }
    if (mosquitto_want_write(m->mosq)) {
        write_queued(m);
    }
}

static void tell_readable(struct mqtt *m) {
    if (m->state == UP && m->readable && !m->held) {
        m->callbacks.on_readable(m->callbacks.ctx);
    }
}

static void on_up_socket(struct mqtt *m, int status, int events) {
    if (m->held && (status < 0 || (events & UV_DISCONNECT) != 0)) {
        lose(m, MOSQ_ERR_CONN_LOST, 0);
        return;
    }
    if ((events & UV_WRITABLE) != 0) {
        m->unsent = false;
        if (!m->dirty) {
            write_queued(m);
            if (m->state != UP) {
                return;
            }
        }
    }
    if (!m->held && (status < 0 || (events & UV_READABLE) != 0)) {
        m->readable = true;
    }
    watch(m);
    tell_readable(m);
}

/* ---- greeting ---- */

static void come_up(struct mqtt *m) {
    move(m, UP);
    m->up_ms = m->wrote_ms = uv_now(m->loop);
    m->session.connected = true;
    m->session.connects++;
    mqtt_link_settled(m->link);
    set_timer(m, on_tick, TICK_MS, TICK_MS);
    int rc = MOSQ_ERR_SUCCESS;
    for (size_t i = 0; i < m->sub_count && rc == MOSQ_ERR_SUCCESS; i++) {
        rc = send_subscription(m, &m->subs[i]);
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        lose(m, rc, errno);
        return;
    }
    m->readable = true; /* TLS may have read ahead; the caller's first collect finds out */
    write_queued(m);
    if (m->state == UP) {
        m->callbacks.on_up(m->callbacks.ctx, &m->session);
        tell_readable(m);
    }
}

static void answered(struct mqtt *m) {
    if (m->answer == 0) {
        come_up(m);
        return;
    }
    struct report r;
    enum mqtt_down why = mqtt_refusal((uint8_t)m->answer, m->conf, m->client_id, m->where, &r);
    go_down(m, why, r.text);
}

/* One step towards CONNACK; false when there is nothing to do but wait. */
static bool greet_step(struct mqtt *m, int *rc, int *err) {
    *rc = MOSQ_ERR_SUCCESS;
    if (mosquitto_want_write(m->mosq)) {
        *rc = write_packets(m, err);
    }
    if (*rc == MOSQ_ERR_SUCCESS && !m->gone) {
        *rc = read_packets(m, err);
    }
    return *rc == MOSQ_ERR_SUCCESS && !m->gone && m->answer == NO_ANSWER && *err != EAGAIN;
}

static void greet(struct mqtt *m) {
    int rc = MOSQ_ERR_SUCCESS;
    int err = 0;
    for (int i = 0; i < GREETING_READS && greet_step(m, &rc, &err); i++) {
    }
    if (m->answer != NO_ANSWER) {
        answered(m);
        return;
    }
    /* libmosquitto calls a TLS handshake that the peer has left a success. */
    if (rc != MOSQ_ERR_SUCCESS || m->gone || mqtt_link_ended(m->link)) {
        lose(m, rc, err);
        return;
    }
    m->unsent = mosquitto_want_write(m->mosq);
    int events = UV_READABLE | (m->unsent ? UV_WRITABLE : 0);
    if (mqtt_link_watch(m->link, events, on_socket) != 0) {
        lose(m, MOSQ_ERR_ERRNO, errno);
    }
}

static void on_socket(void *owner, int status, int events) {
    struct mqtt *m = owner;
    assert(m->state == GREETING || m->state == UP);
    if (m->state == UP) {
        on_up_socket(m, status, events);
    } else {
        greet(m);
    }
}

/* ---- connecting ---- */

static void on_deadline(uv_timer_t *timer) {
    struct mqtt *m = timer->data;
    assert(m->state == CONNECTING || m->state == GREETING);
    lose(m, MOSQ_ERR_TIMEOUT, 0);
}

static void connect_joined(struct mqtt *m) {
    int code = MOSQ_ERR_SUCCESS;
    int err = 0;
    if (!mqtt_link_joined(m->link, &code, &err)) {
        return;
    }
    if (code != MOSQ_ERR_SUCCESS) {
        lose(m, code, err);
        return;
    }
    move(m, GREETING);
    set_timer(m, on_deadline, MQTT_CONNECT_MS, 0);
    greet(m);
}

static void on_wake(uv_async_t *wake) {
    struct mqtt *m = wake->data;
    if (m->state == CONNECTING) {
        connect_joined(m);
    } else {
        tell_readable(m);
    }
}

static void set_callbacks(struct mosquitto *mosq) {
    mosquitto_connect_v5_callback_set(mosq, on_connack);
    mosquitto_disconnect_v5_callback_set(mosq, on_disconnect);
    mosquitto_message_v5_callback_set(mosq, on_message);
    mosquitto_publish_v5_callback_set(mosq, on_publish);
    mosquitto_subscribe_v5_callback_set(mosq, on_suback);
    mosquitto_unsubscribe_v5_callback_set(mosq, on_unsuback);
}

static int make_link(struct mqtt *m, struct report *r) {
    struct mqtt_link_settings settings = {
        .conf = m->conf,
        .client_id = m->client_id,
        .will = m->will.topic != NULL ? &m->will : NULL,
        .will_properties = m->will_properties,
        .owner = m,
    };
    int error = mqtt_link_new(&m->link, m->loop, &settings, r);
    if (error == 0) {
        m->mosq = mqtt_link_handle(m->link);
        set_callbacks(m->mosq);
    }
    return error;
}

static void begin_connect(struct mqtt *m) {
    move(m, CONNECTING);
    struct report r;
    int error = make_link(m, &r);
    if (error == 0) {
        set_timer(m, on_deadline, MQTT_CONNECT_MS, 0);
        error = mqtt_link_connect(m->link, &m->wake, &r);
    }
    if (error != 0) {
        close_link(m);
        move(m, WAITING);
        set_timer(m, on_retry_due, backoff_ms(m->attempts++), 0);
        m->callbacks.on_down(m->callbacks.ctx, MQTT_DOWN_LOST, r.text);
    }
}

static void on_retry_due(uv_timer_t *timer) {
    begin_connect(timer->data);
}

/* ---- life ---- */

static int copy_will(struct mqtt *m, const struct mqtt_publish *will, struct report *r) {
    if (will == NULL || will->topic == NULL) {
        return 0;
    }
    m->will_topic = strdup(will->topic);
    m->will_payload = slice_dup(will->payload);
    if (m->will_topic == NULL || (will->payload.len > 0 && m->will_payload == NULL)) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    m->will = *will;
    m->will.topic = m->will_topic;
    m->will.payload.data = m->will_payload;
    return mqtt_properties_make(will, &m->scratch, &m->will_properties, r);
}

static void free_memory(struct mqtt *m) {
    while (m->sub_count > 0) {
        forget_subscription(m, m->sub_count - 1);
    }
    free(m->subs);
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
        return report(r, ERR_SYSTEM, "cannot make a wake-up for the broker's connection: %s",
                      uv_strerror(failed));
    }
    failed = uv_timer_init(m->loop, &m->timer);
    assert(failed == 0); /* libuv: always 0 */
    m->wake.data = m->timer.data = m;
    m->open_handles = 2;
    return 0;
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
                       .client_id = client_id,
                       .callbacks = *callbacks,
                       .answer = NO_ANSWER};
    mqtt_incoming_init(&m->incoming);
    buf_init(&m->scratch, MQTT_PROPERTY_BYTES_MAX);
    bool v6 = strchr(conf->host, ':') != NULL;
    (void)snprintf(m->where, sizeof m->where, v6 ? "[%s]:%u" : "%s:%u", conf->host, conf->port);
    size_t id_len = strlen(client_id);
    int error = 0;
    if (id_len == 0 || id_len >= sizeof m->session.client_id) {
        error = report(r, ERR_INVALID, "broker.client_id must have 1 to %zu bytes",
                       sizeof m->session.client_id - 1);
    } else {
        memcpy(m->session.client_id, client_id, id_len);
        error = mqtt_link_check(conf, r);
    }
    if (error == 0) {
        error = copy_will(m, will, r);
    }
    if (error == 0) {
        error = make_link(m, r); /* settings that libmosquitto refuses are told here, not later */
        close_link(m);
    }
    if (error == 0) {
        error = open_handles(m, r);
    }
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
    close_link(m);
    move(m, STOPPED);
    uv_close((uv_handle_t *)&m->wake, on_handle_closed);
    uv_close((uv_handle_t *)&m->timer, on_handle_closed);
}

void mqtt_start(struct mqtt *m) {
    assert(m->state == IDLE);
    begin_connect(m);
}

/* ---- the turn ---- */

bool mqtt_collect(struct mqtt *m, size_t messages_max) {
    assert(messages_max > 0);
    m->taken = 0;
    while (m->state == UP && !m->held) {
        size_t before = m->heard;
        int err = 0;
        int rc = read_packets(m, &err);
        if (rc != MOSQ_ERR_SUCCESS || m->gone) {
            lose(m, rc, err);
            return false;
        }
        if (m->heard == before && err == EAGAIN) {
            m->readable = false;
            watch(m);
            return false;
        }
        if (m->taken >= messages_max) {
            m->readable = true;
            return true;
        }
    }
    if (m->state == UP) {
        watch(m); /* a callback held us */
    }
    return false;
}

void mqtt_hold(struct mqtt *m, bool hold) {
    if (m->held == hold) {
        return;
    }
    m->held = hold;
    if (m->state != UP) {
        return;
    }
    m->readable = true; /* unknown: what TLS has read ahead wakes no watcher */
    if (!hold) {
        int failed = uv_async_send(&m->wake);
        assert(failed == 0);
    }
    if (!m->in_library) {
        watch(m);
    }
}

void mqtt_flush(struct mqtt *m) {
    assert(!m->in_library);
    if (m->state == UP) {
        m->dirty = m->acks = false;
        write_queued(m);
    }
}

static int publish_error(int rc, const struct mqtt_publish *publish, struct report *r) {
    switch (rc) {
    case MOSQ_ERR_NOMEM:
        return report(r, ERR_MEMORY, "out of memory");
    case MOSQ_ERR_NO_CONN:
        return report(r, ERR_NETWORK, "there is no connection to the broker");
    case MOSQ_ERR_QOS_NOT_SUPPORTED:
        return report(r, ERR_INVALID, "the broker does not take QoS %u publishes", publish->qos);
    case MOSQ_ERR_INVAL:
        return report(r, ERR_INVALID,
                      "\"%s\" is no topic to publish to: it must not be empty nor have + or #",
                      publish->topic);
    default:
        return report(r, ERR_INVALID, "cannot publish to \"%s\": %s", publish->topic,
                      mosquitto_strerror(rc));
    }
}

static int check_publish(struct mqtt *m, const struct mqtt_publish *publish, struct report *r) {
    if (m->state != UP) {
        return report(r, ERR_NETWORK, "there is no connection to the broker");
    }
    if (publish->qos > 0 && m->in_flight >= m->session.receive_maximum) {
        return report(r, ERR_BUSY, "the broker takes no more than %u unacknowledged publishes",
                      m->session.receive_maximum);
    }
    uint64_t size = mqtt_publish_size(publish);
    uint64_t max = m->session.packet_bytes_max != 0 ? m->session.packet_bytes_max : 268435455;
    if (size > max) {
        return report(
            r, ERR_INVALID, "the message for \"%s\" makes a packet of %llu bytes, %s takes %llu",
            publish->topic, (unsigned long long)size,
            m->session.packet_bytes_max != 0 ? "the broker" : "MQTT", (unsigned long long)max);
    }
    return 0;
}

int mqtt_publish(struct mqtt *m, const struct mqtt_publish *publish, int *mid, struct report *r) {
    assert(publish->topic != NULL && publish->qos <= 2);
    int error = check_publish(m, publish, r);
    if (error != 0) {
        return error;
    }
    mosquitto_property *properties = NULL;
    error = mqtt_properties_make(publish, &m->scratch, &properties, r);
    if (error == 0) {
        int qos = publish->qos > 1 ? 1 : publish->qos;
        int rc = mosquitto_publish_v5(m->mosq, mid, publish->topic, (int)publish->payload.len,
                                      publish->payload.data, qos, publish->retain, properties);
        error = rc == MOSQ_ERR_SUCCESS ? 0 : publish_error(rc, publish, r);
    }
    mosquitto_property_free_all(&properties);
    if (error == 0) {
        m->in_flight++;
        m->queued++;
        m->dirty = true;
    }
    return error;
}

void mqtt_drop(struct mqtt *m) {
    assert(!m->in_library);
    if (m->link != NULL) {
        go_down(m, MQTT_DOWN_LOST,
                "dropped, so that the broker sends unacknowledged messages again");
    }
}

/* Writes until the DISCONNECT is out (libmosquitto closes the socket then) or time is up. */
static void say_goodbye(struct mqtt *m) {
    uint64_t end_ns = uv_hrtime() + (uint64_t)MQTT_GOODBYE_MS * 1000000;
    while (!m->gone) {
        int err = 0;
        if (write_packets(m, &err) != MOSQ_ERR_SUCCESS || m->gone) {
            return;
        }
        uint64_t now_ns = uv_hrtime();
        if (now_ns >= end_ns) {
            return;
        }
        struct pollfd socket = {.fd = mosquitto_socket(m->mosq), .events = POLLOUT};
        if (poll(&socket, 1, (int)((end_ns - now_ns) / 1000000) + 1) < 0 && errno != EINTR) {
            return;
        }
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
    close_link(m);
    (void)uv_timer_stop(&m->timer);
    move(m, STOPPED);
}

const struct mqtt_session *mqtt_session(const struct mqtt *m) {
    return &m->session;
}

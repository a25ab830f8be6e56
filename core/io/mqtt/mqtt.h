/*
 * mqtt.h - the MQTT 5 door: libmosquitto in external-loop mode on a libuv loop.
 *
 * Owns: the connection, its reconnects, the subscriptions, the packets in flight. Makes no
 * decisions: callbacks pass bytes on; PUBACKs stay queued until mqtt_flush, so that the caller can
 * make its decisions durable first (libmosquitto queues the PUBACK before on_message, and with
 * mosquitto_threaded_set nothing is sent before mosquitto_loop_write).
 *
 * The turn: on_readable -> mqtt_collect (until it returns false) -> decide, commit -> mqtt_flush.
 * on_readable is called once; the socket is watched again after mqtt_collect has read it dry. A
 * turn that cannot be committed ends in mqtt_drop; a turn that is never flushed sends nothing, not
 * even a keepalive, and the broker ends the connection after 45 s.
 *
 * Publishes: each one accepted by mqtt_publish ends in exactly one on_published, or is dropped at
 * on_down: the caller sends what it still has after on_up (every connection starts with an empty
 * libmosquitto handle, so nothing is sent twice without the caller knowing). QoS 2 is sent as QoS
 * 1: forgetting half of a QoS 2 handshake could lose a message, while ids make a second copy
 * harmless. Features that the broker does not support (retained messages, QoS 1) are replaced by
 * those that it does.
 *
 * From within a callback only mqtt_publish, mqtt_hold and mqtt_session may be called: libmosquitto
 * holds locks there. Everything here belongs to the loop's thread.
 */
#ifndef ZINGQ_IO_MQTT_MQTT_H
#define ZINGQ_IO_MQTT_MQTT_H

#include "base/buf.h"
#include "conf/conf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct mqtt;

enum { MQTT_SUBSCRIPTION_IDS_MAX = 16 };

/* A received PUBLISH; all pointers are valid only during the callback. */
struct mqtt_message {
    struct slice topic; /* terminated */
    struct slice payload;
    struct slice content_type, response_topic, correlation;
    struct slice properties; /* user properties, as property_add writes them */
    struct slice refused;    /* why it cannot become work, if the wire guard changed it; or "" */
    uint8_t qos;
    bool retain; /* the broker had retained it before we subscribed */
    uint32_t subscription_ids[MQTT_SUBSCRIPTION_IDS_MAX]; /* the subscriptions it was sent for */
    size_t subscription_id_count;                         /* 0: the broker sent no identifiers */
};

struct mqtt_publish {
    const char *topic;
    struct slice payload;
    struct slice content_type, response_topic, correlation; /* empty = not sent */
    struct slice properties;
    uint8_t qos;
    bool retain;
};

/* The contents of CONNACK (MQTT 5, 3.2.2.3), with the protocol's defaults filled in, minus what the
 * broker's refusals showed to be missing. */
struct mqtt_session {
    bool connected;
    bool session_present;
    bool shared_available, wildcard_available, subscription_ids_available, retain_available;
    uint16_t receive_maximum;  /* QoS>0 publishes it takes unacknowledged; mqtt_publish refuses
                                  more, the caller keeps its window below */
    uint32_t packet_bytes_max; /* 0 = no limit announced */
    uint32_t session_expiry_s; /* granted */
    uint16_t keepalive_s;      /* in force */
    uint8_t qos_max;
    uint64_t connects;   /* since the start */
    char client_id[256]; /* in use: ours or the broker's Assigned Client Identifier */
};

/* Why a connection could not be made or ended, for on_down. */
enum mqtt_down {
    MQTT_DOWN_LOST,       /* network or broker went away; a reconnect is scheduled */
    MQTT_DOWN_REFUSED,    /* CONNACK refusal that may pass (server busy...); reconnect scheduled */
    MQTT_DOWN_FATAL,      /* looks permanent: no MQTT 5, bad credentials, not authorized, client id
                             refused, a TLS file that cannot be read; a reconnect is scheduled,
                             the caller may end instead */
    MQTT_DOWN_TAKEN_OVER, /* another client uses our client id (0x8E); reconnect scheduled, later
                             each time, up to 5 min */
};

struct mqtt_callbacks {
    void *ctx;
    void (*on_message)(void *ctx, const struct mqtt_message *message);
    /* The broker acknowledged (QoS 0: it was written) the publish; reason >= 0x80 is a refusal
     * (MQTT 5, 3.4.2.1). */
    void (*on_published)(void *ctx, int mid, uint8_t reason);
    void (*on_up)(void *ctx, const struct mqtt_session *session);
    void (*on_down)(void *ctx, enum mqtt_down why, const char *text);
    /* A SUBACK: reason >= 0x80 is a refusal of that subscription. `filter` is as it was sent, with
     * $share/<group>/ if shared. A filter with wildcards is not sent to a broker without them: then
     * 0xA2 comes right after on_up; nor is one too long for its packets: 0x95. */
    void (*on_subscribed)(void *ctx, const char *filter, uint8_t reason);
    /* A refused subscription was requested again, and the answer is not `before`; may be NULL. */
    void (*on_resubscribed)(void *ctx, const char *filter, uint8_t before, uint8_t reason);
    /* All subscriptions given up by mqtt_unsubscribe_all are gone at the broker; may be NULL. */
    void (*on_unsubscribed)(void *ctx);
    /* The socket has input: call mqtt_collect in the next turn, not from here. After on_up. */
    void (*on_readable)(void *ctx);
    /* Asked before each connect; false: asked again a little later. NULL = always. */
    bool (*may_connect)(void *ctx);
};

/* Creates the client; nothing is sent before mqtt_start. `conf` and `client_id` (1 to 255 bytes)
 * are borrowed for the client's life; see mqtt_moved. Will: a message the broker publishes if we
 * vanish (copied); NULL or a NULL topic = none. If a broker cannot carry the will, we connect
 * without it; if the will may be what it refuses, every other attempt goes without it. ERR_MEMORY,
 * ERR_SYSTEM, ERR_INVALID (a client id that MQTT cannot carry: named in r). TLS files are checked
 * before each connect; on_down reports what is wrong with them. */
int mqtt_new(struct mqtt **out, uv_loop_t *loop, const struct broker_conf *conf,
             const char *client_id, const struct mqtt_publish *will,
             const struct mqtt_callbacks *callbacks, struct report *r);
/* Closes immediately, without writing queued packets; the loop must run once more before it ends.
 */
void mqtt_free(struct mqtt *m);

/* Registers a subscription (QoS 1), which is sent on every connect: as $share/<group>/<filter> if
 * group is not NULL, the broker supports sharing and the configuration does not say that we are
 * alone; otherwise without sharing. id 1..268435455. Retained messages are requested only without a
 * group, on a new subscription (Retain Handling 1). A filter subscribed to twice without sharing is
 * a single subscription at the broker, under the later id. If the broker refuses it, it is
 * requested again after 1 s, then less often, up to every half minute. ERR_EXISTS: it is registered
 * already; ERR_MEMORY, ERR_INVALID (the filter). */
int mqtt_subscribe(struct mqtt *m, const char *group, const char *filter, uint32_t id);
/* Whether it is registered, under any id, and not being given up; `filter` is as it is sent. */
bool mqtt_subscribes(const struct mqtt *m, const char *filter);
/* Before mqtt_start: subscriptions are registered, but no connection sends them until mqtt_release,
 * which sends them immediately if there is a connection. */
void mqtt_withhold(struct mqtt *m);
void mqtt_release(struct mqtt *m);
/* Ends a registered subscription, named as for mqtt_subscribe. on_unsubscribed follows, unless
 * another one without sharing has the same filter, or it is subscribed to again. False: there is
 * none. */
bool mqtt_give_up(struct mqtt *m, const char *group, const char *filter);
/* Sends UNSUBSCRIBE for all registered subscriptions and drops them (zingq leave); on_unsubscribed
 * follows, if necessary after a reconnect. ERR_NOTFOUND when there is none. */
int mqtt_unsubscribe_all(struct mqtt *m);
/* Gives up a subscription that the session may still hold, of this run or an earlier one; `filter` is
 * as it was sent (and as on_subscribed reports it). on_unsubscribed follows. ERR_MEMORY,
 * ERR_INVALID. */
int mqtt_unsubscribe(struct mqtt *m, const char *filter);
/* Subscribes without sharing and with QoS 0, only for this connection, and gets the existing
 * retained messages: for what is useful while connected, but not worth the broker's memory
 * otherwise. on_subscribed reports the answer, on_message the id. ERR_NETWORK, ERR_MEMORY,
 * ERR_INVALID, ERR_REFUSED (wildcards, if the broker has none). */
int mqtt_watch(struct mqtt *m, const char *filter, uint32_t id);
/* Starts connecting; from then on it reconnects by itself with jittered exponential backoff
 * (0.25 s to 30 s). The connect itself runs off the loop's thread, so DNS or an unreachable host
 * never stalls a turn. */
void mqtt_start(struct mqtt *m);

/* The current address in the borrowed conf has changed: what was learned about the other broker is
 * dropped, and so is a connection to it (on_down is called from here if it was up); the next
 * connect is soon, or at the planned time if `wait`. Allowed in on_down. */
void mqtt_moved(struct mqtt *m, bool wait);

/* Reads packets until the socket is dry or `messages_max` messages have arrived; callbacks run from
 * here. libmosquitto reads on for as many packets as publishes are in flight, so up to that many
 * messages more may arrive. Never writes. Returns whether more may be waiting: then call it again,
 * because on_readable will not. */
bool mqtt_collect(struct mqtt *m, size_t messages_max);
/* Backpressure: while held the socket is not read, but the connection is kept alive. */
void mqtt_hold(struct mqtt *m, bool hold);
/* Writes queued packets: PUBACKs, publishes. Data that the socket does not accept is sent later
 * automatically, but nothing queued after this call is: that waits for the next mqtt_flush. */
void mqtt_flush(struct mqtt *m);
/* Queues a publish; mqtt_flush writes it. *mid identifies it in on_published. ERR_NETWORK while not
 * connected, ERR_BUSY beyond the broker's Receive Maximum, ERR_INVALID (r) if MQTT or this broker
 * (packet size, QoS) cannot carry it, ERR_MEMORY. */
int mqtt_publish(struct mqtt *m, const struct mqtt_publish *publish, int *mid, struct report *r);
/* Drops the connection without writing anything queued, so that unacknowledged messages come again,
 * and reconnects: for a turn whose commit failed. Calls on_down; publishes in flight are dropped.
 * Does nothing without a connection. */
void mqtt_drop(struct mqtt *m);
/* From on_down: true if the broker may have refused our will, so that the next connect goes without
 * it. Then trying the same broker again is better than going to another. */
bool mqtt_suspects_will(const struct mqtt *m);
/* From on_down: the broker closed because of a packet, not because of this client. The next delays
 * start small. */
void mqtt_forgive(struct mqtt *m);
/* Writes everything queued and a DISCONNECT, waits until the broker closes, at most a second for
 * both, and stops for good; on_down is not called. session_expiry_s < 0 keeps the session's expiry,
 * 0 ends the session. If messages were collected and not flushed, it closes without a DISCONNECT
 * instead, like mqtt_drop. */
void mqtt_disconnect(struct mqtt *m, int64_t session_expiry_s);

/* The current connection, or the last one; never NULL. */
const struct mqtt_session *mqtt_session(const struct mqtt *m);

#endif

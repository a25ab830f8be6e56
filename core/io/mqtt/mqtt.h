/*
 * mqtt.h - the MQTT 5 door: libmosquitto in external-loop mode on a libuv loop.
 *
 * Owns: the connection, its reconnects, the subscriptions, what is in flight on the wire.
 * Never decides: a callback hands bytes up; PUBACKs stay queued until mqtt_flush, so that the
 * caller can make its decisions durable first (libmosquitto queues the PUBACK before on_message,
 * and with mosquitto_threaded_set nothing leaves before mosquitto_loop_write).
 *
 * The turn: on_readable -> mqtt_collect (until it returns false) -> decide, commit -> mqtt_flush.
 * on_readable comes once; the socket is watched again when mqtt_collect has read it dry. A turn
 * that cannot be committed ends in mqtt_drop; one left unflushed sends nothing, not even a
 * keepalive, and the broker ends the connection after 45 s.
 *
 * Publishes: each one accepted by mqtt_publish ends in exactly one on_published, or is forgotten at
 * on_down: the caller sends what it still has after on_up (every connection starts with an empty
 * libmosquitto handle, so nothing is sent twice behind the caller's back). QoS 2 goes out as QoS 1:
 * forgetting half a QoS 2 handshake could lose a message, ids make a second copy harmless. Features
 * that the broker does not support (retained messages, QoS 1) are replaced by those that it does.
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

/* A PUBLISH that came; every pointer is valid during the callback only. */
struct mqtt_message {
    struct slice topic; /* terminated */
    struct slice payload;
    struct slice content_type, response_topic, correlation;
    struct slice properties; /* user properties, as property_add writes them */
    struct slice refused;    /* why it cannot become work, when the wire guard changed it; or "" */
    uint8_t qos;
    bool retain; /* kept by the broker from before we subscribed */
    uint32_t subscription_ids[MQTT_SUBSCRIPTION_IDS_MAX]; /* those it was sent for */
    size_t subscription_id_count;                         /* 0: the broker sent none */
};

struct mqtt_publish {
    const char *topic;
    struct slice payload;
    struct slice content_type, response_topic, correlation; /* empty = not sent */
    struct slice properties;
    uint8_t qos;
    bool retain;
};

/* What the broker said in CONNACK (MQTT 5, 3.2.2.3), with the protocol's defaults filled in; what
 * its refusals showed to be missing is taken out. */
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

/* Why a connection could not be had or ended, for on_down. */
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
    /* A SUBACK: reason >= 0x80 is a refusal of that subscription. `filter` as it was sent, with
     * $share/<group>/ where it is shared. One with wildcards is not sent to a broker that has none:
     * then 0xA2 comes right after on_up; nor one too long for its packets: 0x95. */
    void (*on_subscribed)(void *ctx, const char *filter, uint8_t reason);
    /* A refused subscription was asked for again, and the answer is not `before`; may be NULL. */
    void (*on_resubscribed)(void *ctx, const char *filter, uint8_t before, uint8_t reason);
    /* Every subscription given up by mqtt_unsubscribe_all is gone at the broker; may be NULL. */
    void (*on_unsubscribed)(void *ctx);
    void (*on_readable)(void *ctx); /* the socket has input: call mqtt_collect in the next turn */
};

/* Makes the client; nothing is sent before mqtt_start. `conf` and `client_id` (1 to 255 bytes) are
 * borrowed for the client's life; see mqtt_moved. Will: a message the broker publishes if we vanish
 * (copied); NULL or a NULL topic = none. A broker that cannot carry it is connected to without, and
 * every other try is without where it may be what is refused.
 * ERR_MEMORY, ERR_SYSTEM, ERR_INVALID (a client id that MQTT cannot carry: named in r). TLS files
 * are looked into before each connect; on_down tells what is wrong with them. */
int mqtt_new(struct mqtt **out, uv_loop_t *loop, const struct broker_conf *conf,
             const char *client_id, const struct mqtt_publish *will,
             const struct mqtt_callbacks *callbacks, struct report *r);
/* Closes immediately, without writing queued packets; the loop must run once more before it ends.
 */
void mqtt_free(struct mqtt *m);

/* Registers a subscription (QoS 1); sent on every connect, as $share/<group>/<filter> when group is
 * not NULL, the broker shares and the configuration does not say that we are alone; plainly
 * otherwise. id 1..268435455. Retained messages are asked for without a group only, on a new
 * subscription (Retain Handling 1). A filter subscribed plainly twice is
 * one subscription at the broker, under the later id. One that the broker refuses is asked for again
 * after 1 s, then less often, up to every half minute. ERR_MEMORY, ERR_INVALID (the filter). */
int mqtt_subscribe(struct mqtt *m, const char *group, const char *filter, uint32_t id);
/* Before mqtt_start: subscriptions are registered, and no connection sends them until mqtt_release,
 * which does at once when there is one. */
void mqtt_withhold(struct mqtt *m);
void mqtt_release(struct mqtt *m);
/* Ends a registered subscription, as it was given to mqtt_subscribe. on_unsubscribed follows, unless
 * another plain one has the same filter, or it is subscribed to again. Nothing when there is none. */
void mqtt_give_up(struct mqtt *m, const char *group, const char *filter);
/* Sends UNSUBSCRIBE for all registered subscriptions and forgets them (zingq leave);
 * on_unsubscribed follows, over a reconnect if need be. ERR_NOTFOUND when there is none. */
int mqtt_unsubscribe_all(struct mqtt *m);
/* Gives up a subscription of an earlier run that the session may still hold; `filter` as it was
 * sent (on_subscribed names it so). on_unsubscribed follows. ERR_MEMORY, ERR_INVALID. */
int mqtt_unsubscribe(struct mqtt *m, const char *filter);
/* Subscribes plainly with QoS 0, for the connection in force only, and gets the retained messages
 * there are: for what is worth knowing while connected and not worth the broker's memory while not.
 * on_subscribed tells the answer, on_message the id. ERR_NETWORK, ERR_MEMORY, ERR_INVALID,
 * ERR_REFUSED (wildcards, where the broker has none). */
int mqtt_watch(struct mqtt *m, const char *filter, uint32_t id);
/* Starts connecting; from then on it reconnects by itself with jittered exponential backoff
 * (0.25 s to 30 s). The connect itself runs off the loop's thread, so DNS or an unreachable host
 * never stalls a turn. */
void mqtt_start(struct mqtt *m);

/* The address in use in the borrowed conf has changed: what was learned of the other broker is
 * forgotten, a connection to it dropped (on_down is called from here when it was up), and the next
 * connect is soon, or when it was to be if `wait`. Allowed in on_down. */
void mqtt_moved(struct mqtt *m, bool wait);

/* Reads packets until the socket is dry or `messages_max` messages came; callbacks run from here.
 * libmosquitto reads on for as many packets as publishes are in flight, so up to that many
 * messages more may come. Never writes. Returns whether more may be waiting: then call it again,
 * on_readable will not remind you. */
bool mqtt_collect(struct mqtt *m, size_t messages_max);
/* Backpressure: while held the socket is not read, but the connection is kept alive. */
void mqtt_hold(struct mqtt *m, bool hold);
/* Writes queued packets: PUBACKs, publishes. Data that the socket does not accept is sent later by
 * itself, but nothing queued after this call does: that waits for the next mqtt_flush. */
void mqtt_flush(struct mqtt *m);
/* Queues a publish; written by mqtt_flush. *mid is what on_published will name.
 * ERR_NETWORK while not connected, ERR_BUSY past the broker's Receive Maximum, ERR_INVALID (r) for
 * what MQTT or this broker (packet size, QoS) cannot carry, ERR_MEMORY. */
int mqtt_publish(struct mqtt *m, const struct mqtt_publish *publish, int *mid, struct report *r);
/* Drops the connection without writing anything queued, so that unacknowledged messages come
 * again, and reconnects: for a turn whose commit failed. on_down is called from here, publishes in
 * flight are forgotten. Does nothing while there is no connection. */
void mqtt_drop(struct mqtt *m);
/* From on_down: the broker may have refused our will, and the next connect is to be without: it says
 * more about this broker than going to another. */
bool mqtt_suspects_will(const struct mqtt *m);
/* From on_down: the broker closed because of a packet, not because of this client. The next delays
 * start small. */
void mqtt_forgive(struct mqtt *m);
/* Writes what is queued and a DISCONNECT, waits for the broker to close, at most a second for both,
 * and stops for good; on_down is not called. session_expiry_s < 0 keeps the session's expiry, 0 ends
 * it for good. With messages collected and not flushed it closes without a word instead, as mqtt_drop does. */
void mqtt_disconnect(struct mqtt *m, int64_t session_expiry_s);

/* The connection in force, or the last one; never NULL. */
const struct mqtt_session *mqtt_session(const struct mqtt *m);

#endif

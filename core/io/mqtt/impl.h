/*
 * impl.h - the inside of struct mqtt, shared by the files of the MQTT door. From the bottom up:
 * will.c, subscription.c, state.c, turn.c (reads, writes, publishes), then mqtt.c (connecting) and
 * subscribe.c. Nobody else includes it.
 */
#ifndef ZINGQ_IO_MQTT_IMPL_H
#define ZINGQ_IO_MQTT_IMPL_H

#include "io/mqtt/mqtt.h"
#include "base/mids.h"
#include "io/mqtt/link.h"
#include "io/mqtt/wire.h"

#include <assert.h>

enum mqtt_state { IDLE, CONNECTING, GREETING, UP, WAITING, STOPPED, STATE_COUNT };

enum { NO_ANSWER = -1 };

struct mqtt_subscription {
    char *filter; /* as registered; owned */
    char *shared; /* $share/<group>/<filter>; owned, NULL = not shared */
    uint32_t id;
    int mid;          /* packet id of its SUBSCRIBE or UNSUBSCRIBE on this connection; 0 = none */
    uint32_t asked_s; /* loop time: when it was sent */
    bool leaving;     /* given up, waiting for UNSUBACK */
    bool watch;       /* QoS 0, of this connection only */
    bool too_long;    /* too long for the largest packet this broker accepts */
    uint8_t refused;  /* reason of the refusal on this connection; 0 = not refused */
    unsigned asked;   /* how often it has been requested again since then */
    uint32_t again_s; /* loop time of the next request */
    unsigned retold;  /* the same, without what the broker was found to lack */
};

/* What the broker was found to lack, whatever its CONNACK says: it refused a subscription because
 * of it, or ended the connection. Kept until there is another broker, or a connection that lasted
 * for a while is lost: then it is tried once more. */
struct mqtt_lacks {
    bool wildcards, shared, subscription_ids, retain, qos;
};

struct mqtt {
    uv_loop_t *loop;
    const struct broker_conf *conf; /* borrowed */
    const char *client_id;          /* borrowed */
    struct mqtt_callbacks callbacks;
    char where[300];                      /* "host:port" for sentences */
    struct mqtt_publish will, asked_will; /* as this broker accepts it; as it was given */
    char *will_topic, *will_payload;      /* owned; back will */
    mosquitto_property *will_properties;
    bool without_will; /* for the next connect: the will may be what the broker refuses */
    /* consecutive connections closed instead of a CONNACK; 2 = or more */
    unsigned greetings_closed;

    enum mqtt_state state;
    struct mqtt_link *link; /* from CONNECTING to UP */
    struct mosquitto *mosq; /* the link's handle */
    uv_timer_t timer;
    uv_timer_cb on_retry_due; /* reconnects */
    uv_async_t wake;          /* the connect thread has finished, or there may be unread input */
    int open_handles;         /* those of the timer and the wake-up */
    unsigned skip_addresses;  /* of the broker's name, from the first: they did not work */
    uint32_t attempts;        /* connects since the last steady connection */
    uint32_t takeovers;       /* consecutive DISCONNECTs 0x8E */
    bool says_connect;        /* in GREETING: CONNECT may be sent */
    uint64_t joined_ms;       /* loop time: when GREETING began */
    uint64_t up_ms;           /* loop time: when the connection came up */
    uint64_t wrote_ms;        /* loop time: the last write */

    struct mqtt_subscription *subs;
    size_t sub_count, sub_cap;
    struct mqtt_session session;
    struct mqtt_lacks lacks;
    struct mqtt_incoming incoming;
    struct buf scratch;

    bool withheld; /* no subscriptions are sent: see mqtt_withhold */
    bool held;
    bool readable; /* there may be unread input: the caller has been told, the watcher is off */
    bool unsent;   /* the last write was incomplete */
    bool dirty;    /* something was queued since the last flush */
    bool acks;     /* some of it is PUBACKs */
    bool leaving;  /* the DISCONNECT is being written */
    size_t in_flight;
    struct mids windowed; /* of these, those with QoS 1: the broker's Receive Maximum */
    size_t windowed_count;
    uint32_t *sent_s;    /* by packet id: loop time + 1 of sending, 0 = free; owned */
    uint32_t answered_s; /* the same, of the last answer to a publish, */
    uint32_t latest_s;   /* and when the latest one that has an answer was sent; 0 = none has */
    uint16_t looked_at;  /* ids up to this one were free when the last publish was queued */
    bool ids_end;        /* the next ids are still in flight: reconnect */

    /* Recorded by libmosquitto's callbacks, for after the call. */
    bool in_library;
    bool no_memory;
    size_t heard;        /* callbacks so far */
    size_t acknowledged; /* of these, to TCP: see mqtt_collect */
    size_t taken;        /* messages passed on by this mqtt_collect */
    int answer;          /* CONNACK's reason, or NO_ANSWER */
    bool gone;           /* the socket is closed */
    int gone_code;
};

/* Every callback of libmosquitto starts with it. */
static inline struct mqtt *mqtt_heard(void *userdata) {
    struct mqtt *m = mqtt_link_owner(userdata);
    assert(m->in_library);
    m->heard++;
    return m;
}

/* --- io/mqtt/state.c --- */

void mqtt_move(struct mqtt *m, enum mqtt_state to);
void mqtt_set_timer(struct mqtt *m, uv_timer_cb on_timer, uint64_t ms, uint64_t repeat_ms);
/* The delay after that many attempts, with jitter. */
uint64_t mqtt_backoff_ms(uint32_t attempts, uint64_t ms_max);
/* The next connect starts after the address that failed; `code` is the reason. */
void mqtt_leave_address(struct mqtt *m, int code);
/* Drops the connection and everything that belongs to it. */
void mqtt_close_link(struct mqtt *m);
/* The connection ends, because of a result of libmosquitto (`err`: errno with MOSQ_ERR_ERRNO) or
 * something a callback recorded. Calls on_down. */
void mqtt_lose(struct mqtt *m, int rc, int err);
/* The same for a reason of our own. */
void mqtt_lose_saying(struct mqtt *m, const char *text);
/* The same, with what it means for the owner. */
void mqtt_go_down(struct mqtt *m, enum mqtt_down why, const char *text);

/* --- io/mqtt/subscription.c --- */

/* The filter as it is sent. */
const char *mqtt_wire_filter(const struct mqtt *m, const struct mqtt_subscription *sub);
bool mqtt_has_wildcard(const char *filter);
/* True if a subscription that stays is sent as this filter: plain ones with one filter are a single
 * one at the broker. */
bool mqtt_filter_is_kept(const struct mqtt *m, const char *filter);
/* Takes over what it owns, even when out of memory (false; or its filter is NULL). */
bool mqtt_add_subscription(struct mqtt *m, const struct mqtt_subscription *sub);
void mqtt_forget_subscription(struct mqtt *m, size_t i);
void mqtt_forget_watches(struct mqtt *m);
/* Queues the SUBSCRIBE or UNSUBSCRIBE, unless the broker cannot accept it. MOSQ_ERR_*. */
int mqtt_send_subscription(struct mqtt *m, struct mqtt_subscription *sub);
/* The same for all of them. */
int mqtt_send_subscriptions(struct mqtt *m);
/* Requests refused subscriptions again when they are due. MOSQ_ERR_*. */
int mqtt_ask_refused(struct mqtt *m);
/* Answers in place of the broker: on_subscribed for every subscription that was not sent. */
void mqtt_tell_left_out(struct mqtt *m);
/* The connection has ended: adds the subscription that was still unanswered to the sentence. */
void mqtt_name_unanswered(const struct mqtt *m, struct report *r);
/* If a reason code names a missing feature, notes that the broker lacks it. */
void mqtt_learn(struct mqtt *m, int reason);
/* Removes what the broker is known to lack from the session. */
void mqtt_apply_lacks(struct mqtt *m);
void mqtt_on_suback(struct mosquitto *mosq, void *userdata, int mid, int count, const int *granted,
                    const mosquitto_property *properties);
void mqtt_on_unsuback(struct mosquitto *mosq, void *userdata, int mid,
                      const mosquitto_property *properties);

/* --- io/mqtt/will.c --- */

/* The will is copied. ERR_MEMORY, ERR_INVALID. */
int mqtt_copy_will(struct mqtt *m, const struct mqtt_publish *will, struct report *r);
/* After a CONNACK that refuses: the first is true if it refused the will, which is changed then;
 * the second, if it may have, so that the next connect goes without it. */
bool mqtt_will_refused(struct mqtt *m);
bool mqtt_suspect_will(struct mqtt *m);
/* The connection has ended with MOSQ_ERR_*, perhaps instead of a CONNACK; or a CONNACK has
 * accepted. */
void mqtt_will_closed(struct mqtt *m, int code);
void mqtt_will_taken(struct mqtt *m);

/* --- io/mqtt/turn.c --- */

/* Calls into libmosquitto; MOSQ_ERR_* and errno. */
int mqtt_read_packets(struct mqtt *m, int *err);
int mqtt_write_packets(struct mqtt *m, int *err);
/* True if something waits to be written. */
bool mqtt_wants_write(const struct mqtt *m);
/* Writes everything queued; if the socket is full, the watcher continues. May lose the connection.
 * Not while m->dirty. false: the broker has closed; nothing was written, and the caller tells that
 * there is something to read. */
bool mqtt_write_or_leave(struct mqtt *m);
/* The same, and tells it. */
void mqtt_write_queued(struct mqtt *m);
void mqtt_tell_readable(struct mqtt *m);
void mqtt_on_tick(uv_timer_t *timer);
void mqtt_on_message(struct mosquitto *mosq, void *userdata,
                     const struct mosquitto_message *message, const mosquitto_property *properties);
void mqtt_on_publish(struct mosquitto *mosq, void *userdata, int mid, int reason,
                     const mosquitto_property *properties);

#endif

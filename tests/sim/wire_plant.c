/*
 * wire_plant.c - bugs to be found: functions that the MQTT door calls, each with a way to go wrong
 * that is off unless it was planted. They stand in with the linker's --wrap (wire.cmake).
 */
#include "wire_plant.h"

#include "base/limits.h"
#include "io/mqtt/mqtt.h"
#include "io/mqtt/impl.h"
#include "io/mqtt/guard.h"
#include "io/mqtt/packet.h"
#include "wire_random.h"
#include "wrap.h"

#include <mosquitto.h>
#include <string.h>
#include <uv.h>

static enum wire_plant planted;
static struct wire_random chance;

static const struct {
    const char *name, *what;
} plants[WIRE_PLANT_COUNT] = {
    [WIRE_SOUND] = {"none", "nothing"},
    [WIRE_ACK_FIRST] = {"ack-first", "the worker flushes before it commits"},
    [WIRE_NO_DROP] = {"no-drop", "the worker goes on after a failed commit"},
    [WIRE_DELETE_EARLY] = {"delete-early", "the worker deletes an outbox row when it is sent"},
    [WIRE_NOT_FORGOTTEN] = {"not-forgotten", "the worker keeps what was in flight at on_down"},
    [WIRE_HALF_READ] = {"half-read", "the worker takes no notice of what mqtt_collect returns"},
    [WIRE_OTHER_ID] = {"other-id", "a PUBACK names the packet id after the right one"},
    [WIRE_EARLY_ACK] = {"early-ack", "the door writes as soon as it has read"},
    [WIRE_NO_PING] = {"no-ping", "the door forgets the keepalive"},
    [WIRE_LOST_WAKE] = {"lost-wake", "a wake-up of the loop is lost now and then"},
    [WIRE_LEAKY_WINDOW] = {"leaky-window", "an answered publish keeps its place in the window"},
    [WIRE_NO_DEADLINE] = {"no-deadline", "the wait for CONNACK has no end"},
    [WIRE_LOST_RETRY] = {"lost-retry", "the timer of a reconnect is forgotten now and then"},
    [WIRE_NO_GUARD] = {"no-guard", "bad packets are passed on to libmosquitto"},
    [WIRE_NO_RESUBSCRIBE] = {"no-resubscribe", "a connection forgets to subscribe now and then"},
    [WIRE_NO_RELEASE] = {"no-release", "a hold is not always released"},
    [WIRE_QOS_0] = {"qos-0", "a publish loses its QoS now and then"},
    [WIRE_SWALLOWED] = {"swallowed", "a message is acknowledged and handed to nobody"},
    [WIRE_SPIN] = {"spin", "a watcher is not stopped"},
    [WIRE_DEAF] = {"deaf", "a watcher does not look for input now and then"},
    [WIRE_LEAK] = {"leak", "a connection is not closed now and then"},
    [WIRE_HASTY] = {"hasty", "the door does not wait between two tries"},
    [WIRE_HELD_READ] = {"held-read", "a hold does not always hold"},
    [WIRE_NO_GOODBYE] = {"no-goodbye", "the door leaves without a DISCONNECT"},
    [WIRE_NO_MARKER] = {"no-marker", "a bad message is handed up as a good one"},
    [WIRE_PATIENT] = {"patient", "an answer that does not come is waited for without end"},
    [WIRE_UNLEARNED] = {"unlearned", "what the broker lacks is not learned from its refusals"},
    [WIRE_SAME_WILL] = {"same-will", "a will that may be what is refused is sent again"},
    [WIRE_SAME_ADDRESS] = {"same-address", "an address that did not serve is tried first again"},
    [WIRE_SAME_IDS] = {"same-ids", "a packet id in flight may be given out again"},
    [WIRE_WRITE_FIRST] = {"write-first", "the door writes to a broker that has closed"},
    [WIRE_HOARD] = {"hoard", "what the door watched on earlier connections is never freed"},
};

void wire_plant(enum wire_plant plant, uint64_t seed) {
    planted = plant;
    chance = wire_random_stream(seed, 2000);
}

enum wire_plant wire_planted(void) {
    return planted;
}

const char *wire_plant_name(enum wire_plant plant) {
    return plants[plant].name;
}

const char *wire_plant_what(enum wire_plant plant) {
    return plants[plant].what;
}

bool wire_plant_find(const char *name, enum wire_plant *out) {
    for (int i = 0; i < WIRE_PLANT_COUNT; i++) {
        if (strcmp(plants[i].name, name) == 0) {
            *out = (enum wire_plant)i;
            return true;
        }
    }
    return false;
}

/* The plant is this one, and its moment has come: once in `n`. */
static bool goes_wrong(enum wire_plant plant, uint32_t n) {
    return planted == plant && wire_random_one_in(&chance, n);
}

/* The bytes of the packet that begins there; 0: it does not end within len. */
static size_t packet_bytes(const uint8_t *packet, size_t len) {
    size_t body = 0;
    for (size_t i = 1; i < len && i <= 4; i++) {
        body |= (size_t)(packet[i] & 0x7f) << (7 * (i - 1));
        if (packet[i] < 0x80) {
            return body <= len - i - 1 ? i + 1 + body : 0;
        }
    }
    return 0;
}

void wire_plant_pubacks(uint8_t *packets, size_t len) {
    size_t one;
    for (size_t at = 0; (one = packet_bytes(packets + at, len - at)) > 0; at += one) {
        if (packets[at] == 0x40 && goes_wrong(WIRE_OTHER_ID, 20)) {
            packets[at + 3]++;
        }
    }
}

/* ---- libmosquitto ---- */

WRAPPED(mosquitto_loop_read);
WRAPPED(mosquitto_loop_misc);
WRAPPED(mosquitto_publish_v5);

int __wrap_mosquitto_loop_read(struct mosquitto *mosq, int packets_max) {
    int rc = __real_mosquitto_loop_read(mosq, packets_max);
    if (rc == MOSQ_ERR_SUCCESS && goes_wrong(WIRE_EARLY_ACK, 1)) {
        rc = mosquitto_loop_write(mosq, packets_max);
    }
    return rc;
}

int __wrap_mosquitto_loop_misc(struct mosquitto *mosq) {
    return goes_wrong(WIRE_NO_PING, 1) ? MOSQ_ERR_SUCCESS : __real_mosquitto_loop_misc(mosq);
}

int __wrap_mosquitto_publish_v5(struct mosquitto *mosq, int *mid, const char *topic, int len,
                                const void *payload, int qos, bool retain,
                                const mosquitto_property *properties) {
    int sent_qos = goes_wrong(WIRE_QOS_0, 10) ? 0 : qos;
    return __real_mosquitto_publish_v5(mosq, mid, topic, len, payload, sent_qos, retain,
                                       properties);
}

WRAPPED(mosquitto_disconnect_v5);

int __wrap_mosquitto_disconnect_v5(struct mosquitto *mosq, int reason,
                                   const mosquitto_property *properties) {
    return goes_wrong(WIRE_NO_GOODBYE, 1)
               ? MOSQ_ERR_NO_CONN
               : __real_mosquitto_disconnect_v5(mosq, reason, properties);
}

/* ---- libuv ---- */

WRAPPED(uv_async_send);
WRAPPED(uv_timer_start);

int __wrap_uv_async_send(uv_async_t *async) {
    return goes_wrong(WIRE_LOST_WAKE, 8) ? 0 : __real_uv_async_send(async);
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb on_timer, uint64_t ms,
                          uint64_t repeat_ms) {
    bool deadline = repeat_ms == 0 && ms == MQTT_CONNECT_MS;
    bool retry = repeat_ms == 0 && ms != MQTT_CONNECT_MS;
    if ((deadline && goes_wrong(WIRE_NO_DEADLINE, 1)) ||
        (retry && goes_wrong(WIRE_LOST_RETRY, 8))) {
        return uv_timer_stop(timer);
    }
    return __real_uv_timer_start(timer, on_timer, retry && goes_wrong(WIRE_HASTY, 1) ? 1 : ms,
                                 repeat_ms);
}

/* ---- the door's own ---- */

WRAPPED(mqtt_on_publish);
WRAPPED(mqtt_on_message);
WRAPPED(mqtt_packet_check);
WRAPPED(mqtt_send_subscriptions);
WRAPPED(mqtt_hold);

void __wrap_mqtt_on_publish(struct mosquitto *mosq, void *userdata, int mid, int reason,
                            const mosquitto_property *properties) {
    struct mqtt *m = mqtt_link_owner(userdata);
    __real_mqtt_on_publish(mosq, userdata, mid, reason, properties);
    m->windowed_count += goes_wrong(WIRE_LEAKY_WINDOW, 4) ? 1 : 0;
}

void __wrap_mqtt_on_message(struct mosquitto *mosq, void *userdata,
                            const struct mosquitto_message *message,
                            const mosquitto_property *properties) {
    if (!goes_wrong(WIRE_SWALLOWED, 40)) {
        __real_mqtt_on_message(mosq, userdata, message, properties);
    }
}

enum mqtt_verdict __wrap_mqtt_packet_check(uint8_t header, struct slice body, uint64_t length,
                                           uint64_t bytes_max, const char *mark, struct buf *out,
                                           struct report *r) {
    return goes_wrong(WIRE_NO_GUARD, 1) && body.len == length
               ? MQTT_PACKET_GOOD
               : __real_mqtt_packet_check(header, body, length, bytes_max, mark, out, r);
}

int __wrap_mqtt_send_subscriptions(struct mqtt *m) {
    return goes_wrong(WIRE_NO_RESUBSCRIBE, 4) ? MOSQ_ERR_SUCCESS
                                              : __real_mqtt_send_subscriptions(m);
}

void __wrap_mqtt_hold(struct mqtt *m, bool hold) {
    if (hold ? !goes_wrong(WIRE_HELD_READ, 3) : !goes_wrong(WIRE_NO_RELEASE, 3)) {
        __real_mqtt_hold(m, hold);
    }
}

/* ---- the door's, where it looks at its connection ---- */

WRAPPED(mqtt_link_watch);
WRAPPED(mqtt_link_free);
WRAPPED(mqtt_link_closing);
WRAPPED(mqtt_guard_tried);
WRAPPED(mqtt_marker_read);

int __wrap_mqtt_link_watch(struct mqtt_link *link, int events,
                           void (*on_event)(void *owner, int status, int events)) {
    if (events == 0 && goes_wrong(WIRE_SPIN, 1)) {
        return 0;
    }
    int watched = events != 0 && goes_wrong(WIRE_DEAF, 10) ? events & ~UV_READABLE : events;
    return __real_mqtt_link_watch(link, watched, on_event);
}

void __wrap_mqtt_link_free(struct mqtt_link *link) {
    if (!goes_wrong(WIRE_LEAK, 5)) {
        __real_mqtt_link_free(link);
    }
}

bool __wrap_mqtt_link_closing(const struct mqtt_link *link) {
    return !goes_wrong(WIRE_WRITE_FIRST, 1) && __real_mqtt_link_closing(link);
}

unsigned __wrap_mqtt_guard_tried(const struct mqtt_guard *guard) {
    return goes_wrong(WIRE_SAME_ADDRESS, 1) ? 0 : __real_mqtt_guard_tried(guard);
}

bool __wrap_mqtt_marker_read(struct slice value, const char *mark, uint32_t *ids, size_t ids_max,
                             size_t *id_count, struct slice *reason) {
    return !goes_wrong(WIRE_NO_MARKER, 3) &&
           __real_mqtt_marker_read(value, mark, ids, ids_max, id_count, reason);
}

/* ---- the door's, where it decides ---- */

WRAPPED(mqtt_lose_saying);
WRAPPED(mqtt_forget_watches);

void __wrap_mqtt_forget_watches(struct mqtt *m) {
    if (!goes_wrong(WIRE_HOARD, 1)) {
        __real_mqtt_forget_watches(m);
    }
}

WRAPPED(mqtt_learn);
WRAPPED(mqtt_suspect_will);
WRAPPED(mqtt_publish);

void __wrap_mqtt_lose_saying(struct mqtt *m, const char *text) {
    if (!goes_wrong(WIRE_PATIENT, 1)) {
        __real_mqtt_lose_saying(m, text);
    }
}

void __wrap_mqtt_learn(struct mqtt *m, int reason) {
    if (!goes_wrong(WIRE_UNLEARNED, 1)) {
        __real_mqtt_learn(m, reason);
    }
}

bool __wrap_mqtt_suspect_will(struct mqtt *m) {
    return !goes_wrong(WIRE_SAME_WILL, 1) && __real_mqtt_suspect_will(m);
}

int __wrap_mqtt_publish(struct mqtt *m, const struct mqtt_publish *publish, int *mid,
                        struct report *r) {
    m->ids_end = m->ids_end && !goes_wrong(WIRE_SAME_IDS, 1);
    return __real_mqtt_publish(m, publish, mid, r);
}

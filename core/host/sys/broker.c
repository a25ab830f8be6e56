/*
 * broker.c - the broker's own figures, if it has a $SYS like Mosquitto's.
 *
 * A broker that drops messages shows it only to those who look: beyond max_queued_messages,
 * Mosquitto drops messages for slow or absent clients. So the host looks, and reports it.
 *
 * Subscribed with QoS 0 on each publishing connection, whose session ends with it: no service's
 * subscription is affected, and the broker queues nothing while we are away.
 *
 * Left out on purpose: the limits themselves, which no broker reports. `zingq doctor` probes them.
 */
#include "host/sys/impl.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DROPPED = 0, LOST_MAX = 2, DROPS_SAID_MS = 900000 };

/* The name of the metric is "zingq_" plus this name. */
static const struct figure_row {
    const char *filter, *name, *help;
} rows[SYS_BROKER_FIGURES] = {
    [DROPPED] = {"$SYS/broker/publish/messages/dropped", "broker_dropped",
                 "messages the broker has dropped since it started"},
    {"$SYS/broker/store/messages/count", "broker_stored", "messages the broker keeps"},
    {"$SYS/broker/store/messages/bytes", "broker_stored_bytes", "payload bytes of them"},
    {"$SYS/broker/heap/current", "broker_heap_bytes", "memory the broker has allocated"},
    {"$SYS/broker/clients/connected", "broker_clients", "clients connected to the broker"},
};

static const char version_topic[] = "$SYS/broker/version";

void sys_broker_init(struct sys *s) {
    for (size_t i = 0; i < SYS_BROKER_FIGURES; i++) {
        s->broker.values[i] = -1;
    }
}

void sys_broker_watch(struct sys *s, struct mqtt *mqtt) {
    struct sys_broker *b = &s->broker;
    b->unanswered = 0;
    for (size_t i = 0; !b->given_up && i <= SYS_BROKER_FIGURES; i++) {
        const char *filter = i < SYS_BROKER_FIGURES ? rows[i].filter : version_topic;
        if (mqtt_watch(mqtt, filter, 1) == 0) {
            b->unanswered++;
            s->dirty = s->unproven = true;
            s->proof_mid = PROOF_SUBACK;
        }
    }
}

/* Some brokers close the connection when a client subscribes to something forbidden. */
void sys_broker_down(struct sys *s) {
    struct sys_broker *b = &s->broker;
    b->lost = b->unanswered > 0 ? b->lost + 1 : 0;
    b->unanswered = 0;
    if (b->lost == LOST_MAX && !b->given_up) {
        b->given_up = true;
        log_warn("broker", "the connection ended twice before the broker had answered a "
                           "subscription to its $SYS: not asking again; what it drops remains "
                           "unknown");
    }
}

void sys_answered(struct sys *s, uint8_t reason) {
    struct sys_broker *b = &s->broker;
    b->unanswered -= b->unanswered > 0 ? 1 : 0;
    b->lost = b->unanswered > 0 ? b->lost : 0; /* the next one may be what it closes on */
    s->unproven = s->unproven && (b->unanswered > 0 || s->proof_mid != PROOF_SUBACK);
    if (reason >= 0x80 && !b->refused) {
        b->refused = true;
        log_info("broker",
                 "the broker does not let us read its $SYS (reason 0x%02x): what it drops remains "
                 "unknown",
                 reason);
    }
}

/* The counter restarts with the broker. */
static void note_dropped(struct sys_broker *b, int64_t now) {
    int64_t before = b->values[DROPPED];
    if (before < 0 && now > 0) {
        log_warn("broker",
                 "the broker has dropped %" PRId64 " messages since it started, before this host "
                 "looked: clients that were slow or offline have lost them; raise its queue limits "
                 "(Mosquitto: max_queued_messages)",
                 now);
        return;
    }
    int64_t more = now < before ? now : now - before;
    if (before >= 0 && more > 0) {
        b->dropped_ms = clock_monotonic_ms();
        log_warn("broker",
                 "the broker drops messages: %" PRId64 " more, %" PRId64 " since it started; "
                 "clients that are slow or offline lose them; raise its queue limits (Mosquitto: "
                 "max_queued_messages)",
                 more, now);
    }
}

/* A whole number, as Mosquitto writes it; -1 = not a number. */
static int64_t parse(struct slice payload) {
    char text[24] = "";
    char *end = NULL;
    if (payload.len == 0 || payload.len >= sizeof text) {
        return -1;
    }
    memcpy(text, payload.data, payload.len);
    long long value = strtoll(text, &end, 10);
    return *end == '\0' && value >= 0 ? value : -1;
}

bool sys_is_mosquitto(struct slice topic, struct slice payload) {
    static const char name[] = "mosquitto";
    return slice_is(topic, version_topic) && payload.len >= sizeof name - 1 &&
           memcmp(payload.data, name, sizeof name - 1) == 0;
}

void sys_note(struct sys *s, struct slice topic, struct slice payload) {
    for (size_t i = 0; i < SYS_BROKER_FIGURES; i++) {
        int64_t value = slice_is(topic, rows[i].filter) ? parse(payload) : -1;
        if (value < 0) {
            continue;
        }
        if (i == DROPPED) {
            note_dropped(&s->broker, value);
        }
        s->broker.values[i] = value;
    }
}

bool sys_drops(const struct sys *s, struct report *r) {
    int64_t since_ms = clock_monotonic_ms() - s->broker.dropped_ms;
    (void)report(
        r, 0,
        "the broker drops messages, the last ones within the last %d minutes: clients that "
        "are slow or offline lose them; raise its queue limits (Mosquitto: "
        "max_queued_messages)",
        DROPS_SAID_MS / 60000);
    return s->broker.dropped_ms != 0 && since_ms < DROPS_SAID_MS;
}

void sys_add_status(const struct sys *s, json_t *host) {
    (void)json_object_set_new(host, "sys", json_string(s->topic));
    for (size_t i = 0; i < SYS_BROKER_FIGURES; i++) {
        int64_t value = s->broker.values[i];
        (void)json_object_set_new(host, rows[i].name,
                                  value < 0 ? json_null() : json_integer(value));
    }
}

void sys_write_metrics(const struct sys *s, struct buf *out) {
    for (size_t i = 0; i < SYS_BROKER_FIGURES; i++) {
        int64_t value = s->broker.values[i];
        if (value >= 0) {
            buf_printf(out, "# HELP zingq_%s %s\n# TYPE zingq_%s gauge\nzingq_%s %" PRId64 "\n",
                       rows[i].name, rows[i].help, rows[i].name, rows[i].name, value);
        }
    }
}

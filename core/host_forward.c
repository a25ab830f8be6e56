/*
 * host_forward.c - what goes between the hosts of a division, as MQTT messages.
 *
 *   zingq/forward/<group>/<n>   what belongs to host n: it subscribes on the connection whose
 *                               messages are acknowledged after the commit
 *   zingq/receipt/<group>/<n>   what host n sent and others have stored
 *
 * Both go out with QoS 0 over the connection that publishes: the engine sends again what has no
 * receipt, so an acknowledgement of the broker's would tell nothing, nor is it to queue what this
 * host keeps anyway. docs/hosts.md says who may publish there.
 */
#include "host_impl.h"

#include "log.h"

#include <stdio.h>
#include <string.h>

enum { WATCH_ID = 2 };

bool host_is_divided(const struct host *h) {
    return division_is_divided(&h->conf->hosts.share);
}

static const char *topic_of(const struct host *h, const char *what, uint16_t host,
                            char out[HOST_TOPIC_BYTES]) {
    (void)snprintf(out, HOST_TOPIC_BYTES, "zingq/%s/%s/%u", what, h->conf->hosts.group,
                   (unsigned)host);
    return out;
}

const char *host_forward_filter(const struct host *h, char out[HOST_TOPIC_BYTES]) {
    return topic_of(h, "forward", h->conf->hosts.share.place, out);
}

bool host_is_forward(const struct host *h, const char *topic) {
    char own[HOST_TOPIC_BYTES];
    return host_is_divided(h) && strcmp(topic, host_forward_filter(h, own)) == 0;
}

void host_forward_message(struct host *h, const struct mqtt_message *m) {
    size_t events = 0;
    if (m->refused.len > 0) {
        log_warn("host", "a message from another host was not taken: %.*s", (int)m->refused.len,
                 m->refused.data);
        return;
    }
    if (engine_offer_forward(h->engine, m->payload, &events) != 0) {
        log_error("host", "out of memory: dropping the connection, the other host sends it again");
        h->drop = true;
    }
    h->turn_messages += events + 1;
    h->turn_bytes += m->payload.len;
}

static int send_to(struct host *h, const char *what, uint16_t host, struct slice bytes) {
    char topic[HOST_TOPIC_BYTES];
    struct report r;
    int mid;
    const struct mqtt_publish out = {.topic = topic_of(h, what, host, topic), .payload = bytes};
    if (sys_wants_to_be_alone(h->sys, uv_now(&h->loop))) {
        return ERR_BUSY; /* a loss now must not be blamed on this one */
    }
    int code = mqtt_publish(h->out, &out, &mid, &r);
    if (code == ERR_INVALID) {
        log_error("broker", "a message to host %u: %s", (unsigned)host, r.text);
    }
    return code;
}

int host_forward(void *ctx, uint16_t host, struct slice message) {
    return send_to(ctx, "forward", host, message);
}

int host_receipt(void *ctx, uint16_t host, struct slice receipt) {
    return send_to(ctx, "receipt", host, receipt);
}

void host_forward_up(struct host *h) {
    char topic[HOST_TOPIC_BYTES];
    if (host_is_divided(h) &&
        mqtt_watch(h->out, topic_of(h, "receipt", h->conf->hosts.share.place, topic), WATCH_ID) !=
            0) {
        log_error("broker", "cannot subscribe to %s: what belongs to other hosts waits here",
                  topic);
    }
}

bool host_receipt_came(struct host *h, const struct mqtt_message *m) {
    char topic[HOST_TOPIC_BYTES];
    if (!host_is_divided(h) ||
        !slice_is(m->topic, topic_of(h, "receipt", h->conf->hosts.share.place, topic))) {
        return false;
    }
    engine_offer_receipt(h->engine, m->payload);
    host_wake(h);
    return true;
}

bool host_forward_answered(struct host *h, const char *filter, uint8_t reason) {
    char topic[HOST_TOPIC_BYTES];
    if (!host_is_divided(h) ||
        strcmp(filter, topic_of(h, "receipt", h->conf->hosts.share.place, topic)) != 0) {
        return false;
    }
    if (reason >= 0x80) {
        log_error("broker",
                  "the broker refuses the subscription %s (reason 0x%02x): what belongs to other "
                  "hosts waits here; zingq doctor names the line that mends it",
                  filter, reason);
    }
    return true;
}

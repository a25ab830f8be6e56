/*
 * forward.c - what goes between the hosts of a division, as MQTT messages.
 *
 *   zingq/forward/<group>/<n>   what belongs to host n
 *   zingq/receipt/<group>/<n>   what host n sent and others have stored
 *
 * Both go with QoS 0, out and in over the connection that publishes: the engine sends again what has
 * no receipt, so an acknowledgement of the broker's would tell nothing, nor is it to queue what the
 * sender keeps anyway. And a host that takes no events from the broker, because too much of what it
 * has is for others, still takes what they have for it: two could wait for each other for ever.
 * docs/hosts.md says who may publish there.
 */
#include "host/forward.h"

#include "host/loop.h"
#include "host/members.h"
#include "base/log.h"
#include "journal/owner.h"

#include <string.h>

enum { WATCH_ID = 2 };

static bool is_divided(const struct host *h) {
    return division_is_divided(&h->conf->hosts.share);
}

/* The topics on which this host is spoken to. */
static const char *const heard[] = {"forward", "receipt"};

enum { HEARD = sizeof heard / sizeof *heard };

static const char *own_topic(const struct host *h, size_t i, char out[OWNER_TOPIC_BYTES]) {
    return owner_topic(h->conf, heard[i], h->conf->hosts.share.place, out);
}

static int send_to(struct host *h, const char *what, uint16_t host, struct slice bytes) {
    char topic[OWNER_TOPIC_BYTES];
    struct report r;
    int mid;
    const struct mqtt_publish out = {.topic = owner_topic(h->conf, what, host, topic),
                                     .payload = bytes};
    if (sys_wants_to_be_alone(h->sys, uv_now(&h->loop))) {
        return ERR_BUSY; /* a loss now must not be blamed on this one */
    }
    int code = mqtt_publish(h->publisher, &out, &mid, &r);
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

/* Where nobody can be seen, everybody is taken to be there. */
void host_forward_members(struct host *h) {
    const struct division *d = &h->conf->hosts.share;
    bool known = host_members_known(h);
    for (uint16_t n = 1; n <= d->count; n++) {
        if (n != d->place) {
            engine_member(h->engine, n, !known || host_member_up(h, n));
        }
    }
}

static void watch(struct host *h, const char *topic) {
    if (mqtt_watch(h->publisher, topic, WATCH_ID) == 0) {
        h->forwards_asked++;
        engine_published_beside(h->engine);
        return;
    }
    log_error("broker", "cannot subscribe to %s: messages from other hosts do not arrive", topic);
}

void host_forward_up(struct host *h) {
    char topic[OWNER_TOPIC_BYTES];
    h->forwards_asked = 0;
    for (size_t i = 0; is_divided(h) && i < HEARD; i++) {
        watch(h, own_topic(h, i, topic));
    }
}

static void take(struct host *h, const struct mqtt_message *m, bool forward) {
    if (m->refused.len > 0) {
        log_warn("host", "a message from another host was not taken: %.*s", (int)m->refused.len,
                 m->refused.data);
    } else if (!forward) {
        engine_offer_receipt(h->engine, m->payload);
    } else if (engine_offer_forward(h->engine, m->payload) != 0) {
        log_error("host", "out of memory: messages of another host will be sent again");
    }
    host_wake(h);
}

bool host_forward_heard(struct host *h, const struct mqtt_message *m) {
    char topic[OWNER_TOPIC_BYTES];
    for (size_t i = 0; is_divided(h) && i < HEARD; i++) {
        if (slice_is(m->topic, own_topic(h, i, topic))) {
            take(h, m, i == 0);
            return true;
        }
    }
    return false;
}

bool host_forward_answered(struct host *h, const char *filter, uint8_t reason) {
    char topic[OWNER_TOPIC_BYTES];
    bool ours = false;
    for (size_t i = 0; is_divided(h) && i < HEARD; i++) {
        ours = ours || strcmp(filter, own_topic(h, i, topic)) == 0;
    }
    if (!ours) {
        return false;
    }
    h->forwards_asked -= h->forwards_asked > 0 ? 1 : 0;
    if (reason >= 0x80) {
        log_error("broker",
                  "the broker refuses the subscription %s (reason 0x%02x): messages from other "
                  "hosts do not arrive; zingq doctor names the missing line",
                  filter, reason);
    }
    return true;
}

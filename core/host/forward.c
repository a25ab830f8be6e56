/*
 * forward.c - MQTT messages between the hosts of a division.
 *
 *   zingq/forward/<group>/<n>   events and signals that belong to host n
 *   zingq/receipt/<group>/<n>   receipts for what host n has sent
 *
 * Both use QoS 0, in both directions over the publishing connection: the engine repeats whatever
 * has no receipt, so an acknowledgement from the broker would say nothing, and the broker need not
 * queue what the sender keeps anyway. Also, a host that takes no events from the broker, because
 * too many of its rows wait for others, still takes what those have for it: otherwise two hosts
 * could wait for each other for ever. docs/hosts.md says who may publish there.
 */
#include "host/forward.h"

#include "host/loop.h"
#include "host/members.h"
#include "host/sign.h"
#include "base/log.h"
#include "journal/owner.h"

#include <string.h>

enum { WATCH_ID = 2 };

static bool is_divided(const struct host *h) {
    return division_is_divided(&h->conf->hosts.share);
}

/* The topics for messages to this host. */
static const char *const heard[] = {"forward", "receipt"};

enum { HEARD = sizeof heard / sizeof *heard };

static const char *own_topic(const struct host *h, size_t i, char out[OWNER_TOPIC_BYTES]) {
    return owner_topic(h->conf, heard[i], h->conf->hosts.share.place, out);
}

static int send_to(struct host *h, const char *what, uint16_t host, struct slice bytes) {
    char topic[OWNER_TOPIC_BYTES];
    struct report r;
    int mid;
    struct mqtt_publish out = {.topic = owner_topic(h->conf, what, host, topic), .payload = bytes};
    if (sys_wants_to_be_alone(h->sys, uv_now(&h->loop))) {
        return ERR_BUSY; /* this message must not be blamed for a loss now */
    }
    int code = peers_publish(h->publisher, &out, host_sign, h, &mid, &r);
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

/* If presences cannot be seen, all hosts are assumed to be up. */
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

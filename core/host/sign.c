/*
 * sign.c - what hosts say to each other carries a mark made with their secret (engine/mark.h); what
 * has none is refused.
 */
#include "host/sign.h"

void host_sign(void *ctx, const struct mqtt_publish *message, struct buf *properties) {
    const struct host *h = ctx;
    engine_mark_message(h->engine, slice_of(message->topic), message->correlation, message->payload,
                        properties);
}

bool host_is_forged(struct host *h, const struct mqtt_message *m) {
    if (!topic_is_between_hosts(m->topic) ||
        engine_believes_message(h->engine, m->topic, m->correlation, m->payload, m->properties)) {
        return false;
    }
    engine_refuse_message(h->engine);
    return true;
}

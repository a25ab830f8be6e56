/*
 * sign.c - what hosts say to each other carries a mark made with their secret (engine/mark.h); what
 * has none is refused.
 */
#include "host/sign.h"

#include <string.h>

void host_sign(void *ctx, const struct mqtt_publish *message, struct buf *properties) {
    const struct host *h = ctx;
    engine_mark_message(h->engine, slice_of(message->topic), message->correlation, message->payload,
                        properties);
}

/* Topics on which only hosts of the division speak. */
static bool is_between_hosts(struct slice topic) {
    static const char *const prefixes[] = {"zingq/forward/", "zingq/receipt/", "zingq/ask/",
                                           "zingq/answer/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        size_t len = strlen(prefixes[i]);
        if (topic.len > len && memcmp(topic.data, prefixes[i], len) == 0) {
            return true;
        }
    }
    return false;
}

bool host_is_forged(struct host *h, const struct mqtt_message *m) {
    if (!is_between_hosts(m->topic) ||
        engine_believes_message(h->engine, m->topic, m->correlation, m->payload, m->properties)) {
        return false;
    }
    engine_refuse_message(h->engine);
    return true;
}

/*
 * take.c - distributes messages from the broker to their services.
 */
#include "host/take.h"

#include "base/log.h"

#include <string.h>

/* Messages that hosts send about themselves and to each other. */
static bool is_of_hosts(const char *topic) {
    static const char status[] = "zingq/sys/";
    return strncmp(topic, status, sizeof status - 1) == 0 ||
           topic_is_between_hosts(slice_of(topic));
}

/* True if this is the status of some host, and the service receives it only because it subscribes
 * to everything: a wildcard in the first level does not include it, just as it does not include
 * $SYS. Handling it would change the status, which would be published again, and so on for ever. */
static bool is_others_status(const struct service_conf *s, const char *topic) {
    if (!is_of_hosts(topic)) {
        return false;
    }
    for (size_t i = 0; i < s->filter_count; i++) {
        bool by_name = s->filters[i][0] != '#' && s->filters[i][0] != '+';
        if (by_name && filter_matches(s->filters[i], topic)) {
            return false;
        }
    }
    return true;
}

static bool is_plain(const struct host *h, const struct service_conf *s) {
    return !s->share || h->conf->broker.alone || !mqtt_session(h->subscriber)->shared_available;
}

/* `host`: as for host_take. */
static void offer(struct host *h, size_t service, const struct mqtt_message *m, uint16_t host) {
    struct event_bytes bytes = {.topic = m->topic,
                                .payload = m->payload,
                                .content_type = m->content_type,
                                .response_topic = m->response_topic,
                                .correlation = m->correlation,
                                .properties = m->properties,
                                .reason = m->refused};
    const struct service_conf *s = engine_service_conf(h->engine, service);
    if (is_others_status(s, m->topic.data)) {
        return;
    }
    h->turn_messages++;
    h->turn_bytes += m->payload.len + m->properties.len;
    const struct offer how = {.qos = m->qos,
                              .retained = m->retain,
                              .everywhere = s->share && is_plain(h, s),
                              .host = host};
    if (engine_offer(h->engine, service, &bytes, how) != 0) {
        /* Acknowledging it would lose it; without memory, dropping the connection is the only way
         * to keep it. */
        log_error(
            "host",
            "out of memory: dropping the connection, so that the broker sends the message again");
        h->drop = true;
    }
}

static void offer_signal(struct host *h, size_t service, const struct mqtt_message *m,
                         uint16_t host) {
    if (m->refused.len > 0) {
        if (host == 0) { /* otherwise our own copy becomes the dead letter */
            offer(h, service, m, 0);
        }
        return;
    }
    struct event_bytes bytes = {
        .topic = m->topic, .payload = m->payload, .properties = m->properties};
    h->turn_messages++;
    h->turn_bytes += m->payload.len + m->properties.len;
    if (engine_offer_signal(h->engine, service, &bytes, host) != 0) {
        log_error(
            "host",
            "out of memory: dropping the connection, so that the broker sends the message again");
        h->drop = true;
    }
}

static bool subscribes_to(const struct service_conf *s, const char *filter) {
    for (size_t i = 0; i < s->filter_count; i++) {
        if (strcmp(s->filters[i], filter) == 0) {
            return true;
        }
    }
    return false;
}

/* Two plain subscriptions to one filter are a single one at the broker, with the later identifier:
 * the other services get their copy here. */
static void offer_to_same_filter(struct host *h, size_t service, const struct mqtt_message *m,
                                 uint16_t host) {
    for (size_t i = 0; i < h->conf->service_count; i++) {
        const struct service_conf *other = &h->conf->services[i];
        bool told = false;
        for (size_t k = 0; k < m->subscription_id_count; k++) {
            told = told || m->subscription_ids[k] == engine_service_number(h->engine, i) + 1u;
        }
        bool may_share = i != service && engine_runs(h->engine, i) && is_plain(h, other);
        for (size_t f = 0; may_share && !told && f < other->filter_count; f++) {
            if (filter_matches(other->filters[f], m->topic.data) &&
                subscribes_to(engine_service_conf(h->engine, service), other->filters[f])) {
                offer(h, i, m, host);
                break;
            }
        }
    }
}

/* It was queued in our session for a service that topics.conf no longer has: the message is stored,
 * and waits for a person. */
static void note_removed(struct host *h, const struct service_conf *s,
                         const struct mqtt_message *m) {
    if (h->for_removed++ == 0) {
        log_warn("broker",
                 "a message on %s is for service \"%s\", which is no longer in topics.conf: such "
                 "messages are stored and wait; `zingq move --from %s --to SERVICE` gives them to "
                 "another service (logged once)",
                 m->topic.data, s->name, s->name);
    }
}

static bool is_signal_for(const struct service_conf *s, const char *topic) {
    static const char prefix[] = "zingq/signal/";
    if (strncmp(topic, prefix, sizeof prefix - 1) != 0) {
        return false;
    }
    const char *at = topic + sizeof prefix - 1;
    struct slice name = {at, strcspn(at, "/")};
    return at[name.len] == '/' && (slice_is(name, s->name) || service_was(s, name));
}

static bool route_by_filter(struct host *h, const struct mqtt_message *m, uint16_t host) {
    bool any = false;
    for (size_t i = 0; i < h->conf->service_count; i++) {
        if (engine_runs(h->engine, i) && is_signal_for(&h->conf->services[i], m->topic.data)) {
            offer_signal(h, i, m, host);
            any = true;
        }
        if (engine_runs(h->engine, i) && service_wants(&h->conf->services[i], m->topic.data)) {
            offer(h, i, m, host);
            any = true;
        }
    }
    return any;
}

/* The subscription identifier tells which service a copy is for. If a broker has no identifiers, or
 * one that this store does not know, only the filters can tell. */
bool host_take(struct host *h, const struct mqtt_message *m, uint16_t host) {
    bool unknown = false;
    for (size_t i = 0; i < m->subscription_id_count; i++) {
        size_t service = 0;
        uint32_t number = m->subscription_ids[i] - 1;
        bool signal = number >= SIGNAL_SUBSCRIPTION;
        number -= signal ? SIGNAL_SUBSCRIPTION : 0;
        if (!engine_service_by_number(h->engine, number, &service)) {
            unknown = true;
            continue;
        }
        if (service >= h->conf->service_count) {
            note_removed(h, engine_service_conf(h->engine, service), m);
        }
        if (signal) {
            offer_signal(h, service, m, host);
            continue;
        }
        offer(h, service, m, host);
        if (is_plain(h, engine_service_conf(h->engine, service))) {
            offer_to_same_filter(h, service, m, host);
        }
    }
    bool taken = (m->subscription_id_count > 0 && !unknown) || route_by_filter(h, m, host);
    if (unknown && !taken && h->passed_over++ == 0) {
        log_error("broker",
                  "a message on %s came for a subscription that this store does not know, and no "
                  "service subscribes to its topic: such messages are acknowledged and dropped "
                  "(logged once)",
                  m->topic.data);
    }
    return taken || unknown;
}

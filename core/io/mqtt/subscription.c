/*
 * subscription.c - the MQTT client's subscriptions: a list that is sent again on every connection.
 *
 * One SUBSCRIBE per filter, because a subscription identifier belongs to the whole packet. A
 * subscription that is given up stays in the list until its UNSUBACK, so that the UNSUBSCRIBE is
 * sent again if the connection is lost in between.
 *
 * A broker may lack wildcards, shared subscriptions or subscription identifiers, and should say so
 * in CONNACK. Asking for them anyway would end the connection, at every reconnect. So a filter with
 * wildcards is not sent there at all, and reported as refused; other filters are sent without the
 * missing feature. If a broker does not announce it, its refusal shows it, and we ask again without
 * the feature. A filter that would make a packet larger than the broker accepts is also left out
 * and reported.
 *
 * Any other refusal may be temporary: the broker's source of access rules was unavailable, or a
 * quota was full. The connection stays up, so asking again is the only way to find out.
 */
#include "io/mqtt/impl.h"

#include "base/limits.h"

#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t now_s(const struct mqtt *m) {
    return (uint32_t)(uv_now(m->loop) / 1000);
}

/* The filter of "$share/<group>/<filter>", or NULL. */
static const char *unshared(const char *filter) {
    const char *group = strncmp(filter, "$share/", 7) == 0 ? filter + 7 : NULL;
    const char *slash = group == NULL ? NULL : strchr(group, '/');
    return slash == NULL ? NULL : slash + 1;
}

/* Given up by its shared name; on a broker without sharing, it had been made without it. */
static bool was_plain(const struct mqtt *m, const struct mqtt_subscription *sub) {
    return sub->leaving && !m->session.shared_available && unshared(sub->filter) != NULL;
}

const char *mqtt_wire_filter(const struct mqtt *m, const struct mqtt_subscription *sub) {
    if (was_plain(m, sub)) {
        return unshared(sub->filter);
    }
    bool shared = sub->shared != NULL && m->session.shared_available && !m->conf->alone;
    return shared ? sub->shared : sub->filter;
}

enum { RETOLD_MAX = 2 }; /* without sharing, and without an identifier */

bool mqtt_has_wildcard(const char *filter) {
    return strpbrk(filter, "+#") != NULL;
}

static bool is_left_out(const struct mqtt *m, const struct mqtt_subscription *sub) {
    return !sub->leaving && !m->session.wildcard_available && mqtt_has_wildcard(sub->filter);
}

void mqtt_tell_left_out(struct mqtt *m) {
    for (size_t i = 0; !m->withheld && i < m->sub_count; i++) {
        const struct mqtt_subscription *sub = &m->subs[i];
        if (!sub->leaving && (sub->too_long || is_left_out(m, sub))) {
            m->callbacks.on_subscribed(m->callbacks.ctx, mqtt_wire_filter(m, sub),
                                       sub->too_long ? MQTT_RC_PACKET_TOO_LARGE
                                                     : MQTT_RC_WILDCARD_SUBS_NOT_SUPPORTED);
        }
    }
}

/* Some brokers refuse a subscription by closing the connection. They answer in order, so it was the
 * first one without an answer. */
void mqtt_name_unanswered(const struct mqtt *m, struct report *r) {
    for (size_t i = 0; m->state == UP && i < m->sub_count; i++) {
        const struct mqtt_subscription *sub = &m->subs[i];
        if (sub->mid != 0 && !sub->leaving) {
            size_t len = strlen(r->text);
            (void)snprintf(r->text + len, sizeof r->text - len,
                           " before it had answered the subscription %s: check its access rules "
                           "if that comes again",
                           mqtt_wire_filter(m, sub));
            return;
        }
    }
}

void mqtt_learn(struct mqtt *m, int reason) {
    struct mqtt_lacks *lacks = &m->lacks;
    lacks->wildcards = lacks->wildcards || reason == MQTT_RC_WILDCARD_SUBS_NOT_SUPPORTED;
    lacks->shared = lacks->shared || reason == MQTT_RC_SHARED_SUBS_NOT_SUPPORTED;
    lacks->subscription_ids =
        lacks->subscription_ids || reason == MQTT_RC_SUBSCRIPTION_IDS_NOT_SUPPORTED;
    lacks->retain = lacks->retain || reason == MQTT_RC_RETAIN_NOT_SUPPORTED;
    lacks->qos = lacks->qos || reason == MQTT_RC_QOS_NOT_SUPPORTED;
}

void mqtt_apply_lacks(struct mqtt *m) {
    struct mqtt_session *s = &m->session;
    s->wildcard_available = s->wildcard_available && !m->lacks.wildcards;
    s->shared_available = s->shared_available && !m->lacks.shared;
    s->subscription_ids_available = s->subscription_ids_available && !m->lacks.subscription_ids;
    s->retain_available = s->retain_available && !m->lacks.retain;
    s->qos_max = m->lacks.qos ? 0 : s->qos_max;
    m->will.retain = m->will.retain && s->retain_available;
}

/* Refused because of something we can do without: sends it once more without that. */
static bool ask_again(struct mqtt *m, struct mqtt_subscription *sub, int reason) {
    bool without = (reason == MQTT_RC_SHARED_SUBS_NOT_SUPPORTED && sub->shared != NULL) ||
                   reason == MQTT_RC_SUBSCRIPTION_IDS_NOT_SUPPORTED;
    if (!without || sub->retold == RETOLD_MAX) {
        return false;
    }
    sub->retold++;
    mqtt_learn(m, reason);
    mqtt_apply_lacks(m);
    m->dirty = true; /* the next flush sends it */
    return mqtt_send_subscription(m, sub) == MOSQ_ERR_SUCCESS;
}

/* The owner of a watch repeats it; and wildcards do not appear by asking again. */
static bool may_pass(const struct mqtt_subscription *sub, int reason) {
    return reason >= 0x80 && reason != MQTT_RC_WILDCARD_SUBS_NOT_SUPPORTED && !sub->watch;
}

static void take_answer(struct mqtt *m, struct mqtt_subscription *sub, uint8_t reason) {
    uint8_t before = sub->refused;
    sub->refused = may_pass(sub, reason) ? reason : 0;
    if (sub->refused != 0) {
        uint32_t most_s = MQTT_BACKOFF_MS_MAX / 1000;
        uint32_t wait_s = sub->asked < 16 ? 1u << sub->asked : most_s;
        sub->again_s = now_s(m) + (wait_s < most_s ? wait_s : most_s);
        sub->asked++;
    }
    const struct mqtt_callbacks *tell = &m->callbacks;
    const char *filter = mqtt_wire_filter(m, sub);
    if (before == 0) {
        tell->on_subscribed(tell->ctx, filter, reason);
    } else if (before != reason && tell->on_resubscribed != NULL) {
        tell->on_resubscribed(tell->ctx, filter, before, reason);
    }
}

int mqtt_ask_refused(struct mqtt *m) {
    int rc = MOSQ_ERR_SUCCESS;
    for (size_t i = 0; i < m->sub_count && rc == MOSQ_ERR_SUCCESS; i++) {
        struct mqtt_subscription *sub = &m->subs[i];
        if (sub->refused != 0 && sub->mid == 0 && !sub->leaving && now_s(m) >= sub->again_s) {
            rc = mqtt_send_subscription(m, sub);
        }
    }
    return rc;
}

void mqtt_on_suback(struct mosquitto *mosq, void *userdata, int mid, int count, const int *granted,
                    const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = mqtt_heard(userdata);
    for (size_t i = 0; i < m->sub_count; i++) {
        struct mqtt_subscription *sub = &m->subs[i];
        if (sub->mid == mid && !sub->leaving && count > 0 && granted != NULL) {
            sub->mid = 0;
            if (ask_again(m, sub, granted[0])) {
                return;
            }
            take_answer(m, sub, (uint8_t)granted[0]);
            return;
        }
    }
}

void mqtt_forget_subscription(struct mqtt *m, size_t i) {
    free(m->subs[i].filter);
    free(m->subs[i].shared);
    m->sub_count--;
    memmove(&m->subs[i], &m->subs[i + 1], (m->sub_count - i) * sizeof *m->subs);
}

void mqtt_forget_watches(struct mqtt *m) {
    for (size_t i = m->sub_count; i-- > 0;) {
        if (m->subs[i].watch) {
            mqtt_forget_subscription(m, i);
        }
    }
}

bool mqtt_filter_is_kept(const struct mqtt *m, const char *filter) {
    for (size_t i = 0; i < m->sub_count; i++) {
        if (!m->subs[i].leaving && strcmp(mqtt_wire_filter(m, &m->subs[i]), filter) == 0) {
            return true;
        }
    }
    return false;
}

/* Given up and subscribed to again: nothing to unsubscribe. */
static bool is_back(const struct mqtt *m, const struct mqtt_subscription *sub) {
    return sub->leaving && mqtt_filter_is_kept(m, mqtt_wire_filter(m, sub));
}

static bool any_leaving(const struct mqtt *m) {
    for (size_t i = 0; i < m->sub_count; i++) {
        const struct mqtt_subscription *sub = &m->subs[i];
        if (sub->leaving && !sub->too_long && !is_back(m, sub)) {
            return true;
        }
    }
    return false;
}

static void tell_unsubscribed(const struct mqtt *m) {
    if (!any_leaving(m) && m->callbacks.on_unsubscribed != NULL) {
        m->callbacks.on_unsubscribed(m->callbacks.ctx);
    }
}

void mqtt_on_unsuback(struct mosquitto *mosq, void *userdata, int mid,
                      const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = mqtt_heard(userdata);
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].mid == mid && m->subs[i].leaving) {
            mqtt_forget_subscription(m, i);
            tell_unsubscribed(m);
            return;
        }
    }
}

static int subscribe(struct mqtt *m, struct mqtt_subscription *sub, const char *filter) {
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;
    if (m->session.subscription_ids_available) {
        rc = mosquitto_property_add_varint(&properties, MQTT_PROP_SUBSCRIPTION_IDENTIFIER, sub->id);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        /* A broker should not send retained messages for a shared subscription (MQTT 5, 4.8.2);
         * some do. A group is a group, whatever kind of subscription it uses. */
        int options =
            sub->shared != NULL ? MQTT_SUB_OPT_SEND_RETAIN_NEVER : MQTT_SUB_OPT_SEND_RETAIN_NEW;
        options = sub->watch ? MQTT_SUB_OPT_SEND_RETAIN_ALWAYS : options;
        rc = mosquitto_subscribe_v5(m->mosq, &sub->mid, filter, sub->watch ? 0 : 1, options,
                                    properties);
    }
    mosquitto_property_free_all(&properties);
    return rc;
}

static size_t varint_size(size_t value) {
    return value < 1u << 7 ? 1 : value < 1u << 14 ? 2 : value < 1u << 21 ? 3 : 4;
}

/* libmosquitto 2.0 checks this as well, but counts too little: it sent 22 bytes to a broker that
 * accepts 20, and such a broker ends the connection. */
static bool is_too_long(const struct mqtt *m, const struct mqtt_subscription *sub,
                        const char *filter) {
    size_t size = 2 + 1 + 2 + strlen(filter); /* packet id, length of the properties, the filter */
    if (!sub->leaving) {
        size += 1; /* options */
        size += m->session.subscription_ids_available ? 1 + varint_size(sub->id) : 0;
    }
    size += 1 + varint_size(size);
    return m->session.packet_bytes_max != 0 && size > m->session.packet_bytes_max;
}

int mqtt_send_subscription(struct mqtt *m, struct mqtt_subscription *sub) {
    const char *filter = mqtt_wire_filter(m, sub);
    sub->asked_s = now_s(m);
    sub->too_long = false;
    if (is_back(m, sub) || is_left_out(m, sub)) {
        return MOSQ_ERR_SUCCESS;
    }
    if (is_too_long(m, sub, filter)) {
        sub->too_long = true;
        return MOSQ_ERR_SUCCESS;
    }
    return sub->leaving ? mosquitto_unsubscribe_v5(m->mosq, &sub->mid, filter, NULL)
                        : subscribe(m, sub, filter);
}

/* Those of an earlier connection; if the UNSUBSCRIBE was already sent, its answer is still to
 * come. */
static void forget_those_back(struct mqtt *m) {
    size_t before = m->sub_count;
    for (size_t i = m->sub_count; i-- > 0;) {
        if (m->subs[i].mid == 0 && is_back(m, &m->subs[i])) {
            mqtt_forget_subscription(m, i);
        }
    }
    if (m->sub_count < before) {
        tell_unsubscribed(m);
    }
}

int mqtt_send_subscriptions(struct mqtt *m) {
    int rc = MOSQ_ERR_SUCCESS;
    forget_those_back(m);
    for (size_t i = 0; i < m->sub_count && rc == MOSQ_ERR_SUCCESS; i++) {
        if (!m->subs[i].watch) { /* it was sent when it was requested */
            rc = mqtt_send_subscription(m, &m->subs[i]);
        }
    }
    return rc;
}

static bool grow(struct mqtt *m) {
    if (m->sub_count < m->sub_cap) {
        return true;
    }
    size_t cap = m->sub_cap == 0 ? 16 : m->sub_cap * 2;
    struct mqtt_subscription *subs = realloc(m->subs, cap * sizeof *subs);
    if (subs == NULL) {
        return false;
    }
    m->subs = subs;
    m->sub_cap = cap;
    return true;
}

bool mqtt_add_subscription(struct mqtt *m, const struct mqtt_subscription *sub) {
    if (sub->filter == NULL || !grow(m)) {
        free(sub->filter);
        free(sub->shared);
        return false;
    }
    m->subs[m->sub_count++] = *sub;
    return true;
}

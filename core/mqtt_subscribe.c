/*
 * mqtt_subscribe.c - the MQTT client's subscriptions: registered once, sent on every connection.
 *
 * One SUBSCRIBE a filter, because a subscription identifier belongs to the whole packet. A
 * subscription given up stays listed until its UNSUBACK, so that a connection lost in between
 * sends the UNSUBSCRIBE again.
 */
#include "mqtt_client.h"

#include <assert.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *mqtt_wire_filter(const struct mqtt *m, const struct mqtt_subscription *sub) {
    return sub->shared != NULL && m->session.shared_available ? sub->shared : sub->filter;
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
            m->callbacks.on_subscribed(m->callbacks.ctx, mqtt_wire_filter(m, sub),
                                       (uint8_t)granted[0]);
            return;
        }
    }
}

void mqtt_forget_subscription(struct mqtt *m, size_t i) {
    free(m->subs[i].filter);
    free(m->subs[i].shared);
    m->subs[i] = m->subs[--m->sub_count];
}

void mqtt_forget_watches(struct mqtt *m) {
    for (size_t i = m->sub_count; i-- > 0;) {
        if (m->subs[i].watch) {
            mqtt_forget_subscription(m, i);
        }
    }
}

static bool any_leaving(const struct mqtt *m) {
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].leaving) {
            return true;
        }
    }
    return false;
}

void mqtt_on_unsuback(struct mosquitto *mosq, void *userdata, int mid,
                      const mosquitto_property *properties) {
    (void)mosq;
    (void)properties;
    struct mqtt *m = mqtt_heard(userdata);
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].mid == mid && m->subs[i].leaving) {
            mqtt_forget_subscription(m, i);
            if (!any_leaving(m) && m->callbacks.on_unsubscribed != NULL) {
                m->callbacks.on_unsubscribed(m->callbacks.ctx);
            }
            return;
        }
    }
}

int mqtt_send_subscription(struct mqtt *m, struct mqtt_subscription *sub) {
    const char *filter = mqtt_wire_filter(m, sub);
    sub->asked_s = (uint32_t)(uv_now(m->loop) / 1000);
    if (sub->leaving) {
        return mosquitto_unsubscribe_v5(m->mosq, &sub->mid, filter, NULL);
    }
    mosquitto_property *properties = NULL;
    int rc = MOSQ_ERR_SUCCESS;
    if (m->session.subscription_ids_available) {
        rc = mosquitto_property_add_varint(&properties, MQTT_PROP_SUBSCRIPTION_IDENTIFIER, sub->id);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        /* No broker should send retained messages for a shared one (MQTT 5, 4.8.2); some do. */
        int options =
            filter == sub->shared ? MQTT_SUB_OPT_SEND_RETAIN_NEVER : MQTT_SUB_OPT_SEND_RETAIN_NEW;
        options = sub->watch ? MQTT_SUB_OPT_SEND_RETAIN_ALWAYS : options;
        rc = mosquitto_subscribe_v5(m->mosq, &sub->mid, filter, sub->watch ? 0 : 1, options,
                                    properties);
    }
    mosquitto_property_free_all(&properties);
    return rc;
}

static char *shared_filter(const char *group, const char *filter) {
    char *shared = NULL;
    return asprintf(&shared, "$share/%s/%s", group, filter) < 0 ? NULL : shared;
}

static bool grow_subscriptions(struct mqtt *m) {
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

/* Sends a new packet at once when nothing waits for a flush; otherwise that flush takes it. */
static void write_if_clean(struct mqtt *m) {
    if (m->state == UP && !m->dirty) {
        mqtt_write_queued(m);
    }
}

static bool is_filter(const char *filter) {
    return filter[0] != '\0' && mosquitto_sub_topic_check(filter) == MOSQ_ERR_SUCCESS &&
           mosquitto_validate_utf8(filter, (int)strlen(filter)) == MOSQ_ERR_SUCCESS;
}

int mqtt_watch(struct mqtt *m, const char *filter, uint32_t id) {
    assert(!m->in_library);
    assert(id >= 1 && id <= 268435455);
    if (!is_filter(filter)) {
        return ERR_INVALID;
    }
    if (m->state != UP) {
        return ERR_NETWORK;
    }
    struct mqtt_subscription sub = {.filter = strdup(filter), .id = id, .watch = true};
    if (sub.filter == NULL || !grow_subscriptions(m)) {
        free(sub.filter);
        return ERR_MEMORY;
    }
    m->subs[m->sub_count++] = sub;
    if (mqtt_send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
        mqtt_forget_subscription(m, m->sub_count - 1);
        return ERR_MEMORY;
    }
    write_if_clean(m);
    return 0;
}

int mqtt_subscribe(struct mqtt *m, const char *group, const char *filter, uint32_t id) {
    assert(!m->in_library);
    assert(id >= 1 && id <= 268435455);
    if (!is_filter(filter)) {
        return ERR_INVALID;
    }
    struct mqtt_subscription sub = {.filter = strdup(filter), .id = id};
    if (group != NULL) {
        sub.shared = shared_filter(group, filter);
    }
    if (sub.filter == NULL || (group != NULL && sub.shared == NULL) || !grow_subscriptions(m)) {
        free(sub.filter);
        free(sub.shared);
        return ERR_MEMORY;
    }
    m->subs[m->sub_count++] = sub;
    if (m->state == UP) {
        if (mqtt_send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
            return ERR_MEMORY; /* it stays registered: the next connection has it */
        }
        write_if_clean(m);
    }
    return 0;
}

int mqtt_unsubscribe(struct mqtt *m, const char *filter) {
    assert(!m->in_library);
    if (filter[0] == '\0' || mosquitto_sub_topic_check(filter) != MOSQ_ERR_SUCCESS) {
        return ERR_INVALID;
    }
    struct mqtt_subscription sub = {.filter = strdup(filter), .leaving = true};
    if (sub.filter == NULL || !grow_subscriptions(m)) {
        free(sub.filter);
        return ERR_MEMORY;
    }
    m->subs[m->sub_count++] = sub;
    if (m->state == UP) {
        if (mqtt_send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
            return ERR_MEMORY;
        }
        write_if_clean(m);
    }
    return 0;
}

int mqtt_unsubscribe_all(struct mqtt *m) {
    assert(!m->in_library);
    mqtt_forget_watches(m); /* they end with the connection */
    if (m->sub_count == 0) {
        return ERR_NOTFOUND;
    }
    int rc = MOSQ_ERR_SUCCESS;
    for (size_t i = 0; i < m->sub_count; i++) {
        m->subs[i].leaving = true;
        if (m->state == UP && rc == MOSQ_ERR_SUCCESS) {
            rc = mqtt_send_subscription(m, &m->subs[i]);
        }
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        return ERR_MEMORY;
    }
    write_if_clean(m);
    return 0;
}

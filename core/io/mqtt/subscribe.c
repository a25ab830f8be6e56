/*
 * subscribe.c - what the owner of the MQTT client asks for: subscribing and unsubscribing. How it
 * is done is in io/mqtt/subscription.c.
 */
#include "io/mqtt/impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Sends a new packet immediately if nothing waits for a flush; otherwise the flush sends it. */
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
    if (!m->session.wildcard_available && mqtt_has_wildcard(filter)) {
        return ERR_REFUSED;
    }
    struct mqtt_subscription sub = {.filter = strdup(filter), .id = id, .watch = true};
    if (!mqtt_add_subscription(m, &sub)) {
        return ERR_MEMORY;
    }
    if (mqtt_send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
        mqtt_forget_subscription(m, m->sub_count - 1);
        return ERR_MEMORY;
    }
    write_if_clean(m);
    return 0;
}

static bool is_sub(const struct mqtt_subscription *sub, const char *group, const char *filter) {
    size_t len = group == NULL ? 0 : strlen(group);
    bool same_group = group == NULL
                          ? sub->shared == NULL
                          : sub->shared != NULL &&
                                strncmp(sub->shared + sizeof "$share/" - 1, group, len) == 0 &&
                                sub->shared[sizeof "$share/" - 1 + len] == '/';
    return !sub->leaving && !sub->watch && same_group && strcmp(sub->filter, filter) == 0;
}

/* As it is sent to a broker with shared subscriptions. */
static const char *name_of(const struct mqtt *m, const struct mqtt_subscription *sub) {
    return sub->shared != NULL && !m->conf->alone ? sub->shared : sub->filter;
}

/* Registered under that name, from `from` on; sub_count if there is none. */
static size_t find_named(const struct mqtt *m, const char *name, size_t from) {
    while (from < m->sub_count && (m->subs[from].leaving || m->subs[from].watch ||
                                   strcmp(name_of(m, &m->subs[from]), name) != 0)) {
        from++;
    }
    return from;
}

bool mqtt_subscribes(const struct mqtt *m, const char *filter) {
    return find_named(m, filter, 0) < m->sub_count;
}

int mqtt_subscribe(struct mqtt *m, const char *group, const char *filter, uint32_t id) {
    assert(!m->in_library);
    assert(id >= 1 && id <= 268435455);
    if (!is_filter(filter)) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < m->sub_count; i++) {
        if (m->subs[i].id == id && is_sub(&m->subs[i], group, filter)) {
            return ERR_EXISTS;
        }
    }
    struct mqtt_subscription sub = {.id = id};
    if (group != NULL && asprintf(&sub.shared, "$share/%s/%s", group, filter) < 0) {
        return ERR_MEMORY;
    }
    sub.filter = strdup(filter);
    if (!mqtt_add_subscription(m, &sub)) {
        return ERR_MEMORY;
    }
    if (m->state == UP && !m->withheld) {
        if (mqtt_send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
            return ERR_MEMORY; /* it stays registered: the next connection sends it */
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
    for (size_t i; (i = find_named(m, filter, 0)) < m->sub_count;) {
        mqtt_forget_subscription(m, i);
    }
    struct mqtt_subscription sub = {.filter = strdup(filter), .leaving = true};
    if (!mqtt_add_subscription(m, &sub)) {
        return ERR_MEMORY;
    }
    if (m->state == UP && !m->withheld) {
        if (mqtt_send_subscription(m, &m->subs[m->sub_count - 1]) != MOSQ_ERR_SUCCESS) {
            return ERR_MEMORY;
        }
        write_if_clean(m);
    }
    return 0;
}

void mqtt_withhold(struct mqtt *m) {
    assert(m->state == IDLE);
    m->withheld = true;
}

void mqtt_release(struct mqtt *m) {
    assert(!m->in_library);
    bool was = m->withheld;
    m->withheld = false;
    if (!was || m->state != UP) {
        return;
    }
    int rc = mqtt_send_subscriptions(m);
    if (rc != MOSQ_ERR_SUCCESS) {
        mqtt_lose(m, rc, errno);
        return;
    }
    write_if_clean(m);
    if (m->state == UP) {
        mqtt_tell_left_out(m);
    }
}

bool mqtt_give_up(struct mqtt *m, const char *group, const char *filter) {
    assert(!m->in_library);
    size_t i = 0;
    while (i < m->sub_count && !is_sub(&m->subs[i], group, filter)) {
        i++;
    }
    if (i == m->sub_count) {
        return false;
    }
    struct mqtt_subscription *sub = &m->subs[i];
    sub->leaving = true;
    if (m->withheld || mqtt_filter_is_kept(m, mqtt_wire_filter(m, sub))) {
        mqtt_forget_subscription(m, i);
        return true;
    }
    if (m->state == UP) {
        int rc = mqtt_send_subscription(m, sub);
        if (rc != MOSQ_ERR_SUCCESS) {
            mqtt_lose(m, rc, errno);
            return true;
        }
        write_if_clean(m);
    }
    return true;
}

int mqtt_unsubscribe_all(struct mqtt *m) {
    assert(!m->in_library);
    m->withheld = false; /* also give up what an earlier run subscribed to */
    for (size_t i = m->sub_count; i-- > 0;) {
        if (m->subs[i].watch || m->subs[i].too_long) { /* the broker does not have these */
            mqtt_forget_subscription(m, i);
        }
    }
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

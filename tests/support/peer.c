/* peer.c - an MQTT client for tests. */
#include "peer.h"

#include "base/json.h"
#include "wait.h"

#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEER_WAIT_S = 180, SESSION_S = 3600 };

__attribute__((noreturn)) static void give_up(const char *what, int rc) {
    (void)fprintf(stderr, "test peer: %s: %s\n", what, mosquitto_strerror(rc));
    abort();
}

static void check(const char *what, int rc) {
    if (rc != MOSQ_ERR_SUCCESS) {
        give_up(what, rc);
    }
}

static void *must(void *memory) {
    if (memory == NULL) {
        give_up("memory", MOSQ_ERR_NOMEM);
    }
    return memory;
}

/* --- what libmosquitto's thread tells ------------------------------------------------------------
 */

static void on_connect(struct mosquitto *mosq, void *ctx, int rc, int flags,
                       const mosquitto_property *properties) {
    (void)flags;
    (void)properties;
    struct peer *p = ctx;
    (void)pthread_mutex_lock(&p->mutex);
    p->connected = rc == 0;
    p->subscribed = p->filter == NULL;
    (void)pthread_mutex_unlock(&p->mutex);
    if (rc == 0 && p->filter != NULL) {
        check("subscribe", mosquitto_subscribe(mosq, NULL, p->filter, 1));
    }
}

static void on_disconnect(struct mosquitto *mosq, void *ctx, int rc,
                          const mosquitto_property *properties) {
    (void)mosq;
    (void)rc;
    (void)properties;
    struct peer *p = ctx;
    (void)pthread_mutex_lock(&p->mutex);
    p->connected = false;
    p->subscribed = false;
    (void)pthread_mutex_unlock(&p->mutex);
}

static void on_subscribe(struct mosquitto *mosq, void *ctx, int mid, int count, const int *granted,
                         const mosquitto_property *properties) {
    (void)mosq;
    (void)mid;
    (void)properties;
    struct peer *p = ctx;
    (void)pthread_mutex_lock(&p->mutex);
    p->subscribed = count == 1 && granted[0] < 3;
    (void)pthread_mutex_unlock(&p->mutex);
}

static void on_publish(struct mosquitto *mosq, void *ctx, int mid, int reason,
                       const mosquitto_property *properties) {
    (void)mosq;
    (void)mid;
    (void)properties;
    struct peer *p = ctx;
    (void)pthread_mutex_lock(&p->mutex);
    p->acknowledged += reason < MQTT_RC_UNSPECIFIED ? 1 : 0;
    (void)pthread_mutex_unlock(&p->mutex);
}

static json_t *copy_properties(const mosquitto_property *at) {
    json_t *all = must(json_object());
    bool skip = false;
    char *name = NULL;
    char *value = NULL;
    while ((at = mosquitto_property_read_string_pair(at, MQTT_PROP_USER_PROPERTY, &name, &value,
                                                     skip)) != NULL) {
        (void)json_object_set_new(all, name, json_string(value));
        free(name);
        free(value);
        skip = true;
    }
    return all;
}

static void on_message(struct mosquitto *mosq, void *ctx, const struct mosquitto_message *message,
                       const mosquitto_property *properties) {
    (void)mosq;
    struct peer *p = ctx;
    struct note *n = must(calloc(1, sizeof *n));
    n->topic = must(strdup(message->topic));
    n->len = (size_t)message->payloadlen;
    n->payload = must(calloc(1, n->len + 1));
    if (n->len > 0) {
        memcpy(n->payload, message->payload, n->len);
    }
    n->properties = copy_properties(properties);
    n->qos = message->qos;
    n->retain = message->retain;
    (void)pthread_mutex_lock(&p->mutex);
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 1024 : p->cap * 2;
        p->notes = must(realloc(p->notes, p->cap * sizeof(struct note *)));
    }
    p->notes[p->count++] = n;
    (void)pthread_mutex_unlock(&p->mutex);
}

/* --- start and end ------------------------------------------------------------------------------
 */

static void connect_to(struct peer *p, uint16_t port, enum peer_kind kind) {
    mosquitto_property *properties = NULL;
    if (kind == PEER_KEPT) {
        check("session expiry", mosquitto_property_add_int32(
                                    &properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, SESSION_S));
    }
    check("connect", mosquitto_connect_bind_v5(p->mosq, "127.0.0.1", port, 60, NULL, properties));
    mosquitto_property_free_all(&properties);
    check("thread", mosquitto_loop_start(p->mosq));
}

static bool is_there(struct peer *p) {
    (void)pthread_mutex_lock(&p->mutex);
    bool there = p->connected && p->subscribed;
    (void)pthread_mutex_unlock(&p->mutex);
    return there;
}

void peer_start(struct peer *p, uint16_t port, const char *id, enum peer_kind kind,
                const char *filter) {
    *p = (struct peer){.filter = filter == NULL ? NULL : must(strdup(filter)),
                       .mqtt5 = kind != PEER_MQTT311};
    (void)pthread_mutex_init(&p->mutex, NULL);
    check("library", mosquitto_lib_init());
    p->mosq = must(mosquitto_new(id, kind != PEER_KEPT, p));
    check("protocol", mosquitto_int_option(p->mosq, MOSQ_OPT_PROTOCOL_VERSION,
                                           p->mqtt5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311));
    check("reconnect", mosquitto_reconnect_delay_set(p->mosq, 1, 1, false));
    mosquitto_connect_v5_callback_set(p->mosq, on_connect);
    mosquitto_disconnect_v5_callback_set(p->mosq, on_disconnect);
    mosquitto_subscribe_v5_callback_set(p->mosq, on_subscribe);
    mosquitto_publish_v5_callback_set(p->mosq, on_publish);
    mosquitto_message_v5_callback_set(p->mosq, on_message);
    connect_to(p, port, kind);
    struct wait w = wait_of(PEER_WAIT_S);
    while (!is_there(p)) {
        if (!wait_more(&w)) {
            wait_fail("the test's client did not get its subscription");
        }
    }
}

void peer_clear(struct peer *p) {
    if (p->mosq == NULL) {
        return;
    }
    (void)mosquitto_disconnect(p->mosq);
    (void)mosquitto_loop_stop(p->mosq, true);
    mosquitto_destroy(p->mosq);
    for (size_t i = 0; i < p->count; i++) {
        free(p->notes[i]->topic);
        free(p->notes[i]->payload);
        json_decref(p->notes[i]->properties);
        free(p->notes[i]);
    }
    free(p->notes);
    free(p->filter);
    (void)pthread_mutex_destroy(&p->mutex);
    (void)mosquitto_lib_cleanup();
    *p = (struct peer){0};
}

/* --- publishing ---------------------------------------------------------------------------------
 */

void peer_send(struct peer *p, const struct letter *letter) {
    mosquitto_property *properties = NULL;
    size_t len = letter->len == 0 ? strlen(letter->payload) : letter->len;
    if (letter->name != NULL) {
        check("property", mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY,
                                                             letter->name, letter->value));
    }
    p->published++;
    int rc = mosquitto_publish_v5(p->mosq, NULL, letter->topic, (int)len, letter->payload,
                                  letter->at_most_once ? 0 : 1, letter->retain, properties);
    mosquitto_property_free_all(&properties);
    /* Without a connection it is queued and leaves with the next one. */
    if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_NO_CONN && rc != MOSQ_ERR_CONN_LOST) {
        give_up("publish", rc);
    }
}

void peer_publish(struct peer *p, const char *topic, const char *payload, const char *key) {
    const struct letter letter = {.topic = topic,
                                  .payload = payload,
                                  .name = key == NULL ? NULL : "idempotency-key",
                                  .value = key};
    peer_send(p, &letter);
}

size_t peer_acknowledged(struct peer *p) {
    (void)pthread_mutex_lock(&p->mutex);
    size_t count = p->acknowledged;
    (void)pthread_mutex_unlock(&p->mutex);
    return count;
}

bool peer_connected(struct peer *p) {
    return is_there(p);
}

void peer_flush(struct peer *p) {
    struct wait w = wait_of(PEER_WAIT_S);
    while (peer_acknowledged(p) < p->published) {
        if (!wait_more(&w)) {
            wait_fail("the broker did not acknowledge the test's messages");
        }
    }
}

/* --- what came ----------------------------------------------------------------------------------
 */

size_t peer_count(struct peer *p) {
    (void)pthread_mutex_lock(&p->mutex);
    size_t count = p->count;
    (void)pthread_mutex_unlock(&p->mutex);
    return count;
}

const struct note *peer_note(struct peer *p, size_t i) {
    (void)pthread_mutex_lock(&p->mutex);
    const struct note *n = i < p->count ? p->notes[i] : NULL;
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}

const char *note_property(const struct note *n, const char *name) {
    const char *value = json_string_value(json_object_get(n->properties, name));
    return value == NULL ? "" : value;
}

size_t peer_distinct(struct peer *p) {
    json_t *ids = must(json_object());
    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->count; i++) {
        (void)json_object_set_new(ids, note_property(p->notes[i], "zingq-id"), json_true());
    }
    (void)pthread_mutex_unlock(&p->mutex);
    size_t count = json_object_size(ids);
    json_decref(ids);
    return count;
}

const struct note *peer_find(struct peer *p, const char *topic) {
    const struct note *n = NULL;
    for (size_t i = 0; (n = peer_note(p, i)) != NULL; i++) {
        if (strcmp(n->topic, topic) == 0) {
            return n;
        }
    }
    return NULL;
}

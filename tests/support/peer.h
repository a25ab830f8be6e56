/*
 * peer.h - an MQTT client for tests: publishes, and keeps every message it gets. libmosquitto's
 * thread does the work and reconnects by itself.
 */
#ifndef ZINGQ_TEST_PEER_H
#define ZINGQ_TEST_PEER_H

#include "base/json.h"

#include <mosquitto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message that came. */
struct note {
    char *topic;
    char *payload; /* terminated */
    size_t len;
    json_t *properties; /* user properties, name to value */
    int qos;
    bool retain;
};

struct peer {
    struct mosquitto *mosq; /* NULL = not started */
    pthread_mutex_t mutex;  /* for all below */
    struct note **notes;
    size_t count, cap;
    char *filter; /* subscribed on every connect; NULL = none */
    bool mqtt5, connected, subscribed;
    size_t published, acknowledged;
};

enum peer_kind {
    PEER_MQTT5,
    PEER_MQTT311,
    PEER_KEPT, /* MQTT 5 with a session that outlives the connection */
};

/* Connects to the broker on the port and waits until it is there. `filter` NULL = no subscription.
 */
void peer_start(struct peer *p, uint16_t port, const char *id, enum peer_kind kind,
                const char *filter);
void peer_clear(struct peer *p);

struct letter {
    const char *topic, *payload;
    size_t len;               /* 0 = strlen(payload) */
    const char *name, *value; /* one user property; NULL = none */
    bool at_most_once;        /* QoS 0; else QoS 1 */
    bool retain;
};

/* Queues it; peer_flush waits until the broker has acknowledged all. */
void peer_send(struct peer *p, const struct letter *letter);
/* QoS 1 with an idempotency-key, or without when `key` is NULL. */
void peer_publish(struct peer *p, const char *topic, const char *payload, const char *key);
void peer_flush(struct peer *p);
size_t peer_acknowledged(struct peer *p);
bool peer_connected(struct peer *p);

/* Messages that came so far. A note stays where it is until peer_clear. */
size_t peer_count(struct peer *p);
const struct note *peer_note(struct peer *p, size_t i);
/* "" when it has none of that name. */
const char *note_property(const struct note *n, const char *name);
/* Different zingq-ids among them: a publish may come twice, under one id. */
size_t peer_distinct(struct peer *p);
/* The first message on the topic, or NULL. */
const struct note *peer_find(struct peer *p, const char *topic);

#endif

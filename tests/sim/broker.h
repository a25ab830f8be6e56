/*
 * broker.h - the simulator's broker: what is for whom, and who has acknowledged it.
 *
 * A message that is accepted is in the session of every host it is for (of one where it is shared)
 * until that host has acknowledged it, whatever happens to the connection. A publish of a host is
 * taken when it is answered, or may be taken and not answered when the connection breaks.
 */
#ifndef ZINGQ_SIM_BROKER_H
#define ZINGQ_SIM_BROKER_H

#include "base/buf.h"
#include "journal/outbox.h"
#include "node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

/* One message for one service of one host. */
struct sim_message {
    struct sim_message *next;
    size_t service;
    bool signal, everywhere, guest; /* guest: for that service, whatever it is called */
    bool offered;                   /* to the engine, and not acknowledged yet */
    char *topic, *payload;
    struct slice properties;
    int64_t sent_ms; /* physical time */
};

/* A publish of a host, between PUBLISH and PUBACK. */
struct sim_flight {
    struct sim_flight *next;
    int mid;
    char *topic, *payload;
    struct slice properties;
};

/* A message or a receipt between hosts. */
struct sim_post {
    struct sim_post *next;
    uint16_t to;
    bool receipt;
    char *bytes;
    size_t len;
};

struct sim_session {
    struct sim_message *head, *tail;
    size_t count;
    struct sim_flight *flights, *last_flight;
    struct node *holder; /* whose connection is, or was, its last one; NULL = nobody's yet */
};

struct sim_broker {
    struct sim_session sessions[NODES_MAX];
    struct sim_post *posts, *last_post;
    unsigned next_host; /* round robin of shared subscriptions */
};

/* Somebody publishes. */
void broker_take(struct sim *s, const char *topic, const char *payload, struct slice properties);
/* The host subscribes to what its services want; what they want no more stays, unless it is pruned. */
void broker_subscribe(struct node *n, bool prunes);
/* The host is connected. Who had its session before is not any more, if that was another machine's. */
void broker_connected(struct sim *s, struct node *n);
/* Hands the host's engine what it is ready for. */
void broker_deliver(struct sim *s, struct node *n);
/* The host acknowledges what it was handed. */
void broker_acknowledged(struct sim *s, struct node *n);
/* What was handed over and not acknowledged comes again. */
void broker_dropped(struct sim *s, struct node *n);

/* The host's doors. */
int broker_publish(struct sim *s, struct node *n, const struct publication *p, int *mid);
int broker_post(struct sim *s, uint16_t to, bool receipt, struct slice bytes);
/* Answers the first `most` publishes of the host that wait for it. */
void broker_answer(struct sim *s, struct node *n, size_t most);
/* The host's connection is gone: what it had sent and has no answer for was taken or not. */
void broker_cut(struct sim *s, struct node *n);
/* Delivers what hosts have sent one another; with faults some is lost, doubled or late. */
void broker_carry(struct sim *s, bool faults);

size_t broker_flights(const struct sim *s, const struct node *n);
/* Whether nothing is left for anybody. */
bool broker_is_empty(const struct sim *s);
void broker_clear(struct sim *s);

#endif

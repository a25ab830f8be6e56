/*
 * presence.h - what a host announces about itself on zingq/hosts/<group>/<host>: a JSON document,
 * retained by the broker. docs/hosts.md lists its fields.
 *
 * Pure. Everything received is checked: group and host are those of the topic, names have their
 * limits, and a field of the wrong type makes all of it invalid. Unknown fields are from a later
 * version, and ignored.
 */
#ifndef ZINGQ_PEERS_PRESENCE_H
#define ZINGQ_PEERS_PRESENCE_H

#include "base/buf.h"
#include "conf/conf.h"
#include "base/error.h"

enum presence_state {
    PRESENCE_JOINING, /* finding out whether it may run */
    PRESENCE_UP,
    PRESENCE_GONE,
};

/* A service that shares its messages with other hosts, and the rules by which it does. */
struct presence_service {
    const char *name, *key, *idempotency; /* rules as in topics.conf */
    bool ordered, independent;
    bool held; /* it takes no events because of another host */
};

/* The stored number of a service, from which the host's subscription identifiers are made. */
struct presence_number {
    const char *name;
    uint16_t number;
};

struct presence {
    const char *group, *host; /* as in the topic */
    const char *id;           /* of the data folder */
    const char *version;
    struct division share;
    const char *mark; /* name of the secret that signs its messages; "" = none */
    bool proof;       /* it believes only what is marked: hosts_are_proven */
    bool alone;       /* broker { alone = yes }: it gets every message */
    enum presence_state state;
    bool hello;       /* asks the hosts that receive it to announce themselves */
    int64_t since_ms; /* wall clock: when the process started */
    /* Client id of the connection that takes events: while the host is away, another host may use
     * it to take what the broker has for it. NULL = not allowed. */
    const char *client_id;
    struct presence_number *numbers; /* of all services that it runs */
    size_t number_count;
    uint64_t stands_in_for; /* one bit per host of the division, bit 0 for host 1 */
    struct presence_service *services;
    size_t service_count;
    size_t bytes; /* approximate memory */
    char *text;   /* backs the strings; owned, like `services` and `numbers` */
};

/* "joining", "up", "gone". */
const char *presence_state_name(enum presence_state state);

/* Facts that presence_own needs in addition to topics.conf. */
struct presence_facts {
    const char *host, *id, *client_id, *mark;
    const bool *runs;        /* by index in conf->services, like the next */
    const uint16_t *numbers; /* as engine_service_number */
    int64_t since_ms;
};

/* What this host has to say, up, with the shared services that it runs. ERR_MEMORY. The caller
 * frees it. */
int presence_own(struct presence **out, const struct conf *conf,
                 const struct presence_facts *facts);
/* Reads a message. ERR_INVALID with a sentence, ERR_MEMORY. The caller frees it. */
int presence_read(struct presence **out, struct slice topic, struct slice payload,
                  struct report *r);
void presence_free(struct presence *p);

/* Whether the topic is zingq/hosts/<group>/<host> with names that a host may have. */
bool presence_topic_split(struct slice topic, struct slice *group, struct slice *host);

/* Writes the document. When it is gone without services, but with their numbers, for who stands in.
 * ERR_MEMORY. */
int presence_write(const struct presence *p, struct buf *out);
/* The service of that name, or NULL. */
const struct presence_service *presence_find(const struct presence *p, const char *name);
/* The same for its numbers. */
const struct presence_number *presence_number_of(const struct presence *p, const char *name);

#endif

/*
 * presence.h - what one host says of itself on zingq/hosts/<group>/<host>: a JSON document, kept by
 * the broker. docs/hosts.md lists its fields.
 *
 * Pure. Whatever comes is checked: group and host are the topic's, names have their limits, and a
 * field of another type makes all of it garbage. Unknown fields are of a later version and ignored.
 */
#ifndef ZINGQ_PEERS_PRESENCE_H
#define ZINGQ_PEERS_PRESENCE_H

#include "base/buf.h"
#include "conf/conf.h"
#include "base/error.h"

enum presence_state {
    PRESENCE_JOINING, /* looks whether it may run */
    PRESENCE_UP,
    PRESENCE_GONE,
};

/* A service that shares its messages with other hosts, and the rules by which it does. */
struct presence_service {
    const char *name, *key, *idempotency; /* rules as in topics.conf */
    bool ordered, independent;
    bool held; /* it takes no events, because of another host */
};

/* The stored number of a service, of which the host's subscription identifiers are made. */
struct presence_number {
    const char *name;
    uint16_t number;
};

struct presence {
    const char *group, *host; /* as in the topic */
    const char *id;           /* of the data folder */
    const char *version;
    struct division share;
    const char *mark; /* the name of the secret it marks its messages with; "" = none */
    bool alone;       /* broker { alone = yes }: it gets every message */
    enum presence_state state;
    bool hello;       /* whoever hears it is asked to say that it is there */
    int64_t since_ms; /* wall clock: when the process started */
    /* Of the connection that takes events: while the host is away another one may take it for what
     * the broker has for it. NULL = nobody may. */
    const char *client_id;
    struct presence_number *numbers; /* of all services that it runs */
    size_t number_count;
    uint64_t stands_in_for; /* a bit for each host of the division, bit 0 for host 1 */
    struct presence_service *services;
    size_t service_count;
    size_t bytes; /* of memory, about */
    char *text;   /* backs the strings; owned, like `services` and `numbers` */
};

/* "joining", "up", "gone". */
const char *presence_state_name(enum presence_state state);

/* What presence_own does not know from topics.conf. */
struct presence_facts {
    const char *host, *id, *client_id, *mark;
    const bool *runs;        /* by service of conf, like the next */
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
/* The same of its numbers. */
const struct presence_number *presence_number_of(const struct presence *p, const char *name);

#endif

/*
 * event.h - the record that flows: one message accepted for one service.
 *
 * An event's bytes (topic, key, payload, properties) live in one block that is allocated with the
 * struct; the slices point into it. The numbers change while the event lives, the bytes do not.
 */
#ifndef ZINGQ_EVENT_EVENT_H
#define ZINGQ_EVENT_EVENT_H

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

/*
 * The states of an event; docs/states.md draws them. state, name, ended
 *
 *   ready ─▶ running ─▶ done
 *     ▲        │ ├────▶ retrying ─────┐ (due)
 *     │        │ ├────▶ sleeping ─────┤ (due, signal)
 *     │        │ ├────▶ compensating ─┤ (due)
 *     │        │ ├────▶ needs-person ─┤
 *     │        │ └────▶ dead ─────────┤──▶ discarded, expired
 *     └────────┴──────────────────────┘ (due, crash, replay)
 *
 * Stored as numbers: new ones go to the end.
 */
#define EVENT_STATE_LIST(X)                                                                        \
    X(EVENT_READY, "ready")         /* stored; runs when its lane and its service are free */      \
    X(EVENT_RUNNING, "running")     /* an attempt is under way */                                  \
    X(EVENT_RETRYING, "retrying")   /* an attempt failed; the next is due at due_ms */             \
    X(EVENT_SLEEPING, "sleeping")   /* put off without a failure: snooze, throttle, sleep, wait */ \
    X(EVENT_DONE, "done")           /* the handler returned */                                     \
    X(EVENT_DEAD, "dead")           /* failed for good; kept until somebody decides */             \
    X(EVENT_DISCARDED, "discarded") /* cancelled, or discarded as a dead letter */                 \
    X(EVENT_COMPENSATING, "compensating") /* failed for good; its saga is being undone */          \
    X(EVENT_NEEDS_PERSON, "needs-person") /* a dead letter whose saga could not be undone */       \
    X(EVENT_EXPIRED, "expired")           /* a dead letter that a quota took; its payload is gone */

enum event_state {
#define X(state, name) state,
    EVENT_STATE_LIST(X)
#undef X
        EVENT_STATE_COUNT
};

#define EVENT_STATES_TEXT                                                                          \
    "ready, running, retrying, sleeping, compensating, done, dead, needs-person, discarded or "    \
    "expired"

const char *event_state_name(enum event_state state);
bool event_state_parse(const char *name, enum event_state *out);
/* done, dead, needs-person, discarded and expired are ends; the rest is "waiting" in the books. */
bool event_state_ended(enum event_state state);
/* Out of memory until a time or a signal: retrying, sleeping, compensating. */
bool event_state_put_off(enum event_state state);
/* Among the dead letters: dead, needs-person. */
bool event_state_dead(enum event_state state);

/* What becomes of an event once its saga is undone. */
enum event_undo {
    UNDO_NONE,         /* it runs forwards */
    UNDO_THEN_DEAD,    /* it failed for good */
    UNDO_THEN_DISCARD, /* a person ended it */
};

enum event_kind {
    EVENT_MESSAGE,      /* came from a topic, the front door or an operator */
    EVENT_LOCK_EXPIRED, /* a lock of this lane ran out; payload is the lock as JSON */
    EVENT_DEAD_LETTER,  /* made dead by zing.dead_letter: never ran */
    EVENT_SIGNAL,       /* on its way in: becomes a value for a waiter, is never stored */
    EVENT_FORWARD, /* the same: what another host has for this one; payload: engine/forwards.h */
};

struct event {
    struct uuid id;
    struct uuid cause;  /* the event whose handler published this one; zero = from outside */
    uint64_t seq;       /* arrival order on this host; orders a lane */
    uint64_t lane;      /* hash(service, key); an unordered service: of the id */
    uint16_t service;   /* the store's number for the service's name */
    uint8_t partition;  /* hash(service, key) mod PARTITIONS */
    uint8_t state;      /* enum event_state */
    uint8_t kind;       /* enum event_kind */
    uint8_t qos;        /* the QoS it came with */
    uint8_t rank;       /* 1 + its priority; 0 = none was asked for: event_priority */
    bool retained;      /* came with the RETAIN flag */
    bool everywhere;    /* on its way in: every host of the division has a copy; not stored */
    uint16_t for_host;  /* on its way in: whose copy it is; 0 = this host's; not stored */
    bool replayed;      /* runs again because a person asked */
    bool parked;        /* dead, and its lane waits for a decision (on_dead = park) */
    bool continues;     /* its next run goes on with the attempt: it slept or waited */
    bool durable;       /* has step records (event/step.h) */
    bool forced;        /* replayed although its idempotency keys may be forgotten */
    bool alone;         /* its batch failed as a whole: it is in no batch any more */
    uint8_t undo;       /* enum event_undo */
    uint8_t round;      /* how often its saga was undone, or an edit made answered calls void: new
                           keys for what runs again */
    uint16_t hops;      /* events caused by events before this one */
    uint32_t attempts;  /* handler runs started, since the last replay */
    uint32_t errors;    /* of them: ended in an error, since the last replay */
    uint32_t timeouts;  /* of the errors: ran out of time */
    uint32_t crashes;   /* host crashes in mid-handler, since the last replay */
    uint32_t snoozes;   /* put off by the handler */
    uint32_t throttles; /* put off because the remote said slow down */
    int64_t accepted_ms, started_ms, due_ms, ended_ms; /* wall clock, ms since 1970; 0 = not yet */
    uint32_t duration_us;                              /* of the last attempt, waits included */
    uint64_t version;                                  /* of the handler in the last attempt */
    uint32_t batch_events; /* in the batch of its last run; 0 = it ran by itself */
    struct uuid batch;     /* with it: the event that has what the batch published */
    struct slice topic;    /* terminated: topic.data is a C string */
    struct slice key;      /* "" = none */
    struct slice payload;
    struct slice content_type;   /* MQTT 5, 3.3.2.3.9 */
    struct slice response_topic; /* 3.3.2.3.5 */
    struct slice correlation;    /* 3.3.2.3.6 */
    struct slice properties;     /* user properties as property_add wrote them */
    struct slice reason;         /* why it is dead; otherwise "" */
    struct slice publishes;      /* what its handler published: (uuid, u32 len, topic)* */
    struct slice calls;          /* its outgoing calls: event/ledger.h */
    struct slice tenant;         /* with whose events it takes turns, by its service's `fair` */

    char *reason_own; /* backs `reason`... once set after the start; owned */
    char *publishes_own;
    char *calls_own;
    char *tenant_own;
    size_t block_bytes;       /* of this struct and the bytes behind it */
    char *key_own;            /* backs `key` when it was found after the event was made; owned */
    STAILQ_ENTRY(event) link; /* of whichever queue holds the event */
};

enum { PRIORITIES = 10 };

/* The priority that a rank stands for. */
static inline uint8_t rank_priority(uint8_t rank) {
    return rank == 0 ? PRIORITY_DEFAULT : (uint8_t)(rank - 1);
}

/* What event_new copies. Slices may point anywhere. */
struct event_bytes {
    struct slice topic, key, payload, content_type, response_topic, correlation, properties, reason,
        publishes, calls, tenant;
};

/* One zeroed event with its bytes copied, or NULL when out of memory. event_free takes it back. */
struct event *event_new(const struct event_bytes *bytes);
void event_free(struct event *event);
/* Copies every number and id of `from`; the bytes, and values derived from them, stay unchanged. */
void event_take_numbers(struct event *event, const struct event *from);
/* The same event with another payload, which is whole: a copy to be freed, or NULL when out of
 * memory. */
struct event *event_with_payload(const struct event *event, struct slice payload);
/* Replace the reason / the list of publishes / of calls / the tenant. ERR_MEMORY changes nothing. */
int event_set_reason(struct event *event, struct slice reason);
int event_set_publishes(struct event *event, struct slice publishes);
int event_set_calls(struct event *event, struct slice calls);
int event_set_tenant(struct event *event, struct slice tenant);

/* User properties: (u16 length, name, u32 length, value)*. */
void property_add(struct buf *out, struct slice name, struct slice value);
/* The next pair, or false at the end; start with *at = 0. */
bool property_next(struct slice properties, size_t *at, struct slice *name, struct slice *value);
/* The first value under the name. */
bool property_find(struct slice properties, const char *name, struct slice *value);
/* Whether the text is valid as an MQTT property: UTF-8 without control characters, which make some
 * brokers close the connection, and at most TOPIC_BYTES_MAX bytes. ERR_INVALID; `what` begins the
 * message. */
int property_check(struct slice text, const char *what, struct report *r);
/* Appends the text in a form that MQTT accepts: control characters become spaces, invalid UTF-8
 * becomes ?. */
void property_clean(struct slice text, struct buf *out);

#endif

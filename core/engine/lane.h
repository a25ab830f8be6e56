/*
 * lane.h - which event may run next. In memory only: no store, no clock of its own.
 *
 * A lane is the queue of one (service, key); an event of a service without order is a lane of its
 * own. It exists in memory only while it has events here or one of them runs. Lanes that can run
 * are in their service's ring (engine/ring.h) and are served in turn; the processor time of a run
 * is charged to its service and its lane, and a lane or service in debt waits until the others have
 * caught up. So neither an expensive key nor an expensive service starves another. Lanes of a higher
 * priority go before others of their service.
 *
 * Where turns are dealt round tenants, or keys have limits, lanes belong to flows (engine/flow.h),
 * and the ring has one lane of each.
 *
 * The limits of a service (concurrency, rate, pause, throttle, batches) are applied here, in
 * lanes_next.
 */
#ifndef ZINGQ_ENGINE_LANE_H
#define ZINGQ_ENGINE_LANE_H

#include "engine/debt.h"
#include "event/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* Where an event's row is. */
enum lane_place {
    PLACE_NEW,   /* nowhere yet: accepted in this turn */
    PLACE_READY, /* in the ready table */
    PLACE_LANE,  /* in the lane table */
};

struct lane;
struct flow;

/* One waiting event. */
struct lane_item {
    struct uuid id;
    uint64_t seq;
    struct lane *lane;
    struct event *event; /* owned; NULL = only on disk */
    size_t bytes;        /* of the event, as the engine counts what is in memory */
    uint8_t rank;        /* the event's */
    enum lane_place place;
    bool holds_key;              /* taken: its key is throttled until it runs again */
    bool stored;                 /* its event record is on disk, whatever its row's place */
    int64_t since_ms;            /* since when it waits: for the events before it, for a batch */
    TAILQ_ENTRY(lane_item) link; /* in the lane, oldest first */
    bool is_new;                 /* in the engine's list of this turn's new events: engine/item.c */
    TAILQ_ENTRY(lane_item) new_link;
    LIST_ENTRY(lane_item) id_link; /* of them: those in its bucket of ids */
};

/* Items of a lane, or cut off from one. */
TAILQ_HEAD(lane_items, lane_item);

struct lane {
    uint64_t hash;
    size_t service; /* index */
    uint8_t partition;
    uint8_t priority;  /* the highest of its events, */
    uint8_t deep;      /* of which those on disk have this one, if the last of it, */
    uint64_t deep_seq; /* with this number, is still there */
    bool busy;         /* its head was taken and has not ended */
    bool spilled;      /* older than what comes, newer than what is here: rows in the lane table */
    bool in_ring;
    bool joined;             /* busy, but its service counts the invocation elsewhere: lanes_join */
    uint32_t paced;          /* busy: as pace_started said */
    uint32_t key_paced;      /* the same of its key */
    struct lane_item *taken; /* the head that was taken, while busy; the engine's */
    struct lane_items items;
    uint32_t count;
    struct flow *key, *tenant;   /* whose limits, whose turns; NULL = it has its own, or none */
    struct flow *behind;         /* it waits there; NULL = it does not */
    bool aged;                   /* others of its flow do not pass it any more */
    uint64_t payer;              /* who is charged: the tenant, or the lane itself; */
    struct owed *owed, own;      /* what that one owes */
    bool owing;                  /* in the ring's second list, of lanes in debt */
    TAILQ_ENTRY(lane) ring_link; /* in its service's ring, the list of lanes in debt, or a flow */
    TAILQ_ENTRY(lane) age_link;  /* in the same flow */
    LIST_ENTRY(lane) hash_link;
};

/* The flows a lane belongs to, by hash; 0 = none. Those of a service's keys have limits, the events of
 * those of a tenant have one priority. */
struct lane_flows {
    uint64_t key, tenant;
    uint8_t priority;
};

/* From here on: instead of a tenant, all events of a priority. Their lanes each have turns of their
 * own, and share room in memory. */
#define FLOW_LEVELS (UINT64_MAX - PRIORITIES)

struct lanes;

/* `services` services, indexed from 0, without limits. NULL when out of memory. */
struct lanes *lanes_new(size_t services);
/* Frees every lane and item with its event. */
void lanes_free(struct lanes *lanes);

/* concurrency 0 = no limit; rate_per_s 0 = no limit. */
void lanes_limit(struct lanes *lanes, size_t service, uint32_t concurrency, double rate_per_s);
/* The service's heads start `batch` at a time, or fewer once the oldest has waited linger_ms. */
void lanes_batch(struct lanes *lanes, size_t service, uint32_t batch, int64_t linger_ms);
void lanes_pause(struct lanes *lanes, size_t service, bool paused);
/* No starts before until_ms. */
void lanes_throttle(struct lanes *lanes, size_t service, int64_t until_ms);
/* When the service has made up for its starts, as far as its rate goes; 0 = it has. After a restart
 * this is told to it. */
int64_t lanes_full_ms(const struct lanes *lanes, size_t service);
void lanes_resume(struct lanes *lanes, size_t service, int64_t full_ms, int64_t now_ms);

/* The same for each key of the service whose lanes have a flow for it. Nothing has been started
 * since since_ms; before that, perhaps as much as the rate allows. */
void lanes_limit_keys(struct lanes *lanes, size_t service, uint32_t concurrency, double rate_per_s,
                      int64_t since_ms);
/* No starts of that key before until_ms. */
void lanes_throttle_key(struct lanes *lanes, size_t service, uint64_t key, int64_t until_ms);

/* --- tenants: the most of them in memory, and those with rows on disk --- */

/* How many more events of the tenant may come into memory: one tenant leaves room for others, and
 * lower priorities take no room from higher ones. */
size_t lanes_room(const struct lanes *lanes, size_t service, struct lane_flows flows);
/* The tenant has rows on disk: lanes_hungry names it once it has few events left in memory. False:
 * it has none there, and nobody will. */
bool lanes_spilled(struct lanes *lanes, size_t service, uint64_t tenant);
/* A tenant of the service whose rows are to be loaded, without a key; no tenant = none. */
struct lane_flows lanes_hungry(const struct lanes *lanes, size_t service);
/* Whether there is one, of any service. */
bool lanes_want_rows(const struct lanes *lanes);
/* They were, as far as there is room; `more`: it may have further ones. */
void lanes_fed(struct lanes *lanes, size_t service, uint64_t tenant, bool more);

/* NULL if the lane is not in memory. */
struct lane *lanes_find(const struct lanes *lanes, size_t service, uint64_t hash);
/* A new, empty lane; the caller pushes to it or closes it. NULL when out of memory. */
struct lane *lanes_open(struct lanes *lanes, size_t service, uint64_t hash, uint8_t partition,
                        struct lane_flows flows);
struct lane_flows lane_flows_of(const struct lane *lane);
/* Frees an idle, empty lane. */
void lanes_close(struct lanes *lanes, struct lane *lane);

/* Appends the item to the lane, which owns it from now on. */
void lanes_push(struct lanes *lanes, struct lane *lane, struct lane_item *item);
/* An event of the lane waits on disk, behind those here: how urgent it is counts for the lane. */
void lanes_note_behind(struct lanes *lanes, struct lane *lane, uint8_t rank, uint64_t seq);
/* The lane that may start its head now, or NULL. */
struct lane *lanes_next(struct lanes *lanes, int64_t now_ms);
/* Takes the head off the lane, which is busy from now on. The caller owns the item. */
struct lane_item *lanes_start(struct lanes *lanes, struct lane *lane);
/* The service's lane whose head could join the batch that was just started, or NULL; and taking
 * that head, as lanes_start does. It counts towards the service's rate, not its concurrency. */
struct lane *lanes_peek(const struct lanes *lanes, size_t service);
struct lane_item *lanes_join(struct lanes *lanes, struct lane *lane);
/* The taken event has ended or waits elsewhere. An idle lane without items stays until it gets some
 * or is closed by lanes_close. */
void lanes_finish(struct lanes *lanes, struct lane *lane);
/* Charges the processor time of a run to its lane's payer, which may no longer be in memory, and to
 * its service, in this order. now_ms: about when the run ended. A debt above LANE_QUANTUM_US
 * survives the lane.
 */
void lanes_owe(struct lanes *lanes, size_t service, uint64_t payer, int64_t us);
void lanes_spent(struct lanes *lanes, size_t service, int64_t us, int64_t now_ms);
/* Messages have arrived: more may follow immediately, and lanes in debt let them pass. */
void lanes_arrived(struct lanes *lanes, int64_t now_ms);
/* The idle lane has no turns any more: it is to be emptied and closed. Others of its flows stay
 * where they are. */
void lanes_take_out(struct lanes *lanes, struct lane *lane);
/* Moves the lane's items after the first `keep` to `cut`, which is initialized here; the caller
 * owns them. */
void lanes_cut(struct lanes *lanes, struct lane *lane, uint32_t keep, struct lane_items *cut);

/* Takes the waiting item out of its lane; the caller owns it. An idle lane without items is to be
 * filled again or closed. */
void lanes_withdraw(struct lanes *lanes, struct lane_item *item);

/* Calls each(ctx, lane) for the service's lanes, in no particular order; the callback may cut the
 * lane, but neither open nor close one. Stops at the first non-zero result and returns it. */
int lanes_each(struct lanes *lanes, size_t service, void *ctx,
               int (*each)(void *ctx, struct lane *lane));

/* Frees the service's lanes without items; none may be busy. */
void lanes_close_empty(struct lanes *lanes, size_t service);

/* Whether anything could start now; if only time prevents it, *wake_ms is lowered to the moment
 * when it no longer does. */
bool lanes_runnable(struct lanes *lanes, int64_t now_ms, int64_t *wake_ms);
/* Items waiting in memory; invocations under way. */
size_t lanes_waiting(const struct lanes *lanes, size_t service);
/* How many more events of the service may be in memory. */
size_t lanes_free_window(const struct lanes *lanes, size_t service);
size_t lanes_running(const struct lanes *lanes, size_t service);
/* How many of them have that priority. */
size_t lanes_of_priority(const struct lanes *lanes, size_t service, unsigned priority);
/* Tenants with events in memory, or keys where none are told apart; keys held by their limits. */
size_t lanes_tenants(const struct lanes *lanes, size_t service);
size_t lanes_keys_held(const struct lanes *lanes, size_t service);

#endif

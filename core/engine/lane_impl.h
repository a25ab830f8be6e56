/*
 * lane_impl.h - what lane.c and tenant.c share; nobody else includes it.
 */
#ifndef ZINGQ_ENGINE_LANE_IMPL_H
#define ZINGQ_ENGINE_LANE_IMPL_H

#include "engine/flow.h"
#include "engine/lane.h"
#include "engine/pace.h"
#include "engine/ring.h"

#include <assert.h>

/* Lanes of one bucket of the table. */
LIST_HEAD(lane_bucket, lane);
/* Tenants that want rows. */
TAILQ_HEAD(hungry, flow);

struct lane_service {
    struct ring ring;
    struct hungry hungry; /* tenants */
    size_t waiting, running;
    size_t of_priority[PRIORITIES]; /* those that wait */
    size_t behind;                  /* lanes that wait behind others of their flows */
    size_t tenants, keys_held;
    int64_t due_us; /* by the clock of all services */
    uint32_t concurrency, batch;
    int64_t linger_ms;
    struct pace pace;
    struct flow_limits key_limits;
    bool paused;
};

struct lanes {
    struct lane_service *services;
    size_t service_count;
    size_t turn; /* the service to consider first next time */
    struct lane_bucket *buckets;
    size_t bucket_count; /* a power of two */
    size_t lane_count;
    int64_t clock_us;   /* of all services */
    int64_t arrived_ms; /* when the last message arrived */
    int64_t patient_ms; /* until then, lanes in debt wait for quiet */
    struct debts debts; /* of lanes and tenants that no longer exist */
    struct flows flows;
    size_t hungry;     /* tenants, of all services */
    size_t idle_flows; /* without lanes, until their limits have been made up for */
    int64_t now_ms;    /* as it was last given */
};

static inline struct lane_service *service_of(const struct lanes *lanes, size_t service) {
    assert(service < lanes->service_count);
    return &lanes->services[service];
}

/* Keeps what is owed by one that leaves memory. */
static inline void note_debt(struct lanes *lanes, size_t service, uint64_t payer,
                             struct owed owed) {
    const struct debt debt = {.hash = payer, .service = service, .owed = owed};
    debts_note(&lanes->debts, &debt, &service_of(lanes, service)->ring.paid_us);
}

/* The new lane belongs to these flows from now on. False when out of memory: it belongs to none. */
bool lane_join_flows(struct lanes *lanes, struct lane *lane, struct lane_flows by);
/* The lane is closed. */
void lane_leave_flows(struct lanes *lanes, struct lane *lane);
/* The lane, which has events and does not run, goes on towards the ring as far as its flows let it.
 * `comes`: because an event has arrived. */
void lane_enter(struct lanes *lanes, struct lane *lane, bool comes);
/* Its most urgent event is another one: where an urgent one has come it may pass others, where it has
 * gone others may pass the lane. */
void lane_set_priority(struct lanes *lanes, struct lane *lane, uint8_t priority);
/* The idle lane has no turns any more; others of its flows follow. */
void lane_step_out(struct lanes *lanes, struct lane *lane);
/* Its head has been taken: others of its flows follow. */
void lane_pass_turn(struct lanes *lanes, struct lane *lane);
/* An event has left the lane's memory without a start. */
void lane_lost_event(struct lanes *lanes, struct lane *lane);
/* What was taken has ended: its key may start another one. */
void lane_end_of_key(struct lanes *lanes, const struct lane *lane);
/* Keys whose time has come may start. */
void lanes_wake_flows(struct lanes *lanes, int64_t now_ms);

#endif

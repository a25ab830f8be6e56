/*
 * tenant.c - the flows of lanes: turns round tenants, the limits of keys, and which tenants want
 * their rows from disk.
 *
 * Memory. A tenant may have as many events in memory as half the window that those of its priority
 * and of higher ones leave, so that there is room for the next tenant, however large the backlogs
 * are. Its other events wait on disk (engine/backlog.h); it is hungry when few are left here.
 */
#include "engine/lane_impl.h"

#include "base/limits.h"

/* --- hunger --- */

size_t lanes_free_window(const struct lanes *lanes, size_t service) {
    return window_left(service_of(lanes, service)->waiting);
}

/* After fewer of its events are in memory. */
static void look_for_hunger(struct lanes *lanes, struct flow *tenant) {
    if (tenant != NULL && tenant->spilled && !tenant->hungry &&
        (tenant->events == 0 || tenant->events < lanes_free_window(lanes, tenant->service) / 4)) {
        tenant->hungry = true;
        TAILQ_INSERT_TAIL(&service_of(lanes, tenant->service)->hungry, tenant, hungry_link);
        lanes->hungry++;
    }
}

/* What the limits of a key say now. */
static void weigh(struct lanes *lanes, struct flow *flow) {
    struct lane_service *s = service_of(lanes, flow->service);
    bool full = flow->concurrency > 0 && flow->running >= flow->concurrency;
    int64_t until_ms = full ? -1 : pace_held_until(&flow->pace, lanes->now_ms);
    s->keys_held -= flow->held ? 1 : 0;
    flow->held = until_ms != 0;
    s->keys_held += flow->held ? 1 : 0;
    flows_remind(&lanes->flows, flow, until_ms > 0 ? until_ms : INT64_MAX);
}

/* The flow has no lanes and no rows: it is kept until its limits have been made up for. Beyond
 * KEYS_IDLE_MAX such flows, its limits begin anew. */
static void retire(struct lanes *lanes, struct flow *flow) {
    int64_t full_ms = pace_full_ms(&flow->pace);
    full_ms = flow->pace.not_before_ms > full_ms ? flow->pace.not_before_ms : full_ms;
    lanes->idle_flows -= flow->idle ? 1 : 0;
    flow->idle = full_ms > lanes->now_ms && lanes->idle_flows < KEYS_IDLE_MAX;
    lanes->idle_flows += flow->idle ? 1 : 0;
    if (flow->idle) {
        flows_remind(&lanes->flows, flow, flow->held ? flow->due_ms : full_ms);
        return;
    }
    note_debt(lanes, flow->service, flow->hash, flow->owed);
    service_of(lanes, flow->service)->keys_held -= flow->held ? 1 : 0;
    flows_close(&lanes->flows, flow);
}

/* A tenant with rows on disk stays; lanes_fed looks at it again. */
static void retire_unused(struct lanes *lanes, struct flow *flow) {
    if (flow->lanes == 0 && !flow->spilled) {
        retire(lanes, flow);
    }
}

static void leave_flow(struct lanes *lanes, struct flow *flow) {
    if (flow == NULL) {
        return;
    }
    assert(flow->lanes > 0); /* INV-LANE-8 */
    flow->lanes--;
    if (flow->lanes > 0) {
        return;
    }
    struct lane_service *s = service_of(lanes, flow->service);
    s->tenants -= flow->tenant ? 1 : 0;
    look_for_hunger(lanes, flow);
    retire_unused(lanes, flow);
}

void lane_leave_flows(struct lanes *lanes, struct lane *lane) {
    if (lane->tenant != lane->key) {
        leave_flow(lanes, lane->tenant);
    }
    leave_flow(lanes, lane->key);
}

/* NULL when out of memory. */
static struct flow *join_flow(struct lanes *lanes, size_t service, uint64_t hash, bool limited) {
    static const struct flow_limits none = {.concurrency = 0};
    struct lane_service *s = service_of(lanes, service);
    struct flow *flow = flows_open(&lanes->flows, service, hash, limited ? &s->key_limits : &none);
    if (flow == NULL) {
        return NULL;
    }
    if (flow->lanes == 0 && !flow->idle && !flow->spilled) {
        flow->owed = debts_take(&lanes->debts, service, hash).owed;
    }
    lanes->idle_flows -= flow->idle ? 1 : 0;
    flow->idle = false;
    flow->lanes++;
    if (limited && flow->lanes == 1) {
        weigh(lanes, flow);
    }
    s->tenants += flow->tenant && flow->lanes == 1 ? 1 : 0;
    return flow;
}

bool lane_join_flows(struct lanes *lanes, struct lane *lane, struct lane_flows by) {
    struct flow *key = by.key == 0 ? NULL : join_flow(lanes, lane->service, by.key, true);
    struct flow *tenant = key;
    if (by.tenant != by.key) {
        tenant = by.tenant == 0 ? NULL : join_flow(lanes, lane->service, by.tenant, false);
    }
    if ((by.key != 0 && key == NULL) || (by.tenant != 0 && tenant == NULL)) {
        leave_flow(lanes, key);
        leave_flow(lanes, tenant == key ? NULL : tenant);
        return false;
    }
    lane->key = key;
    lane->tenant = tenant;
    if (tenant != NULL) {
        tenant->priority = by.priority;
    }
    if (tenant != NULL && tenant->hash < FLOW_LEVELS) {
        service_of(lanes, lane->service)->tenants += tenant->tenant ? 0 : 1;
        tenant->tenant = true;
        lane->payer = tenant->hash;
        lane->owed = &tenant->owed;
    }
    return true;
}

struct lane_flows lane_flows_of(const struct lane *lane) {
    return (struct lane_flows){.key = lane->key == NULL ? 0 : lane->key->hash,
                               .tenant = lane->tenant == NULL ? 0 : lane->tenant->hash,
                               .priority = lane->tenant == NULL ? 0 : lane->tenant->priority};
}

/* --- towards the ring --- */

/* The lane at the front of a flow has gone: the next one follows, if it may. One whose other flow does
 * not let it pass waits there, and the one behind it is next. */
static void follow(struct lanes *lanes, struct flow *flow) {
    struct lane *lane;
    while ((lane = flow_take(flow, lanes->now_ms)) != NULL) {
        service_of(lanes, lane->service)->behind--;
        lane_enter(lanes, lane, false);
    }
}

/* The first lane of the flow goes back into its queue; `next` is first then, or NULL. */
static void put_back(struct lanes *lanes, struct flow *flow, struct lane *next) {
    struct lane *lane = flow->first;
    lanes_take_out(lanes, lane);
    flow->first = next;
    flow_put_back(flow, lane);
    service_of(lanes, lane->service)->behind++;
    follow(lanes, lane->key == flow ? NULL : lane->key);
    follow(lanes, lane->tenant == flow ? NULL : lane->tenant);
}

/* The lane may go on, also in place of one that is less urgent; one that has waited for too long is
 * hurried instead. */
static bool passes(struct lanes *lanes, struct flow *flow, struct lane *lane) {
    struct lane *ahead = flow == NULL ? NULL : flow->first;
    if (ahead != NULL && ahead->priority < lane->priority && ahead->aged) {
        lane_set_priority(lanes, ahead, lane->priority);
    } else if (ahead != NULL && ahead->priority < lane->priority) {
        put_back(lanes, flow, lane);
    }
    return flow_passes(flow, lane);
}

void lane_enter(struct lanes *lanes, struct lane *lane, bool comes) {
    struct lane_service *s = service_of(lanes, lane->service);
    bool alone = lane->key == NULL && lane->tenant == NULL;
    if (alone || (passes(lanes, lane->key, lane) && passes(lanes, lane->tenant, lane))) {
        ring_enter(&s->ring, lane, comes);
    } else {
        s->behind++;
    }
}

static void leave_front(struct flow *flow, const struct lane *lane) {
    if (flow != NULL && flow->first == lane) {
        flow->first = NULL;
    }
}

/* It no longer stands ahead of others of its flows. */
static void leave_flow_fronts(const struct lane *lane) {
    leave_front(lane->key, lane);
    leave_front(lane->tenant, lane);
}

void lanes_take_out(struct lanes *lanes, struct lane *lane) {
    struct lane_service *s = service_of(lanes, lane->service);
    assert(!lane->busy && lane->in_ring == (lane->behind == NULL)); /* INV-LANE-1 */
    if (lane->behind != NULL) {
        flow_remove(lane->behind, lane);
        s->behind--;
    } else {
        ring_leave(&s->ring, lane);
    }
    leave_flow_fronts(lane);
}

void lane_step_out(struct lanes *lanes, struct lane *lane) {
    lanes_take_out(lanes, lane);
    follow(lanes, lane->key);
    follow(lanes, lane->tenant == lane->key ? NULL : lane->tenant);
}

void lane_set_priority(struct lanes *lanes, struct lane *lane, uint8_t priority) {
    bool waits = lane->in_ring || lane->behind != NULL;
    bool more = priority > lane->priority;
    if (waits && more) {
        lanes_take_out(lanes, lane);
    } else if (waits) {
        lane_step_out(lanes, lane);
    }
    lane->priority = priority;
    if (waits) {
        lane_enter(lanes, lane, more);
    }
}

void lanes_wake_flows(struct lanes *lanes, int64_t now_ms) {
    struct flow *flow;
    lanes->now_ms = now_ms;
    while ((flow = flows_next(&lanes->flows)) != NULL && flow->due_ms <= now_ms) {
        weigh(lanes, flow);
        follow(lanes, flow);
        retire_unused(lanes, flow);
    }
}

void lanes_throttle_key(struct lanes *lanes, size_t service, uint64_t key, int64_t until_ms) {
    const struct flow_limits *limits = &service_of(lanes, service)->key_limits;
    struct flow *flow = flows_open(&lanes->flows, service, key, limits);
    if (flow == NULL) {
        return; /* out of memory: the peer asks again */
    }
    pace_throttle(&flow->pace, until_ms);
    weigh(lanes, flow);
    if (flow->first == NULL || !flow->held) {
        retire_unused(lanes, flow);
        return;
    }
    put_back(lanes, flow, NULL);
}

/* --- tenants and the disk --- */

size_t lanes_room(const struct lanes *lanes, size_t service, struct lane_flows flows) {
    size_t waiting = 0;
    for (unsigned i = flows.priority; i < PRIORITIES; i++) {
        waiting += service_of(lanes, service)->of_priority[i];
    }
    size_t window = window_left(waiting);
    const struct flow *flow = flows_find(&lanes->flows, service, flows.tenant);
    size_t events = flow == NULL ? 0 : flow->events;
    size_t most = window / 2 > 0 ? window / 2 : window;
    return most > events ? most - events : 0;
}

bool lanes_spilled(struct lanes *lanes, size_t service, uint64_t tenant) {
    struct flow *flow = flows_find(&lanes->flows, service, tenant);
    if (flow == NULL || flow->lanes == 0) {
        return false;
    }
    flow->spilled = true;
    look_for_hunger(lanes, flow);
    return true;
}

struct lane_flows lanes_hungry(const struct lanes *lanes, size_t service) {
    const struct flow *flow = TAILQ_FIRST(&service_of(lanes, service)->hungry);
    struct lane_flows by = {.tenant = 0};
    if (flow != NULL) {
        by.tenant = flow->hash;
        by.priority = flow->priority;
    }
    return by;
}

bool lanes_want_rows(const struct lanes *lanes) {
    return lanes->hungry > 0;
}

void lanes_fed(struct lanes *lanes, size_t service, uint64_t tenant, bool more) {
    struct lane_service *s = service_of(lanes, service);
    struct flow *flow = flows_find(&lanes->flows, service, tenant);
    assert(flow != NULL && flow->hungry); /* INV-LANE-8 */
    TAILQ_REMOVE(&s->hungry, flow, hungry_link);
    lanes->hungry--;
    flow->hungry = false;
    flow->spilled = more;
    look_for_hunger(lanes, flow);
    retire_unused(lanes, flow);
}

size_t lanes_tenants(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->tenants;
}

size_t lanes_keys_held(const struct lanes *lanes, size_t service) {
    return service_of(lanes, service)->keys_held;
}

void lane_lost_event(struct lanes *lanes, struct lane *lane) {
    if (lane->tenant != NULL) {
        lane->tenant->events--;
        look_for_hunger(lanes, lane->tenant);
    }
}

void lane_pass_turn(struct lanes *lanes, struct lane *lane) {
    struct flow *key = lane->key;
    struct flow *tenant = lane->tenant == key ? NULL : lane->tenant;
    leave_flow_fronts(lane);
    if (key != NULL) {
        key->running++;
        lane->key_paced = pace_started(&key->pace);
        weigh(lanes, key);
        follow(lanes, key);
    }
    follow(lanes, tenant);
    lane_lost_event(lanes, lane);
}

void lane_end_of_key(struct lanes *lanes, const struct lane *lane) {
    struct flow *key = lane->key;
    if (key == NULL) {
        return;
    }
    assert(key->running > 0); /* INV-LANE-8 */
    key->running--;
    pace_ended(&key->pace, lane->key_paced, key->concurrency);
    weigh(lanes, key);
    follow(lanes, key);
}

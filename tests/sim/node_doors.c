/*
 * node_doors.c - what a host reads and does: its clocks, the broker, the servers that it calls, its
 * operators. Each of it can be the last.
 */
#include "node.h"

#include "fault_plan.h"
#include "sim.h"
#include "journal/outbox.h"

enum {
    RUN_US = 300, /* what a run takes */
    LOOK_US = 2,  /* and a look at the clock */
};

int64_t node_wall_ms(const struct node *n) {
    return NODE_WALL_START_MS + n->sim->true_ms + n->wall_ahead_ms;
}

int64_t node_wall_most_ms(const struct node *n) {
    return node_wall_ms(n) > n->wall_most_ms ? node_wall_ms(n) : n->wall_most_ms;
}

static void read_clocks(void *ctx, struct clock_reading *out) {
    const struct node *n = ctx;
    *out = (struct clock_reading){.wall_ms = node_wall_ms(n),
                                  .boottime_ms = 1000 + n->sim->true_ms - n->boot_at_ms,
                                  .shared = n->sim->traits.shared_clock,
                                  .boot = {.id = {1, n->boot, (uint8_t)n->machine}}};
}

/* Also where it is seen that a handler is about to run. */
static int64_t processor_us(void *ctx) {
    struct node *n = ctx;
    const struct culprit_record *now = culprit_now(n->culprit);
    unsigned run = culprit_turn(n->culprit);
    n->spent_us += LOOK_US;
    if (run != n->run_seen && (now->phase == CULPRIT_RUN || now->phase == CULPRIT_APPLY)) {
        n->run_seen = run;
        n->spent_us += RUN_US;
        (void)node_acts(n, now->phase == CULPRIT_RUN ? ACTION_RUN : ACTION_APPLY);
    }
    return n->spent_us;
}

static int64_t monotonic_us(void *ctx) {
    struct node *n = ctx;
    return n->sim->true_ms * 1000 + processor_us(ctx);
}

static int door_publish(void *ctx, const struct publication *p, int *mid) {
    IN_DOOR;
    struct node *n = ctx;
    if (!node_acts(n, ACTION_PUBLISH) || !n->online) {
        return ERR_NETWORK;
    }
    n->sim->tally->published++;
    return broker_publish(n->sim, n, p, mid);
}

static int door_forward(void *ctx, uint16_t host, struct slice message) {
    IN_DOOR;
    struct node *n = ctx;
    if (!node_acts(n, ACTION_FORWARD) || !n->online) {
        return ERR_NETWORK;
    }
    n->sim->tally->forwarded++;
    return broker_post(n->sim, host, false, message);
}

static int door_receipt(void *ctx, uint16_t host, struct slice receipt) {
    IN_DOOR;
    struct node *n = ctx;
    if (!node_acts(n, ACTION_RECEIPT) || !n->online) {
        return ERR_NETWORK;
    }
    check_receipt(n->sim, n, receipt);
    return broker_post(n->sim, host, true, receipt);
}

static int door_call_start(void *ctx, uint64_t id, const struct call_request *request) {
    IN_DOOR;
    struct node *n = ctx;
    if (!node_acts(n, ACTION_CALL)) {
        return 0; /* and never answered */
    }
    n->sim->tally->calls++;
    return peer_start(n->sim, n, id, request);
}

static void door_call_cancel(void *ctx, uint64_t id) {
    IN_DOOR;
    struct node *n = ctx;
    if (node_acts(n, ACTION_CALL_CANCEL)) {
        peer_cancel(n->sim, n, id);
    }
}

static void door_command_done(void *ctx, struct command *command) {
    IN_DOOR;
    struct node *n = ctx;
    operate_done(n->sim, n, command, node_acts(n, ACTION_ANSWER));
}

struct engine_doors node_doors(struct node *n) {
    return (struct engine_doors){.ctx = n,
                                 .read_clocks = read_clocks,
                                 .monotonic_us = monotonic_us,
                                 .processor_us = processor_us,
                                 .publish = door_publish,
                                 .forward = n->sim->count > 1 ? door_forward : NULL,
                                 .receipt = n->sim->count > 1 ? door_receipt : NULL,
                                 .call_start = door_call_start,
                                 .call_cancel = door_call_cancel,
                                 .command_done = door_command_done};
}

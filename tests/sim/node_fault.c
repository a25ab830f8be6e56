/*
 * node_fault.c - now and then a single call of a host fails: in one of its turns, in its start or stop,
 * while it takes another topics.conf over, in a backup of it.
 */
#include "node.h"

#include "sim.h"

enum {
    FAULTS_PERCENT = 15, /* of what a host does */
    FAULT_CALLS = 600,
};

static void plan_fault(struct node *n) {
    struct sim *s = n->sim;
    if (s->settling || n->fault.kind != FAULT_NONE || !sim_chance(s, FAULTS_PERCENT)) {
        return;
    }
    n->fault.kind = sim_chance(s, 50) ? FAULT_MEMORY : FAULT_STORE;
    n->fault.left = 1 + (unsigned)sim_below(s, 1 + sim_below(s, FAULT_CALLS));
    sim_tell(s, "host %u: %s number %u will fail", n->number,
             n->fault.kind == FAULT_MEMORY ? "allocation" : "access to the store", n->fault.left);
}

void node_may_fail(struct node *n) {
    plan_fault(n);
    fault_begin(&n->fault);
}

bool node_has_failed(struct node *n) {
    bool struck = fault_end();
    n->sim->tally->faults += struck ? 1 : 0;
    return struck;
}

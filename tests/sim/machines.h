/*
 * machines.h - several machines that run the simulator's hosts, as shards of a cluster (docs/cluster.md).
 *
 * Each host (node.h) has a place on each machine: a folder of its own, and a process, if it runs there. One place
 * is the host's (sim.nodes): that of the machine with its lease. A process at another place is an old owner, which
 * knows nothing of it yet: its machine stood still, or was cut off from the database. What it does is decided by
 * the fence alone. The log is the host's, and so is the broker's session, which belongs to the place that
 * connected last.
 *
 * The leases are decided by core/cluster/: placing.c and watch.c. What the database would do with
 * them is done here: beats, claims, releases and burials, as core/host/fleet/member.c asks for them.
 */
#ifndef ZINGQ_SIM_MACHINES_H
#define ZINGQ_SIM_MACHINES_H

#include "cluster/cluster.h"
#include "node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

enum machine_state {
    MACHINE_WELL,
    MACHINE_DOWN,   /* nothing runs there */
    MACHINE_STANDS, /* all of its processes are stopped, as by SIGSTOP */
    MACHINE_CUT     /* it does not reach the database */
};

struct machine {
    enum machine_state state;
    struct watch watch; /* what it has seen of the others */
    bool joined;
};

struct sim_cluster {
    unsigned machines; /* 0 = there is no cluster: each host has one machine, which is its own */
    struct machine of[MACHINES_MAX];
    struct cluster_view view; /* as the database has it: a member is a machine */
    int64_t looked_ms;        /* physical time, of the last round */
};

/* Before any host is made. */
void machines_begin(struct sim *s);
/* Time goes by, in which something may happen to a machine, and hosts are moved. */
void machines_pass(struct sim *s, int64_t ms);
/* Which process of that host a step is about; of a turn, an old owner too. NULL: its machine stands
 * still. */
struct node *machines_process(struct sim *s, struct node *n, bool turn);
/* Whether a process may be started there. */
bool machines_may_start(const struct sim *s, const struct node *n);
/* Whether it does not reach its log. */
bool machines_is_cut(const struct node *n);
/* The faults are over: whoever stood still goes on, and finds out. */
void machines_mend(struct sim *s);

#endif

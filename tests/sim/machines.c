/* machines.c - see machines.h. */
#include "machines.h"

#include "sim.h"

#include <stdio.h>
#include <string.h>

enum {
    LEASE_MS = 1000,
    ROUND_MS = LEASE_MS / 4,
    ROUNDS_MAX = 40,        /* of a time that goes by: longer ones are slept through */
    TROUBLE_PERCENT = 50,   /* that something happens to a machine meanwhile */
    LINKED_PERCENT = 40,    /* a host that has moved finds the broker, at its start or in a round */
    OLD_PERCENT = 50,       /* of two owners that could have a turn, the old one has it */
    TERMINATED_PERCENT = 50 /* of two rounds, an old owner is told to stop in one */
};

static struct member *member_of(struct sim *s, unsigned machine) {
    return &s->cluster.view.members[machine];
}

static bool runs(const struct sim *s, unsigned machine) {
    enum machine_state state = s->cluster.of[machine].state;
    return state == MACHINE_WELL || state == MACHINE_CUT;
}

static bool is_owner(const struct sim *s, unsigned shard, unsigned machine) {
    return strcmp(s->cluster.view.leases[shard].owner, s->cluster.view.members[machine].name) == 0;
}

void machines_begin(struct sim *s) {
    struct chance c = chance_of_seed(s->plan->seed ^ UINT64_C(0x636c7573746572));
    struct sim_cluster *cluster = &s->cluster;
    if (!s->traits.cluster) {
        return;
    }
    cluster->machines = 2 + (unsigned)chance_next(&c, MACHINES_MAX - 1);
    cluster->view.member_count = cluster->machines;
    cluster->view.shards = s->count;
    for (unsigned i = 0; i < cluster->machines; i++) {
        struct member *m = member_of(s, i);
        *m = (struct member){.state = MEMBER_GONE, .lease_ms = LEASE_MS};
        (void)snprintf(m->name, sizeof m->name, "m%u", i + 1);
    }
    for (unsigned i = 0; i < s->count; i++) {
        (void)snprintf(cluster->view.leases[i].owner, sizeof cluster->view.leases[i].owner, "m1");
    }
}

bool machines_may_start(const struct sim *s, const struct node *n) {
    return s->settling || s->cluster.machines == 0 ||
           (s->cluster.of[n->machine].state == MACHINE_WELL &&
            is_owner(s, n->number - 1, n->machine));
}

bool machines_is_cut(const struct node *n) {
    return n->sim->cluster.of[n->machine].state == MACHINE_CUT && !n->sim->settling;
}

struct node *machines_process(struct sim *s, struct node *n, bool turn) {
    for (unsigned m = 0; m < s->cluster.machines && turn; m++) {
        struct node *old = &s->places[m][n->number - 1];
        if (old != n && old->up && runs(s, m) && (!n->up || sim_chance(s, OLD_PERCENT))) {
            return old;
        }
    }
    return s->cluster.machines == 0 || runs(s, n->machine) ? n : NULL;
}

/* --- a host moves --- */

static void tell_all(struct sim *s) {
    for (unsigned i = 0; i < s->count; i++) {
        sim_tell_members(s, s->nodes[i], s->nodes[i]->up);
    }
}

/* What it has of the log there, from earlier, may be nothing, or old. */
static void start_at(struct sim *s, unsigned shard, unsigned machine) {
    struct node *from = s->nodes[shard];
    struct node *to = &s->places[machine][shard];
    if (to == from) {
        return; /* it will be started as after any crash */
    }
    if (!node_move(to, from, machine)) {
        return;
    }
    s->tally->moves++;
    s->tally->old_owners += from->up ? 1 : 0;
    sim_tell(s, "host %u moves from m%u to m%u%s", from->number, from->machine + 1, machine + 1,
             from->up ? ", and the old one lives" : "");
    s->nodes[shard] = to;
    to->online = sim_chance(s, LINKED_PERCENT);
    to->moved = true;
    node_start_again(to);
    to->moved = false;
    tell_all(s);
}

static void connect(struct sim *s, struct node *n) {
    if (n->up && !n->online && sim_chance(s, LINKED_PERCENT)) {
        n->online = true;
        node_connect(n);
    }
}

/* --- a round of a machine's: see core/host/fleet/member.c --- */

static void kill_all(struct sim *s, unsigned machine) {
    for (unsigned i = 0; i < s->count; i++) {
        if (s->places[machine][i].up) {
            node_kill(&s->places[machine][i]);
        }
    }
}

static void bury(struct sim *s, unsigned machine) {
    struct member *m = member_of(s, machine);
    m->state = MEMBER_DEAD;
    for (unsigned i = 0; i < s->count; i++) {
        if (is_owner(s, i, machine)) {
            s->cluster.view.leases[i].owner[0] = '\0';
        }
    }
    sim_tell(s, "m%u is buried", machine + 1);
}

static void bury_dead(struct sim *s, unsigned self) {
    const struct watch *watch = &s->cluster.of[self].watch;
    for (unsigned i = 0; i < s->cluster.machines; i++) {
        if (i != self && watch_is_dead(watch, member_of(s, i), watch->looked_ms)) {
            bury(s, i);
        }
    }
}

/* Ours: it runs here until whoever is to have it has been alive for a while. */
static void hold(struct sim *s, unsigned shard, unsigned self, int to) {
    const struct watch *watch = &s->cluster.of[self].watch;
    struct node *n = &s->places[self][shard];
    if (to < 0 || to == (int)self ||
        !watch_is_steady(watch, member_of(s, (unsigned)to), watch->looked_ms)) {
        return;
    }
    if (n->up) {
        node_stop(n);
    }
    s->cluster.view.leases[shard].owner[0] = '\0';
}

static void arrange(struct sim *s, unsigned self) {
    int to[PARTITIONS];
    placing_decide(&s->cluster.view, to);
    for (unsigned i = 0; i < s->count && !s->failed; i++) {
        struct shard_lease *lease = &s->cluster.view.leases[i];
        struct node *n = &s->places[self][i];
        if (is_owner(s, i, self)) {
            hold(s, i, self, to[i]);
            connect(s, n);
        } else if (lease->owner[0] == '\0' && to[i] == (int)self && !(n->up && n != s->nodes[i])) {
            (void)snprintf(lease->owner, sizeof lease->owner, "%s", member_of(s, self)->name);
            start_at(s, i, self);
        } else if (n->up && n != s->nodes[i] && sim_chance(s, TERMINATED_PERCENT)) {
            node_stop(n);
        }
    }
}

static void join(struct sim *s, unsigned self) {
    struct machine *machine = &s->cluster.of[self];
    struct member *m = member_of(s, self);
    if (machine->joined && m->state == MEMBER_DEAD) {
        kill_all(s, self); /* others run them now */
    }
    machine->joined = true;
    m->state = MEMBER_LIVE;
}

static void have_round(struct sim *s, unsigned self) {
    struct machine *machine = &s->cluster.of[self];
    struct member *m = member_of(s, self);
    if (machine->state != MACHINE_WELL) {
        return;
    }
    if (m->state != MEMBER_LIVE) {
        join(s, self);
    }
    m->beats++;
    watch_look(&machine->watch, &s->cluster.view, 1 + s->true_ms, LEASE_MS);
    bury_dead(s, self);
    arrange(s, self);
}

/* --- what happens to machines --- */

static void lose(struct sim *s, unsigned machine) {
    kill_all(s, machine);
    s->cluster.of[machine] = (struct machine){.state = MACHINE_DOWN};
    sim_tell(s, "m%u is lost", machine + 1);
}

/* SIGTERM: all of its hosts are released, one by one. */
static void leave(struct sim *s, unsigned machine) {
    for (unsigned i = 0; i < s->count && runs(s, machine); i++) {
        if (s->places[machine][i].up) {
            node_stop(&s->places[machine][i]);
        }
    }
    bury(s, machine);
    member_of(s, machine)->state = MEMBER_GONE;
    s->cluster.of[machine] = (struct machine){.state = MACHINE_DOWN};
    sim_tell(s, "m%u has stopped", machine + 1);
}

static void pin(struct sim *s, unsigned machine) {
    struct shard_lease *lease = &s->cluster.view.leases[sim_below(s, s->count)];
    bool any = sim_chance(s, 50);
    (void)snprintf(lease->pin, sizeof lease->pin, "%s", any ? "" : member_of(s, machine)->name);
}

static void happen(struct sim *s, unsigned machine) {
    struct machine *m = &s->cluster.of[machine];
    if (m->state != MACHINE_WELL) {
        sim_tell(s, "m%u is well again", machine + 1);
        m->state = MACHINE_WELL;
        return;
    }
    switch (sim_below(s, 8)) {
    case 0:
    case 1:
        lose(s, machine);
        break;
    case 2:
    case 3:
        m->state = MACHINE_STANDS;
        sim_tell(s, "m%u stands still", machine + 1);
        break;
    case 4:
    case 5:
        m->state = MACHINE_CUT;
        sim_tell(s, "m%u is cut off from the database", machine + 1);
        break;
    case 6:
        leave(s, machine);
        break;
    default:
        member_of(s, machine)->draining = !member_of(s, machine)->draining;
        pin(s, machine);
    }
}

void machines_pass(struct sim *s, int64_t ms) {
    int64_t end_ms = s->true_ms + ms;
    if (s->cluster.machines > 0 && sim_chance(s, TROUBLE_PERCENT)) {
        happen(s, (unsigned)sim_below(s, s->cluster.machines));
        tell_all(s);
    }
    for (unsigned i = 0; i < ROUNDS_MAX && s->cluster.machines > 0 && !s->failed; i++) {
        if (s->cluster.looked_ms + ROUND_MS > end_ms) {
            break;
        }
        s->true_ms = s->cluster.looked_ms + ROUND_MS > s->true_ms ? s->cluster.looked_ms + ROUND_MS
                                                                  : s->true_ms;
        s->cluster.looked_ms = s->true_ms;
        for (unsigned m = 0; m < s->cluster.machines && !s->failed; m++) {
            have_round(s, m);
        }
        tell_all(s);
    }
    s->true_ms = end_ms > s->true_ms ? end_ms : s->true_ms;
}

void machines_mend(struct sim *s) {
    for (unsigned m = 0; m < s->cluster.machines; m++) {
        s->cluster.of[m].state = MACHINE_WELL;
        for (unsigned i = 0; i < s->count; i++) {
            struct node *old = &s->places[m][i];
            if (old != s->nodes[i] && old->up) {
                node_turn(old);
            }
            if (old != s->nodes[i] && old->up) {
                node_kill(old);
            }
        }
    }
}

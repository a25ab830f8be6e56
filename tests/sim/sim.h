/*
 * sim.h - the simulator: several real engines on real stores in a world that is made up, and that
 * comes again from a seed.
 *
 *   plan     what happens, step by step: made of a seed, cut shorter when it has found something
 *   world    carries a plan out: time, who is up, what is under way between whom
 *   node     one host: store, scripts and engine, its clocks, and the places where it can be killed
 *   broker   sessions, shared subscriptions, acknowledgements, what hosts send one another
 *   peer     the HTTP and mail servers that handlers call, and their own books
 *   database the PostgreSQL that they use
 *   load     what publishers say, and what must come of it
 *   operate  what operators do
 *   restore  another world, in which the hosts begin with backups
 *   machines those, in some worlds, between which hosts move
 *   check    what must be true at the end, read from the history
 *   log      what has a host's turns before its store has them, in half of the worlds
 *   bugs     planted ones, which must be found
 *   report   figures, stories, the shortest plan that still fails
 *
 * A host is killed by making a ghost of it: from the chosen action on nothing that it does takes
 * place any more (no door is opened, no commit counts) until the call it is in returns; then it is
 * thrown away, and what it had in its store and on its page (culprit.h) is what the next one finds. So
 * a kill costs no process, and can come between any two actions.
 */
#ifndef ZINGQ_SIM_H
#define ZINGQ_SIM_H

#include "broker.h"
#include "chance.h"
#include "check.h"
#include "machines.h"
#include "database.h"
#include "load.h"
#include "operate.h"
#include "node.h"
#include "peer.h"
#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SIM_STEPS = 700, /* of a plan */
    WHY_BYTES = 600,
    STORY_BYTES = 200,
    CRASH_POINTS = 1 << 22
};

/* What a run, or many, have seen. */
struct sim_tally {
    uint64_t runs, steps, turns, commits, crashes, crashes_loaded; /* with 50 events or more */
    uint64_t moves, old_owners; /* of hosts between machines; those that lived on then */
    uint64_t reboots, refused_commits, faults, offered, published, forwarded, calls, ended;
    uint64_t points, points_loaded; /* distinct ones (node.h), bits below */
    int64_t virtual_ms;
    uint64_t seen[CRASH_POINTS / 64]; /* a bit a point, by its hash */
    uint64_t seen_loaded[CRASH_POINTS / 64];
};

/* What a world is like, by its seed. */
struct sim_traits {
    bool everywhere;   /* no shared subscriptions: every host gets every message */
    bool refuses;      /* the broker refuses a publish now and then */
    bool small_stores; /* they run full */
    bool logged;       /* stores have logs */
    bool shared_clock; /* and the wall clock is a database's, which engine time follows */
    bool crowds;       /* a key gets more than a lane has in memory, once or twice */
    bool cluster;      /* hosts move between machines */
};

struct sim {
    const struct plan *plan;
    struct sim_traits traits;
    size_t at;                                   /* the step under way */
    struct chance chance;                        /* of this step */
    int64_t true_ms;                             /* physical time: since the world began */
    bool settling;                               /* no more faults */
    struct node places[MACHINES_MAX][NODES_MAX]; /* where hosts can run: machines.h */
    struct node *nodes[NODES_MAX];               /* where each does */
    unsigned count;
    struct sim_cluster cluster;
    struct sim_broker broker;
    struct sim_peer peer;
    struct sim_database database;
    struct sim_load load;
    struct sim_tally *tally;
    bool failed;
    char why[WHY_BYTES]; /* what promise was broken */
    uint64_t hash;       /* of everything that happened: the same plan gives the same */
    bool talks;          /* tells the story as it happens */
};

/* Carries the plan out and checks what came of it; 0, or 1 and s->why. Nothing is left behind. */
int sim_run(struct sim *s, const struct plan *plan, struct sim_tally *tally);

/* Whether hosts move between machines there. */
bool sim_has_cluster(const struct plan *plan);
/* The faults are over, and all comes to its end: what must be true then. */
void sim_end(struct sim *s);

/* A promise is broken: the first one counts. */
void sim_fail(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The place of that number (node.h). */
struct node *sim_place(struct sim *s, unsigned place);
/* Whether a host is up: the others are told. */
void sim_tell_members(struct sim *s, const struct node *about, bool up);
/* A line of the story. */
void sim_tell(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A number below `most`, of the step's own. */
uint64_t sim_below(struct sim *s, uint64_t most);
/* With a likelihood of so many in a hundred. */
bool sim_chance(struct sim *s, unsigned percent);
/* Whether the folder of the simulator's own topics.conf and scripts is there, and where. */
const char *sim_folder(void);

#endif

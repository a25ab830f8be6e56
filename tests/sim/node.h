/*
 * node.h - one host of the simulator: the real store, scripts and engine behind doors that open on
 * the made-up world, with clocks of its own.
 */
#ifndef ZINGQ_SIM_NODE_H
#define ZINGQ_SIM_NODE_H

#include "chance.h"
#include "fault_plan.h"
#include "base/culprit.h"
#include "engine/engine.h"
#include "store/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

enum { NODES_MAX = 3, MACHINES_MAX = 3, NODE_PAUSE_MS = 1000, NODE_PATH_BYTES = 128 };
#define NODE_WALL_START_MS INT64_C(1700000000000) /* when worlds begin */

/*
 * What a host does that the world can see, or that lasts: it can be killed before each.
 *
 * A crash point is such an action in such a state; the report counts the distinct ones that were
 * reached. The action: one of these, the phase that the page names (culprit.h), and the service whose
 * event is on the processor. The state, as the step found the host: how many events wait, publishes
 * are in the outbox or delayed, forwards have no receipt; of each service how many events wait, run,
 * are put off after a failure or asleep, are dead, and whether it is paused; what is wrong with the
 * disk, and whether there is a connection. Numbers count as none, 1 to 3, 4 to 15, 16 to 63 and so on.
 * They are told apart by a hash, so that some are taken for one: there are at least so many.
 */
enum action {
    ACTION_PUBLISH,
    ACTION_FORWARD,
    ACTION_RECEIPT,
    ACTION_CALL,
    ACTION_CALL_CANCEL,
    ACTION_ANSWER,   /* a command */
    ACTION_RUN,      /* a handler is about to run */
    ACTION_APPLY,    /* what it came to is about to be written */
    ACTION_APPEND,   /* a turn to the log */
    ACTION_SNAPSHOT, /* a part of a snapshot to the log, or what is to be deleted there */
    ACTION_LOAD,     /* a part of it from there, at the start */
    ACTION_COMMIT,   /* before it */
    ACTION_COMMITTED,
    ACTION_PUBACK, /* to the broker, after a turn */
    ACTION_REST,   /* between two turns */
    ACTIONS
};

/* What is wrong with its disk. */
enum disk { DISK_WELL, DISK_FULL, DISK_FAILS, DISK_FAILS_ONCE };

/* A mistake in a topics.conf, or a change that needs a restart: a host that runs refuses it. */
enum node_wrong { WRONG_NOTHING, WRONG_OPTION, WRONG_SCRIPT, WRONG_RESTART };

enum { NODE_OPTIONS = 8 };

/* What a host's topics.conf says, where it differs from that of the world. */
struct node_topics {
    unsigned options;  /* a bit for each that is changed: see node_topics.c */
    bool no_schedules; /* they are left out, */
    bool no_guest;     /* or the service "guest" is */
    bool renamed;      /* "count" is "sum" */
    bool visitor;      /* "guest" is "visitor" */
    enum node_wrong wrong;
};

/* A version that is to be taken over: see node_reload.c. */
struct node_reload {
    struct conf *conf; /* NULL = there is none */
    struct script_host *scripts;
    struct node_topics topics;
    bool prunes;
    bool
        exchanged; /* the host's conf has what this one is to bring, and may have to give it back */
    int64_t late_ms; /* physical time by which attempts are cut */
};

struct node {
    struct sim *sim;
    unsigned number;  /* from 1: which of the hosts that divide the keys */
    unsigned machine; /* from 0, in a cluster: machines.h */
    unsigned place; /* from 1: which of all hosts on all machines; unlike `number`, nobody else's */
    bool moved;     /* it starts where another machine's process was before */
    char folder[NODE_PATH_BYTES];
    struct conf *conf;
    struct node_topics topics; /* of conf */
    struct node_topics file;   /* the last good version of its file, */
    bool file_differs;         /* which is not conf, or is no longer there */
    struct node_reload reload;
    bool guest_subscribed; /* the broker has messages for "guest" */
    uint16_t guest_number; /* of it in the store */
    struct memory memory;  /* its budget */
    struct script_host *scripts;
    int script_count, script_chosen; /* files in its folder; see node_scripts.c */
    unsigned script_versions;
    char script_broken[64]; /* the file that does not load; "" = none */
    struct store *store;
    struct culprit *culprit;
    struct engine *engine;
    bool up, online;
    enum disk disk;
    struct fault_plan fault; /* to come */
    int reader;              /* a process that reads its store and hangs; 0 = none */
    unsigned reader_turns;   /* see node_reader_check */
    int64_t reader_seen_ms;
    uint64_t reader_commits;
    bool low;  /* its store is nearly full, by its own word */
    bool lost; /* its last turn failed: what it knows need not be what it has stored */
    unsigned starts;
    uint64_t paused, paused_doubt; /* a bit a service: what operators know, what they do not */
    /* clocks */
    int64_t boot_at_ms;        /* physical time of the machine's start */
    uint8_t boot, boot_stored; /* this one's number; that of the last turn with a commit */
    int64_t wall_ahead_ms;
    int64_t wall_most_ms; /* the latest time it had shown when it was last set */
    bool stepped;         /* its wall clock was set once */
    int64_t up_ms;        /* physical time of its start */
    int64_t spent_us;     /* what its work took, on top of physical time */
    unsigned run_seen;
    /* being killed */
    unsigned kill_in; /* actions left; 0 = it is not to be */
    bool ghost;
    bool killed_in_send;         /* once: what it sent then waits, and others go first */
    uint64_t state;              /* a hash of where it stood before the step */
    bool loaded;                 /* with many events */
    uint8_t page[CULPRIT_BYTES]; /* of culprit.h, as it was when it was killed */
    bool has_page;
    int last_mid;
    /* its log, in worlds where it has one: node_log.c */
    struct fake_log *log; /* NULL = none */
    const struct store_log *log_door;
    struct store_log log_doors; /* its own, in front of that */
    struct chance log_chance;
    int64_t log_back_ms; /* physical time: away until then */
    bool log_refused;    /* since its start, something was */
    bool fenced;         /* so it has heard: somebody else has the log */
    bool log_cut;        /* what it loaded, it did not load to the end */
    bool stops;          /* by itself, and is not killed */
    bool unsynced;       /* some of its file would not survive its machine */
    const struct log_snapshots *log_snapshots_door;
    struct log_snapshots log_snapshots; /* its own, in front of that */
    struct trimmer *trimmer;
    struct log_turn log_late; /* log-late: see bugs_log.c */
    int64_t retry_ms; /* physical time: no turns before, the last one failed; as the host does */
};

/* Makes the folder and starts it; false: sim_fail says why. */
bool node_make(struct node *n, struct sim *s, unsigned number);
void node_free(struct node *n);
/* A host is to go on there, on another machine; it is not started. False: sim_fail says why. */
bool node_move(struct node *to, const struct node *from, unsigned machine);
/* Whether it is the one that has the lease: machines.h. */
bool node_is_owner(const struct node *n);
/* In another process than that of its engine: the same host on a backup of its folder, not started. */
void node_restore(struct node *n);
/* It stops, and starts again on a topics.conf without its schedules. */
void node_forget_schedules(struct node *n);

/* A turn after everything that the broker has for it, with what becomes of it: acknowledgements, a
 * broken connection, or its death where `kill_in` says so. */
void node_turn(struct node *n);
/* Its connection stands. */
void node_connect(struct node *n);
/* Somebody reads its store and does not stop, until he is killed; and after a turn: whether the host
 * has seen him. */
void node_reader_begin(struct node *n);
void node_reader_end(struct node *n);
void node_reader_check(struct node *n);
/* The log of its store, if it is to have one; and when the store was opened: from then on. */
bool node_log_make(struct node *n);
/* Before a start: what its machine has of the log is gone, now and then. */
void node_log_forget_copy(struct node *n);
int node_log_use(struct node *n, struct report *r);
/* Between two turns: the log is kept short. Before the store is closed: no longer. */
void node_log_go_on(struct node *n);
void node_log_leave(struct node *n);
/* Around closing the store: a process that is killed cannot say any more that its file is synced. */
void node_log_hide_mark(struct node *n);
void node_log_show_mark(struct node *n);
/* Its machine goes down: what its file has on the disk is some pages and not others. */
void node_log_power_cut(struct node *n);
/* What is restored from a backup is a store of its own. */
void node_log_drop(struct node *n);
/* The store is what the log says. */
void node_log_check(struct node *n);
/* The same after a load that was cut off: one that comes later would mend it. */
void node_log_check_load(struct node *n);
/* log-late: what was to be appended before. */
void node_log_late(struct node *n);
/* Its scripts folder; somebody saves a script; one that does not load is as it was. */
bool node_scripts_make(struct node *n);
void node_scripts_remove(struct node *n);
void node_scripts_save(struct node *n);
void node_scripts_mend(struct node *n);
/* Starts what is down. */
void node_start(struct node *n);
/* Writes topics.conf into its folder. */
bool node_write_topics(struct node *n, const struct node_topics *topics);
/* Somebody changes topics.conf and reloads it; and between two turns: takes the version over when it
 * is time. Once the faults are over, one that has everything follows any that has not. */
void node_reload(struct node *n);
void node_reload_turn(struct node *n);
/* The host is gone, and what it was about to take over with it. */
void node_reload_forget(struct node *n);
/* The same for one that was up before: with another topics.conf, once. */
void node_start_again(struct node *n);
/* Killed between two turns. */
void node_kill(struct node *n);
/* SIGTERM. */
void node_stop(struct node *n);
/* Before a step that may kill it at the crash-th action, 0 = no; and after it: if it has become a
 * ghost it is gone now. */
void node_arm(struct node *n, unsigned crash);
void node_disarm(struct node *n);

/* Between these a single call of the host may fail; true: one has. */
void node_may_fail(struct node *n);
bool node_has_failed(struct node *n);

/* Through which its engine sees the world. */
struct engine_doors node_doors(struct node *n);
/* The host whose engine is on the processor; NULL = none. */
struct node *node_at_work(void);
/* Whether the action may take place. */
bool node_acts(struct node *n, enum action action);
/* A hash of where it stands, between two turns; and: it is killed at that action. */
uint64_t node_state(struct node *n);
void node_note_crash(struct node *n, enum action action);
/* A handler of the host on the processor has logged a warning. */
void node_logs(const char *text);
/* Its engine's time. */
int64_t node_now_ms(struct node *n);
int64_t node_wall_ms(const struct node *n);
/* The latest time that its wall clock has shown. */
int64_t node_wall_most_ms(const struct node *n);
/* Events waiting at it, as its books say; 0 while it is down. */
uint64_t node_waiting(struct node *n);

#endif

/*
 * members.h - the hosts of a cluster, and which of them has which shard: zq.cluster, zq.host and
 * zq.shard.
 *
 * A cluster divides the keys among a fixed number of shards. Each shard is one host of a division
 * (docs/hosts.md), with a log of its own, and runs as a process on whichever machine has its lease. What
 * is decided here is only where a process is started. That no two run one shard is decided by the
 * log: the one that joined it last has it (cluster/turns.h). So a mistake about who is alive costs
 * time, never an event.
 *
 * A host is alive as long as its row's count of beats goes up. Nobody's clock is asked: each host
 * watches the counts of the others, by its own monotonic clock, and buries one whose count has stood
 * still for the lease while its own beats were answered.
 *
 * Each call waits for the database: at most the patience of members_options.
 */
#ifndef ZINGQ_CLUSTER_MEMBERS_H
#define ZINGQ_CLUSTER_MEMBERS_H

#include "base/error.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct members;

enum { MEMBERS_MAX = 64, CLUSTER_SECRET_BYTES = 65 };

/* All of them borrowed. */
struct members_options {
    const char *url;     /* of the database */
    const char *cluster; /* its name */
    const char *host;    /* this host's name; "" for commands, which are no host */
    const char *process; /* for people: which process it is */
    int64_t lease_ms;
    int64_t patience_ms; /* with one statement */
};

/* What is fixed when the cluster is made. */
struct cluster_facts {
    unsigned shards;                   /* 2 to PARTITIONS */
    char secret[CLUSTER_SECRET_BYTES]; /* hosts.secret of its shards, where topics.conf has none */
};

enum member_state { MEMBER_LIVE, MEMBER_DEAD, MEMBER_GONE /* it has left */ };

struct member {
    char name[NAME_BYTES_MAX + 1];
    enum member_state state;
    bool draining;  /* it is to have no shards */
    int64_t beats;  /* goes up while it lives */
    int64_t age_ms; /* of its last beat, by the database's clock; for people */
    int64_t lease_ms;
};

struct shard_lease {
    char owner[NAME_BYTES_MAX + 1]; /* "" = nobody */
    char pin[NAME_BYTES_MAX + 1];   /* the host that is to have it while it lives; "" = any */
    int64_t age_ms;                 /* since when it has been so */
};

struct cluster_view {
    size_t member_count;
    struct member members[MEMBERS_MAX]; /* by name */
    unsigned shards;
    struct shard_lease leases[PARTITIONS]; /* of shard 1 first */
    char lost[512]; /* why all shards stand still: the database has lost commits; "" = it has not */
    int losses;     /* how many of these were accepted */
};

int members_new(struct members **out, const struct members_options *options, struct report *r);
/* NULL is allowed. */
void members_free(struct members *m);

/* Makes the tables and the cluster. ERR_EXISTS: it is there, with facts->shards as they are. Else
 * as schema_make. */
int members_make(struct members *m, struct cluster_facts *facts, struct report *r);
/* What the cluster is. ERR_NOTFOUND: there is none of that name; ERR_NETWORK, ERR_REFUSED,
 * ERR_SCHEMA. */
int members_facts(struct members *m, struct cluster_facts *out, struct report *r);

/* --- a host --- */

/* Joins, or joins again under a new token: whoever was this host before is no member any more. The
 * shards that it had stay its own. ERR_NETWORK, ERR_REFUSED. */
int members_join(struct members *m, struct report *r);
/* Raises our count of beats, with a status of at most a few KiB for `status`. ERR_FENCED: we were
 * buried, or another process has joined under our name. ERR_NETWORK. */
int members_beat(struct members *m, const char *status, struct report *r);
/* How everything stands. */
int members_look(struct members *m, struct cluster_view *out, struct report *r);
/* A shard, from 1, that nobody has becomes ours. ERR_EXISTS: somebody has it. ERR_FENCED. */
int members_claim(struct members *m, unsigned shard, struct report *r);
/* One of ours becomes nobody's. ERR_FENCED. */
int members_release(struct members *m, unsigned shard, struct report *r);
/* That host is dead, and its shards are nobody's, unless its beats are not `beats` any more:
 * ERR_EXISTS. */
int members_bury(struct members *m, const char *host, int64_t beats, struct report *r);
/* Leaves: like burying oneself. */
int members_leave(struct members *m, struct report *r);
/* The database has lost commits: all shards of the cluster stop, and `why` says so. */
int members_report_lost(struct members *m, const char *why, struct report *r);

/* --- commands --- */

/* ERR_NOTFOUND: no such host, or shard. */
int members_pin(struct members *m, unsigned shard, const char *host, struct report *r);
int members_drain(struct members *m, const char *host, bool draining, struct report *r);
/* Deletes the row of a host that is dead or gone. ERR_BUSY: it lives. */
int members_forget(struct members *m, const char *host, struct report *r);
/* What was lost is lost: the shards start again with what the database has. ERR_NOTFOUND: nothing is
 * lost. */
int members_accept_loss(struct members *m, struct report *r);

/* --- core/cluster/placing.c: decisions, which ask nobody --- */

/* Who is to have each shard (from 0), as an index into view->members; -1 = nobody can. All hosts come
 * to the same answer: the shards are spread evenly over live hosts that do not drain, by rendezvous
 * hashing, so that few move when a host comes or goes; a pin to such a host wins. */
void placing_decide(const struct cluster_view *view, int out[PARTITIONS]);

/* What a host has seen of the others' beats. */
struct watched {
    char name[NAME_BYTES_MAX + 1];
    int64_t beats;
    int64_t since_ms; /* monotonic: when the count was first seen, or we could last not look */
};

struct watch {
    struct watched hosts[MEMBERS_MAX];
    size_t count;
    int64_t looked_ms; /* monotonic, of the last look; 0 = never */
};

/* Takes a look into account. Between two that are further apart than half a lease nothing is known:
 * all counts are then seen anew. */
void watch_look(struct watch *w, const struct cluster_view *view, int64_t now_ms, int64_t lease_ms);
/* Whether that host's count has stood still for its lease. */
bool watch_is_dead(const struct watch *w, const struct member *host, int64_t now_ms);

#endif

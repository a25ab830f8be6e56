/*
 * cluster.h - the hosts of a cluster, and which of them has which shard: zq.cluster, zq.host and
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
 * Each call waits for the database: at most the patience of cluster_options to connect, and as long for
 * the answer. ERR_NETWORK stands for all that passes; what was asked may have been done then.
 */
#ifndef ZINGQ_CLUSTER_CLUSTER_H
#define ZINGQ_CLUSTER_CLUSTER_H

#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster;

enum {
    CLUSTER_HOSTS_MAX = 64, /* that live: more of them than shards are of no use */
    CLUSTER_SHARDS_MIN = 2,
    CLUSTER_SHARDS = 8, /* unless `zingq cluster init` says another number */
    CLUSTER_SECRET_BYTES = 65,
    CLUSTER_LOST_BYTES = 512
};

/* All of them borrowed. */
struct cluster_options {
    const char *url;     /* of the database */
    const char *cluster; /* its name */
    const char *host;    /* this host's name; "" for commands, which are no host */
    const char *process; /* for people: which process it is */
    int64_t lease_ms;
    int64_t patience_ms; /* with one statement */
};

/* What is fixed when the cluster is made. */
struct cluster_facts {
    unsigned shards;                   /* CLUSTER_SHARDS_MIN to PARTITIONS */
    char secret[CLUSTER_SECRET_BYTES]; /* hosts.secret of its shards, where topics.conf has none */
};

enum member_state { MEMBER_LIVE, MEMBER_DEAD, MEMBER_GONE /* it has left */ };

struct member {
    char name[NAME_BYTES_MAX + 1];
    enum member_state state;
    bool draining;  /* it is to have no shards */
    bool stopping;  /* it ends: it gets none, until it joins again */
    int64_t beats;  /* goes up while it lives */
    int64_t age_ms; /* of its last beat, by the database's clock; for people */
    int64_t lease_ms;
    bool follows; /* shards of others, by what it said with its last beat: */
    uint64_t
        copies;     /* of those it has had all of the log a moment ago; a bit each, from shard 1, */
    uint64_t loads; /* and those copies lack something yet */
};

struct shard_lease {
    char owner[NAME_BYTES_MAX + 1];  /* "" = nobody */
    char pin[NAME_BYTES_MAX + 1];    /* the host that is to have it while it lives; "" = any */
    char failed[NAME_BYTES_MAX + 1]; /* the host that could not run it, and gave it up; "" = none */
    int64_t age_ms;                  /* since when it has been so */
    bool had_owner;                  /* some host has had it, ever */
};

struct cluster_view {
    size_t member_count;
    struct member members[CLUSTER_HOSTS_MAX]; /* by name */
    unsigned shards;
    struct shard_lease leases[PARTITIONS]; /* of shard 1 first */
    char lost[CLUSTER_LOST_BYTES]; /* the database has lost commits, as this says: all shards
                                              stand still; "" = it has not */
    int losses;                    /* how many of these were accepted */
};

/* Whether it is to have any. */
static inline bool member_takes_shards(const struct member *m) {
    return m->state == MEMBER_LIVE && !m->draining && !m->stopping;
}

int cluster_new(struct cluster **out, const struct cluster_options *options, struct report *r);
/* NULL is allowed. */
void cluster_free(struct cluster *c);

/* Makes the tables and the cluster of facts->shards, and its secret. ERR_EXISTS: it is there, and
 * *facts is what it is. Else as schema_make. */
int cluster_make(struct cluster *c, struct cluster_facts *facts, struct report *r);
/* What the cluster is. ERR_NOTFOUND: there is none of that name; ERR_NETWORK, ERR_REFUSED,
 * ERR_SCHEMA. */
int cluster_facts(struct cluster *c, struct cluster_facts *out, struct report *r);

/* --- a host --- */

/* Joins, or joins again: what other process was this host before is no member any more. A join whose
 * answer was lost, and which is carried out late, changes nothing. The shards that it had stay its own.
 * ERR_NOTFOUND: there is no such cluster; ERR_LIMIT: CLUSTER_HOSTS_MAX hosts live; ERR_NETWORK,
 * ERR_REFUSED. */
int cluster_join(struct cluster *c, struct report *r);
/* Raises our count of beats, with a status of at most a few KiB, JSON or a line, for `zingq cluster
 * status`. `stopping`: we end, and claim nothing any more. ERR_NOTFOUND: we were buried, and may join again. ERR_FENCED: another process has joined
 * under our name. ERR_NETWORK. */
int cluster_beat(struct cluster *c, const char *status, bool stopping, struct report *r);
/* How everything stands. ERR_NOTFOUND: there is no such cluster. */
int cluster_look(struct cluster *c, struct cluster_view *out, struct report *r);
/* The host of that name in it, or NULL. */
const struct member *cluster_member(const struct cluster_view *view, const char *name);
/* A shard, from 1, that nobody has becomes ours. ERR_EXISTS: somebody has it; also we, if an earlier
 * answer was lost. ERR_NOTFOUND, ERR_FENCED, ERR_NETWORK as cluster_beat. */
int cluster_claim(struct cluster *c, unsigned shard, struct report *r);
/* One of ours becomes nobody's; if it is not ours any more, nothing. `note`: why we could not run it,
 * a line; then it is placed elsewhere if it can be, until its next release or pin or our next start.
 * "" = we could. As cluster_beat. */
int cluster_release(struct cluster *c, unsigned shard, const char *note, struct report *r);
/* That host is dead, and its shards are nobody's. ERR_EXISTS: it has beaten since its beats were
 * `beats`, or is dead already. */
int cluster_bury(struct cluster *c, const char *host, int64_t beats, struct report *r);
/* Leaves: like burying oneself. As cluster_beat. */
int cluster_leave(struct cluster *c, struct report *r);
/* The database has lost commits: all shards of the cluster stop, and `why` says so. `losses`: how many
 * were accepted when the shard that reports it was started; if it is more by now, this was one of
 * them, and nothing is done. */
int cluster_report_lost(struct cluster *c, int losses, const char *why, struct report *r);

/* --- commands --- */

/* The host is to have it, "" = any. ERR_NOTFOUND: no such host, or shard. */
int cluster_pin(struct cluster *c, unsigned shard, const char *host, struct report *r);
/* ERR_NOTFOUND. */
int cluster_drain(struct cluster *c, const char *host, bool draining, struct report *r);
/* Deletes the row of a host that is dead or gone, and pins to it. ERR_BUSY: it lives; ERR_NOTFOUND. */
int cluster_forget(struct cluster *c, const char *host, struct report *r);
/* What was lost is lost: the shards start again with what the database has. ERR_NOTFOUND: nothing is
 * lost. */
int cluster_accept_loss(struct cluster *c, struct report *r);
/* Everything for people, as an object to be released: docs/cluster.md. ERR_NOTFOUND: there is no such
 * cluster. */
int cluster_show(struct cluster *c, json_t **out, struct report *r);

/* --- core/cluster/placing.c: decisions, which ask nobody --- */

/* Who is to have each shard (from 0), as an index into view->members; -1 = nobody can. All hosts come
 * to the same answer: the shards are spread evenly over live hosts that do not drain or stop, by rendezvous
 * hashing, so that few move when a host comes or goes; a pin to such a host wins. One that could not
 * run a shard gets it only if no other can, pinned or not. If all drain, shards stay where they are, and those
 * that nobody has go to them. */
void placing_decide(const struct cluster_view *view, int out[PARTITIONS]);

/* Who is to follow the log of each shard, so as to have it nearly at once when its turn comes: whoever
 * is to have the shard, as placing_decide has it in `placed`, while another one still has it; else whoever
 * would have it if its host died or drained. -1 = nobody: it has no host, or no other could have it. */
void placing_followers(const struct cluster_view *view, const int placed[PARTITIONS],
                       int out[PARTITIONS]);

/* How long a shard (from 0) that is to go to that host may wait for its copy there, since it is to. Not at all
 * if it is there, or the host follows none; for a lease if it is not known of; and for COPY_MS_MAX while it is loaded. */
int64_t placing_patience_ms(const struct member *to, unsigned shard);

/* What a host has seen of the others' beats. */
struct watched {
    char name[NAME_BYTES_MAX + 1];
    int64_t beats;
    int64_t since_ms; /* monotonic: when the count was first seen, or we could last not look */
    int64_t live_ms;  /* monotonic: since when it was live at each look; 0 = it is not */
};

struct watch {
    struct watched hosts[CLUSTER_HOSTS_MAX];
    size_t count;
    int64_t looked_ms; /* monotonic, of the last look; 0 = never */
    unsigned blind;    /* how many looks in a row came too late to know anything */
};

/* Takes a look into account, which counts only if our own beat before it was answered: while the
 * database answers reads but no commits, nobody's count goes up. Between two that are further apart
 * than half a lease nothing is known: all counts are then seen anew. */
void watch_look(struct watch *w, const struct cluster_view *view, int64_t now_ms, int64_t lease_ms);
/* Whether that host's count has stood still for its lease; asked right after a look. */
bool watch_is_dead(const struct watch *w, const struct member *host, int64_t now_ms);
/* Whether it has been live for two of its leases, as far as we have seen: shards may be left to it. */
bool watch_is_steady(const struct watch *w, const struct member *host, int64_t now_ms);

#endif

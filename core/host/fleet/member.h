/*
 * member.h - the fleet as a host of a cluster: which shards run here (cluster/cluster.h).
 *
 * It talks to the database in the fleet's own loop: a beat every quarter of the lease. A statement without
 * an answer is waited for for 2 s, and is the last of its beat. Part of the fleet.
 */
#ifndef ZINGQ_HOST_FLEET_MEMBER_H
#define ZINGQ_HOST_FLEET_MEMBER_H

#include "host/fleet/impl.h"
#include "store/folder.h"

/* Whether it is one. */
static inline bool fleet_is_member(const struct fleet *f) {
    return f->conf->cluster.name[0] != '\0';
}

/* f->member; nothing is sent yet. ERR_INVALID with a sentence, ERR_MEMORY. */
int member_new(struct fleet *f, struct report *r);
/* Leaves the cluster, if it is in it. NULL is allowed. */
void member_free(struct fleet_member *m);
/* What is due: a beat, a look at the cluster, and what follows for the shards. */
void member_turn(struct fleet *f);
/* When the next is, monotonic. */
int64_t member_due_ms(const struct fleet_member *m);
/* Why no shard of this host answers at its port: a sentence for anyone. */
const char *member_why_idle(const struct fleet *f);
/* A follower has all of its log for the first time: the others may wait for that. */
void member_note_copy(struct fleet *f);
/* A shard has ended with that result of waitpid. */
void member_note_end(struct fleet *f, struct fleet_host *host, int status);
/* The data folder of a host, or a shard. False: its name is too long. */
bool member_folder(const struct fleet *f, const struct fleet_host *host,
                   char out[STORE_PATH_BYTES]);

#endif

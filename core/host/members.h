/*
 * members.h - this host among the others.
 */
#ifndef ZINGQ_HOST_MEMBERS_H
#define ZINGQ_HOST_MEMBERS_H

#include "host/impl.h"

/* What is subscribed to for it. */
extern const char host_members_topics[];

enum { MEMBERS_LOST_MAX = 2 }; /* connections in a row that ended over the watch, or the presence */

/* Makes the table, and the will of the connection that subscribes. ERR_MEMORY. The caller clears
 * `will`. */
int host_members_open(struct host *h, struct buf *will);
void host_members_close(struct host *h);
/* The two connections stand, or are lost: the subscribing one, then the publishing one. */
void host_members_up(struct host *h);
void host_members_down(struct host *h);
void host_members_watch_up(struct host *h);
void host_members_watch_down(struct host *h);
/* A SUBACK, a message, the broker's answer to a publish: whether it was about the hosts. */
bool host_members_watched(struct host *h, const char *filter, uint8_t reason);
bool host_members_heard(struct host *h, const struct mqtt_message *m);
void host_members_published(struct host *h, int mid, uint8_t reason);
/* The watch waits for its answer: nothing else is to be asked on its connection. */
bool host_members_asks(const struct host *h);
/* A subscription of the other connection was answered. */
void host_members_answered(struct host *h);
/* Something of this is due. */
void host_members_look(struct host *h);
/* Once a minute: what the broker refuses is asked for again. */
void host_members_repeat(struct host *h);
/* Before the subscribing connection's DISCONNECT: the host is gone, or has left for good. */
void host_members_goodbye(struct host *h);
/* The presence as `state`, which is ours from now on unless it is PRESENCE_GONE. ERR_MEMORY. The
 * caller clears `out`. */
int host_members_write(struct host *h, enum presence_state state, bool hello, struct buf *out);
/* Whether the broker keeps us from knowing the others, and how: the sentence in r. */
bool host_members_unknown(const struct host *h, struct report *r);
/* Whether the list is complete, as far as a broker can tell. */
bool host_members_known(const struct host *h);
/* Tells the engine whether the marks of all hosts can be checked. */
void host_members_trust(struct host *h);
/* Whether the host of our division with this number is up, and has shown that it lives. */
bool host_member_up(const struct host *h, uint16_t place);

/* --- host/members_turn.c --- */

/* What is due; between turns, nothing read and not committed. */
void host_members_turn(struct host *h);

/* --- host/members_tell.c --- */

/* Adds "hosts", a list that begins with this host, and "hosts_known". */
void host_members_status(const struct host *h, json_t *object);
void host_members_metrics(const struct host *h, struct buf *out);
void host_each_conflict(const struct host *h, host_tell *tell, void *ctx);
/* Members that are up and have shown it, and those that are gone. */
void host_members_counts(const struct host *h, size_t *up, size_t *silent, size_t *gone);

#endif

/*
 * members.h - this host among the others: its presence, and the list of hosts.
 */
#ifndef ZINGQ_HOST_MEMBERS_H
#define ZINGQ_HOST_MEMBERS_H

#include "base/json.h"
#include "host/impl.h"

/* The filter of the watch: the presences of all hosts. */
extern const char host_members_topics[];

enum { MEMBERS_LOST_MAX = 2 }; /* consecutive connections ended by the watch, or by the presence */

/* A message with our presence, and what it consists of. */
struct host_presence {
    struct buf text, properties;
    struct mqtt_publish message; /* retained, QoS 1 */
};

/* Creates the table of hosts and the will of the subscribing connection, which the caller clears
 * even then. ERR_MEMORY. */
int host_members_open(struct host *h, struct host_presence *will);
void host_members_close(struct host *h);
/* topics.conf has changed: describes this host anew. Nothing counts as held until it is judged.
 * ERR_MEMORY. */
int host_members_change(struct host *h);
/* The subscribing connection is up, or lost; then the same for the publishing connection. */
void host_members_up(struct host *h);
void host_members_down(struct host *h);
void host_members_watch_up(struct host *h);
void host_members_watch_down(struct host *h);
/* A SUBACK, a message, a PUBACK. The first two return true if it concerned the list of hosts. */
bool host_members_watched(struct host *h, const char *filter, uint8_t reason);
bool host_members_heard(struct host *h, const struct mqtt_message *m);
void host_members_published(struct host *h, int mid, uint8_t reason);
/* True while the watch awaits its SUBACK: nothing else may be subscribed on its connection. */
bool host_members_asks(const struct host *h);
/* A subscription of the subscribing connection was answered. */
void host_members_answered(struct host *h);
/* Makes host_members_turn due. */
void host_members_look(struct host *h);
/* Once a minute, and when it is due: asks again for what the broker refused. */
void host_members_repeat(struct host *h);
/* Before the subscribing connection's DISCONNECT: announces that the host is gone, or has left. */
void host_members_goodbye(struct host *h);
/* Writes and marks the presence with this state, which becomes ours unless it is PRESENCE_GONE;
 * empty if that is for good. The caller clears `out`, after an error, too. ERR_MEMORY. */
int host_members_write(struct host *h, enum presence_state state, bool hello,
                       struct host_presence *out);
void host_presence_clear(struct host_presence *p);
/* True if the broker keeps us from seeing other hosts; the sentence in r says how. */
bool host_members_unknown(const struct host *h, struct report *r);
/* True if the list is complete, as far as a broker can tell. */
bool host_members_known(const struct host *h);
/* Tells the engine whether the marks of all hosts can be checked. */
void host_members_trust(struct host *h);
/* True if the host with this number in our division is up and has proved that it is alive. */
bool host_member_up(const struct host *h, uint16_t place);

/* --- host/members_turn.c --- */

/* Does what is due; between turns, when nothing read is uncommitted. */
void host_members_turn(struct host *h);

/* The sentence about a presence that is not believed, in r; returns it. */
const char *host_stranger_text(const char *topic, struct report *r);

/* --- host/members_tell.c --- */

/* Adds "hosts", a list that starts with this host, and "hosts_known". */
void host_members_status(const struct host *h, json_t *object);
void host_members_metrics(const struct host *h, struct buf *out);
void host_each_conflict(const struct host *h, host_tell *tell, void *ctx);
void host_each_stranger(const struct host *h, host_tell *tell, void *ctx);
/* Counts the hosts that are up and alive, those that are up but silent, and those that are gone. */
void host_members_counts(const struct host *h, size_t *up, size_t *silent, size_t *gone);

#endif

/*
 * strangers.h - presences that are not believed, because hosts.secret is set and nothing proves that
 * a host that has it wrote them (host/members.c decides that): a host with another secret, or with
 * none, or somebody who may publish to zingq/hosts/#.
 *
 * What they say counts for nothing. Status names them, as long as the broker has them.
 */
#ifndef ZINGQ_PEERS_STRANGERS_H
#define ZINGQ_PEERS_STRANGERS_H

#include "base/limits.h"
#include "peers/members.h"

enum { PRESENCE_TOPIC_BYTES = sizeof "zingq/hosts//" + NAME_BYTES_MAX + HOST_NAME_BYTES_MAX };

/* Zero it. Beyond STRANGERS_MAX the oldest is dropped. */
struct strangers {
    char topics[STRANGERS_MAX][PRESENCE_TOPIC_BYTES];
    size_t count;
};

/* A message as members_take gets it. */
struct stranger_said {
    struct slice topic, payload;
    bool kept;
    int64_t now_ms;
};

/* Such a message. Returns news for the list of hosts: it may have replaced our presence, and an
 * empty one removes a host that is down. *is_new: it is listed from now on; only a presence of our
 * group or services is. */
unsigned strangers_take(struct strangers *s, struct members *m, const struct stranger_said *said,
                        bool *is_new);
/* A message on this topic was believed. */
void strangers_forget(struct strangers *s, struct slice topic);

#endif

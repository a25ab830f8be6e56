/*
 * session.h - ends the broker's session of a host that is gone for good.
 */
#ifndef ZINGQ_DOCTOR_SESSION_H
#define ZINGQ_DOCTOR_SESSION_H

#include "base/error.h"
#include "conf/conf.h"

#include <stdbool.h>

struct doctor_session {
    const char *client_id; /* of the connection that took its events */
    const char *host;      /* its name in topics */
    bool force;            /* although it says that it is up, or nobody knows */
    bool existed;          /* out: the broker had a session of it */
};

/* Connects under the client id, which cuts off a host that uses it, and ends the session, with the
 * messages in it; then clears the host's presence. ERR_BUSY: the host is up, or may be; ERR_NETWORK, ERR_MEMORY,
 * ERR_SYSTEM, ERR_INVALID (the client id): a sentence in r. */
int doctor_end_session(const struct broker_conf *conf, struct doctor_session *s, struct report *r);

#endif

/*
 * companion.h - programs that `zingq dev` starts and stops with the host: a private Mosquitto, and
 * the demo's payment gateway and mail server if they are next to the zingq binary.
 */
#ifndef ZINGQ_HOST_COMPANION_H
#define ZINGQ_HOST_COMPANION_H

#include "base/error.h"

#include <sys/types.h>

enum { COMPANIONS_MAX = 3 };

struct companions {
    pid_t pids[COMPANIONS_MAX];
    size_t count;
    char folder[64]; /* temporary; "" = none */
    char broker_url[64];
};

/* Starts them and waits until the broker listens. Sets ZINGQ_VARS_GATEWAY_URL and
 * ZINGQ_VARS_SMTP_URL for what it started, unless they are set already. Call it before any thread
 * exists. ERR_SYSTEM, ERR_NOTFOUND (no mosquitto on this machine) with a sentence. */
int companions_start(struct companions *c, struct report *r);
void companions_stop(struct companions *c);

#endif

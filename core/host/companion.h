/*
 * companion.h - programs that `zingq dev` starts and that end with the host, however it ends: a
 * private Mosquitto, and the demo's payment gateway and mail server.
 */
#ifndef ZINGQ_HOST_COMPANION_H
#define ZINGQ_HOST_COMPANION_H

#include "base/error.h"

#include <sys/types.h>

enum { COMPANIONS_MAX = 3, COMPANIONS_PATH_BYTES = 1024 };

struct companions {
    pid_t pids[COMPANIONS_MAX];
    size_t count;
    char folder[COMPANIONS_PATH_BYTES]; /* temporary; "" = none */
    pid_t janitor;                      /* ends them and removes the folder; 0 = none */
    int lifeline;                       /* which it does when this is closed; valid with it */
    char broker_url[64];
};

/* Starts them and waits until the broker listens. Sets ZINGQ_VARS_GATEWAY_URL and
 * ZINGQ_VARS_SMTP_URL for what it started, unless they are set already. Call it before any thread
 * exists. ERR_SYSTEM, ERR_NOTFOUND (no mosquitto on this machine) with a sentence. */
int companions_start(struct companions *c, struct report *r);
void companions_stop(struct companions *c);

#endif

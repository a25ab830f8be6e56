/*
 * impl.h - what the fleet's files share; nobody else includes it.
 */
#ifndef ZINGQ_HOST_FLEET_IMPL_H
#define ZINGQ_HOST_FLEET_IMPL_H

#include "host/companion.h"
#include "host/fleet/fleet.h"
#include "host/token.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* One host. Times are monotonic. */
struct fleet_host {
    unsigned number; /* from 1 */
    pid_t pid;       /* 0 = it does not run */
    unsigned starts;
    int64_t started_ms;
    int64_t pause_ms; /* before its next start, should it end */
    int64_t due_ms;   /* it starts then; INT64_MAX = it does not */
    int64_t beat_ms;  /* it was last heard of; 0 = it has not said that it is ready */
    bool ready;       /* it has said so at some start */
    bool stopping;    /* it has said so */
    int words;        /* the socket on which it speaks, as to a service manager */
    char words_name[16];
};

struct fleet {
    const struct host_options *options;
    struct conf *conf;
    struct companions companions;
    char program[4096]; /* this one's file */
    int lock;           /* inherited: held until the last host has gone, too */
    int signals;        /* a signalfd */
    struct fleet_host hosts[PARTITIONS];
    unsigned count;
    char secret[HOST_TOKEN_BYTES]; /* which all of them have: hosts.secret, where it is not set */
    bool told_ready, stopping;
    int64_t stop_due_ms;   /* who is not stopping by then is told to; INT64_MAX = all are told */
    int64_t beat_every_ms; /* for the service manager; 0 = it does not watch */
    int64_t beat_due_ms;
    int status; /* to exit with */
};

/* host/fleet/start.c */
/* The socket on which the host will say that it is ready and that it lives. ERR_SYSTEM. */
int fleet_open_words(struct fleet_host *host, struct report *r);
/* Forks, and becomes the host there; false: the fork failed. The child inherits the lock, dies with
 * this process, and has no signal blocked. */
bool fleet_start(const struct fleet *f, struct fleet_host *host);

#endif

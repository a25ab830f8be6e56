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
    pid_t pid;       /* 0 = not running */
    unsigned starts;
    int64_t started_ms;
    int64_t pause_ms; /* pause before its next start if it ends */
    int64_t due_ms;   /* time of its next start; INT64_MAX = none is due */
    int64_t beat_ms;  /* when it was last heard from; 0 = it has not reported that it is ready */
    bool ready;       /* it has reported so at least once, in any of its starts */
    bool stopping;    /* it has reported that it is stopping */
    int words;        /* the socket for its reports, like that of a service manager */
    char words_name[16];
};

struct fleet {
    const struct host_options *options;
    struct conf *conf;
    struct companions companions;
    char program[4096]; /* path of this program */
    int lock;           /* inherited by the hosts, so it is held until the last of them has ended */
    int signals;        /* a signalfd */
    struct fleet_host hosts[PARTITIONS];
    unsigned count;
    char secret[HOST_TOKEN_BYTES]; /* which all of them have: hosts.secret, where it is not set */
    bool told_ready, stopping;
    int64_t stop_due_ms;   /* hosts not stopping by then are told to; INT64_MAX = all were told */
    int64_t beat_every_ms; /* for the fleet's own service manager; 0 = it does not watch */
    int64_t beat_due_ms;
    int status; /* exit status */
};

/* host/fleet/start.c */
/* Opens the socket on which the host reports that it is ready and alive. ERR_SYSTEM. */
int fleet_open_words(struct fleet_host *host, struct report *r);
/* Forks and executes the host; false if the fork failed. The child inherits the lock, dies with
 * this process, and has no signals blocked. */
bool fleet_start(const struct fleet *f, struct fleet_host *host);

#endif

/*
 * impl.h - what the fleet's files share; nobody else includes it.
 */
#ifndef ZINGQ_HOST_FLEET_IMPL_H
#define ZINGQ_HOST_FLEET_IMPL_H

#include "host/companion.h"
#include "host/fleet/fleet.h"
#include "host/notify.h"
#include "io/httpd/gateway.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { FLEET_SECRET_BYTES = 65 }; /* hex digits and their end */

/* The process that follows a shard of another host: host/fleet/follower.c. */
struct fleet_follower {
    bool wanted;
    bool runs;   /* the process of the shard is this one */
    bool failed; /* the last one ended by itself */
    int64_t pause_ms;
    int64_t level_ms; /* when it last had all of the log, monotonic; 0 = it has not had yet, */
    uint64_t turn;    /* and up to which turn */
};

/* One host; in a cluster, one shard. Times are monotonic. */
struct fleet_host {
    unsigned number; /* from 1 */
    pid_t pid;       /* 0 = not running */
    unsigned starts;
    unsigned failures; /* ends in a row, each soon after the start, that it was not meant to have */
    int64_t started_ms;
    int64_t pause_ms; /* pause before its next start if it ends */
    int64_t due_ms;   /* time of its next start; INT64_MAX = none is due */
    int64_t beat_ms;  /* when it was last heard from; 0 = it has not reported that it is ready */
    bool wanted;      /* it is to run; always, except in a cluster */
    bool ready;       /* it has reported so at least once, in any of its starts */
    bool stopping;    /* it has reported that it is stopping */
    bool told;        /* it was told to, though others go on */
    bool slow;        /* it has been said that it starts slowly */
    bool silent;      /* it was killed for its silence */
    bool attends;     /* it has reported that it accepts at http.listen (host/port.h) */
    int64_t waits_ms; /* how long it wants to be waited for; 0 = as long as others */
    int words;        /* the socket for its reports, like that of a service manager */
    char words_name[16];
    char end[128]; /* how it last ended, for people */
    bool crashed;  /* it was killed, and had started */
    struct fleet_follower follower;
};

struct fleet;

/* http.listen, of all shards of this fleet: host/fleet/door.c. */
struct fleet_door {
    const char *(*why)(const struct fleet *f); /* no shard answers there: a sentence for anyone */
    bool made;                                 /* the loop is */
    uv_loop_t loop;                            /* run by the fleet's own */
    struct gateway *port;                      /* NULL = there is none */
};

struct fleet_member;

struct fleet {
    const struct host_options *options;
    struct conf *conf;
    struct companions companions;
    char program[4096]; /* path of this program */
    int lock;           /* inherited by the hosts, so it is held until the last of them has ended */
    int signals;        /* a signalfd */
    struct fleet_door door;
    struct fleet_host hosts[PARTITIONS];
    unsigned count;                  /* in a cluster 0 as long as the database has not said it */
    const char *what;                /* "host", or "shard" */
    struct fleet_member *member;     /* of a cluster; owned, NULL = of none */
    char secret[FLEET_SECRET_BYTES]; /* which all of them have: hosts.secret, where it is not set */
    char token[FLEET_SECRET_BYTES];  /* likewise http.token; "" = each makes its own */
    bool told_ready, stopping;
    int64_t stop_due_ms;   /* hosts not stopping by then are told to; INT64_MAX = all were told */
    int64_t beat_every_ms; /* for the fleet's own service manager; 0 = it does not watch */
    int64_t beat_due_ms;
    int64_t silence_ms; /* a host that has not reported for that long is killed; 0 = none is */
    int status;         /* exit status */
};

/* The variable by which a shard knows whose it is: the number of the fleet's process. */
#define FLEET_SHARD_OF "ZINGQ_SHARD_OF"
/* Not empty: it is to follow the shard. */
#define FLEET_SHARD_FOLLOWS "ZINGQ_SHARD_FOLLOWS"
/* What a follower reports when it has all of the log, before the number of the last turn. */
#define FLEET_FOLLOWS "FOLLOWS="

enum {
    FLEET_PAUSE_MS_LEAST = 1000,
    FLEET_PAUSE_MS_MOST = 30000,
    FLEET_STEADY_MS = 60000, /* after running this long, pauses start small again */
    FLEET_START_MS = HOST_OPEN_MS,
    FLEET_WORD_BYTES = 64 /* of a report */
};

/* --- host/fleet/words.c --- */

/* Opens the socket on which the host reports that it is ready and alive. ERR_SYSTEM. */
int fleet_open_words(struct fleet_host *host, struct report *r);
/* Takes what the hosts have reported; says whether a follower has all of its log for the first time. */
bool fleet_take_words(struct fleet *f);
/* Sends one line to the fleet's own service manager, if there is one. */
void fleet_tell_manager(const char *text);

/* --- host/fleet/silence.c --- */

enum fleet_silence {
    SILENCE_FINE,
    SILENCE_SLOW /* at its start, for the first time */,
    SILENCE_LONG
};

/* What a host's silence means: one that has reported since its start does so at half of silence_ms;
 * until then it has FLEET_START_MS. One may ask for more time. */
enum fleet_silence fleet_silence(const struct fleet_host *host, int64_t now_ms, int64_t silence_ms);
/* Whether it runs, and has not reported yet. */
bool fleet_starts(const struct fleet_host *host);
/* Kills those that have been silent for too long. */
void fleet_end_silent(struct fleet *f);

/* --- host/fleet/door.c --- */

/* Opens http.listen for the shards, if this is a host of a cluster. With a sentence. */
int fleet_open_door(struct fleet *f, struct report *r);
/* Answers what is there to answer, if no shard does. */
void fleet_attend_door(struct fleet *f);
void fleet_close_door(struct fleet *f);

/* --- host/fleet/prepare.c --- */

/* Reads topics.conf, takes the folder, starts the companions, opens the signals: all that hosts need
 * which are to be started. With a sentence. */
int fleet_prepare(struct fleet *f, struct report *r);
/* The hosts 1 to count; they are not wanted yet. ERR_SYSTEM. */
int fleet_set_hosts(struct fleet *f, unsigned count, struct report *r);
/* Gives all of that back, and frees the fleet, whose member is freed before. */
void fleet_close(struct fleet *f);

/* --- host/fleet/stop.c --- */

void fleet_signal(const struct fleet *f, const struct fleet_host *host, int number);
void fleet_signal_all(const struct fleet *f, int number);
/* Begins to stop all hosts; the second time they stop at once. */
void fleet_stop(struct fleet *f);
/* Tells those to stop that do not by now. */
void fleet_stop_due(struct fleet *f);
/* None runs. */
bool fleet_is_idle(const struct fleet *f);

/* No process of the shard runs but what follows it. */
static inline bool fleet_is_free(const struct fleet_host *host) {
    return host->pid == 0 || host->follower.runs;
}

/* --- host/fleet/status.c --- */

/* What runs here and what is followed, as JSON, in a buffer that is made here. Who follows nothing, ever, says
 * nothing of that. */
void fleet_write_status(const struct fleet *f, struct buf *out);

/* --- host/fleet/start.c --- */

/* Forks and executes the host; false if the fork failed. The child inherits the lock, dies with
 * this process, and has no signals blocked. */
bool fleet_start(const struct fleet *f, struct fleet_host *host);

/* --- host/fleet/ends.c --- */

/* Takes the ends of hosts, and decides when each starts again. */
void fleet_reap(struct fleet *f);
/* None runs, and none will. */
bool fleet_is_over(const struct fleet *f);

#endif

/*
 * impl.h - what the host's files share; nobody else includes it.
 */
#ifndef ZINGQ_HOST_IMPL_H
#define ZINGQ_HOST_IMPL_H

#include "web/admin/admin.h"
#include "peers/ask.h"
#include "host/companion.h"
#include "cluster/turns.h"
#include "engine/engine.h"
#include "io/fetch/fetch.h"
#include "io/otlp/otlp.h"
#include "io/pg/pg.h"
#include "web/front.h"
#include "io/httpd/gateway.h"
#include "host/host.h"
#include "host/loss.h"
#include "base/memory.h"
#include "peers/strangers.h"
#include "io/mqtt/mqtt.h"
#include "lua/script.h"
#include "host/sys/sys.h"
#include "journal/outbox.h"
#include "store/trimmer.h"

#include <sys/queue.h>
#include <uv.h>

/* Subscriptions to signals have an identifier of their own: their service's plus this. A service
 * that subscribes to everything also gets such a message as an event. */
enum { SIGNAL_SUBSCRIPTION = 0x10000 };

/* A filter that the broker refused (reason >= 0x80) or granted with QoS 0 only (reason 0). */
struct filter_flaw {
    char *filter; /* owned */
    uint8_t reason;
};

enum { HOST_FLAWS_MAX = 64 }; /* listed by name in status; further ones are only counted */

/* Which of the broker's terms (host/terms.c) have been logged for a connection. */
struct host_terms {
    bool publishing; /* which connection: the publishing or the subscribing one */
    unsigned told;   /* one bit per term */
};

/* One of our services that other hosts may run, too. */
struct host_share {
    size_t service; /* in conf->services */
    bool held;      /* takes no events because of another host */
    bool left;      /* its subscriptions have been given up as well */
};

/* What this host knows of the others, and what it has announced to them; loop times. */
struct host_members {
    struct members *table;
    struct host_share *shares;  /* by index in members_self; owned */
    struct strangers strangers; /* presences that are not believed */
    int64_t strangers_told_ms;  /* when one was last logged; 0 = never */
    char topic[PRESENCE_TOPIC_BYTES];
    bool due;      /* there is something to do in the next turn */
    bool changed;  /* the list of hosts has changed since the last turn */
    bool keyed;    /* some service needs a division */
    bool decided;  /* this host takes part */
    bool session;  /* the broker has a session of ours, which is not read until `decided` */
    bool refused;  /* this host does not take part, and ends */
    bool given_up; /* its subscriptions have been given up */
    int64_t refused_by_ms;
    size_t held; /* number of services held */
    /* the watch: our subscription to the presences of all hosts */
    bool watch_due, watch_asked, watching;
    bool no_wildcards;
    uint8_t watch_refused; /* the reason code; 0x80 = no answer; 0 = not refused */
    unsigned watch_lost;   /* consecutive connections that ended before the watch was answered */
    int64_t watch_by_ms;
    /* our presence */
    bool say_due, hello_due;
    bool repair; /* the broker retains something else under our name: publish again */
    int say_mid; /* packet id of the presence in flight; 0 = none */
    uint8_t say_refused;
    int64_t denied_ms; /* when the broker refused it; 0 = not on this connection */
    unsigned say_lost; /* consecutive connections that ended before it was answered, or over it */
    int64_t said_ms;
    int64_t again_ms;   /* when what ended connections is tried again; 0 = nothing has */
    int64_t pause_ms;   /* before that; grows until our presence comes back */
    int64_t echo_by_ms; /* our presence should have come back by then; 0 = not expected */
    int64_t joined_ms;  /* it came back, and so have all retained presences by then; 0 = not yet */
    bool settled;       /* the list was built on this connection */
    bool known;         /* our presence came back, so we see other hosts, too */
    bool no_echo;       /* our presence did not come back in time */
    int64_t silent_ms;  /* hosts that have not answered by then are silent; INT64_MAX = all have */
    bool told_garbage, told_wait, told_marks;
};

/* The log of the store in PostgreSQL: host/logged.c. */
struct host_log {
    struct turns *turns;            /* NULL = the store has none; owned, like what follows */
    char name[CONF_LOG_NAME_BYTES]; /* of the log in the database */
    char owner[256];                /* which process has it, for people */
    uv_timer_t timer;               /* asks whether it is still ours */
    bool over;                      /* it is not, or has lost turns: the host ends */
    bool away;                      /* the database does not answer, which the log said */
    struct trimmer *trimmer;        /* keeps it short: sends by a thread of libuv */
    uv_work_t sending;
    bool sends;
    int failed;        /* how the last attempt ended; 0 = well */
    int64_t failed_ms; /* since then none has ended well */
    int64_t again_ms;  /* no other before then */
    int64_t pause_ms;  /* before that one */
    uv_work_t syncing; /* the copy's file, by a thread of libuv, */
    int file;          /* which has it; -1 = none is under way */
    int sync_error;    /* errno */
    int64_t synced_ms; /* loop time when the last one began */
};

/* Another version of topics.conf: host/reload.c. */
struct host_reload {
    struct conf *conf;               /* checked, not taken over yet; NULL = none; owned */
    struct script_host *scripts;     /* its scripts; owned */
    struct gateway_request *request; /* waits for the outcome; NULL = nobody */
    int64_t late_ms;                 /* loop time when attempts are not waited for any more */
    bool prune;                      /* give up subscriptions that it no longer has */
    bool again;                      /* asked again meanwhile */
    int64_t read_ms;                 /* wall clock: when what runs was read */
    char error[1024];                /* why the last one was refused; "" = it was not */
};
STAILQ_HEAD(host_calls, host_call);
struct host_stand_in;

enum { HOST_TOKEN_BYTES = 65 }; /* hex digits and their end */

/* Receives each warning in force; `blocks`: the host is not ready because of it. */
typedef void host_tell(void *ctx, bool blocks, const char *text);

struct host {
    const struct host_options *options;
    uv_loop_t loop;
    uv_check_t check;
    uv_idle_t idle;           /* active while there is more to do immediately */
    uv_timer_t timer;         /* the next turn that time makes due */
    uv_timer_t reload_timer;  /* collects the many events that saving one file causes */
    uv_timer_t drain_timer;   /* ends the wait for attempts: a stop, a reload */
    uv_timer_t answers_timer; /* ends the wait for clients that have no answer yet: a stop */
    uv_timer_t saved_timer;   /* zingq dev: topics.conf was saved */
    uv_timer_t sys_timer;     /* every sys.interval */
    uv_timer_t alone_timer;   /* ends the outbox's wait for the status topics */
    uv_timer_t repeat_timer;  /* repeats the log lines about why the host is not ready */
    uv_timer_t members_timer; /* the next thing due concerning other hosts */
    uv_timer_t manager_timer; /* keeps the service manager informed, if it watches */
    uv_signal_t sigterm, sigint, sighup;
    uv_fs_event_t watch;
    uv_fs_event_t conf_watch; /* zingq dev */
    struct conf_overrides overrides;
    struct conf *conf; /* its contents change: conf_exchange */
    struct host_reload reload;
    struct store *store;
    struct host_log log;
    struct culprit *culprit; /* DATA/processor */
    int64_t linger_ms;       /* between two turns of a busy host */
    int64_t sync_us;         /* what the disk takes for a commit; 0 = not measured */
    struct memory memory;    /* the budget: limits.memory */
    struct script_host *scripts;
    struct engine *engine;
    struct mqtt *subscriber;                   /* the connection that takes events */
    struct mqtt *publisher;                    /* the connection that publishes */
    struct broker_conf broker, publisher_conf; /* one for each; host/broker.c sets the address */
    size_t broker_at;                          /* index in broker.addresses */
    uint64_t broker_up_ms;                     /* loop time of connecting; 0 = not connected */
    size_t hopeless;                           /* consecutive brokers where retrying is pointless */
    char publisher_client_id[260];
    struct fetch *fetch;
    struct pg *pg;          /* the databases */
    struct otlp *otlp;      /* NULL = no telemetry */
    struct gateway *socket; /* DATA/zingq.sock */
    struct gateway *tcp;    /* http.listen; NULL = none */
    struct admin *admin;
    struct front *front;
    char token[HOST_TOKEN_BYTES]; /* host/token.c */
    struct sys *sys;
    struct host_members members;
    struct host_stand_in *stand_ins; /* indexed by host number; owned, NULL = no division */
    uint64_t stood_in_messages;      /* taken for hosts that were away */
    struct ask *ask;                 /* NULL = there are no other hosts */
    struct host_calls asks;          /* requests of handlers, oldest first; owned */
    size_t ask_count, asks_served;   /* in `asks`, and those of them that admin is serving */
    struct companions companions;
    char client_id[256];
    int64_t started_ms;
    uint64_t nap_until_ms;            /* loop time before which no turn runs, see nap_if_busy */
    int64_t retry_ms;                 /* no turn before this time: the last one failed */
    size_t turn_messages, turn_bytes; /* offered to the engine since the last turn */
    bool publisher_readable;          /* the publishing connection's socket has input */
    bool readable;                    /* the subscribing connection's socket has input */
    bool stopping;
    bool leaving;                      /* unsubscribed for good: stops when nothing is waiting */
    bool drop;                         /* drop the connection: a message could not be stored */
    struct host_loss loss;             /* of the subscribing connection */
    struct host_loss publisher_loss;   /* of the publishing connection */
    int status;                        /* exit status */
    uint64_t passed_over, for_removed; /* messages nobody wants; for services that were removed */
    size_t forwards_asked;             /* subscriptions of host/forward.c not answered yet */
    bool leave_asked;                  /* zingq leave: every subscription is being given up */
    size_t filters;                    /* subscriptions wanted */
    size_t granted;                    /* granted on this connection */
    size_t refused, weak;              /* refused; granted, but with QoS 0 only */
    struct filter_flaw flaws[HOST_FLAWS_MAX]; /* the filters of these two */
    size_t flaw_count;
    struct host_terms terms, publisher_terms;
    bool told_mosquitto;       /* host_terms_mosquitto has logged its lines */
    char broker_error[256];    /* why the subscribing connection is down; "" while it is up */
    char publisher_error[256]; /* why the publishing connection is down; "" while it is up */
};

#endif

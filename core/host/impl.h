/*
 * impl.h - what the host's files share; nobody else includes it.
 */
#ifndef ZINGQ_HOST_IMPL_H
#define ZINGQ_HOST_IMPL_H

#include "web/admin/admin.h"
#include "peers/ask.h"
#include "host/companion.h"
#include "engine/engine.h"
#include "io/fetch/fetch.h"
#include "web/front.h"
#include "io/httpd/gateway.h"
#include "host/host.h"
#include "host/loss.h"
#include "base/memory.h"
#include "peers/members.h"
#include "io/mqtt/mqtt.h"
#include "lua/script.h"
#include "host/sys/sys.h"
#include "journal/outbox.h"

#include <sys/queue.h>
#include <uv.h>

/* Signals come under a subscription identifier of their own, this much above their service's: a
 * service that subscribes to everything gets such a message as an event besides. */
enum { SIGNAL_SUBSCRIPTION = 0x10000 };

/* A filter that the broker refused (reason >= 0x80) or granted with QoS 0 only (reason 0). */
struct filter_flaw {
    char *filter; /* owned */
    uint8_t reason;
};

enum { HOST_FLAWS_MAX = 64 }; /* named in status; more are counted */

/* What of the broker's terms (host/terms.c) was told on a connection. */
struct host_terms {
    bool publishing; /* the connection: this one, or the one that subscribes */
    unsigned told;   /* a bit a term */
};

/* One of our services that other hosts may have, too. */
struct host_share {
    size_t service; /* in conf->services */
    bool held;      /* it takes no events, because of another host */
    bool left;      /* and its filters are given up */
};

/* How far the host is with the others; loop times. */
struct host_members {
    struct members *table;
    struct host_share *shares; /* by number in members_self; owned */
    char topic[sizeof "zingq/hosts//" + NAME_BYTES_MAX + HOST_NAME_BYTES_MAX];
    bool due;      /* something to do in the next turn */
    bool changed;  /* the list is not as it was */
    bool keyed;    /* a service needs a division */
    bool decided;  /* we take part */
    bool session;  /* the broker has one of ours, not looked into before that is decided */
    bool refused;  /* we do not: the host ends */
    bool given_up; /* and its subscriptions are gone */
    int64_t refused_by_ms;
    size_t held; /* services */
    /* the watch */
    bool watch_due, watch_asked, watching;
    bool no_wildcards;
    uint8_t watch_refused; /* the reason; 0x80 = no answer; 0 = it was not */
    unsigned watch_lost;   /* connections in a row that ended before it was answered */
    int64_t watch_by_ms;
    /* our presence */
    bool say_due, hello_due;
    bool repair; /* the broker keeps something else under our name */
    int say_mid; /* of the publish under way; 0 = none */
    uint8_t say_refused;
    int64_t denied_ms; /* when; 0 = not on this connection */
    unsigned say_lost; /* connections in a row that ended before it was answered, or over that */
    int64_t said_ms;
    int64_t pause_ms;   /* what ended connections is not tried again before */
    int64_t echo_by_ms; /* it is to come back by then; 0 = not awaited */
    int64_t joined_ms;  /* it has, and by then so has all that the broker kept; 0 = not yet */
    bool settled;       /* the list is that of this connection */
    bool known;         /* it came back, so others are seen */
    bool no_echo;       /* it did not */
    int64_t silent_ms;  /* who has not answered by then is silent; INT64_MAX = all have */
    bool told_garbage, told_wait;
};
STAILQ_HEAD(host_calls, host_call);
struct host_stand_in;

enum { HOST_TOKEN_BYTES = 65 }; /* hex digits and their end */

/* Is given each thing there is to say now; `blocks`: the host is not ready because of it. */
typedef void host_tell(void *ctx, bool blocks, const char *text);

struct host {
    const struct host_options *options;
    uv_loop_t loop;
    uv_check_t check;
    uv_idle_t idle;          /* active while there is more to do at once */
    uv_timer_t timer;        /* the next turn the clock makes due */
    uv_timer_t reload_timer; /* gathers the many events of one saved file */
    uv_timer_t drain_timer;
    uv_timer_t sys_timer;     /* every sys.interval */
    uv_timer_t alone_timer;   /* the outbox no longer waits for the status topics */
    uv_timer_t repeat_timer;  /* what keeps the host from being ready is logged again */
    uv_timer_t members_timer; /* what is due with other hosts */
    uv_timer_t manager_timer; /* for the service manager, when it watches */
    uv_signal_t sigterm, sigint, sighup;
    uv_fs_event_t watch;
    struct conf *conf;
    struct store *store;
    struct culprit *culprit; /* DATA/processor */
    struct memory memory;    /* the budget: limits.memory */
    struct script_host *scripts;
    struct engine *engine;
    struct mqtt *subscriber;                   /* the connection that takes events */
    struct mqtt *publisher;                    /* the connection that publishes */
    struct broker_conf broker, publisher_conf; /* of the two; host/broker.c sees to where they go */
    size_t broker_at;                          /* of broker.addresses */
    uint64_t broker_up_ms; /* loop time: connected to it since; 0 = not connected */
    size_t hopeless;       /* in a row: brokers where there is no use in trying */
    char publisher_client_id[260];
    struct fetch *fetch;
    struct gateway *socket; /* DATA/zingq.sock */
    struct gateway *tcp;    /* http.listen; NULL = none */
    struct admin *admin;
    struct front *front;
    char token[HOST_TOKEN_BYTES]; /* see host/token.c */
    struct sys *sys;
    struct host_members members;
    struct host_stand_in *stand_ins; /* by number of the host; owned, NULL = no division */
    uint64_t stood_in_messages;      /* taken for hosts that were away */
    struct ask *ask;                 /* NULL = there is no other host */
    struct host_calls asks;          /* of handlers, oldest first; owned */
    size_t ask_count, asks_served;   /* of these; with admin */
    struct companions companions;
    char client_id[256];
    int64_t started_ms;
    uint64_t nap_until_ms;            /* loop time: no turns before, see nap_if_busy */
    int64_t retry_ms;                 /* no turns before: the last one failed */
    size_t turn_messages, turn_bytes; /* offered to the engine since the last turn */
    bool publisher_readable;          /* the same of the publishing one */
    bool readable;                    /* the broker's socket has input */
    bool stopping;
    bool leaving;                    /* unsubscribed for good: stops when nothing waits */
    bool drop;                       /* the connection: a message could not be kept */
    struct host_loss loss;           /* of the connection that subscribes */
    struct host_loss publisher_loss; /* of the one that publishes */
    int status;                      /* to exit with */
    uint64_t passed_over;            /* messages for services that are gone */
    size_t forwards_asked;           /* subscriptions of host/forward.c without an answer */
    bool leave_asked;                /* zingq leave: every subscription is being given up */
    size_t filters;                  /* wanted of the broker */
    size_t granted;                  /* of them on this connection */
    size_t refused, weak;            /* and those refused, and granted with QoS 0 only */
    struct filter_flaw flaws[HOST_FLAWS_MAX]; /* of these two */
    size_t flaw_count;
    struct host_terms terms, publisher_terms;
    bool told_mosquitto;       /* host_terms_mosquitto */
    char broker_error[256];    /* why the connection that subscribes is down; "" while it stands */
    char publisher_error[256]; /* the same of the one that publishes */
};

#endif

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
#include "peers/members.h"
#include "io/mqtt/mqtt.h"
#include "lua/script.h"
#include "host/sys.h"
#include "journal/outbox.h"

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
struct host_call;
struct host_stand_in;

enum { HOST_TOKEN_BYTES = 65 }; /* hex digits and their end */

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
    struct script_host *scripts;
    struct engine *engine;
    struct mqtt *mqtt;                   /* subscribes */
    struct mqtt *out;                    /* publishes */
    struct broker_conf broker, out_conf; /* of the two; host/broker.c sees to where they go */
    size_t broker_at;                    /* of broker.addresses */
    uint64_t broker_up_ms;               /* loop time: connected to it since; 0 = not connected */
    size_t hopeless;                     /* in a row: brokers where there is no use in trying */
    char out_client_id[260];
    struct fetch *fetch;
    struct gateway *socket; /* DATA/zingq.sock */
    struct gateway *tcp;    /* http.listen; NULL = none */
    struct admin *admin;
    struct front *front;
    char token[HOST_TOKEN_BYTES]; /* see host/token.c */
    struct sys *sys;
    struct host_members members;
    struct host_stand_in *stand_ins;   /* by number of the host; owned, NULL = no division */
    uint64_t stood_in_messages;        /* taken for hosts that were away */
    struct ask *ask;                   /* NULL = there is no other host */
    struct host_call *asks, *last_ask; /* of handlers, oldest first; owned */
    size_t ask_count, asks_served;     /* of these; with admin */
    struct companions companions;
    char client_id[256];
    int64_t started_ms;
    uint64_t nap_until_ms;            /* loop time: no turns before, see nap_if_busy */
    int64_t retry_ms;                 /* no turns before: the last one failed */
    size_t turn_messages, turn_bytes; /* offered to the engine since the last turn */
    bool out_readable;                /* the same of the publishing one */
    bool readable;                    /* the broker's socket has input */
    bool stopping;
    bool leaving;              /* unsubscribed for good: stops when nothing waits */
    bool drop;                 /* the connection: a message could not be kept */
    struct host_loss loss;     /* of the connection that subscribes */
    struct host_loss out_loss; /* of the one that publishes */
    int status;                /* to exit with */
    uint64_t passed_over;      /* messages for services that are gone */
    size_t forwards_asked;     /* subscriptions of host/forward.c without an answer */
    bool leave_asked;          /* zingq leave: every subscription is being given up */
    size_t filters;            /* wanted of the broker */
    size_t granted;            /* of them on this connection */
    size_t refused, weak;      /* and those refused, and granted with QoS 0 only */
    struct filter_flaw flaws[HOST_FLAWS_MAX]; /* of these two */
    size_t flaw_count;
    struct host_terms terms, out_terms;
    bool told_mosquitto;    /* host_terms_mosquitto */
    char broker_error[256]; /* why the connection that subscribes is down; "" while it stands */
    char out_error[256];    /* the same of the one that publishes */
};

/* host/host.c */
/* The loop does not sleep before the next turn. */
void host_wake(struct host *h);
/* Stops new work and ends when what waits for a call is through; called again: at once. */
void host_stop(struct host *h, int status);
/* Reads the scripts again and logs what changed. */
void host_reload(struct host *h);

/* host/broker.c */
/* Which of the brokers: at first the first. */
void host_choose_broker(struct host *h);
/* The connection that subscribes stands. */
void host_broker_up(struct host *h);
/* A connection is lost, or could not be had. Says what is worth saying, ends a host for which there
 * is no use in trying, goes to the next broker when there is one. `publishing`: the connection. */
void host_broker_down(struct host *h, bool publishing, enum mqtt_down why, const char *text);

/* host/publisher.c */
int host_open_publisher(struct host *h, struct report *r);
/* Publishes the status topics when they are due. After the outbox's flush. */
void host_publish_status(struct host *h);
/* The engine's door: queues a publish. */
int host_publish(void *ctx, const struct publication *p, int *mid);
/* Takes acknowledgements, sends what may follow. Allowed at any time outside the engine. */
void host_pump(struct host *h);

/* host/ask.c */
/* Makes h->ask when there are other hosts. ERR_MEMORY. */
int host_open_asks(struct host *h);
/* Publishes requests and answers that wait; before the outbox, whose window is never empty. */
void host_ask_send(struct host *h);
/* Begins a handler's call of the kind that asks; ERR_LIMIT, ERR_MEMORY. Allowed in the turn. */
int host_ask_start(struct host *h, uint64_t id, const struct call_request *request);
/* Whether it was such a call; nobody waits for it any more. */
bool host_ask_cancel(struct host *h, uint64_t id);
/* After admin: what is under way is forgotten. */
void host_close_asks(struct host *h);
/* Whether host_ask_work has something to do. */
bool host_ask_due(const struct host *h);
/* Serves what other hosts and the handlers ask, hands over the answers. Between turns. */
void host_ask_work(struct host *h);

/* host/forward.c */
/* The engine's doors. */
int host_forward(void *ctx, uint16_t host, struct slice message);
int host_receipt(void *ctx, uint16_t host, struct slice receipt);
/* A host came, or went away. */
void host_forward_members(struct host *h);
/* The connection that publishes stands. */
void host_forward_up(struct host *h);
/* Whether the message was from another host; then it has been taken. */
bool host_forward_heard(struct host *h, const struct mqtt_message *m);
/* Whether it is the SUBACK of a filter of this file. */
bool host_forward_answered(struct host *h, const char *filter, uint8_t reason);

/* host/session.c */
/* Subscribes every service that runs here, gives up what an earlier run had and this one has not.
 */
int host_subscribe(struct host *h, struct report *r);
/* Connected: was the session there if it should have been? */
void host_session_up(struct host *h, bool present);
/* What was to be given up is given up. */
void host_session_tidied(struct host *h);
/* Whether this data folder ever had a session at a broker of topics.conf: then that can be good. */
bool host_had_session(struct host *h);
/* Nothing is subscribed any more: the next start expects no session. */
void host_session_ended(struct host *h);

/* host/terms.c */
/* A connection stands: what this broker costs is logged. */
void host_terms_up(struct host *h, bool publishing);
/* The broker is a Mosquitto: what that costs is logged, once. */
void host_terms_mosquitto(struct host *h);
/* A SUBACK, or what stands for one. */
void host_filter_answered(struct host *h, const char *filter, uint8_t reason);
/* Another answer than `before`, a refusal. */
void host_filter_answered_anew(struct host *h, const char *filter, uint8_t before, uint8_t reason);
/* Is given each thing there is to say now; `blocks`: the host is not ready because of it. */
typedef void host_tell(void *ctx, bool blocks, const char *text);
/* Logs what blocks once more, but for what was just said. */
void host_repeat_warnings(const struct host *h);
/* Both connections stand, and every subscription: what is published from now on reaches every
 * service. */
bool host_broker_ready(const struct host *h);
/* Why it is not, for anyone to read: no names, no addresses. Strings are added to `list`. */
void host_broker_reasons(const struct host *h, json_t *list);
/* Adds "subscribing", "publishing", "subscriptions", "subscriptions_refused", "refused_filters" and
 * "warnings". */
void host_terms_status(const struct host *h, json_t *host);
void host_terms_metrics(const struct host *h, struct buf *out);
void host_terms_clear(struct host *h);
/* A filter of the service, answered, is unsubscribed: it is not wanted any more. */
void host_filter_given_up(struct host *h, const struct service_conf *s, const char *filter);

/* host/members.c */
/* Makes the table, and the will of the connection that subscribes. ERR_MEMORY. The caller clears
 * `will`. */
int host_members_open(struct host *h, struct buf *will);
void host_members_close(struct host *h);
/* The two connections stand, or are lost: the subscribing one, then the publishing one. */
void host_members_up(struct host *h, bool session_present);
void host_members_down(struct host *h);
void host_members_watch_up(struct host *h);
void host_members_watch_down(struct host *h);
/* A SUBACK, a message, the broker's answer to a publish: whether it was about the hosts. */
bool host_members_watched(struct host *h, const char *filter, uint8_t reason);
bool host_members_heard(struct host *h, const struct mqtt_message *m);
void host_members_published(struct host *h, int mid, uint8_t reason);
/* The watch waits for its answer: nothing else is to be asked on its connection. */
bool host_members_asks(const struct host *h);
/* A subscription of the other connection was answered. */
void host_members_answered(struct host *h);
/* What is due; between turns, nothing read and not committed. */
void host_members_turn(struct host *h);
/* Something of this is due. */
void host_members_look(struct host *h);
/* Once a minute: what the broker refuses is asked for again. */
void host_members_repeat(struct host *h);
/* Before the subscribing connection's DISCONNECT: the host is gone, or has left for good. */
void host_members_goodbye(struct host *h);
/* The presence as `state`, which is ours from now on unless it is PRESENCE_GONE. ERR_MEMORY. The
 * caller clears `out`. */
int host_members_write(struct host *h, enum presence_state state, bool hello, struct buf *out);
/* Whether the broker keeps us from knowing the others, and how: the sentence in r. */
bool host_members_unknown(const struct host *h, struct report *r);
/* Whether the list is complete, as far as a broker can tell. */
bool host_members_known(const struct host *h);
/* Whether the host of our division with this number is up, and has shown that it lives. */
bool host_member_up(const struct host *h, uint16_t place);

/* host/stand_in.c */
int host_stand_in_open(struct host *h);
/* Ends the connections; before the loop is closed. */
void host_stand_in_close(struct host *h);
/* In the turn, as h->mqtt: whether there is something to read; reading some from each; after the
 * commit; when it failed; back-pressure. */
bool host_stand_in_readable(const struct host *h);
void host_stand_in_collect(struct host *h, size_t messages_max);
void host_stand_in_flush(struct host *h);
void host_stand_in_drop(struct host *h);
void host_stand_in_hold(struct host *h, bool hold);
/* Begins and ends; between turns. When time alone makes that due: INT64_MAX = never. */
void host_stand_in_turn(struct host *h, int64_t now_ms);
int64_t host_stand_in_next_ms(const struct host *h, int64_t now_ms);
void host_stand_in_metrics(const struct host *h, struct buf *out);
void host_each_stand_in(const struct host *h, host_tell *tell, void *ctx);

/* host/members_tell.c */
/* Adds "hosts", a list that begins with this host, and "hosts_known". */
void host_members_status(const struct host *h, json_t *object);
void host_members_metrics(const struct host *h, struct buf *out);
void host_each_conflict(const struct host *h, host_tell *tell, void *ctx);
/* Members that are up and have shown it, and those that are gone. */
void host_members_counts(const struct host *h, size_t *up, size_t *silent, size_t *gone);

/* host/join.c */
void host_join_open(struct host *h);
void host_join_up(struct host *h, bool session_present);
void host_join_down(struct host *h); /* either connection is lost */
void host_join_watch_up(struct host *h);
/* Whether the subscribing connection must not be read: what its session has is not ours yet. */
bool host_join_waits(const struct host *h);
/* Takes part, or ends the host, when that can be known. */
void host_join_try(struct host *h, int64_t now_ms);
/* Holds services, or goes on with them. */
void host_join_judge(struct host *h, int64_t now_ms);
/* In place of a turn when the host is not to take part: what comes is dropped, nothing is
 * acknowledged, and the host ends when its subscriptions are gone. False: it is. */
bool host_join_is_refused(struct host *h);
void host_join_unsubscribed(struct host *h);

/* host/forward_tell.c */
/* Adds "forwards": what waits for whom. */
void host_forward_status(const struct host *h, json_t *object);
void host_forward_metrics(const struct host *h, struct buf *out);
/* What has waited too long. */
void host_each_forward(const struct host *h, host_tell *tell, void *ctx);

/* host/shortage.c */
/* gateway's callback. */
bool host_make_room(void *ctx);
/* Calls `tell` for each thing that is lacking. */
void host_each_shortage(const struct host *h, host_tell *tell, void *ctx);
void host_shortage_metrics(const struct host *h, struct buf *out);

/* host/token.c */
/* Sets h->token, made now if there is none yet. ERR_SYSTEM, ERR_INVALID with a sentence. */
int host_load_token(struct host *h, struct report *r);
/* Appends "http://127.0.0.1:8080/login?token=..."; false where there is no front door over TCP. */
bool host_login_link(const struct host *h, struct buf *out);
/* Tokens as topics.conf has them now; if it is wrong they stay as they were, and the log says so. */
void host_reload_tokens(struct host *h);
/* What the tokens lack, in the log. */
void host_warn_tokens(const struct host *h);

/* host/doors.c */
int64_t host_now_ms(const struct host *h);
/* What came from the broker goes to the engine. `host`: whose session it is from, when that one is
 * away; 0 = ours. False: no service wants it. */
bool host_take(struct host *h, const struct mqtt_message *m, uint16_t host);
struct engine_doors host_engine_doors(struct host *h);
/* Makes fetch, mqtt (subscribed, not started), admin and the socket. A sentence in r. */
int host_open_doors(struct host *h, struct report *r);

#endif

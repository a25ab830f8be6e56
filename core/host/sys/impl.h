/*
 * impl.h - what host/sys/sys.c (the host's figures) and host/sys/broker.c (the broker's) share; nobody
 * else includes it.
 */
#ifndef ZINGQ_HOST_SYS_IMPL_H
#define ZINGQ_HOST_SYS_IMPL_H

#include "base/limits.h"
#include "base/mids.h"
#include "host/sys/sys.h"

enum { SYS_BROKER_FIGURES = 5, PROOF_SUBACK = -1 };

/* What is known of the broker. */
struct sys_broker {
    int64_t values[SYS_BROKER_FIGURES]; /* -1 = never told */
    unsigned unanswered;                /* subscriptions without a SUBACK on this connection */
    unsigned lost; /* connections in a row that ended before the broker had answered */
    bool refused;  /* said already */
    bool given_up; /* asking ends the connection: never again */
};

/* Whether the broker takes our status topics. The first publish of a connection asks: it goes with
 * QoS 1 and alone, and the others follow its PUBACK. */
enum sys_leave { LEAVE_UNASKED, LEAVE_ASKED, LEAVE_GIVEN };

struct sys_pause {
    enum sys_leave leave;    /* on this connection */
    int mid;                 /* of the publish that asks */
    uint64_t alone_until_ms; /* loop time: so long the outbox waits for the answer */
    uint64_t until_ms;       /* loop time: not asked before; 0 = no pause */
    unsigned lost;           /* connections in a row that ended with the question open */
    uint8_t reason;          /* of the refusal; 0 = the broker ends the connection instead */
    bool said;               /* in the log */
};

struct sys {
    const struct conf *conf;
    struct engine *engine;
    char topic[sizeof "zingq/sys/" + 256];
    char will_topic[sizeof "zingq/sys//broker/connected" + 256];
    char **sent;    /* the value sent last, by row; owned; NULL = none on this connection */
    char *gone;     /* services of an earlier run whose topics are still there, one a line; owned */
    bool due;       /* what has changed is to be published */
    bool fresh;     /* nothing was published on this connection yet */
    bool unwatched; /* the broker's figures are to be asked for on this connection */
    bool dirty;     /* something was queued since the last flush */
    bool unproven;  /* the broker may not have come to all that was sent on this connection */
    int proof_mid;  /* of the publish sent last, if that gets an answer, or PROOF_SUBACK; else 0 */
    struct mqtt *mqtt; /* during sys_publish and sys_goodbye */
    struct mids under_way;
    struct sys_pause pause;
    struct sys_broker broker;
};

/* host/sys/pause.c */
/* A connection is there; it is gone. */
void sys_pause_up(struct sys *s, uint64_t now_ms);
void sys_pause_down(struct sys *s, uint64_t now_ms);
/* The broker answered a status publish. */
void sys_pause_answered(struct sys *s, int mid, uint8_t reason, uint64_t now_ms);
bool sys_is_off(const struct sys *s);
/* Whether the question may be asked now. */
bool sys_may_ask(const struct sys *s, uint64_t now_ms);
/* It was: `mid` is its publish. */
void sys_asked(struct sys *s, int mid, uint64_t now_ms);
/* What is sent now for the first time on this connection is to go alone, too. */
void sys_stay_alone(struct sys *s, uint64_t now_ms);

/* host/sys/broker.c */
void sys_broker_init(struct sys *s);
/* Asks for the broker's figures on the connection in force. */
void sys_broker_watch(struct sys *s, struct mqtt *mqtt);
void sys_broker_down(struct sys *s);

#endif

/*
 * impl.h - shared by host/sys/sys.c (the host's figures) and host/sys/broker.c (the broker's
 * figures); nobody else includes it.
 */
#ifndef ZINGQ_HOST_SYS_IMPL_H
#define ZINGQ_HOST_SYS_IMPL_H

#include "base/limits.h"
#include "base/mids.h"
#include "host/sys/sys.h"

enum { SYS_BROKER_FIGURES = 5, PROOF_SUBACK = -1 };

/* What is known about the broker. */
struct sys_broker {
    int64_t values[SYS_BROKER_FIGURES]; /* -1 = never received */
    int64_t dropped_ms;  /* when it had last dropped more; 0 = not since the host started */
    unsigned unanswered; /* subscriptions without a SUBACK on this connection */
    unsigned lost;       /* consecutive connections that ended before the broker had answered */
    bool refused;        /* the refusal has been logged */
    bool given_up;       /* subscribing ends the connection: never try again */
};

/* Whether the broker accepts our status topics. The first publish of a connection asks: it goes
 * alone, with QoS 1, and the others follow its PUBACK. */
enum sys_leave { LEAVE_UNASKED, LEAVE_ASKED, LEAVE_GIVEN };

struct sys_pause {
    enum sys_leave leave;    /* on this connection */
    int mid;                 /* packet id of the publish that asks */
    uint64_t alone_until_ms; /* loop time until which the outbox waits for the answer */
    uint64_t until_ms;       /* loop time before which we do not ask; 0 = no pause */
    unsigned lost;           /* consecutive connections that ended before the answer */
    uint8_t reason;          /* of the refusal; 0 = the broker ends the connection instead */
    bool said;               /* the pause has been logged */
};

struct sys {
    const struct conf *conf;
    struct engine *engine;
    char topic[sizeof "zingq/sys/" + 256];
    char will_topic[sizeof "zingq/sys//broker/connected" + 256];
    size_t sent_count;
    char **sent;    /* the value sent last, by row; owned; NULL = none on this connection */
    char *gone;     /* services of an earlier run whose topics still exist, one per line; owned */
    bool due;       /* changed values are to be published */
    bool fresh;     /* no status has been published on this connection yet */
    bool unwatched; /* the broker's figures have not been subscribed to on this connection yet */
    bool dirty;     /* something was queued since the last flush */
    bool unproven;  /* the broker may not have processed everything sent on this connection yet */
    int proof_mid;  /* packet id of the last publish if QoS > 0, or PROOF_SUBACK; else 0 */
    struct mqtt *mqtt; /* during sys_publish and sys_goodbye */
    struct mids under_way;
    struct sys_pause pause;
    struct sys_broker broker;
};

/* host/sys/pause.c */
/* A connection is up; it is lost. */
void sys_pause_up(struct sys *s, uint64_t now_ms);
void sys_pause_down(struct sys *s, uint64_t now_ms);
/* The broker answered a status publish. */
void sys_pause_answered(struct sys *s, int mid, uint8_t reason, uint64_t now_ms);
bool sys_is_off(const struct sys *s);
/* True if a publish that asks may be sent now. */
bool sys_may_ask(const struct sys *s, uint64_t now_ms);
/* It was sent, with packet id `mid`. */
void sys_asked(struct sys *s, int mid, uint64_t now_ms);
/* The first status publishes of a connection, or subscriptions, follow: they also go alone. */
void sys_stay_alone(struct sys *s, uint64_t now_ms);

/* host/sys/broker.c */
void sys_broker_init(struct sys *s);
/* Subscribes to the broker's figures on this connection. */
void sys_broker_watch(struct sys *s, struct mqtt *mqtt);
void sys_broker_down(struct sys *s);

#endif

/*
 * sys_impl.h - what sys.c (the host's figures) and sys_broker.c (the broker's) share; nobody else
 * includes it.
 */
#ifndef ZINGQ_SYS_IMPL_H
#define ZINGQ_SYS_IMPL_H

#include "sys.h"

enum { SYS_MIDS = 65536, SYS_BROKER_FIGURES = 5 };

/* What is known of the broker. */
struct sys_broker {
    int64_t values[SYS_BROKER_FIGURES]; /* -1 = never told */
    unsigned unanswered;                /* subscriptions without a SUBACK on this connection */
    unsigned lost; /* connections in a row that ended before the broker had answered */
    bool refused;  /* said already */
    bool given_up; /* asking ends the connection: never again */
};

struct sys {
    const struct conf *conf;
    struct engine *engine;
    char topic[sizeof "zingq/sys/" + 256];
    char will_topic[sizeof "zingq/sys//broker/connected" + 256];
    char **sent; /* the value sent last, by row; owned; NULL = none on this connection */
    char *gone;  /* services of an earlier run whose topics are still there, one a line; owned */
    bool due;    /* what has changed is to be published */
    bool fresh;  /* nothing was published on this connection yet */
    bool dirty;  /* something was queued since the last flush */
    struct mqtt *mqtt;               /* during sys_publish and sys_goodbye */
    uint8_t under_way[SYS_MIDS / 8]; /* a bit for each mid of ours without its on_published */
    struct sys_broker broker;
};

/* sys_broker.c */
void sys_broker_init(struct sys *s);
/* Asks for the broker's figures on the connection in force. */
void sys_broker_watch(struct sys *s, struct mqtt *mqtt);
void sys_broker_down(struct sys *s);

#endif

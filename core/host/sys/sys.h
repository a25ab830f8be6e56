/*
 * sys.h - the host's figures as retained topics, zingq/sys/<host>/..., in the manner of a broker's
 * own $SYS; and the broker's $SYS, read for what it says about lost messages.
 *
 * <host> is the client id without a leading "zingq-"; of a UUID its last 12 digits. What is not a
 * letter, a digit, '.', '_' or '-' becomes '-'. docs/monitoring.md lists every topic.
 *
 * Status is no event: it goes straight to the connection with QoS 0, never through the outbox, and
 * what is lost comes again with the next change or connection. A broker whose access rules do not
 * allow it is not bothered with it, see host/sys/pause.c.
 */
#ifndef ZINGQ_HOST_SYS_SYS_H
#define ZINGQ_HOST_SYS_SYS_H

#include "conf/conf.h"
#include "engine/engine.h"
#include "base/limits.h"
#include "io/mqtt/mqtt.h"

#include <jansson.h>

struct sys;

/* <host> for a client id. */
void sys_host_name(const char *client_id, char out[HOST_NAME_BYTES_MAX + 1]);
/* Everything is borrowed for its life. Between turns only: it looks into the store. ERR_MEMORY and
 * what the store says. */
int sys_new(struct sys **out, const struct conf *conf, struct engine *engine,
            const char *client_id);
void sys_free(struct sys *s);

/* What the broker is to publish when the host vanishes; borrowed from s. Without a topic when
 * sys.interval is "off". */
struct mqtt_publish sys_will(const struct sys *s);

/* A connection is there: every value is due. It is gone: what was under way is forgotten. */
void sys_up(struct sys *s, uint64_t now_ms);
void sys_down(struct sys *s, uint64_t now_ms);
/* sys.interval is over, or something worth telling happened: what has changed is due. */
void sys_tick(struct sys *s);
bool sys_is_due(const struct sys *s);

/* What only the host knows of itself. */
struct sys_host {
    uint64_t now_ms; /* loop time, as everywhere here */
    int64_t uptime_ms;
    bool connected;              /* the subscribing connection, too */
    size_t hosts_up, hosts_gone; /* of those known; up: this one among them */
    bool hosts_known;            /* whether those are all */
};

/* Publishes what is due; between turns only, and never while something waits for a commit. Returns
 * whether an mqtt_flush is needed. */
bool sys_publish(struct sys *s, struct mqtt *mqtt, const struct sys_host *host);
/* Before a DISCONNECT: the host is offline; when it leaves for good, its topics go as well. */
void sys_goodbye(struct sys *s, struct mqtt *mqtt, bool for_good);
/* Whether on_published's mid is of a status publish, which the engine knows nothing of. Says so
 * once for each. */
bool sys_published(struct sys *s, int mid, uint8_t reason, uint64_t now_ms);
/* Whether the broker has answered after all that sys sent on this connection: none of it can be
 * why the connection ends from now on. */
bool sys_is_proven(const struct sys *s);

/* --- whether the broker takes it (host/sys/pause.c) --- */

enum { SYS_ALONE_MS = 5000 };

/* Whether nothing else may be published now: an answer is awaited, for SYS_ALONE_MS at most, and a
 * connection that ends instead of it must have no other reason. */
bool sys_wants_to_be_alone(const struct sys *s, uint64_t now_ms);
/* Whether the status topics pause because the broker does not take them; the sentence in r. */
bool sys_warning(const struct sys *s, struct report *r);

/* --- the broker's $SYS (host/sys/broker.c) --- */

/* A message over the connection sys publishes on: noted if it is one of the broker's figures. */
void sys_note(struct sys *s, struct slice topic, struct slice payload);
/* Whether such a message says that the broker is a Mosquitto. */
bool sys_is_mosquitto(struct slice topic, struct slice payload);
/* The SUBACK of a filter of ours; a refusal is no error, it only leaves us blind. */
void sys_answered(struct sys *s, uint8_t reason);
/* Adds "sys" and "broker_dropped", "broker_stored"... (null = the broker does not tell). */
void sys_add_status(const struct sys *s, json_t *host);
/* The same in Prometheus' text format; what the broker does not tell is left out. */
void sys_write_metrics(const struct sys *s, struct buf *out);

#endif

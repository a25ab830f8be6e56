/*
 * sys.h - the host's figures as retained topics, zingq/sys/<host>/..., like a broker's own $SYS;
 * and the broker's $SYS, read for what it reports about lost messages.
 *
 * <host> is the client id without a leading "zingq-"; for a UUID, its last 12 digits. Characters
 * other than letters, digits, '.', '_' and '-' become '-'. docs/monitoring.md lists every topic.
 *
 * Status messages are not events: they go directly to the connection with QoS 0, never through the
 * outbox, and a lost one is replaced at the next change or connection. A broker whose access rules
 * do not allow them is left alone, see host/sys/pause.c.
 */
#ifndef ZINGQ_HOST_SYS_SYS_H
#define ZINGQ_HOST_SYS_SYS_H

#include "conf/conf.h"
#include "engine/engine.h"
#include "base/json.h"
#include "base/limits.h"
#include "io/mqtt/mqtt.h"

struct sys;

/* Computes <host> from a client id. */
void sys_host_name(const char *client_id, char out[HOST_NAME_BYTES_MAX + 1]);
/* Borrows all arguments for its lifetime. Between turns only, because it reads the store.
 * ERR_MEMORY and errors of the store. */
int sys_new(struct sys **out, const struct conf *conf, struct engine *engine,
            const char *client_id);
void sys_free(struct sys *s);
/* The configuration has other services now; the topics of those that are gone are cleared.
 * ERR_MEMORY: only sys_free may follow. */
int sys_change(struct sys *s);

/* The will: what the broker publishes when the host vanishes; borrowed from s. It has no topic when
 * sys.interval is "off". */
struct mqtt_publish sys_will(const struct sys *s);

/* A connection is up: every value is due. It is lost: what was in flight is forgotten. */
void sys_up(struct sys *s, uint64_t now_ms);
void sys_down(struct sys *s, uint64_t now_ms);
/* sys.interval has passed, or something important happened: changed values are due. */
void sys_tick(struct sys *s);
bool sys_is_due(const struct sys *s);

/* What only the host knows about itself. */
struct sys_host {
    uint64_t now_ms; /* loop time, as everywhere here */
    int64_t uptime_ms;
    bool connected;              /* whether the subscribing connection is up, too */
    size_t hosts_up, hosts_gone; /* of the known hosts; hosts_up includes this one */
    bool hosts_known;            /* the list is complete */
};

/* Publishes what is due; between turns only, and never while something waits for a commit. True:
 * call mqtt_flush. */
bool sys_publish(struct sys *s, struct mqtt *mqtt, const struct sys_host *host);
/* Before a DISCONNECT: publishes that the host is offline, or removes its topics if it leaves for
 * good. */
void sys_goodbye(struct sys *s, struct mqtt *mqtt, bool for_good);
/* True if on_published's mid belongs to a status publish, which the engine does not know; once for
 * each. */
bool sys_published(struct sys *s, int mid, uint8_t reason, uint64_t now_ms);
/* True if the broker has answered everything that sys sent on this connection, so that none of it
 * can be the reason when the connection ends. */
bool sys_is_proven(const struct sys *s);

/* --- whether the broker accepts the status topics (host/sys/pause.c) --- */

enum { SYS_ALONE_MS = 5000 };

/* True while nothing else may be published: an answer is awaited, for at most SYS_ALONE_MS, and if
 * the connection ends instead, there must be no other possible reason. */
bool sys_wants_to_be_alone(const struct sys *s, uint64_t now_ms);
/* True if the status topics are paused because the broker does not accept them; the sentence in
 * r. */
bool sys_warning(const struct sys *s, struct report *r);

/* --- the broker's $SYS (host/sys/broker.c) --- */

/* A message on the connection that sys publishes on: noted if it is one of the broker's figures. */
void sys_note(struct sys *s, struct slice topic, struct slice payload);
/* True if such a message shows that the broker is a Mosquitto. */
bool sys_is_mosquitto(struct slice topic, struct slice payload);
/* The SUBACK for a filter of ours. A refusal is not an error: we just do not get these figures. */
void sys_answered(struct sys *s, uint8_t reason);
/* True if it has dropped messages in the last quarter of an hour; the sentence in r. */
bool sys_drops(const struct sys *s, struct report *r);
/* Adds "sys" and "broker_dropped", "broker_stored"... (null = the broker does not report it). */
void sys_add_status(const struct sys *s, json_t *host);
/* The same in Prometheus' text format; what the broker does not report is left out. */
void sys_write_metrics(const struct sys *s, struct buf *out);

#endif

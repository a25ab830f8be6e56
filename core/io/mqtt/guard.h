/*
 * guard.h - stands between libmosquitto and its socket, so that libmosquitto reads only what it
 * accepts (io/mqtt/frame.h). Part of the MQTT door (io/mqtt/mqtt.h). docs/wire-guard.md has the
 * reasons.
 *
 * libmosquitto calls read, SSL_read and write by their dynamic names. The program has functions of
 * those names, which pass on all calls except those made between mqtt_guard_enter and
 * mqtt_guard_leave, by this thread, for this connection. The same holds for connect, between
 * mqtt_guard_connect_begin and mqtt_guard_connect_end. Without ZINGQ_WIRE_GUARD (CMake), or where
 * the dynamic linker binds those names differently, nothing is read through a guard, and nothing
 * else changes.
 */
#ifndef ZINGQ_IO_MQTT_GUARD_H
#define ZINGQ_IO_MQTT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct mqtt_guard;

/* The guard of one connection. `bytes_max`: of one packet. NULL when out of memory. */
struct mqtt_guard *mqtt_guard_new(uint64_t bytes_max, bool tls);
void mqtt_guard_free(struct mqtt_guard *guard);

/* Around a call into libmosquitto that reads from or queues for `fd`, its socket, or makes the
 * handle (fd -1). Do not nest. */
void mqtt_guard_enter(struct mqtt_guard *guard, int fd);
void mqtt_guard_leave(void);
/* Until the guard is left, what is written to the socket is collected for mqtt_guard_flush. */
void mqtt_guard_collect(void);
/* Writes what was collected; what the socket does not take stays. 0 or errno. */
int mqtt_guard_flush(struct mqtt_guard *guard);
/* True if some of it has stayed. Nothing else may be written before it. */
bool mqtt_guard_unsent(const struct mqtt_guard *guard);
/* The socket may have input again: after its watcher has fired. */
void mqtt_guard_look(struct mqtt_guard *guard);

/* Around mosquitto_connect, on its thread: each address of the name gets MQTT_ADDRESS_MS. The first
 * `skip` of them are skipped. */
void mqtt_guard_connect_begin(struct mqtt_guard *guard, uint16_t port, unsigned skip);
void mqtt_guard_connect_end(void);
/* How many addresses, from the first, the next connect should skip. Any thread. */
unsigned mqtt_guard_silent(struct mqtt_guard *guard);
/* How many addresses were considered, including skipped ones; the last one is the one connected to.
 * After the connect. */
unsigned mqtt_guard_tried(const struct mqtt_guard *guard);

/* True if there is input that has already been read from the socket. */
bool mqtt_guard_pending(struct mqtt_guard *guard);
/* What the broker sent that ends the connection, "a malformed SUBACK: ...", or NULL. */
const char *mqtt_guard_failure(const struct mqtt_guard *guard);
/* True if it sent a DISCONNECT, of which libmosquitto sees nothing but the end of the connection. */
bool mqtt_guard_ended(const struct mqtt_guard *guard, uint8_t *reason);
/* The secret of this process with which a marker begins (io/mqtt/packet.h), so that publishers
 * cannot forge one. */
const char *mqtt_guard_mark(void);

#endif

/*
 * guard.h - stands between libmosquitto and its socket, so that libmosquitto reads only what
 * it can take (io/mqtt/frame.h). Part of the MQTT door (io/mqtt/mqtt.h). docs/wire-guard.md has the reasons.
 *
 * libmosquitto calls read or SSL_read by their dynamic names; the program has functions of those
 * names, which pass everything on but the reads made between mqtt_guard_enter and mqtt_guard_leave,
 * by this thread, from this connection. So does connect, between mqtt_guard_connect_begin and
 * mqtt_guard_connect_end. Without ZINGQ_WIRE_GUARD (CMake), or where the dynamic
 * linker binds those names otherwise, nothing is read through a guard and nothing else changes.
 */
#ifndef ZINGQ_IO_MQTT_GUARD_H
#define ZINGQ_IO_MQTT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct mqtt_guard;

/* The guard of one connection. `bytes_max`: of one packet. NULL when out of memory. */
struct mqtt_guard *mqtt_guard_new(uint64_t bytes_max, bool tls);
void mqtt_guard_free(struct mqtt_guard *guard);

/* Around a call into libmosquitto that reads from `fd`, its socket. Do not nest. */
void mqtt_guard_enter(struct mqtt_guard *guard, int fd);
void mqtt_guard_leave(void);

/* Around mosquitto_connect, on its thread: each address of the name has MQTT_ADDRESS_MS. The first
 * `skip` of them count as silent at once. */
void mqtt_guard_connect_begin(struct mqtt_guard *guard, uint16_t port, unsigned skip);
void mqtt_guard_connect_end(void);
/* How many addresses, from the first, to skip at the next connect. Any thread. */
unsigned mqtt_guard_silent(struct mqtt_guard *guard);
/* How many addresses were looked at, those skipped too; the last is the one connected to. When the
 * connect is over. */
unsigned mqtt_guard_tried(const struct mqtt_guard *guard);

/* Whether there is something to read that the socket no longer has. */
bool mqtt_guard_pending(struct mqtt_guard *guard);
/* What the broker sent that ends the connection, "a malformed SUBACK: ...", or NULL. */
const char *mqtt_guard_failure(const struct mqtt_guard *guard);
/* The secret of this process that a marker begins with (io/mqtt/packet.h): no publisher can forge
 * one. */
const char *mqtt_guard_mark(void);

#endif

/*
 * packet.h - whether libmosquitto accepts a packet from a broker, and what to pass to it instead.
 * Part of the MQTT door (io/mqtt/mqtt.h); pure: bytes in, bytes out. docs/wire-guard.md has the
 * reasons.
 */
#ifndef ZINGQ_IO_MQTT_PACKET_H
#define ZINGQ_IO_MQTT_PACKET_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { MQTT_MARK_BYTES = 32 }; /* of the secret with which a marker begins */

/* The user property by which a changed PUBLISH tells the reader what was wrong with it. Its value:
 * the mark, the subscription ids separated by commas, a semicolon, the reason (empty: only the ids
 * were too many for libmosquitto). */
#define MQTT_MARKER_NAME "zingq-guard"

enum mqtt_verdict {
    MQTT_PACKET_GOOD,   /* pass it on as it is */
    MQTT_PACKET_MENDED, /* pass on `out` instead */
    MQTT_PACKET_BAD,    /* end the connection: r says "a malformed SUBACK: ..." */
};

/* True if a broker may send a packet with this first byte at all; otherwise a sentence in r. */
bool mqtt_packet_known(uint8_t header, struct report *r);

/* `body` is what follows the remaining length; for a PUBLISH larger than `bytes_max`, its beginning
 * (`length` is its size). A PUBLISH that is invalid or too large is turned into one that
 * libmosquitto accepts, with the same QoS, packet id and subscription ids, its topic escaped, its
 * valid properties and the marker. Any other packet loses its invalid properties. `mark` has
 * MQTT_MARK_BYTES characters. */
enum mqtt_verdict mqtt_packet_check(uint8_t header, struct slice body, uint64_t length,
                                    uint64_t bytes_max, const char *mark, struct buf *out,
                                    struct report *r);

/* Reads a marker's value; false when it does not begin with `mark`. At most `ids_max` ids are
 * stored, *reason points into `value`. */
bool mqtt_marker_read(struct slice value, const char *mark, uint32_t *ids, size_t ids_max,
                      size_t *id_count, struct slice *reason);

#endif

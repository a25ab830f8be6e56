/*
 * packet.h - whether a packet from a broker is one that libmosquitto takes, and what to hand
 * it instead. Part of the MQTT door (io/mqtt/mqtt.h); pure: bytes in, bytes out. docs/wire-guard.md has the
 * reasons.
 */
#ifndef ZINGQ_IO_MQTT_PACKET_H
#define ZINGQ_IO_MQTT_PACKET_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { MQTT_MARK_BYTES = 32 }; /* of the secret that a marker begins with */

/* The user property by which a changed PUBLISH tells the reader what was wrong with it. Its value:
 * the mark, the subscription ids with commas, a semicolon, the reason (empty: only the ids were
 * more than libmosquitto takes). */
#define MQTT_MARKER_NAME "zingq-guard"

enum mqtt_verdict {
    MQTT_PACKET_GOOD,   /* hand it over as it is */
    MQTT_PACKET_MENDED, /* hand over `out` instead */
    MQTT_PACKET_BAD,    /* end the connection: r says "a malformed SUBACK: ..." */
};

/* Whether a broker may send a packet with this first byte at all: a sentence in r if not. */
bool mqtt_packet_known(uint8_t header, struct report *r);

/* `body` is what follows the remaining length, or, of a PUBLISH that is larger than `bytes_max`
 * (`length` says how large it is), its beginning. A PUBLISH with something wrong in it, or one too
 * large, comes out as one libmosquitto takes, with the same QoS, packet id and subscription ids,
 * its topic escaped, what was right of the properties and the marker. Any other packet comes out
 * without the properties that are wrong. `mark` has MQTT_MARK_BYTES characters. */
enum mqtt_verdict mqtt_packet_check(uint8_t header, struct slice body, uint64_t length,
                                    uint64_t bytes_max, const char *mark, struct buf *out,
                                    struct report *r);

/* Reads a marker's value; false when it does not begin with `mark`. At most `ids_max` ids are
 * stored, *reason points into `value`. */
bool mqtt_marker_read(struct slice value, const char *mark, uint32_t *ids, size_t ids_max,
                      size_t *id_count, struct slice *reason);

#endif

/*
 * frame.h - a broker's byte stream in, the packets that libmosquitto takes out. Part of the
 * MQTT door (io/mqtt/mqtt.h); knows no socket. What goes in may be cut anywhere; what comes out is whole,
 * well-formed packets, in the order they came.
 *
 * The loop of its user: mqtt_frame_take until it gives 0; mqtt_frame_space, fill, mqtt_frame_add.
 */
#ifndef ZINGQ_IO_MQTT_FRAME_H
#define ZINGQ_IO_MQTT_FRAME_H

#include "base/buf.h"
#include "base/error.h"
#include "io/mqtt/packet.h"

#include <stdbool.h>
#include <stdint.h>

struct mqtt_frame {
    uint64_t bytes_max; /* of a packet with its header; a larger PUBLISH is cut */
    const char *mark;   /* borrowed; see io/mqtt/packet.h */
    uint8_t *in;        /* owned: [start, end) has not been looked at */
    size_t start, end, cap;
    const uint8_t *out; /* of the packet being handed out */
    size_t out_left;
    struct buf made;       /* replaces a packet that was changed */
    uint64_t skip;         /* bytes of a packet too large still to come; then `made` goes out */
    bool greeted;          /* the CONNACK has come */
    bool moved;            /* bytes came since a packet went out */
    bool failed;           /* nothing more will come out */
    struct report failure; /* why: "a malformed SUBACK: it ends too early" */
};

/* `bytes_max` and `mark` as in the struct; `mark` has MQTT_MARK_BYTES characters. No memory is
 * taken before the first byte comes. */
void mqtt_frame_init(struct mqtt_frame *f, uint64_t bytes_max, const char *mark);
void mqtt_frame_clear(struct mqtt_frame *f);

/* Whether mqtt_frame_take has something, or never will again (f->failed). */
bool mqtt_frame_pending(struct mqtt_frame *f);
/* Up to `len` bytes of one packet; 0 when more must come in first, or f->failed. */
size_t mqtt_frame_take(struct mqtt_frame *f, void *buf, size_t len);
/* Where the next bytes go: *len of them, never 0. Only when nothing is pending. NULL: no memory,
 * and f->failed. */
uint8_t *mqtt_frame_space(struct mqtt_frame *f, size_t *len);
void mqtt_frame_add(struct mqtt_frame *f, size_t len);

#endif

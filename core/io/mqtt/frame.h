/*
 * frame.h - takes in a broker's byte stream, and gives out packets for libmosquitto. Part of the
 * MQTT door (io/mqtt/mqtt.h); knows no socket. Input may be cut anywhere; output is complete,
 * well-formed packets, in order of arrival.
 *
 * How to use it: call mqtt_frame_take until it returns 0; then mqtt_frame_space, fill,
 * mqtt_frame_add.
 */
#ifndef ZINGQ_IO_MQTT_FRAME_H
#define ZINGQ_IO_MQTT_FRAME_H

#include "base/buf.h"
#include "base/error.h"
#include "io/mqtt/packet.h"

#include <stdbool.h>
#include <stdint.h>

struct mqtt_frame {
    uint64_t bytes_max; /* of a packet including its header; a larger PUBLISH is cut */
    const char *mark;   /* borrowed; see io/mqtt/packet.h */
    uint8_t *in;        /* owned; [start, end) has not been examined */
    size_t start, end, cap;
    const uint8_t *out; /* of the packet being given out */
    size_t out_left;
    struct buf made; /* replaces a packet that was changed */
    uint64_t skip;   /* bytes of an oversized packet still to come; then `made` is given out */
    bool greeted;    /* the CONNACK has arrived */
    bool moved;      /* bytes have arrived since the last packet was given out */
    bool failed;     /* nothing more will be given out */
    bool ended;      /* because of a DISCONNECT, which is not given out either */
    uint8_t reason;  /* its reason code */
    struct report failure; /* why: "a malformed SUBACK: it ends too early" */
};

/* `bytes_max` and `mark` as in the struct; `mark` has MQTT_MARK_BYTES characters. Allocates no
 * memory before the first byte arrives. */
void mqtt_frame_init(struct mqtt_frame *f, uint64_t bytes_max, const char *mark);
void mqtt_frame_clear(struct mqtt_frame *f);

/* True if mqtt_frame_take has something, or never will again (f->failed). */
bool mqtt_frame_pending(struct mqtt_frame *f);
/* Up to `len` bytes of one packet; 0 when more input is needed, or f->failed. */
size_t mqtt_frame_take(struct mqtt_frame *f, void *buf, size_t len);
/* Where to put the next bytes: *len of them, never 0. Only when nothing is pending. NULL: no
 * memory, and f->failed. */
uint8_t *mqtt_frame_space(struct mqtt_frame *f, size_t *len);
void mqtt_frame_add(struct mqtt_frame *f, size_t len);

#endif

/*
 * frame.c - finds the packets in a stream.
 *
 * A packet is checked when all of it has arrived and everything before it was taken, so at most one
 * is ready at a time: a slice of the input, or its replacement `made`. The input buffer grows with
 * the bytes that arrive, not with the announced length, up to one packet of the largest size, and
 * shrinks when it is empty. Of a PUBLISH beyond that size, the beginning is kept and the rest
 * discarded as it arrives. Its replacement becomes ready with its last byte, so that it is not
 * acknowledged earlier.
 *
 * libmosquitto takes silence for a dead broker, and it sees nothing while a large packet arrives.
 * So each part of one gives it a PINGRESP: the broker is alive.
 */
#include "io/mqtt/frame.h"

#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNACK = 2,
    PUBLISH = 3,
    DISCONNECT = 14,
    LENGTH_BYTES_MAX = 4, /* of the remaining length: MQTT 5, 1.5.5 */
};

static const uint8_t pingresp[] = {0xd0, 0};

void mqtt_frame_init(struct mqtt_frame *f, uint64_t bytes_max, const char *mark) {
    assert(strlen(mark) == MQTT_MARK_BYTES);
    *f = (struct mqtt_frame){.bytes_max = bytes_max, .mark = mark};
    /* A changed packet is longer by the marker and by the escapes in its topic. */
    buf_init(&f->made, (size_t)bytes_max + 2 * (size_t)MQTT_FRAME_HEAD_BYTES);
}

void mqtt_frame_clear(struct mqtt_frame *f) {
    free(f->in);
    buf_clear(&f->made);
    f->in = NULL;
    f->start = f->end = f->cap = f->out_left = 0;
}

static bool fail(struct mqtt_frame *f) {
    assert(f->failure.text[0] != '\0');
    f->failed = true;
    return false;
}

static bool hand_out(struct mqtt_frame *f, const void *bytes, size_t len) {
    assert(f->out_left == 0 && len > 0);
    f->out = bytes;
    f->out_left = len;
    return true;
}

/* The current packet is not complete. */
static bool wait_for_more(struct mqtt_frame *f, bool large) {
    if (large && f->greeted && f->moved) {
        f->moved = false;
        return hand_out(f, pingresp, sizeof pingresp);
    }
    return false;
}

static bool skip_on(struct mqtt_frame *f) {
    size_t here = f->end - f->start;
    size_t n = here < f->skip ? here : (size_t)f->skip;
    f->start += n;
    f->skip -= n;
    return f->skip == 0 ? hand_out(f, f->made.data, f->made.len) : wait_for_more(f, true);
}

/* Reads a fixed header: *head is its size, 0 = incomplete. False when it is invalid. */
static bool read_header(struct mqtt_frame *f, size_t *head, uint64_t *length) {
    size_t here = f->end - f->start;
    *head = 0;
    *length = 0;
    if (here == 0) {
        return true;
    }
    const uint8_t *at = f->in + f->start;
    if (!mqtt_packet_known(at[0], &f->failure)) {
        return fail(f);
    }
    if (f->greeted == (at[0] >> 4 == CONNACK) && at[0] >> 4 != DISCONNECT) {
        (void)report(&f->failure, 0, f->greeted ? "a second CONNACK" : "a packet before CONNACK");
        return fail(f);
    }
    for (size_t i = 1; i < here; i++) {
        if (i > LENGTH_BYTES_MAX) {
            (void)report(&f->failure, 0, "a packet whose length is malformed");
            return fail(f);
        }
        *length |= (uint64_t)(at[i] & 0x7f) << (7 * (i - 1));
        if ((at[i] & 0x80) == 0) {
            *head = i + 1;
            return true;
        }
    }
    return true;
}

/* libmosquitto 2.0 never frees a packet of ours that is half written when a DISCONNECT arrives: it
 * is told of a lost connection instead. */
static bool end(struct mqtt_frame *f, struct slice body) {
    f->failed = f->ended = true;
    f->reason = body.len > 0 ? (uint8_t)body.data[0] : 0;
    return false;
}

/* Checks a packet of which `head` and `body` bytes are here; `length` is the full size of its
 * body. */
static bool judge(struct mqtt_frame *f, size_t head, size_t body, uint64_t length) {
    const uint8_t *at = f->in + f->start;
    struct slice bytes = {(const char *)at + head, body};
    f->start += head + body;
    f->moved = false;
    enum mqtt_verdict verdict =
        mqtt_packet_check(at[0], bytes, length, f->bytes_max, f->mark, &f->made, &f->failure);
    if (at[0] >> 4 == DISCONNECT && verdict != MQTT_PACKET_BAD) {
        return end(f, bytes);
    }
    switch (verdict) {
    case MQTT_PACKET_GOOD:
        f->greeted = f->greeted || at[0] >> 4 == CONNACK;
        return hand_out(f, at, head + body);
    case MQTT_PACKET_MENDED:
        f->greeted = f->greeted || at[0] >> 4 == CONNACK;
        f->skip = length - body;
        return f->skip > 0 ? skip_on(f) : hand_out(f, f->made.data, f->made.len);
    default:
        return fail(f);
    }
}

/* Makes the next packet ready, if one can be. */
static bool find_next(struct mqtt_frame *f) {
    if (f->skip > 0) {
        return skip_on(f);
    }
    size_t head;
    uint64_t length;
    if (!read_header(f, &head, &length) || head == 0) {
        return false;
    }
    uint64_t body = length;
    uint64_t size = head + length;
    if (size > f->bytes_max) {
        if (f->in[f->start] >> 4 != PUBLISH) {
            (void)report(&f->failure, 0, "a packet of %llu bytes; the limit is %llu",
                         (unsigned long long)size, (unsigned long long)f->bytes_max);
            return fail(f);
        }
        body = length <= MQTT_FRAME_HEAD_BYTES ? length - 1 : MQTT_FRAME_HEAD_BYTES;
    }
    if (f->end - f->start < head + body) {
        return wait_for_more(f, head + body > MQTT_FRAME_READ_BYTES);
    }
    return judge(f, head, (size_t)body, length);
}

bool mqtt_frame_pending(struct mqtt_frame *f) {
    return f->failed || f->out_left > 0 || find_next(f) || f->failed;
}

size_t mqtt_frame_take(struct mqtt_frame *f, void *buf, size_t len) {
    assert(len > 0);
    if (!mqtt_frame_pending(f) || f->failed) {
        return 0;
    }
    size_t n = len < f->out_left ? len : f->out_left;
    memcpy(buf, f->out, n);
    f->out += n;
    f->out_left -= n;
    return n;
}

static bool resize(struct mqtt_frame *f, size_t cap) {
    uint8_t *in = realloc(f->in, cap);
    if (in == NULL) {
        (void)report(&f->failure, 0, "a packet for which there was not enough memory");
        return fail(f);
    }
    f->in = in;
    f->cap = cap;
    return true;
}

uint8_t *mqtt_frame_space(struct mqtt_frame *f, size_t *len) {
    assert(f->out_left == 0 && !f->failed);
    if (f->start > 0) {
        memmove(f->in, f->in + f->start, f->end - f->start);
        f->end -= f->start;
        f->start = 0;
    }
    if (f->end == 0 && f->cap > MQTT_FRAME_READ_BYTES) {
        free(f->in);
        f->in = NULL;
        f->cap = 0;
    }
    size_t cap = f->cap == 0 ? MQTT_FRAME_READ_BYTES : f->cap;
    if (cap - f->end < MQTT_FRAME_READ_BYTES / 4) {
        cap *= 2;
    }
    if (cap != f->cap && !resize(f, cap)) {
        return NULL;
    }
    *len = f->cap - f->end;
    return f->in + f->end;
}

void mqtt_frame_add(struct mqtt_frame *f, size_t len) {
    assert(len <= f->cap - f->end);
    f->end += len;
    f->moved = f->moved || len > 0;
}

/* wire_put.c - the packets that a broker sends: see wire_packet.h. */
#include "wire_packet.h"

#include <assert.h>

enum { BODY_BYTES_MAX = 4 << 20 };

static void put_varint(struct buf *out, size_t value) {
    do {
        uint8_t rest = value > 0x7f ? 0x80 : 0;
        buf_add_u8(out, (uint8_t)((value & 0x7f) | rest));
        value >>= 7;
    } while (value > 0);
}

static void put_text(struct buf *out, struct slice s) {
    buf_add_u16_be(out, (uint16_t)s.len);
    buf_add_slice(out, s);
}

static void put_flag(struct buf *out, uint8_t id, bool missing) {
    if (missing) {
        buf_add_u8(out, id);
        buf_add_u8(out, 0);
    }
}

/* A packet of the properties and what stands before and behind them. */
static void put_packet(struct buf *out, uint8_t header, struct buf *head, struct buf *properties,
                       struct slice tail, bool overlong) {
    struct buf length;
    buf_init(&length, 8);
    put_varint(&length, properties->len + (overlong ? 200 : 0));
    buf_add_u8(out, header);
    put_varint(out, head->len + length.len + properties->len + tail.len);
    buf_add_slice(out, buf_slice(head));
    buf_add_slice(out, buf_slice(&length));
    buf_add_slice(out, buf_slice(properties));
    buf_add_slice(out, tail);
    assert(!out->failed && !head->failed && !properties->failed && !length.failed);
    buf_clear(&length);
    buf_clear(head);
    buf_clear(properties);
}

static void put_terms(struct buf *out, const struct wire_terms *t) {
    if (t->receive_max > 0) {
        buf_add_u8(out, 0x21);
        buf_add_u16_be(out, t->receive_max);
    }
    if (t->packet_max > 0) {
        buf_add_u8(out, 0x27);
        buf_add_u32_be(out, t->packet_max);
    }
    if (t->qos_max < 2) {
        buf_add_u8(out, 0x24);
        buf_add_u8(out, t->qos_max);
    }
    put_flag(out, 0x25, t->no_retain);
    put_flag(out, 0x28, t->no_wildcard);
    put_flag(out, 0x29, t->no_ids);
    put_flag(out, 0x2a, t->no_shared);
    if (t->keepalive_s > 0) {
        buf_add_u8(out, 0x13);
        buf_add_u16_be(out, t->keepalive_s);
    }
    if (t->odd == 2) {
        buf_add_u8(out, 0x12);
        put_text(out, slice_of("another"));
    } else if (t->odd == 3) {
        buf_add(out, "\x22\x00\x00\x22\x00\x00", 6);
    } else if (t->odd == 1) {
        buf_add(out, "\x7e\x01", 2);
    }
}

void wire_put_connack(struct buf *out, bool present, uint8_t reason,
                      const struct wire_terms *terms) {
    struct buf head;
    struct buf properties;
    buf_init(&head, BODY_BYTES_MAX);
    buf_init(&properties, BODY_BYTES_MAX);
    buf_add_u8(&head, present && reason == 0);
    buf_add_u8(&head, reason);
    if (reason == 0) {
        put_terms(&properties, terms);
    }
    put_packet(out, WIRE_CONNACK << 4, &head, &properties, (struct slice){0}, false);
}

static void put_spoilt_topic(struct buf *out, const struct wire_publish *p) {
    static const struct {
        const char *bytes;
        size_t len;
    } more[WIRE_SPOIL_COUNT] = {
        [WIRE_TOPIC_CONTROL] = {"\x01", 1},
        [WIRE_TOPIC_NO_UTF8] = {"\xc3\x28", 2},
    };
    struct slice topic = slice_of(p->topic);
    buf_add_u16_be(out, (uint16_t)(topic.len + more[p->spoil].len));
    buf_add_slice(out, topic);
    buf_add(out, more[p->spoil].bytes, more[p->spoil].len);
}

static void put_spoilt_property(struct buf *out, enum wire_spoil spoil) {
    static const struct {
        const char *bytes;
        size_t len;
    } more[WIRE_SPOIL_COUNT] = {
        [WIRE_UNKNOWN_PROPERTY] = {"\x7e\x00", 2},
        [WIRE_TWICE] = {"\x03\x00\x01x\x03\x00\x01y", 8},
        [WIRE_USER_NO_UTF8] = {"\x26\x00\x01k\x00\x02\xc3\x28", 8},
        [WIRE_WRONG_PLACE] = {"\x21\x00\x05", 3},
        [WIRE_ALIAS] = {"\x23\x00\x01", 3},
        [WIRE_ID_0] = {"\x0b\x00", 2},
        [WIRE_CUT_STRING] = {"\x03\x00\x20xy", 5},
    };
    buf_add(out, more[spoil].bytes, more[spoil].len);
}

static void put_rich(struct buf *out, const char *rich) {
    struct slice text = slice_of(rich);
    buf_add_u8(out, 0x03);
    put_text(out, text);
    buf_add_u8(out, 0x08);
    put_text(out, slice_of("reply/to"));
    buf_add_u8(out, 0x09);
    put_text(out, text);
    buf_add_u8(out, 0x26);
    put_text(out, slice_of("rich"));
    put_text(out, text);
}

void wire_put_publish(struct buf *out, const struct wire_publish *p) {
    struct buf head;
    struct buf properties;
    buf_init(&head, BODY_BYTES_MAX);
    buf_init(&properties, BODY_BYTES_MAX);
    put_spoilt_topic(&head, p);
    if (p->qos > 0) {
        buf_add_u16_be(&head, p->id);
    }
    for (size_t i = 0; i < p->id_count; i++) {
        buf_add_u8(&properties, 0x0b);
        put_varint(&properties, p->ids[i]);
    }
    put_spoilt_property(&properties, p->spoil);
    if (p->rich != NULL) {
        put_rich(&properties, p->rich);
    }
    uint8_t header = (uint8_t)(WIRE_PUBLISH << 4 | (p->dup ? 8 : 0) | p->qos << 1 | p->retain);
    put_packet(out, header, &head, &properties, p->payload, p->spoil == WIRE_PROPERTIES_OUT);
}

void wire_put_ack(struct buf *out, uint8_t type, uint16_t id, uint8_t reason, bool long_form) {
    uint8_t header = (uint8_t)(type << 4 | (type == WIRE_PUBREL ? 2 : 0));
    if (reason == 0 && !long_form) {
        buf_add_u8(out, header);
        buf_add_u8(out, 2);
        buf_add_u16_be(out, id);
        return;
    }
    struct buf head;
    struct buf properties;
    buf_init(&head, BODY_BYTES_MAX);
    buf_init(&properties, BODY_BYTES_MAX);
    buf_add_u16_be(&head, id);
    buf_add_u8(&head, reason);
    if (long_form) {
        buf_add_u8(&properties, 0x1f);
        put_text(&properties, slice_of("because"));
    }
    put_packet(out, header, &head, &properties, (struct slice){0}, false);
}

void wire_put_answer(struct buf *out, uint8_t type, uint16_t id, uint8_t reason) {
    struct buf head;
    struct buf properties;
    buf_init(&head, BODY_BYTES_MAX);
    buf_init(&properties, BODY_BYTES_MAX);
    buf_add_u16_be(&head, id);
    put_packet(out, (uint8_t)(type << 4), &head, &properties,
               (struct slice){(const char *)&reason, 1}, false);
}

void wire_put_pingresp(struct buf *out) {
    buf_add_u8(out, WIRE_PINGRESP << 4);
    buf_add_u8(out, 0);
}

void wire_put_disconnect(struct buf *out, uint8_t reason, bool bare) {
    buf_add_u8(out, WIRE_DISCONNECT << 4);
    buf_add_u8(out, bare ? 0 : 1);
    if (!bare) {
        buf_add_u8(out, reason);
    }
}

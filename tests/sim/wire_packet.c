/*
 * wire_packet.c - see wire_packet.h.
 *
 * Reading: every rule that a server should enforce (MQTT 5, 3.1, 3.3, 3.4, 3.8, 3.10, 3.12, 3.14)
 * has its sentence. Properties are rows: identifier, type, packets, whether 0 is a value.
 */
#include "wire_packet.h"

#include "base/utf8.h"

#include <assert.h>
#include <string.h>

static const char *const names[16] = {
    [WIRE_CONNECT] = "CONNECT",   [WIRE_CONNACK] = "CONNACK",
    [WIRE_PUBLISH] = "PUBLISH",   [WIRE_PUBACK] = "PUBACK",
    [WIRE_PUBREC] = "PUBREC",     [WIRE_PUBREL] = "PUBREL",
    [WIRE_PUBCOMP] = "PUBCOMP",   [WIRE_SUBSCRIBE] = "SUBSCRIBE",
    [WIRE_SUBACK] = "SUBACK",     [WIRE_UNSUBSCRIBE] = "UNSUBSCRIBE",
    [WIRE_UNSUBACK] = "UNSUBACK", [WIRE_PINGREQ] = "PINGREQ",
    [WIRE_PINGRESP] = "PINGRESP", [WIRE_DISCONNECT] = "DISCONNECT",
};

const char *wire_packet_name(uint8_t type) {
    return type < 16 && names[type] != NULL ? names[type] : "a packet of no type";
}

size_t wire_packet_size(const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    size_t length = 0;
    for (size_t i = 1; i < len; i++) {
        if (i > 4) {
            return SIZE_MAX;
        }
        length |= (size_t)(at[i] & 0x7f) << (7 * (i - 1));
        if ((at[i] & 0x80) == 0) {
            size_t size = i + 1 + length;
            return i > 1 && at[i] == 0 ? SIZE_MAX : size <= len ? size : 0;
        }
    }
    return 0;
}

/* ---- reading ---- */

struct parse {
    struct reader r;
    struct wire_packet *p;
    const char *wrong;
    struct slice text; /* the string read last */
};

static void want(struct parse *parse, bool good, const char *rule) {
    if (!good && parse->wrong == NULL) {
        parse->wrong = rule;
    }
}

static uint32_t read_varint(struct reader *r) {
    uint32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t byte = read_u8(r);
        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            r->failed = r->failed || (i > 0 && byte == 0);
            return value;
        }
    }
    r->failed = true;
    return 0;
}

static bool is_utf8(struct slice s) {
    uint32_t character = 0;
    for (size_t at = 0; at < s.len;) {
        size_t n = utf8_read(s, at, &character);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

static struct slice read_text(struct parse *parse) {
    struct slice s = read_bytes(&parse->r, read_u16_be(&parse->r));
    want(parse, !parse->r.failed, "a string goes beyond the packet");
    want(parse, parse->r.failed || s.len == 0 || memchr(s.data, 0, s.len) == NULL,
         "a string has U+0000");
    want(parse, parse->r.failed || is_utf8(s), "a string is no UTF-8");
    return s;
}

enum { BYTE, U16, U32, VARINT, TEXT, BINARY, PAIR };
enum {
    IN_CONNECT = 1,
    IN_WILL = 2,
    IN_PUBLISH = 4,
    IN_ACK = 8,
    IN_SUB = 16,
    IN_UNSUB = 32,
    IN_END = 64
};

static const struct row {
    uint8_t id, type, in;
    bool nonzero;
} rows[] = {
    {0x01, BYTE, IN_PUBLISH | IN_WILL, false},
    {0x02, U32, IN_PUBLISH | IN_WILL, false},
    {0x03, TEXT, IN_PUBLISH | IN_WILL, false},
    {0x08, TEXT, IN_PUBLISH | IN_WILL, false},
    {0x09, BINARY, IN_PUBLISH | IN_WILL, false},
    {0x0b, VARINT, IN_SUB, true},
    {0x11, U32, IN_CONNECT | IN_END, false},
    {0x15, TEXT, IN_CONNECT, false},
    {0x16, BINARY, IN_CONNECT, false},
    {0x17, BYTE, IN_CONNECT, false},
    {0x18, U32, IN_WILL, false},
    {0x19, BYTE, IN_CONNECT, false},
    {0x1f, TEXT, IN_ACK | IN_END, false},
    {0x21, U16, IN_CONNECT, true},
    {0x22, U16, IN_CONNECT, false},
    {0x23, U16, IN_PUBLISH, true},
    {0x27, U32, IN_CONNECT, true},
    {0x26, PAIR, IN_CONNECT | IN_WILL | IN_PUBLISH | IN_ACK | IN_SUB | IN_UNSUB | IN_END, false},
};

static const struct row *find_row(uint8_t id) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].id == id) {
            return &rows[i];
        }
    }
    return NULL;
}

static uint32_t read_value(struct parse *parse, const struct row *row) {
    switch (row->type) {
    case BYTE:
        return read_u8(&parse->r);
    case U16:
        return read_u16_be(&parse->r);
    case U32:
        return read_u32_be(&parse->r);
    case VARINT:
        return read_varint(&parse->r);
    case BINARY:
        parse->text = read_bytes(&parse->r, read_u16_be(&parse->r));
        return 1;
    case PAIR:
        (void)read_text(parse);
        (void)read_text(parse);
        return 1;
    default:
        parse->text = read_text(parse);
        return 1;
    }
}

static void note(struct parse *parse, uint8_t id, uint32_t value) {
    struct wire_packet *p = parse->p;
    switch (id) {
    case 0x03:
        p->content_type = parse->text;
        break;
    case 0x09:
        p->correlation = parse->text;
        break;
    case 0x0b:
        p->subscription_id = value;
        break;
    case 0x11:
        p->session_expiry_s = value;
        p->expiry_told = true;
        break;
    case 0x21:
        p->receive_max = (uint16_t)value;
        break;
    case 0x27:
        p->packet_max = value;
        break;
    default:
        break;
    }
}

static void read_properties(struct parse *parse, uint8_t in) {
    uint32_t len = read_varint(&parse->r);
    size_t left = (size_t)(parse->r.end - parse->r.at);
    want(parse, !parse->r.failed && len <= left, "its properties go beyond the packet");
    uint64_t seen = 0;
    const uint8_t *end = parse->wrong != NULL ? parse->r.at : parse->r.at + len;
    while (parse->wrong == NULL && parse->r.at < end) {
        uint8_t id = read_u8(&parse->r);
        const struct row *row = find_row(id);
        want(parse, row != NULL, "a property is unknown");
        if (row == NULL) {
            return;
        }
        want(parse, (row->in & in) != 0, "a property is in a packet it does not belong in");
        want(parse, row->type == PAIR || (seen >> id & 1) == 0, "a property is there twice");
        seen |= (uint64_t)1 << id;
        uint32_t value = read_value(parse, row);
        want(parse, value != 0 || !row->nonzero, "a property is 0");
        want(parse, !parse->r.failed && parse->r.at <= end, "a property goes beyond its packet");
        note(parse, id, value);
    }
}

static void read_will(struct parse *parse, uint8_t flags) {
    struct wire_packet *p = parse->p;
    p->will = true;
    p->will_qos = flags >> 3 & 3;
    p->will_retain = (flags & 0x20) != 0;
    uint32_t expiry_s = p->session_expiry_s;
    read_properties(parse, IN_WILL);
    p->session_expiry_s = expiry_s;
    p->will_topic = read_text(parse);
    p->will_payload = read_bytes(&parse->r, read_u16_be(&parse->r));
    want(parse, p->will_topic.len > 0, "the will has no topic");
    want(parse, p->will_qos < 3, "the will has QoS 3");
}

static void read_connect(struct parse *parse) {
    struct wire_packet *p = parse->p;
    struct slice protocol = read_text(parse);
    want(parse, slice_is(protocol, "MQTT"), "the protocol is not MQTT");
    want(parse, read_u8(&parse->r) == 5, "the protocol version is not 5");
    uint8_t flags = read_u8(&parse->r);
    want(parse, (flags & 1) == 0, "the reserved flag of CONNECT is set");
    want(parse, (flags & 4) != 0 || (flags & 0x38) == 0, "will flags without a will");
    p->clean = (flags & 2) != 0;
    p->keepalive_s = read_u16_be(&parse->r);
    p->receive_max = UINT16_MAX;
    read_properties(parse, IN_CONNECT);
    p->client_id = read_text(parse);
    if ((flags & 4) != 0) {
        read_will(parse, flags);
    }
    if ((flags & 0x80) != 0) {
        (void)read_text(parse);
    }
    if ((flags & 0x40) != 0) {
        (void)read_bytes(&parse->r, read_u16_be(&parse->r));
    }
}

static void read_publish(struct parse *parse, uint8_t header) {
    struct wire_packet *p = parse->p;
    p->qos = header >> 1 & 3;
    p->dup = (header & 8) != 0;
    p->retain = (header & 1) != 0;
    want(parse, p->qos < 3, "QoS 3");
    want(parse, p->qos > 0 || !p->dup, "DUP with QoS 0");
    p->topic = read_text(parse);
    want(parse, p->topic.len > 0, "a PUBLISH without a topic");
    want(parse,
         memchr(p->topic.data, '+', p->topic.len) == NULL &&
             memchr(p->topic.data, '#', p->topic.len) == NULL,
         "a wildcard in a topic");
    if (p->qos > 0) {
        p->id = read_u16_be(&parse->r);
        want(parse, p->id != 0, "packet id 0");
    }
    read_properties(parse, IN_PUBLISH);
    p->payload = read_bytes(&parse->r, (size_t)(parse->r.end - parse->r.at));
}

static void read_ack(struct parse *parse) {
    struct wire_packet *p = parse->p;
    p->id = read_u16_be(&parse->r);
    want(parse, p->id != 0, "packet id 0");
    if (parse->r.at < parse->r.end) {
        p->reason = read_u8(&parse->r);
    }
    if (parse->r.at < parse->r.end) {
        read_properties(parse, IN_ACK);
    }
}

static void read_filters(struct parse *parse, bool subscribe) {
    struct wire_packet *p = parse->p;
    p->id = read_u16_be(&parse->r);
    want(parse, p->id != 0, "packet id 0");
    read_properties(parse, subscribe ? IN_SUB : IN_UNSUB);
    while (parse->wrong == NULL && parse->r.at < parse->r.end) {
        struct slice filter = read_text(parse);
        uint8_t options = subscribe ? read_u8(&parse->r) : 0;
        want(parse, filter.len > 0, "a filter is empty");
        want(parse, (options & 0xc0) == 0 && (options & 3) < 3 && (options >> 4 & 3) < 3,
             "subscription options that are reserved");
        want(parse, p->filter_count < WIRE_FILTERS_MAX, "more filters than the simulation takes");
        if (parse->wrong == NULL) {
            p->filters[p->filter_count] = filter;
            p->options[p->filter_count++] = options;
        }
    }
    want(parse, p->filter_count > 0, "no filter");
}

static void read_end(struct parse *parse) {
    if (parse->r.at < parse->r.end) {
        parse->p->reason = read_u8(&parse->r);
    }
    if (parse->r.at < parse->r.end) {
        read_properties(parse, IN_END);
    }
}

const char *wire_packet_read(struct wire_packet *out, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    size_t head = 1;
    while ((at[head++] & 0x80) != 0) {
    }
    *out = (struct wire_packet){.type = at[0] >> 4};
    struct parse parse = {reader_of(at + head, len - head), out, NULL, {0}};
    uint8_t flags = at[0] & 15;
    uint8_t right =
        out->type == WIRE_SUBSCRIBE || out->type == WIRE_UNSUBSCRIBE || out->type == WIRE_PUBREL
            ? 2
            : 0;
    want(&parse, out->type == WIRE_PUBLISH || flags == right, "flags that are reserved");
    switch (out->type) {
    case WIRE_CONNECT:
        read_connect(&parse);
        break;
    case WIRE_PUBLISH:
        read_publish(&parse, at[0]);
        break;
    case WIRE_PUBACK:
    case WIRE_PUBREC:
    case WIRE_PUBREL:
    case WIRE_PUBCOMP:
        read_ack(&parse);
        break;
    case WIRE_SUBSCRIBE:
    case WIRE_UNSUBSCRIBE:
        read_filters(&parse, out->type == WIRE_SUBSCRIBE);
        break;
    case WIRE_PINGREQ:
        break;
    case WIRE_DISCONNECT:
        read_end(&parse);
        break;
    default:
        return "a packet that no client may send";
    }
    want(&parse, !parse.r.failed, "it ends too early");
    want(&parse, parse.wrong != NULL || parse.r.at == parse.r.end, "it continues after its end");
    return parse.wrong;
}

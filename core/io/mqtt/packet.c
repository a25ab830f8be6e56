/*
 * packet.c - one packet at a time: strings, properties, lengths.
 *
 * The rules are those of MQTT 5 as libmosquitto 2.0 enforces them: it ends the connection because
 * of a packet it does not accept, the broker sends the same packet again, and nothing after it is
 * ever read. So a packet that libmosquitto would refuse is changed here into one that it accepts.
 * Properties are rows of a table: type, packets that may contain them, values they may have. An
 * assigned client identifier is never valid: libmosquitto ends the connection of a client that has
 * its own.
 *
 * Left out: what a packet means (whether the packet id is in use, whether the reason code exists).
 */
#include "io/mqtt/packet.h"

#include "base/limits.h"
#include "io/mqtt/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    CONNACK = 2,
    PUBLISH = 3,
    PUBREL = 6,
    SUBACK = 9,
    UNSUBACK = 11,
    PINGRESP = 13,
    DISCONNECT = 14,
    IDS_MAX = 16,           /* subscription ids of one message that are passed on */
    NAME_SHOWN_BYTES = 64,  /* of a user property's name in a sentence */
    VARINT_BYTES_MAX = 4,   /* MQTT 5, 1.5.5 */
    KEPT_BYTES_MAX = 65536, /* of the payload of a packet that is too large */
};

/* ---- packets ---- */

/* What precedes the properties, and what must be there. */
struct layout {
    const char *name; /* NULL: a broker must not send it */
    uint8_t flags;    /* the low half of the first byte */
    uint8_t least;    /* minimum number of bytes */
    uint8_t fixed;    /* bytes before the properties; a packet may end after them, or earlier */
    bool id;          /* begins with a packet id */
    bool answers;     /* answers follow the properties */
};

static const struct layout layouts[16] = {
    [CONNACK] = {.name = "CONNACK", .least = 2, .fixed = 2},
    [PUBLISH] = {.name = "PUBLISH"},
    [4] = {.name = "PUBACK", .least = 2, .fixed = 3, .id = true},
    [5] = {.name = "PUBREC", .least = 2, .fixed = 3, .id = true},
    [PUBREL] = {.name = "PUBREL", .flags = 2, .least = 2, .fixed = 3, .id = true},
    [7] = {.name = "PUBCOMP", .least = 2, .fixed = 3, .id = true},
    [SUBACK] = {.name = "SUBACK", .least = 4, .fixed = 2, .id = true, .answers = true},
    [UNSUBACK] = {.name = "UNSUBACK", .least = 4, .fixed = 2, .id = true, .answers = true},
    [PINGRESP] = {.name = "PINGRESP"},
    [DISCONNECT] = {.name = "DISCONNECT", .fixed = 1},
};

bool mqtt_packet_known(uint8_t header, struct report *r) {
    const struct layout *layout = &layouts[header >> 4];
    if (layout->name == NULL) {
        (void)report(r, 0, "a packet of type %u, which no broker may send us", header >> 4);
        return false;
    }
    if (header >> 4 == PUBLISH ? (header & 6) == 6 : (header & 15) != layout->flags) {
        (void)report(r, 0, "a malformed %s: its flags are 0x%x", layout->name, header & 15u);
        return false;
    }
    return true;
}

/* ---- numbers ---- */

static uint32_t read_varint(struct reader *r) {
    uint32_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        uint8_t byte = read_u8(r);
        value |= (uint32_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            r->failed = r->failed || (i > 0 && byte == 0); /* longer than necessary */
            return value;
        }
    }
    r->failed = true;
    return 0;
}

static void add_varint(struct buf *out, size_t value) {
    out->failed = out->failed || value >= 268435456; /* MQTT has no larger packets */
    do {
        uint8_t rest = value > 0x7f ? 0x80 : 0;
        buf_add_u8(out, (uint8_t)((value & 0x7f) | rest));
        value >>= 7;
    } while (value > 0);
}

static struct slice read_string(struct reader *r) {
    return read_bytes(r, read_u16_be(r));
}

static void add_string(struct buf *out, struct slice s) {
    assert(s.len <= UINT16_MAX);
    buf_add_u16_be(out, (uint16_t)s.len);
    buf_add_slice(out, s);
}

/* ---- properties ---- */

enum property_type { NO_TYPE, BYTE, U16, U32, VARINT, STRING, BINARY, PAIR };

enum {
    IN_CONNACK = 1,
    IN_PUBLISH = 2,
    IN_ACK = 4,
    IN_END = 8, /* DISCONNECT */
};

struct property {
    const char *name;
    uint8_t type;
    uint8_t in;
    uint8_t max;  /* the largest value; 0 = any */
    bool nonzero; /* 0 is not a valid value */
};

/* By identifier: MQTT 5, 2.2.2.2. */
static const struct property property_rows[] = {
    [0x01] = {"payload format indicator", BYTE, IN_PUBLISH, 0, false},
    [0x02] = {"message expiry interval", U32, IN_PUBLISH, 0, false},
    [0x03] = {"content type", STRING, IN_PUBLISH, 0, false},
    [0x08] = {"response topic", STRING, IN_PUBLISH, 0, false},
    [0x09] = {"correlation data", BINARY, IN_PUBLISH, 0, false},
    [0x0b] = {"subscription identifier", VARINT, IN_PUBLISH, 0, true},
    [0x11] = {"session expiry interval", U32, IN_CONNACK | IN_END, 0, false},
    [0x12] = {"assigned client identifier", STRING, 0, 0,
              false}, /* we have one: see the top of the file */
    [0x13] = {"server keep alive", U16, IN_CONNACK, 0, false},
    [0x15] = {"authentication method", STRING, IN_CONNACK, 0, false},
    [0x16] = {"authentication data", BINARY, IN_CONNACK, 0, false},
    [0x17] = {"request problem information", BYTE, 0, 0, false},
    [0x18] = {"will delay interval", U32, 0, 0, false},
    [0x19] = {"request response information", BYTE, 0, 0, false},
    [0x1a] = {"response information", STRING, IN_CONNACK, 0, false},
    [0x1c] = {"server reference", STRING, IN_CONNACK | IN_END, 0, false},
    [0x1f] = {"reason string", STRING, IN_CONNACK | IN_ACK | IN_END, 0, false},
    [0x21] = {"receive maximum", U16, IN_CONNACK, 0, true},
    [0x22] = {"topic alias maximum", U16, IN_CONNACK, 0, false},
    [0x23] = {"topic alias", U16, IN_PUBLISH, 0, true},
    [0x24] = {"maximum QoS", BYTE, IN_CONNACK, 1, false},
    [0x25] = {"retain available", BYTE, IN_CONNACK, 1, false},
    [0x26] = {"user property", PAIR, IN_CONNACK | IN_PUBLISH | IN_ACK | IN_END, 0, false},
    [0x27] = {"maximum packet size", U32, IN_CONNACK, 0, true},
    [0x28] = {"wildcard subscription available", BYTE, IN_CONNACK, 1, false},
    [0x29] = {"subscription identifiers available", BYTE, IN_CONNACK, 1, false},
    [0x2a] = {"shared subscription available", BYTE, IN_CONNACK, 1, false},
};

enum { USER_PROPERTY = 0x26, SUBSCRIPTION_ID = 0x0b };

/* A walk over the properties of a packet. */
struct walk {
    uint8_t in;       /* kind of packet */
    uint64_t seen;    /* identifiers, as bits */
    struct buf *kept; /* receives valid properties except subscription ids; NULL = nothing */
    uint32_t ids[IDS_MAX];
    size_t id_count;
    struct report *r; /* the first thing that was wrong */
    bool wrong;
};

__attribute__((format(printf, 2, 3))) static void fault(struct walk *w, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!w->wrong) {
        (void)report(w->r, 0, "%s", text);
    }
    w->wrong = true;
}

static bool check_string(struct walk *w, struct slice s, const char *what) {
    char text[64];
    if (mqtt_text_fault(s, text, sizeof text)) {
        fault(w, "its %s has %s", what, text);
        return false;
    }
    return true;
}

static bool check_pair(struct walk *w, struct slice name, struct slice value) {
    char text[64];
    if (!mqtt_text_fault(name, text, sizeof text) && !mqtt_text_fault(value, text, sizeof text)) {
        return true;
    }
    struct buf shown;
    buf_init(&shown, NAME_SHOWN_BYTES * 2);
    mqtt_text_escape(&shown, name, NAME_SHOWN_BYTES);
    fault(w, "its user property \"%s\" has %s", buf_str(&shown), text);
    buf_clear(&shown);
    return false;
}

static bool check_number(struct walk *w, const struct property *p, uint32_t value) {
    if ((p->nonzero && value == 0) || (p->max > 0 && value > p->max)) {
        fault(w, "its %s is %u", p->name, (unsigned)value);
        return false;
    }
    return true;
}

static bool read_value(struct walk *w, struct reader *r, const struct property *p,
                       uint32_t *number) {
    switch (p->type) {
    case BYTE:
        *number = read_u8(r);
        return check_number(w, p, *number);
    case U16:
        *number = read_u16_be(r);
        return check_number(w, p, *number);
    case U32:
        *number = read_u32_be(r);
        return check_number(w, p, *number);
    case VARINT:
        *number = read_varint(r);
        return check_number(w, p, *number);
    case STRING:
        return check_string(w, read_string(r), p->name);
    case BINARY:
        (void)read_string(r);
        return true;
    default:
        assert(p->type == PAIR);
        struct slice name = read_string(r);
        struct slice value = read_string(r);
        return check_pair(w, name, value);
    }
}

static bool check_place(struct walk *w, uint8_t id) {
    const struct property *p = &property_rows[id];
    if ((p->in & w->in) == 0) {
        fault(w, "a %s does not belong in it", p->name);
        return false;
    }
    bool many = id == USER_PROPERTY || (id == SUBSCRIPTION_ID && w->in == IN_PUBLISH);
    if (!many && (w->seen >> id & 1) != 0) {
        fault(w, "its %s occurs twice", p->name);
        return false;
    }
    w->seen |= (uint64_t)1 << id;
    return true;
}

/* One property. False if the start of the next one is unknown. */
static bool walk_one(struct walk *w, struct reader *r) {
    const uint8_t *start = r->at;
    uint32_t number = 0;
    uint8_t id = read_u8(r);
    if (id >= sizeof property_rows / sizeof property_rows[0] || property_rows[id].type == NO_TYPE) {
        fault(w, "its property 0x%02x is unknown", id);
        return false;
    }
    struct report before = *w->r;
    bool wrong = w->wrong;
    bool right = read_value(w, r, &property_rows[id], &number);
    if (r->failed) {
        *w->r = before;
        w->wrong = wrong;
        fault(w, "its %s does not fit in it", property_rows[id].name);
        return false;
    }
    right = right && check_place(w, id);
    if (right && id == SUBSCRIPTION_ID) {
        if (w->id_count < IDS_MAX) {
            w->ids[w->id_count] = number;
        }
        w->id_count++;
    } else if (right && w->kept != NULL) {
        buf_add(w->kept, start, (size_t)(r->at - start));
    }
    return true;
}

static void walk_all(struct walk *w, struct slice properties) {
    struct reader r = reader_of(properties.data, properties.len);
    while (r.at < r.end && walk_one(w, &r)) {
    }
}

/* ---- every packet but PUBLISH ---- */

static enum mqtt_verdict malformed(struct report *r, const char *name, const char *why) {
    (void)report(r, 0, "a malformed %s: %s", name, why);
    return MQTT_PACKET_BAD;
}

static enum mqtt_verdict finished(const struct buf *out, struct report *r) {
    if (out->failed) {
        (void)report(r, 0, "a malformed packet that cannot be repaired for lack of space");
        return MQTT_PACKET_BAD;
    }
    return MQTT_PACKET_MENDED;
}

/* The packet again, with only its valid properties. */
static enum mqtt_verdict without_wrong(uint8_t header, struct slice head, struct slice properties,
                                       struct slice tail, uint8_t in, struct buf *out,
                                       struct report *r) {
    struct buf kept;
    struct report ignored = {""};
    buf_init(&kept, properties.len);
    struct walk w = {.in = in, .kept = &kept, .r = &ignored};
    walk_all(&w, properties);
    size_t varint = kept.len < 0x80 ? 1 : kept.len < 0x4000 ? 2 : kept.len < 0x200000 ? 3 : 4;
    buf_add_u8(out, header);
    add_varint(out, head.len + varint + kept.len + tail.len);
    buf_add_slice(out, head);
    add_varint(out, kept.len);
    buf_add_slice(out, buf_slice(&kept));
    buf_add_slice(out, tail);
    out->failed = out->failed || kept.failed;
    buf_clear(&kept);
    return finished(out, r);
}

static enum mqtt_verdict check_properties(uint8_t header, struct slice body, struct buf *out,
                                          struct report *r) {
    const struct layout *layout = &layouts[header >> 4];
    struct reader at = reader_of(body.data, body.len);
    struct slice head = read_bytes(&at, layout->fixed);
    uint32_t len = read_varint(&at);
    struct slice properties = read_bytes(&at, len);
    if (at.failed) {
        return malformed(r, layout->name, "its properties do not fit in it");
    }
    struct slice tail = {(const char *)at.at, (size_t)(at.end - at.at)};
    if ((tail.len > 0) != layout->answers) {
        return malformed(r, layout->name,
                         layout->answers ? "it answers nothing" : "it continues after its end");
    }
    uint8_t in = header >> 4 == CONNACK ? IN_CONNACK : header >> 4 == DISCONNECT ? IN_END : IN_ACK;
    struct walk w = {.in = in, .r = r};
    walk_all(&w, properties);
    return w.wrong ? without_wrong(header, head, properties, tail, in, out, r) : MQTT_PACKET_GOOD;
}

static enum mqtt_verdict check_other(uint8_t header, struct slice body, struct buf *out,
                                     struct report *r) {
    const struct layout *layout = &layouts[header >> 4];
    if (body.len < layout->least) {
        return malformed(r, layout->name, "it ends too early");
    }
    if (layout->id && body.data[0] == 0 && body.data[1] == 0) {
        return malformed(r, layout->name, "its packet id is 0");
    }
    if (header >> 4 == PINGRESP) {
        return body.len == 0 ? MQTT_PACKET_GOOD
                             : malformed(r, layout->name, "it continues after its end");
    }
    return body.len <= layout->fixed ? MQTT_PACKET_GOOD : check_properties(header, body, out, r);
}

/* ---- PUBLISH ---- */

struct publish {
    uint8_t header;
    uint16_t id; /* 0 with QoS 0 */
    struct slice topic, properties, payload;
    uint64_t payload_bytes; /* of the whole packet, including what is not here */
    bool cut;
};

static enum mqtt_verdict ends_early(struct report *r) {
    return malformed(r, "PUBLISH", "it ends too early");
}

/* Splits the packet; what follows the packet id may be wrong, as w then says. */
static enum mqtt_verdict split(struct publish *p, struct slice body, uint64_t length,
                               struct walk *w, struct report *r) {
    struct reader at = reader_of(body.data, body.len);
    uint64_t missing = length - body.len;
    p->topic = read_string(&at);
    bool acknowledged = (p->header & 6) != 0;
    p->id = acknowledged ? read_u16_be(&at) : 0;
    if (at.failed) {
        return ends_early(r);
    }
    if (acknowledged && p->id == 0) {
        return malformed(r, "PUBLISH", "its packet id is 0");
    }
    uint64_t len = read_varint(&at);
    uint64_t left = at.failed ? 0 : (uint64_t)(at.end - at.at);
    if (at.failed || len > left + missing) {
        fault(w, "its properties do not fit in it");
        len = left;
        missing = 0;
    } else if (len > left) {
        missing -= len - left;
        len = left;
    }
    p->properties = read_bytes(&at, (size_t)len);
    left = at.failed ? 0 : (uint64_t)(at.end - at.at);
    p->payload_bytes = left + missing;
    bool here = !p->cut || left < KEPT_BYTES_MAX;
    p->payload = read_bytes(&at, here ? (size_t)left : KEPT_BYTES_MAX);
    return MQTT_PACKET_GOOD;
}

static void add_pair(struct buf *out, const char *name, struct slice value) {
    buf_add_u8(out, USER_PROPERTY);
    add_string(out, slice_of(name));
    add_string(out, value);
}

static void add_marker(struct buf *out, const struct walk *w, const char *mark,
                       struct slice reason) {
    struct buf value;
    buf_init(&value, UINT16_MAX);
    buf_add(&value, mark, MQTT_MARK_BYTES);
    for (size_t i = 0; i < w->id_count && i < IDS_MAX; i++) {
        buf_printf(&value, "%s%u", i > 0 ? "," : "", (unsigned)w->ids[i]);
    }
    buf_add_u8(&value, ';');
    mqtt_text_escape(&value, reason, ERROR_BYTES_MAX);
    add_pair(out, MQTT_MARKER_NAME, buf_slice(&value));
    out->failed = out->failed || value.failed;
    buf_clear(&value);
}

/* libmosquitto accepts only one subscription id: the others go into the marker. */
static void add_properties(struct buf *out, const struct publish *p, const char *mark,
                           struct slice reason) {
    char size[24];
    struct buf kept;
    struct report ignored = {""};
    buf_init(&kept, p->properties.len);
    struct walk w = {.in = IN_PUBLISH, .kept = &kept, .r = &ignored};
    walk_all(&w, p->properties);
    add_marker(out, &w, mark, reason);
    if (w.id_count > 0) {
        buf_add_u8(out, SUBSCRIPTION_ID);
        add_varint(out, w.ids[0]);
    }
    if (p->cut) {
        (void)snprintf(size, sizeof size, "%llu", (unsigned long long)p->payload_bytes);
        add_pair(out, "zingq-cut", slice_of(size));
    }
    buf_add_slice(out, buf_slice(&kept));
    out->failed = out->failed || kept.failed;
    buf_clear(&kept);
}

static enum mqtt_verdict rebuild(const struct publish *p, const char *mark, struct slice reason,
                                 struct buf *out, struct report *r) {
    struct buf head;
    struct buf properties;
    buf_init(&head, UINT16_MAX + 16);
    buf_init(&properties, p->properties.len + 2 * (size_t)UINT16_MAX);
    add_properties(&properties, p, mark, reason);
    buf_add_u16_be(&head, 0); /* the topic's length, known below */
    mqtt_text_escape(&head, p->topic.len > 0 ? p->topic : slice_of("(no topic)"), TOPIC_BYTES_MAX);
    if (!head.failed) {
        head.data[0] = (char)((head.len - 2) >> 8);
        head.data[1] = (char)((head.len - 2) & 0xff);
    }
    if (p->id != 0) {
        buf_add_u16_be(&head, p->id);
    }
    add_varint(&head, properties.len);
    buf_add_u8(out, p->header);
    add_varint(out, head.len + properties.len + p->payload.len);
    buf_add_slice(out, buf_slice(&head));
    buf_add_slice(out, buf_slice(&properties));
    buf_add_slice(out, p->payload);
    out->failed = out->failed || head.failed || properties.failed;
    buf_clear(&head);
    buf_clear(&properties);
    return finished(out, r);
}

static enum mqtt_verdict check_publish(uint8_t header, struct slice body, uint64_t length,
                                       uint64_t bytes_max, const char *mark, struct buf *out,
                                       struct report *r) {
    struct publish p = {.header = header, .cut = length > body.len};
    struct walk w = {.in = IN_PUBLISH, .r = r};
    if (p.cut) {
        fault(&w, "it has %llu bytes; the limit is %llu: only its beginning was kept",
              (unsigned long long)length, (unsigned long long)bytes_max);
    }
    enum mqtt_verdict verdict = split(&p, body, length, &w, r);
    if (verdict != MQTT_PACKET_GOOD) {
        return verdict;
    }
    if (p.topic.len == 0) {
        fault(&w, "it has no topic");
    } else {
        (void)check_string(&w, p.topic, "topic");
    }
    walk_all(&w, p.properties);
    if (!w.wrong && w.id_count <= 1) {
        return MQTT_PACKET_GOOD;
    }
    char reason[sizeof r->text + 32];
    int len = snprintf(reason, sizeof reason, "not a message that can be handled: %s", r->text);
    assert(len > 0);
    return rebuild(&p, mark, w.wrong ? slice_of(reason) : slice_of(""), out, r);
}

enum mqtt_verdict mqtt_packet_check(uint8_t header, struct slice body, uint64_t length,
                                    uint64_t bytes_max, const char *mark, struct buf *out,
                                    struct report *r) {
    assert(layouts[header >> 4].name != NULL && body.len <= length);
    assert(body.len == length || header >> 4 == PUBLISH);
    buf_reset(out);
    return header >> 4 == PUBLISH ? check_publish(header, body, length, bytes_max, mark, out, r)
                                  : check_other(header, body, out, r);
}

bool mqtt_marker_read(struct slice value, const char *mark, uint32_t *ids, size_t ids_max,
                      size_t *id_count, struct slice *reason) {
    if (value.len <= MQTT_MARK_BYTES || memcmp(value.data, mark, MQTT_MARK_BYTES) != 0) {
        return false;
    }
    const char *at = value.data + MQTT_MARK_BYTES;
    const char *end = value.data + value.len;
    *id_count = 0;
    while (at < end && *at != ';') {
        uint32_t id = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++) {
            id = id * 10 + (uint32_t)(*at - '0');
        }
        if (*id_count < ids_max) {
            ids[(*id_count)++] = id;
        }
        at += at < end && *at == ',' ? 1 : 0;
    }
    assert(at < end); /* we built it */
    *reason = (struct slice){at + 1, (size_t)(end - at - 1)};
    return true;
}

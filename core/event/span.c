/*
 * span.c - traceparents, ids, and the JSON of OTLP (opentelemetry.io/docs/specs/otlp, "JSON Protobuf
 * Encoding": ids are hexadecimal, 64-bit numbers are texts, enumerations are numbers).
 */
#include "event/span.h"

#include "base/json_write.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { SPAN_TEXT_BYTES_MAX = 1024, STATUS_ERROR = 2 };

static_assert(crypto_shorthash_siphash24_BYTES == SPAN_ID_BYTES, "a hash is an id");
static_assert((int)TRACE_ID_BYTES == (int)UUID_BYTES, "an event's id names a trace");

/* ---- trace context ---- */

/* Lower-case digits only, as the recommendation asks for; not all of them 0. */
static bool read_hex(const char *text, size_t bytes, uint8_t *out) {
    bool any = false;
    for (size_t i = 0; i < 2 * bytes; i++) {
        char c = text[i];
        bool letter = c >= 'a' && c <= 'f';
        if (!letter && (c < '0' || c > '9')) {
            return false;
        }
        uint8_t digit = (uint8_t)(letter ? c - 'a' + 10 : c - '0');
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
        any = any || digit != 0;
    }
    return any;
}

static void write_hex(char *out, const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0x0f];
    }
    out[2 * len] = '\0';
}

enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, FLAGS_KNOWN = 0x03 /* sampled, random */ };

bool span_context_parse(struct slice text, struct span_context *out) {
    struct span_context c = {.flags = 0};
    uint8_t version = 0;
    if (text.len < TRACEPARENT_BYTES || text.data[TRACE_AT - 1] != '-' ||
        text.data[SPAN_AT - 1] != '-' || text.data[FLAGS_AT - 1] != '-') {
        return false;
    }
    bool later = read_hex(text.data, 1, &version);
    bool none = !later && !slice_is((struct slice){text.data, 2}, "00");
    bool longer = text.len > TRACEPARENT_BYTES;
    if (none || version == 0xff ||
        (longer && (version == 0 || text.data[TRACEPARENT_BYTES] != '-'))) {
        return false;
    }
    bool flags = read_hex(text.data + FLAGS_AT, 1, &c.flags) ||
                 slice_is((struct slice){text.data + FLAGS_AT, 2}, "00");
    c.flags &= FLAGS_KNOWN;
    if (!flags || !read_hex(text.data + TRACE_AT, TRACE_ID_BYTES, c.trace) ||
        !read_hex(text.data + SPAN_AT, SPAN_ID_BYTES, c.span.bytes)) {
        return false;
    }
    *out = c;
    return true;
}

const char *span_context_text(const struct span_context *context, char out[TRACEPARENT_BYTES + 1]) {
    write_hex(out + TRACE_AT, context->trace, TRACE_ID_BYTES);
    write_hex(out + SPAN_AT, context->span.bytes, SPAN_ID_BYTES);
    write_hex(out + FLAGS_AT, &context->flags, 1);
    out[0] = out[1] = '0';
    out[TRACE_AT - 1] = out[SPAN_AT - 1] = out[FLAGS_AT - 1] = '-';
    return out;
}

const char *span_trace_text(const struct span_context *context, char out[2 * TRACE_ID_BYTES + 1]) {
    write_hex(out, context->trace, TRACE_ID_BYTES);
    return out;
}

bool span_trace_of(const struct event *event, struct span_context *out) {
    struct slice text;
    if (property_find(event->properties, "traceparent", &text) && span_context_parse(text, out)) {
        return true;
    }
    *out = (struct span_context){.flags = 0};
    memcpy(out->trace, event->id.bytes, UUID_BYTES);
    return false;
}

static bool is_passed_on(struct slice tracestate) {
    bool plain = tracestate.len > 0 && tracestate.len <= TRACESTATE_BYTES_MAX;
    for (size_t i = 0; plain && i < tracestate.len; i++) {
        plain = tracestate.data[i] >= 0x20 && tracestate.data[i] <= 0x7e;
    }
    return plain;
}

void span_carry(const struct span_context *at, struct slice tracestate, struct buf *properties) {
    char text[TRACEPARENT_BYTES + 1];
    struct slice own;
    property_add(properties, slice_of("traceparent"), slice_of(span_context_text(at, text)));
    if (is_passed_on(tracestate) && !property_find(buf_slice(properties), "tracestate", &own)) {
        property_add(properties, slice_of("tracestate"), tracestate);
    }
}

/* By the last 7 bytes, which are random in ids of events as well. */
bool span_is_sampled(const struct span_context *context, double sample) {
    uint64_t number = 0;
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++) {
        number = number << 8 | context->trace[i];
    }
    return (double)number < sample * 0x1p56;
}

struct span_id span_id_of(struct slice bytes) {
    /* Fixed: the same span has the same id after a restart. */
    static const uint8_t fixed[crypto_shorthash_siphash24_KEYBYTES] = "zingq span      ";
    static const struct span_id none;
    struct span_id id;
    (void)crypto_shorthash_siphash24(id.bytes, (const uint8_t *)bytes.data, bytes.len, fixed);
    if (memcmp(&id, &none, sizeof id) == 0) {
        id.bytes[SPAN_ID_BYTES - 1] = 1;
    }
    return id;
}

/* ---- JSON ---- */

/* At most SPAN_TEXT_BYTES_MAX, without a part of a character at its end. */
static struct slice cut(struct slice text) {
    if (text.len > SPAN_TEXT_BYTES_MAX) {
        text.len = SPAN_TEXT_BYTES_MAX;
        while (text.len > 0 && ((unsigned char)text.data[text.len] & 0xC0) == 0x80) {
            text.len--;
        }
    }
    return text;
}

static void begin_attribute(struct buf *out, const char *name) {
    buf_printf(out, "%s{\"key\":\"%s\",\"value\":", out->len > 0 ? "," : "", name);
}

void span_add_text(struct buf *attributes, const char *name, struct slice value) {
    begin_attribute(attributes, name);
    buf_add_str(attributes, "{\"stringValue\":");
    (void)json_quote(cut(value), attributes);
    buf_add_str(attributes, "}}");
}

void span_add_number(struct buf *attributes, const char *name, int64_t value) {
    begin_attribute(attributes, name);
    buf_printf(attributes, "{\"intValue\":\"%lld\"}}", (long long)value);
}

static void write_status(struct buf *out, const struct span *span) {
    buf_printf(out, ",\"status\":{\"code\":%d", STATUS_ERROR);
    if (span->error.len > 0) {
        buf_add_str(out, ",\"message\":");
        (void)json_quote(cut(slice_first_line(span->error)), out);
    }
    buf_add_str(out, "}");
}

static void write_ids(struct buf *out, const struct span *span) {
    static const struct span_id none;
    char trace[2 * TRACE_ID_BYTES + 1];
    char id[2 * SPAN_ID_BYTES + 1];
    write_hex(id, span->at.span.bytes, SPAN_ID_BYTES);
    buf_printf(out, "{\"traceId\":\"%s\",\"spanId\":\"%s\"", span_trace_text(&span->at, trace), id);
    if (memcmp(&span->parent, &none, sizeof none) != 0) {
        write_hex(id, span->parent.bytes, SPAN_ID_BYTES);
        buf_printf(out, ",\"parentSpanId\":\"%s\"", id);
    }
}

bool span_write(struct buf *out, const struct span *span) {
    size_t before = out->len;
    assert(span->end_us >= span->start_us);
    buf_add_str(out, before > 0 ? "," : "");
    write_ids(out, span);
    buf_printf(out, ",\"flags\":%u,\"kind\":%d,\"name\":", (unsigned)span->at.flags,
               (int)span->kind);
    (void)json_quote(cut(span->name), out);
    buf_printf(out, ",\"startTimeUnixNano\":\"%lld000\",\"endTimeUnixNano\":\"%lld000\"",
               (long long)span->start_us, (long long)span->end_us);
    bool attributes = span->attributes != NULL && span->attributes->len > 0;
    if (attributes) {
        buf_add_str(out, ",\"attributes\":[");
        buf_add_slice(out, buf_slice(span->attributes));
        buf_add_str(out, "]");
    }
    if (span->failed) {
        write_status(out, span);
    }
    buf_add_str(out, "}");
    bool whole = !out->failed && !(attributes && span->attributes->failed);
    if (!whole) {
        out->len = before;
        out->failed = false;
    }
    return whole;
}

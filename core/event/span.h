/*
 * span.h - the trace that an event belongs to (W3C Trace Context), and spans as OTLP writes them.
 *
 * Nothing of a trace is stored: which trace an event belongs to, and the ids of its spans, follow
 * from the event. So a retry, a replay or a restart gives no span twice, and none a parent that
 * does not exist.
 */
#ifndef ZINGQ_EVENT_SPAN_H
#define ZINGQ_EVENT_SPAN_H

#include "base/buf.h"
#include "event/event.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TRACE_ID_BYTES = 16,
    SPAN_ID_BYTES = 8,
    TRACEPARENT_BYTES = 55,     /* "00-<trace>-<span>-<flags>" */
    TRACESTATE_BYTES_MAX = 512, /* a longer one is not passed on */
    TRACE_SAMPLED = 1,          /* flag: its spans are wanted */
};

struct span_id {
    uint8_t bytes[SPAN_ID_BYTES]; /* zero = none */
};

/* A span as others name it. */
struct span_context {
    uint8_t trace[TRACE_ID_BYTES];
    struct span_id span;
    uint8_t flags;
};

/* A traceparent of any version (W3C Trace Context, 3.2). False: it is to be ignored. */
bool span_context_parse(struct slice text, struct span_context *out);
/* As a traceparent of version 00. Returns out. */
const char *span_context_text(const struct span_context *context, char out[TRACEPARENT_BYTES + 1]);
/* 32 digits. Returns out. */
const char *span_trace_text(const struct span_context *context, char out[2 * TRACE_ID_BYTES + 1]);

/* The trace of the event, and the span that caused it: from the property traceparent, or, without
 * a valid one (false), a trace of its own that is named by the event's id and has no flags. */
bool span_trace_of(const struct event *event, struct span_context *out);
/* Adds the trace to the properties of what goes on with it: its traceparent, and the tracestate, "" =
 * none, unless they have one. One that is longer than TRACESTATE_BYTES_MAX, or is not of printable ASCII, is left out, as
 * the recommendation allows (3.3.1.5). */
void span_carry(const struct span_context *at, struct slice tracestate, struct buf *properties);
/* Whether the part `sample` (0 to 1) of all traces has this one: the same answer on every host. */
bool span_is_sampled(const struct span_context *context, double sample);
/* An id that follows from the bytes. */
struct span_id span_id_of(struct slice bytes);

enum span_kind {
    SPAN_INTERNAL = 1, /* as OTLP numbers them */
    SPAN_CLIENT = 3,
    SPAN_PRODUCER = 4,
    SPAN_CONSUMER = 5,
};

/* What a span is made of; slices are borrowed. */
struct span {
    struct span_context at; /* its own id */
    struct span_id parent;
    enum span_kind kind;
    struct slice name;
    int64_t start_us, end_us; /* since 1970; the end is no earlier */
    bool failed;
    struct slice error;           /* why it failed, "" = not said; its first line is written */
    const struct buf *attributes; /* from the functions below; NULL = none */
};

/* Append an attribute; a long text is cut. */
void span_add_text(struct buf *attributes, const char *name, struct slice value);
void span_add_number(struct buf *attributes, const char *name, int64_t value);
/* Appends the span as a JSON object, behind a comma if there is one before it. False: it did not fit,
 * and is left out. */
bool span_write(struct buf *out, const struct span *span);

#endif

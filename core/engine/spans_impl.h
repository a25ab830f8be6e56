/*
 * spans_impl.h - what engine/spans.c and engine/spans_within.c share; nobody else includes it.
 */
#ifndef ZINGQ_ENGINE_SPANS_IMPL_H
#define ZINGQ_ENGINE_SPANS_IMPL_H

#include "engine/impl.h"
#include "engine/spans.h"
#include "event/span.h"

/* What a span tells of, as part of what its id follows from. */
enum span_part {
    PART_EVENT = 'e',
    PART_ATTEMPT = 'a',
    PART_CRASH = 'x',
    PART_CALL = 'c',
    PART_STEP = 's',
};

struct spans {
    struct buf turn;       /* the spans of the turn under way, as span_write wrote them */
    size_t count;          /* of them */
    uint64_t dropped;      /* since the last turn that was sent */
    struct buf attributes; /* of the span under construction; reused */
    int64_t wall_ahead_us; /* from the monotonic clock to the time since 1970 */
};

/* The time since 1970 at that monotonic time, and now. */
int64_t spans_time(struct engine *e, int64_t us);
int64_t spans_now(struct engine *e);
/* The span of the event's last attempt, of the event itself; *parent: what caused the event. */
struct span_context spans_of_attempt(struct engine *e, const struct event *event);
struct span_context spans_of_event(struct engine *e, const struct event *event,
                                   struct span_id *parent);
/* Begins a span's attributes anew. */
struct buf *spans_attributes(struct engine *e);
/* Appends the span, if its trace is sampled, to `out`. False: it was not. */
bool spans_add(struct engine *e, struct buf *out, const struct span *span);

/* The tracestate of the trace that the event came with; "" = none. */
struct slice spans_state_of(const struct event *event);

#endif

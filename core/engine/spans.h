/*
 * spans.h - the spans of what the engine does (docs/telemetry.md), and the trace that goes on with
 * calls and publishes.
 *
 * Nothing here can fail a turn: a span for which there is no room or memory is dropped and counted.
 */
#ifndef ZINGQ_ENGINE_SPANS_H
#define ZINGQ_ENGINE_SPANS_H

#include "engine/attempt.h"

/* ERR_MEMORY. */
int engine_make_spans(struct engine *e);
void engine_free_spans(struct engine *e);
/* The turn is rolled back: what it did is not told. */
void engine_forget_spans(struct engine *e);
/* After the commit: passes the turn's spans to doors.spans. */
void engine_send_spans(struct engine *e);

/* The attempt asks for a call: the trace goes on in the request. Without telemetry, HTTP requests
 * repeat the traceparent that the event came with. */
void engine_trace_call(struct engine *e, struct invocation *inv);
/* Its call leaves now. */
void engine_trace_start(struct engine *e, struct invocation *inv);
/* It goes on; `result`: of the call it asked for, or NULL. Before the request is freed. */
void engine_trace_resume(struct engine *e, struct invocation *inv,
                         const struct call_result *result);
/* The step in run->durable has its result. */
void engine_trace_step(struct engine *e, struct invocation *inv);
/* Only if e->traces, as the next ones: the attempt of these events is over, and none of them has
 * ended; and what it did within, which is freed. */
void engine_trace_attempt(struct engine *e, struct invocation *inv, struct lane_item **items,
                          size_t count);
void engine_trace_within(struct engine *e, struct invocation *inv);
/* The host went down during an attempt of the event. */
void engine_trace_crash(struct engine *e, const struct engine_service *s, const struct event *event,
                        const char *text);
/* The event has ended. */
void engine_trace_end(struct engine *e, const struct engine_service *s, const struct event *event);

/* Frees inv->traced. */
void engine_forget_traced(struct engine *e, struct invocation *inv);

/* Append traceparent and tracestate for what the event causes: a publish of its handler, unless that
 * sets its own; and anything else. */
void engine_trace_publish(struct engine *e, const struct event *event, const struct effect *effect,
                          struct buf *properties);
void engine_trace_on(struct engine *e, const struct event *event, struct buf *properties);

#endif

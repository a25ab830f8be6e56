/*
 * spans.c - spans of events, attempts and publishes, and the turn's list of them.
 *
 * A span is told once what it tells of is over, and after the commit of that turn: a turn that is
 * rolled back has told nothing. The ids follow from the event's record (its id, lane and arrival
 * number, which a replay renews, and the number and start of the attempt). The children of an
 * attempt are kept with it until it ends (engine/spans_within.c): if the host goes down before, it
 * leaves no span without a parent.
 *
 * An event is the parent of its attempts, an attempt of what it calls, does in steps and publishes,
 * a publish of the events that it becomes, here and elsewhere.
 */
#include "engine/spans_impl.h"

#include "engine/history.h"
#include "engine/item.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPAN_NAME_BYTES = 256, ATTRIBUTES_BYTES_MAX = 64 << 10, CLOCK_SLACK_US = 20000 };

/* --- ids --- */

static struct span_id id_of(const struct event *event, enum span_part part, uint64_t number,
                            uint64_t at) {
    const uint64_t numbers[] = {htole64(event->lane), htole64(event->seq), htole64(part),
                                htole64(number), htole64(at)};
    char bytes[UUID_BYTES + sizeof numbers];
    memcpy(bytes, event->id.bytes, UUID_BYTES);
    memcpy(bytes + UUID_BYTES, numbers, sizeof numbers);
    return span_id_of((struct slice){bytes, sizeof bytes});
}

struct span_context spans_of_event(struct engine *e, const struct event *event,
                                   struct span_id *parent) {
    struct span_context at;
    if (!span_trace_of(event, &at) && span_is_sampled(&at, e->conf->telemetry.sample)) {
        at.flags |= TRACE_SAMPLED;
    }
    *parent = at.span;
    at.span = id_of(event, PART_EVENT, 0, 0);
    return at;
}

struct span_context spans_of_attempt(struct engine *e, const struct event *event) {
    struct span_id parent;
    struct span_context at = spans_of_event(e, event, &parent);
    if (event->started_ms > 0) { /* otherwise it never ran */
        at.span = id_of(event, PART_ATTEMPT, event->attempts, (uint64_t)event->started_ms);
    }
    return at;
}

/* --- time --- */

/* One difference for all spans, so that they lie within one another to the microsecond, unless the
 * wall clock was set. The last 999 microseconds make up for those that it does not show. */
int64_t spans_time(struct engine *e, int64_t us) {
    int64_t ahead_us = e->wall_ms * 1000 + 999 - e->turn_us;
    int64_t off_us = ahead_us - e->spans->wall_ahead_us;
    if (off_us > CLOCK_SLACK_US || off_us < -CLOCK_SLACK_US) {
        e->spans->wall_ahead_us = ahead_us;
    }
    return us + e->spans->wall_ahead_us;
}

int64_t spans_now(struct engine *e) {
    return spans_time(e, e->doors.monotonic_us(e->doors.ctx));
}

/* --- adding them --- */

struct buf *spans_attributes(struct engine *e) {
    buf_reset(&e->spans->attributes);
    return &e->spans->attributes;
}

bool spans_add(struct engine *e, struct buf *out, const struct span *span) {
    struct span told = *span;
    if ((span->at.flags & TRACE_SAMPLED) == 0) {
        return false;
    }
    told.attributes = &e->spans->attributes;
    told.start_us = told.start_us < told.end_us ? told.start_us : told.end_us;
    bool added = span_write(out, &told);
    e->spans->dropped += added ? 0 : 1;
    return added;
}

static void add(struct engine *e, const struct span *span) {
    e->spans->count += spans_add(e, &e->spans->turn, span) ? 1 : 0;
}

/* "process " and the filter; topics may be as many as there are messages. */
static struct slice name_of(char out[SPAN_NAME_BYTES], const char *what, const char *filter) {
    (void)snprintf(out, SPAN_NAME_BYTES, "%s%s%s", what, filter == NULL ? "" : " ",
                   filter == NULL ? "" : filter);
    return slice_of(out);
}

static struct buf *message_attributes(struct engine *e, const char *operation, struct slice topic,
                                      const char *filter, const struct uuid *id, size_t bytes) {
    char text[UUID_TEXT_BYTES + 1];
    struct buf *out = spans_attributes(e);
    span_add_text(out, "messaging.system", slice_of("mqtt"));
    span_add_text(out, "messaging.operation.name", slice_of(operation));
    span_add_text(out, "messaging.operation.type", slice_of(operation));
    span_add_text(out, "messaging.destination.name", topic);
    if (filter != NULL && !slice_is(topic, filter)) {
        span_add_text(out, "messaging.destination.template", slice_of(filter));
    }
    span_add_text(out, "messaging.message.id", slice_of(uuid_text(id, text)));
    span_add_number(out, "messaging.message.body.size", (int64_t)bytes);
    return out;
}

/* --- events --- */

void engine_trace_end(struct engine *e, const struct engine_service *s, const struct event *event) {
    char name[SPAN_NAME_BYTES];
    const char *filter = service_filter(s->conf, event->topic.data);
    struct buf *attributes =
        message_attributes(e, "process", event->topic, filter, &event->id, event->payload.len);
    span_add_text(attributes, "messaging.consumer.group.name", s->name);
    span_add_text(attributes, "zingq.state",
                  slice_of(event_state_name((enum event_state)event->state)));
    span_add_number(attributes, "zingq.attempts", event->attempts);
    struct span span = {.kind = SPAN_CONSUMER,
                        .name = name_of(name, "process", filter),
                        .start_us = (engine_round_ms(e, event) + e->wall_ms - e->now_ms) * 1000,
                        .end_us = spans_now(e),
                        .failed = event_state_dead((enum event_state)event->state),
                        .error = event->reason};
    span.at = spans_of_event(e, event, &span.parent);
    add(e, &span);
}

/* --- attempts --- */

static const char *outcome_name(enum outcome outcome) {
    switch (outcome) {
    case OUTCOME_DONE:
        return "done";
    case OUTCOME_ERROR:
        return "error";
    case OUTCOME_RETRY:
        return "retry";
    case OUTCOME_SNOOZE:
        return "snooze";
    case OUTCOME_THROTTLE:
        return "throttle";
    case OUTCOME_REJECT:
        return "reject";
    case OUTCOME_SLEEP:
    case OUTCOME_WAIT:
        return "sleep";
    default: /* it would have gone on */
        return "cancelled";
    }
}

static bool is_failure(enum outcome outcome) {
    return outcome == OUTCOME_ERROR || outcome == OUTCOME_RETRY || outcome == OUTCOME_REJECT;
}

static void add_attempt(struct engine *e, const struct engine_service *s, struct span *span,
                        const struct event *event, const char *outcome) {
    char name[SPAN_NAME_BYTES];
    struct buf *attributes = spans_attributes(e);
    span_add_text(attributes, "zingq.service", s->name);
    span_add_number(attributes, "zingq.attempt", event->attempts);
    span_add_text(attributes, "zingq.outcome", slice_of(outcome));
    if (span->failed) {
        span_add_text(attributes, "error.type", slice_of(outcome));
    }
    span->kind = SPAN_INTERNAL;
    span->name = name_of(name, "attempt", s->conf->name);
    span->parent = id_of(event, PART_EVENT, 0, 0);
    add(e, span);
}

/* Of a batch, what the handler said about the i-th event counts. */
static void trace_one(struct engine *e, struct invocation *inv, size_t i,
                      const struct event *event) {
    const struct run *run = inv->run;
    const struct run_failure *own = run->failures == NULL ? NULL : &run->failures[i];
    bool reported = own != NULL && own->reason != NULL;
    struct span span = {.at = spans_of_attempt(e, event),
                        .start_us = spans_time(e, inv->started_us),
                        .end_us = spans_now(e),
                        .failed = reported || is_failure(run->outcome),
                        .error = reported ? slice_of(own->reason) : buf_slice(&run->error)};
    add_attempt(e, inv->service, &span, event, reported ? "error" : outcome_name(run->outcome));
}

void engine_trace_attempt(struct engine *e, struct invocation *inv, struct lane_item **items,
                          size_t count) {
    for (size_t i = 0; i < count; i++) {
        trace_one(e, inv, i, items[i]->event);
    }
}

/* Found at the next start: when it began and ended is not known, and which of its calls were made is
 * in the event. */
void engine_trace_crash(struct engine *e, const struct engine_service *s, const struct event *event,
                        const char *text) {
    struct span span = {.start_us = e->wall_ms * 1000,
                        .end_us = e->wall_ms * 1000,
                        .failed = true,
                        .error = slice_of(text)};
    span.at = spans_of_event(e, event, &span.parent);
    span.at.span = id_of(event, PART_CRASH, event->crashes, (uint64_t)e->now_ms);
    add_attempt(e, s, &span, event, "crash");
}

/* --- what events cause --- */

struct slice spans_state_of(const struct event *event) {
    struct span_context came;
    struct slice state = {"", 0};
    if (span_trace_of(event, &came)) {
        (void)property_find(event->properties, "tracestate", &state);
    }
    return state;
}

/* Passes on the trace that the event came with, if it did. */
static void repeat(const struct event *event, struct buf *properties) {
    struct span_context came;
    if (span_trace_of(event, &came)) {
        span_carry(&came, spans_state_of(event), properties);
    }
}

void engine_trace_on(struct engine *e, const struct event *event, struct buf *properties) {
    struct span_id parent;
    if (!e->traces) {
        repeat(event, properties);
        return;
    }
    struct span_context at = spans_of_event(e, event, &parent);
    span_carry(&at, spans_state_of(event), properties);
}

/* The filter of a service of this host that gets the publish, or NULL. */
static const char *filter_of(const struct engine *e, const char *topic) {
    const char *filter = NULL;
    for (size_t i = 0; i < e->conf->service_count && filter == NULL; i++) {
        filter = service_filter(&e->conf->services[i], topic);
    }
    return filter;
}

static void publish(struct engine *e, const struct event *event, const struct effect *effect,
                    struct buf *properties) {
    char name[SPAN_NAME_BYTES];
    struct span span = {.at = spans_of_attempt(e, event), .kind = SPAN_PRODUCER};
    const char *filter = filter_of(e, effect->name.data);
    (void)message_attributes(e, "send", effect->name, filter, &effect->id, effect->value.len);
    span.parent = span.at.span;
    span.at.span = span_id_of((struct slice){(const char *)effect->id.bytes, UUID_BYTES});
    span.name = name_of(name, "send", filter);
    span.start_us = span.end_us = spans_now(e);
    add(e, &span);
    span_carry(&span.at, spans_state_of(event), properties);
}

void engine_trace_publish(struct engine *e, const struct event *event, const struct effect *effect,
                          struct buf *properties) {
    struct slice own;
    if (property_find(effect->properties, "traceparent", &own)) {
        return;
    }
    if (e->traces) {
        publish(e, event, effect, properties);
    } else {
        repeat(event, properties);
    }
}

/* --- the turn --- */

void engine_send_spans(struct engine *e) {
    struct spans *spans = e->spans;
    if (spans->count > 0 || spans->dropped > 0) {
        e->doors.spans(e->doors.ctx, buf_slice(&spans->turn), spans->count, spans->dropped);
        spans->dropped = 0;
        engine_forget_spans(e);
    }
}

void engine_forget_spans(struct engine *e) {
    buf_trim(&e->spans->turn, SPANS_KEPT_BYTES);
    e->spans->count = 0;
}

int engine_make_spans(struct engine *e) {
    e->spans = calloc(1, sizeof *e->spans);
    if (e->spans == NULL) {
        return ERR_MEMORY;
    }
    buf_init(&e->spans->turn, SPANS_TURN_BYTES_MAX);
    buf_init(&e->spans->attributes, ATTRIBUTES_BYTES_MAX);
    e->traces = e->doors.spans != NULL && telemetry_is_on(&e->conf->telemetry);
    return 0;
}

void engine_free_spans(struct engine *e) {
    if (e->spans != NULL) {
        buf_clear(&e->spans->turn);
        buf_clear(&e->spans->attributes);
        free(e->spans);
        e->spans = NULL;
    }
}

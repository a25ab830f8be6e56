/*
 * spans_within.c - the spans of an attempt's calls and steps, kept until the attempt ends.
 *
 * A step begins in the stretch between two waits in which its first call is asked for, or, without
 * calls, its result stored: the handler does not tell when it enters one.
 */
#include "engine/spans_impl.h"

#include "base/url.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WORD_BYTES_MAX = 16, CARRIED_BYTES_MAX = 1024 };

/* What an attempt has done. */
struct traced {
    struct span_context attempt;
    int64_t stretch_us; /* monotonic: when it last went on */
    uint64_t calls;     /* so far */
    bool calling;       /* it waits for this one: */
    struct span_id call, call_parent;
    int64_t call_us;
    size_t statement; /* bytes of its SQL, before the comment was added */
    bool stepping;    /* it is within this one: */
    struct span_id step;
    int64_t step_us;
    char step_name[STEP_LABEL_BYTES_MAX + 1];
    struct buf ended; /* their spans */
    size_t count;     /* of them */
    size_t taken;     /* from the memory budget */
};

/* NULL: out of memory. */
static struct traced *traced_of(struct engine *e, struct invocation *inv) {
    if (inv->traced == NULL) {
        struct traced *t = calloc(1, sizeof *t);
        if (t == NULL) {
            return NULL;
        }
        t->attempt = spans_of_attempt(e, inv->item->event);
        t->stretch_us = inv->started_us;
        t->taken = sizeof *t;
        memory_take(e->memory, MEMORY_SPANS, t->taken);
        buf_init(&t->ended, SPANS_ATTEMPT_BYTES_MAX);
        inv->traced = t;
    }
    return inv->traced;
}

static int64_t now_us(struct engine *e) {
    return e->doors.monotonic_us(e->doors.ctx);
}

static struct span_id id_within(const struct traced *t, enum span_part part, uint64_t number,
                                struct slice name) {
    const uint64_t numbers[] = {htole64(part), htole64(number)};
    char bytes[SPAN_ID_BYTES + sizeof numbers + STEP_LABEL_BYTES_MAX];
    size_t len = name.len < STEP_LABEL_BYTES_MAX ? name.len : STEP_LABEL_BYTES_MAX;
    memcpy(bytes, t->attempt.span.bytes, SPAN_ID_BYTES);
    memcpy(bytes + SPAN_ID_BYTES, numbers, sizeof numbers);
    if (len > 0) {
        memcpy(bytes + SPAN_ID_BYTES + sizeof numbers, name.data, len);
    }
    return span_id_of((struct slice){bytes, SPAN_ID_BYTES + sizeof numbers + len});
}

/* The span has its times on the monotonic clock, and now ends. */
static void add(struct engine *e, struct traced *t, struct span *span, int64_t start_us) {
    bool room = memory_room(e->memory, MEMORY_SPANS) > 0;
    span->start_us = spans_time(e, start_us);
    span->end_us = spans_now(e);
    e->spans->dropped += room || (span->at.flags & TRACE_SAMPLED) == 0 ? 0 : 1;
    t->count += room && spans_add(e, &t->ended, span) ? 1 : 0;
    if (t->ended.cap > t->taken - sizeof *t) {
        memory_take(e->memory, MEMORY_SPANS, t->ended.cap - (t->taken - sizeof *t));
        t->taken = sizeof *t + t->ended.cap;
    }
}

/* --- steps --- */

static void begin_step(struct traced *t, const struct step *step) {
    size_t len = step->name.len < sizeof t->step_name ? step->name.len : sizeof t->step_name - 1;
    t->stepping = true;
    t->step = id_within(t, PART_STEP, (uint64_t)step->kind, step->name);
    t->step_us = t->stretch_us;
    memcpy(t->step_name, step->name.data, len);
    t->step_name[len] = '\0';
}

static void end_step(struct engine *e, struct traced *t, bool failed) {
    if (!t->stepping) {
        return;
    }
    struct span span = {.at = t->attempt,
                        .parent = t->attempt.span,
                        .kind = SPAN_INTERNAL,
                        .name = slice_of(t->step_name),
                        .failed = failed};
    span.at.span = t->step;
    span_add_text(spans_attributes(e), "zingq.step", span.name);
    add(e, t, &span, t->step_us);
    t->stepping = false;
}

/* Whether that step is the one that began last. */
static bool is_within(const struct traced *t, const struct step *step) {
    struct span_id id = id_within(t, PART_STEP, (uint64_t)step->kind, step->name);
    return t->stepping && memcmp(&id, &t->step, sizeof id) == 0;
}

void engine_trace_step(struct engine *e, struct invocation *inv) {
    const struct step *step = &inv->run->durable->step;
    struct traced *t = e->traces ? traced_of(e, inv) : NULL;
    if (t == NULL || step->state != STEP_DONE) {
        return;
    }
    if (!is_within(t, step)) {
        end_step(e, t, true);
        begin_step(t, step);
    }
    end_step(e, t, false);
}

/* --- the trace in a request --- */

static bool has_header(const struct call_request *request, const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < request->header_count; i++) {
        if (strncasecmp(request->headers[i], name, len) == 0 && request->headers[i][len] == ':') {
            return true;
        }
    }
    return false;
}

/* A header that does not fit is left out. */
static void add_headers(struct call_request *request, const struct event *event,
                        const struct span_context *at) {
    struct buf carried;
    struct slice name;
    struct slice value;
    size_t next = 0;
    if (has_header(request, "traceparent")) {
        return;
    }
    buf_init(&carried, CARRIED_BYTES_MAX);
    span_carry(at, spans_state_of(event), &carried);
    while (property_next(buf_slice(&carried), &next, &name, &value)) {
        (void)call_request_header(request, name, value);
    }
    buf_clear(&carried);
}

/* As sqlcommenter has it: the server's log and pg_stat_activity show it. A statement is sent unnamed,
 * so that another text costs no plan. */
static void add_comment(struct call_request *request, const struct span_context *at) {
    static const char form[] = " /*traceparent='%s'*/";
    char text[TRACEPARENT_BYTES + 1];
    struct buf statement;
    buf_init(&statement, request->body_len + sizeof form + sizeof text);
    buf_add(&statement, request->body, request->body_len);
    buf_printf(&statement, form, span_context_text(at, text));
    if (statement.failed) {
        buf_clear(&statement);
        return;
    }
    (void)buf_str(&statement);
    free(request->body);
    request->body = statement.data;
    request->body_len = statement.len;
}

static void pass_on(struct call_request *request, const struct event *event,
                    const struct span_context *at) {
    if (request->kind == CALL_KIND_HTTP) {
        add_headers(request, event, at);
    } else if (request->kind == CALL_KIND_SQL && (at->flags & TRACE_SAMPLED) != 0) {
        add_comment(request, at);
    }
}

/* --- calls --- */

static void describe_sql(struct buf *out, const struct call_request *request, size_t bytes,
                         const struct call_result *result, char word[WORD_BYTES_MAX]) {
    struct slice statement = {request->body, bytes};
    char state[CALL_STATUS_BYTES];
    size_t len = 0;
    while (statement.len > 0 && memchr(" \t\r\n", statement.data[0], 4) != NULL) {
        statement.data++;
        statement.len--;
    }
    while (len < statement.len && len < WORD_BYTES_MAX - 1 &&
           byte_is_plain(statement.data[len], "_")) {
        word[len] = (char)(statement.data[len] & ~0x20); /* in capital letters */
        len++;
    }
    word[len] = '\0';
    span_add_text(out, "db.system.name", slice_of("postgresql"));
    span_add_text(out, "db.operation.name", slice_of(word));
    span_add_text(out, "zingq.database", slice_of(request->url));
    if (request->param_count > 0) { /* otherwise its values may be in it */
        span_add_text(out, "db.query.text", statement);
    }
    if (result != NULL && result->status != 0) {
        span_add_text(out, "db.response.status_code",
                      slice_of(call_status_text(result->status, state)));
    }
}

/* server.address, and server.port, of what is behind a "://". */
static void describe_server(struct buf *out, const char *rest) {
    const char *host = rest + url_login_bytes(slice_of(rest));
    size_t len = host[0] == '[' ? strcspn(host, "]/?#") + 1 : strcspn(host, ":/?#");
    const char *port = host + len;
    bool literal = host[0] == '[' && len > 2;
    span_add_text(out, "server.address",
                  literal ? (struct slice){host + 1, len - 2} : (struct slice){host, len});
    if (*port == ':') {
        span_add_number(out, "server.port", strtol(port + 1, NULL, 10));
    }
}

static void describe_http(struct buf *out, const struct call_request *request,
                          const struct call_result *result) {
    const char *rest = strstr(request->url, "://");
    const char *shown = rest == NULL ? request->url : rest + 3;
    struct buf url; /* a query may hold secrets */
    buf_init(&url, TOPIC_BYTES_MAX);
    url_add_public(
        &url, (struct slice){request->url, (size_t)(shown - request->url) + strcspn(shown, "?#")});
    span_add_text(out, "http.request.method", slice_of(request->method));
    span_add_text(out, "url.full", buf_slice(&url));
    describe_server(out, shown);
    if (result != NULL && result->status > 0) {
        span_add_number(out, "http.response.status_code", result->status);
    }
    buf_clear(&url);
}

static bool is_error(const struct call_request *request, const struct call_result *result) {
    long least = request->kind == CALL_KIND_SQL ? 1 : 400;
    return result == NULL || result->code != 0 || result->status >= least;
}

static struct slice error_type(const struct call_result *result, char text[CALL_STATUS_BYTES]) {
    return slice_of(result == NULL      ? "cancelled"
                    : result->code != 0 ? error_text(result->code)
                                        : call_status_text(result->status, text));
}

/* `result` NULL: the attempt ended first. */
static void end_call(struct engine *e, struct traced *t, const struct call_request *request,
                     const struct call_result *result) {
    char word[WORD_BYTES_MAX] = "";
    char type[CALL_STATUS_BYTES];
    struct buf *attributes = spans_attributes(e);
    struct span span = {.at = t->attempt,
                        .parent = t->call_parent,
                        .kind = SPAN_CLIENT,
                        .failed = is_error(request, result),
                        .error = slice_of(result == NULL ? "" : result->error)};
    span.at.span = t->call;
    switch (request->kind) {
    case CALL_KIND_HTTP:
        span.name = slice_of(request->method);
        describe_http(attributes, request, result);
        break;
    case CALL_KIND_SQL:
        describe_sql(attributes, request, t->statement, result, word);
        span.name = slice_of(word[0] == '\0' ? "postgresql" : word);
        break;
    case CALL_KIND_MAIL: /* to whom is nobody's business */
        span.name = slice_of("mail");
        break;
    case CALL_KIND_ASK:
        span.name = slice_of("ask");
        break;
    }
    if (span.failed) {
        span_add_text(attributes, "error.type", error_type(result, type));
    }
    add(e, t, &span, t->call_us);
    t->calling = false;
}

void engine_trace_call(struct engine *e, struct invocation *inv) {
    struct event *event = inv->item->event;
    const struct run_durable *d = inv->run->durable;
    struct traced *t = e->traces ? traced_of(e, inv) : NULL;
    struct span_context at;
    if (!e->traces && inv->run->request->kind == CALL_KIND_HTTP && span_trace_of(event, &at)) {
        add_headers(inv->run->request, event, &at);
    }
    if (t == NULL) {
        return;
    }
    bool within = d != NULL && d->open;
    if (!within || !is_within(t, &d->step)) {
        end_step(e, t, true);
    }
    if (within && !t->stepping) {
        begin_step(t, &d->step);
    }
    t->calling = true;
    t->call = id_within(t, PART_CALL, ++t->calls, (struct slice){NULL, 0});
    t->call_parent = t->stepping ? t->step : t->attempt.span;
    t->call_us = now_us(e);
    t->statement = inv->run->request->body_len;
    at = t->attempt;
    at.span = t->call;
    pass_on(inv->run->request, event, &at);
}

void engine_trace_start(struct engine *e, struct invocation *inv) {
    if (inv->traced != NULL && inv->traced->calling) {
        inv->traced->call_us = now_us(e);
    }
}

void engine_trace_resume(struct engine *e, struct invocation *inv,
                         const struct call_result *result) {
    struct traced *t = inv->traced;
    if (t == NULL) {
        return;
    }
    if (result != NULL && t->calling) {
        end_call(e, t, inv->run->request, result);
    }
    t->stretch_us = now_us(e);
}

/* --- the end of the attempt --- */

void engine_trace_within(struct engine *e, struct invocation *inv) {
    struct traced *t = inv->traced;
    struct spans *spans = e->spans;
    if (t == NULL) {
        return;
    }
    if (t->calling && inv->run->request != NULL) {
        end_call(e, t, inv->run->request, NULL);
    }
    end_step(e, t, true);
    bool room = spans->turn.len + t->ended.len < spans->turn.max - 1;
    if (room && t->ended.len > 0) {
        buf_add_str(&spans->turn, spans->turn.len > 0 ? "," : "");
        buf_add_slice(&spans->turn, buf_slice(&t->ended));
        spans->count += t->count;
    }
    spans->dropped += room ? 0 : t->count;
    engine_forget_traced(e, inv);
}

void engine_forget_traced(struct engine *e, struct invocation *inv) {
    memory_give(e->memory, MEMORY_SPANS, inv->traced->taken);
    buf_clear(&inv->traced->ended);
    free(inv->traced);
    inv->traced = NULL;
}

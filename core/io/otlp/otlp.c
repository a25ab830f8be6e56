/*
 * otlp.c - batches of spans, sent one after another; when a batch is sent again follows the
 * specification (opentelemetry.io/docs/specs/otlp, "OTLP/HTTP Response"):
 *
 *   200                  done; what it says is rejected counts as dropped
 *   429, 502, 503, 504   again, after Retry-After or a delay that doubles
 *   no answer            the same
 *   all others           the batch is dropped
 *
 * Left out on purpose: a queue on disk (spans are worth less than the events they tell of),
 * compression, Protocol Buffers.
 */
#include "io/otlp/otlp.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/url.h"
#include "event/span.h"
#include "io/fetch/fetch.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { ERROR_TEXT_BYTES = 256, OWN_BYTES_MAX = 64 << 10, ANSWER_BYTES_MAX = 64 << 10 };

static const char path[] = "/v1/traces";
static const char batch_end[] = "]}]}]}";

struct batch {
    TAILQ_ENTRY(batch) link;
    struct buf text; /* the body of its request */
    size_t spans;
    size_t taken;      /* from the memory budget */
    uint64_t begun_ms; /* loop time */
    bool sealed;       /* complete: it was sent */
};

struct otlp {
    struct otlp_options options;
    struct fetch *fetch;
    uv_timer_t timer; /* the next thing due */
    TAILQ_HEAD(batches, batch) batches;
    size_t bytes, waiting;        /* in all batches: bytes, spans */
    struct call_request *request; /* of the first batch, under way; its body is the batch's */
    uint64_t requests;            /* so far: the last one's id */
    uint64_t not_before_ms;       /* loop time: nothing is sent earlier */
    unsigned failures;            /* in a row */
    bool ending;
    bool *ended;      /* what to tell then; borrowed, or NULL */
    uint64_t late_ms; /* loop time when the end is not put off any more */
    uint64_t sent, dropped;
    char error[ERROR_TEXT_BYTES]; /* of the last request; "" = it went well */
};

/* --- the queue --- */

static void add_resource(const struct otlp *o, struct buf *out) {
    struct buf attributes;
    buf_init(&attributes, OWN_BYTES_MAX);
    span_add_text(&attributes, "service.name", slice_of(o->options.conf->service_name));
    span_add_text(&attributes, "service.version", slice_of(ZINGQ_VERSION));
    span_add_text(&attributes, "service.instance.id", slice_of(o->options.instance));
    buf_add_str(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    buf_add_slice(out, buf_slice(&attributes));
    buf_add_str(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"zingq\",\"version\":"
                     "\"" ZINGQ_VERSION "\"},\"spans\":[");
    out->failed = out->failed || attributes.failed;
    buf_clear(&attributes);
}

static struct batch *batch_new(struct otlp *o) {
    struct batch *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    buf_init(&made->text, SPANS_QUEUE_BYTES_MAX + OWN_BYTES_MAX);
    made->begun_ms = uv_now(o->options.loop);
    add_resource(o, &made->text);
    if (made->text.failed) {
        buf_clear(&made->text);
        free(made);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&o->batches, made, link);
    return made;
}

/* The last one, if so many bytes fit into it, or a new one; NULL: out of memory. */
static struct batch *batch_for(struct otlp *o, size_t bytes) {
    struct batch *last = TAILQ_LAST(&o->batches, batches);
    bool fits = last != NULL && !last->sealed && last->text.len + bytes <= SPANS_BATCH_BYTES;
    struct batch *batch = fits ? last : batch_new(o);
    if (batch != NULL && !buf_has(&batch->text, bytes + sizeof batch_end)) {
        batch->text.failed = false;
        return NULL;
    }
    return batch;
}

static void batch_free(struct otlp *o, struct batch *batch) {
    memory_give(o->options.memory, MEMORY_SPANS, batch->taken);
    o->bytes -= batch->taken;
    o->waiting -= batch->spans;
    buf_clear(&batch->text);
    free(batch);
}

static void drop_first(struct otlp *o) {
    struct batch *first = TAILQ_FIRST(&o->batches);
    TAILQ_REMOVE(&o->batches, first, link);
    batch_free(o, first);
}

/* --- sending --- */

static void on_timer(uv_timer_t *timer);

static void wake_in(struct otlp *o, uint64_t ms) {
    int rc = uv_timer_start(&o->timer, on_timer, ms, 0);
    assert(rc == 0);
    (void)rc;
}

/* NULL: out of memory. `body` stays the caller's. */
static struct call_request *request_new(const struct telemetry_conf *conf, struct slice body) {
    struct call_request *request = call_request_new();
    struct buf url;
    if (request == NULL) {
        return NULL;
    }
    size_t len = strlen(conf->otlp);
    len -= len > 0 && conf->otlp[len - 1] == '/' ? 1 : 0;
    buf_init(&url, len + sizeof path);
    buf_add(&url, conf->otlp, len);
    buf_add_str(&url, path);
    request->url = slice_dup(buf_slice(&url));
    buf_clear(&url);
    request->method = slice_dup(slice_of("POST"));
    request->timeout_ms = SPANS_TIMEOUT_MS;
    request->body = (char *)(uintptr_t)body.data;
    request->body_len = body.len;
    int code = call_request_header(request, slice_of("Content-Type"), slice_of("application/json"));
    for (size_t i = 0; code == 0 && i < conf->header_count; i++) {
        const char *line = conf->headers[i];
        size_t name = strcspn(line, ":");
        code = call_request_header(request, (struct slice){line, name}, slice_of(line + name + 2));
    }
    if (code != 0 || request->url == NULL || request->method == NULL) {
        request->body = NULL;
        call_request_free(request);
        return NULL;
    }
    return request;
}

static void request_free(struct call_request *request) {
    if (request != NULL) {
        request->body = NULL;
    }
    call_request_free(request);
}

static void fail(struct otlp *o, const char *why) {
    char url[URL_SHOWN_BYTES];
    if (o->error[0] == '\0') {
        log_warn("host",
                 "telemetry.otlp: %s does not take spans: %s; those for which there is no "
                 "room are dropped",
                 url_shown(o->options.conf->otlp, url), why);
    }
    (void)snprintf(o->error, sizeof o->error, "%s", why);
}

/* The delay doubles, with a fifth more or less, so that hosts do not come back together. What the
 * receiver asks for counts instead, within reason. */
static void put_off(struct otlp *o, int64_t asked_ms) {
    uint64_t ms = SPANS_RETRY_MS_MIN;
    for (unsigned i = 0; i < o->failures && ms < SPANS_RETRY_MS_MAX; i++) {
        ms *= 2;
    }
    ms = ms < SPANS_RETRY_MS_MAX ? ms : SPANS_RETRY_MS_MAX;
    ms = ms * 4 / 5 + randombytes_uniform((uint32_t)(ms * 2 / 5));
    o->failures++;
    if (asked_ms >= 0) {
        ms = asked_ms < OTLP_RETRY_AFTER_MS_MAX ? (uint64_t)asked_ms : OTLP_RETRY_AFTER_MS_MAX;
    }
    o->not_before_ms = uv_now(o->options.loop) + ms;
}

static void send_first(struct otlp *o) {
    struct batch *first = TAILQ_FIRST(&o->batches);
    if (!first->sealed) {
        buf_add_str(&first->text, batch_end); /* batch_for has made room */
        first->sealed = true;
    }
    o->request = request_new(o->options.conf, buf_slice(&first->text));
    int code = o->request == NULL ? ERR_MEMORY : fetch_start(o->fetch, ++o->requests, o->request);
    if (code != 0) {
        request_free(o->request);
        o->request = NULL;
        fail(o, error_text(code));
        put_off(o, -1);
    }
}

/* --- answers --- */

static int64_t retry_after_ms(struct buf *headers) {
    static const char name[] = "retry-after: ";
    const char *line = buf_str(headers);
    while (*line != '\0' && strncmp(line, name, sizeof name - 1) != 0) {
        line += strcspn(line, "\n");
        line += *line == '\n' ? 1 : 0;
    }
    char value[64];
    const char *text = *line == '\0' ? "" : line + sizeof name - 1;
    (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(text, "\n"), text);
    return value[0] == '\0' ? -1 : call_retry_after_ms(value, clock_wall_ms());
}

static bool comes_again(const struct call_result *result) {
    return result->code != 0 ? result->code != ERR_INVALID && result->code != ERR_LIMIT
                             : result->status == 429 || result->status == 502 ||
                                   result->status == 503 || result->status == 504;
}

/* partialSuccess.rejectedSpans of the answer: a 64-bit number, so a text. */
static uint64_t rejected_of(const struct call_result *result) {
    if (result->body.len > ANSWER_BYTES_MAX) {
        return 0;
    }
    json_t *answer = json_read(buf_slice(&result->body), "the answer", NULL);
    const json_t *count =
        json_object_get(json_object_get(answer, "partialSuccess"), "rejectedSpans");
    uint64_t rejected =
        json_is_string(count)
            ? strtoull(json_string_value(count), NULL, 10)
            : (uint64_t)(json_integer_value(count) > 0 ? json_integer_value(count) : 0);
    json_decref(answer);
    return rejected;
}

static void accepted(struct otlp *o, const struct call_result *result) {
    uint64_t spans = TAILQ_FIRST(&o->batches)->spans;
    uint64_t rejected = rejected_of(result);
    rejected = rejected < spans ? rejected : spans;
    o->sent += spans - rejected;
    o->dropped += rejected;
    o->failures = 0;
    drop_first(o);
    if (rejected > 0) {
        fail(o, "it rejects spans");
    } else if (o->error[0] != '\0') {
        o->error[0] = '\0';
        log_info("host", "telemetry.otlp: spans are taken again");
    }
}

static void on_answered(void *ctx, uint64_t id, struct call_result *result) {
    struct otlp *o = ctx;
    assert(id == o->requests && o->request != NULL);
    request_free(o->request);
    o->request = NULL;
    if (result->code == 0 && result->status >= 200 && result->status < 300) {
        accepted(o, result);
    } else {
        char why[ERROR_TEXT_BYTES];
        (void)snprintf(why, sizeof why, "HTTP status %ld", result->status);
        fail(o, result->code == 0 ? why : call_result_why(result));
        if (comes_again(result)) {
            put_off(o, result->code == 0 ? retry_after_ms(&result->headers) : -1);
        } else {
            o->dropped += TAILQ_FIRST(&o->batches)->spans;
            drop_first(o);
        }
    }
    wake_in(o, 0); /* not from within io/fetch */
}

/* --- time --- */

static void on_closed(uv_handle_t *handle) {
    struct otlp *o = handle->data;
    if (o->ended != NULL) {
        *o->ended = true;
    }
    free(o);
}

static void end_now(struct otlp *o) {
    while (!TAILQ_EMPTY(&o->batches)) {
        drop_first(o);
    }
    fetch_free(o->fetch);
    request_free(o->request);
    uv_close((uv_handle_t *)&o->timer, on_closed);
}

static bool may_end(const struct otlp *o, uint64_t now_ms) {
    bool done = TAILQ_EMPTY(&o->batches) || !telemetry_is_on(o->options.conf);
    return o->ending && (done || o->failures > 0 || now_ms >= o->late_ms);
}

/* When the first batch is to be sent: it is full, or has waited long enough. */
static uint64_t due_ms(const struct otlp *o) {
    const struct batch *first = TAILQ_FIRST(&o->batches);
    bool full = first->sealed || o->ending || TAILQ_NEXT(first, link) != NULL;
    uint64_t due = first->begun_ms + (full ? 0 : SPANS_DELAY_MS);
    return due > o->not_before_ms ? due : o->not_before_ms;
}

static void on_timer(uv_timer_t *timer) {
    struct otlp *o = timer->data;
    uint64_t now_ms = uv_now(o->options.loop);
    if (may_end(o, now_ms)) {
        end_now(o);
        return;
    }
    if (o->request == NULL && !TAILQ_EMPTY(&o->batches) && due_ms(o) <= now_ms) {
        send_first(o);
    }
    uint64_t next_ms = o->request != NULL || TAILQ_EMPTY(&o->batches) ? UINT64_MAX : due_ms(o);
    next_ms = o->ending && o->late_ms < next_ms ? o->late_ms : next_ms;
    if (next_ms != UINT64_MAX) {
        wake_in(o, next_ms > now_ms ? next_ms - now_ms : 0);
    }
}

/* --- for the host --- */

void otlp_add(struct otlp *o, struct slice spans, size_t count, uint64_t dropped) {
    size_t bytes = spans.len + 1; /* a comma */
    bool room = o->bytes + bytes <= SPANS_QUEUE_BYTES_MAX &&
                bytes <= memory_room(o->options.memory, MEMORY_SPANS);
    struct batch *batch = room && count > 0 ? batch_for(o, bytes) : NULL;
    o->dropped += dropped + (batch == NULL ? count : 0);
    if (batch == NULL) {
        return;
    }
    buf_add_str(&batch->text, batch->spans > 0 ? "," : "");
    buf_add_slice(&batch->text, spans);
    batch->spans += count;
    batch->taken += bytes;
    o->waiting += count;
    o->bytes += bytes;
    memory_take(o->options.memory, MEMORY_SPANS, bytes);
    if (o->request == NULL) {
        uint64_t now_ms = uv_now(o->options.loop);
        uint64_t due = due_ms(o);
        wake_in(o, due > now_ms ? due - now_ms : 0);
    }
}

void otlp_again(struct otlp *o) {
    o->not_before_ms = 0;
    o->failures = 0;
    wake_in(o, 0);
}

void otlp_look(const struct otlp *o, struct otlp_state *out) {
    *out = (struct otlp_state){.sent = o->sent,
                               .dropped = o->dropped,
                               .waiting = o->waiting,
                               .error = o->error[0] == '\0' ? NULL : o->error};
}

int otlp_new(struct otlp **out, const struct otlp_options *options) {
    struct otlp *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return ERR_MEMORY;
    }
    o->options = *options;
    TAILQ_INIT(&o->batches);
    int code = fetch_new(&o->fetch, options->loop, o, on_answered);
    if (code != 0) {
        free(o);
        return code;
    }
    fetch_use_memory(o->fetch, options->memory);
    int rc = uv_timer_init(options->loop, &o->timer);
    assert(rc == 0); /* libuv documents no failure */
    (void)rc;
    o->timer.data = o;
    *out = o;
    return 0;
}

void otlp_end(struct otlp *o, bool *ended) {
    if (o != NULL) {
        o->ending = true;
        o->ended = ended;
        o->late_ms = uv_now(o->options.loop) + SPANS_GOODBYE_MS;
        wake_in(o, 0);
    }
}

/* --- for zingq doctor --- */

struct probing {
    bool done;
    int code;
    struct report *r;
};

static void on_probed(void *ctx, uint64_t id, struct call_result *result) {
    struct probing *p = ctx;
    (void)id;
    p->done = true;
    p->code = result->code;
    if (result->code != 0) {
        (void)report(p->r, p->code, "no answer: %s", call_result_why(result));
    } else if (result->status < 200 || result->status >= 300) {
        p->code = report(p->r, ERR_REFUSED, "it answers with HTTP status %ld", result->status);
    }
}

int otlp_probe(const struct telemetry_conf *conf, struct report *r) {
    struct probing p = {.code = ERR_MEMORY, .r = r};
    struct fetch *fetch;
    uv_loop_t loop;
    if (uv_loop_init(&loop) != 0) {
        return report(r, ERR_SYSTEM, "cannot make an event loop");
    }
    (void)report(r, ERR_MEMORY, "out of memory");
    int code = fetch_new(&fetch, &loop, &p, on_probed);
    struct call_request *request =
        code == 0 ? request_new(conf, slice_of("{\"resourceSpans\":[]}")) : NULL;
    if (request != NULL && fetch_start(fetch, 1, request) == 0) {
        while (!p.done) {
            (void)uv_run(&loop, UV_RUN_ONCE);
        }
    }
    if (code == 0) {
        fetch_free(fetch);
    }
    request_free(request);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return p.code;
}

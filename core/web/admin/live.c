/*
 * live.c - GET /api/live: server-sent events for watching the host.
 *
 *   event: status   what GET /api/status answers, each second
 *   event: event    an attempt that ended; a few a second of them, failures first
 *   event: missed   how many more ended in the last second, when there were any
 *
 * Nothing of this happens while nobody listens. The gateway drops a listener that reads too slowly.
 */
#include "web/admin/impl.h"

#include "query/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 200, TICKS_PER_STATUS = 5, TICKS_PER_COMMENT = 75, STREAM_BYTES_MAX = 4 << 20 };

/* ---- listeners ---- */

static void stop_if_alone(struct admin *a) {
    if (a->live_count == 0) {
        (void)uv_timer_stop(&a->live_timer);
        (void)engine_watch(a->engine, false);
    }
}

static void forget(struct admin *a, const struct gateway_stream *stream) {
    for (size_t i = 0; i < a->live_count; i++) {
        if (a->live[i] == stream) {
            a->live[i] = a->live[--a->live_count];
            break;
        }
    }
}

static void on_gone(void *ctx, struct gateway_stream *stream) {
    struct admin *a = ctx;
    forget(a, stream);
    stop_if_alone(a);
}

static void tell_all(struct admin *a, const struct buf *text) {
    for (size_t i = 0; i < a->live_count && text->len > 0 && !text->failed;) {
        if (gateway_stream_add(a->live[i], buf_slice(text))) {
            i++;
        } else {
            forget(a, a->live[i]);
        }
    }
    stop_if_alone(a);
}

/* ---- messages ---- */

/* Takes the object over. There are no newlines in it, so it is one line of data. */
static void add_message(struct buf *out, const char *name, json_t *data) {
    char *text = data == NULL ? NULL : json_dumps(data);
    json_decref(data);
    if (text != NULL) {
        buf_add_str(out, "event: ");
        buf_add_str(out, name);
        buf_add_str(out, "\ndata: ");
        buf_add_str(out, text);
        buf_add_str(out, "\n\n");
    }
    free(text);
}

static json_t *ending_json(const struct admin *a, const struct ending *e) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", uuid_text(&e->id, id), "service",
                  a->options.conf->services[e->service].name, "state", event_state_name(e->state),
                  "attempts", (json_int_t)e->attempts, "duration_us", (json_int_t)e->duration_us);
    bool ok = object != NULL && look_json_time(object, "at", e->at_ms) &&
              look_json_bytes(object, "topic", (struct slice){e->topic, e->topic_bytes}) &&
              look_json_bytes(object, "key", (struct slice){e->key, e->key_bytes}) &&
              look_json_bytes(object, "reason", (struct slice){e->reason, e->reason_bytes});
    if (!ok) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void add_endings(struct admin *a, struct buf *out) {
    struct ending endings[ENDINGS_MAX];
    uint64_t missed;
    size_t count = engine_endings(a->engine, endings, &missed);
    for (size_t i = 0; i < count; i++) {
        add_message(out, "event", ending_json(a, &endings[i]));
    }
    if (missed > 0) {
        add_message(out, "missed", json_pack("{s:I}", "count", (json_int_t)missed));
    }
}

static void on_live_timer(uv_timer_t *timer) {
    struct admin *a = timer->data;
    struct buf text;
    buf_init(&text, STREAM_BYTES_MAX);
    a->live_ticks++;
    add_endings(a, &text);
    if (a->live_ticks % TICKS_PER_STATUS == 0) {
        add_message(&text, "status", admin_status_json(a));
    }
    if (a->live_ticks % TICKS_PER_COMMENT == 0) {
        buf_add_str(&text, ": still here\n\n");
    }
    tell_all(a, &text);
    buf_clear(&text);
}

/* ---- the request ---- */

static void greet(struct admin *a, struct gateway_stream *stream) {
    struct buf text;
    buf_init(&text, STREAM_BYTES_MAX);
    buf_add_str(&text, "retry: 2000\n\n");
    add_message(&text, "status", admin_status_json(a));
    if (!gateway_stream_add(stream, buf_slice(&text))) {
        forget(a, stream);
    }
    buf_clear(&text);
    stop_if_alone(a);
}

void admin_live(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct gateway_request *request = call->request;
    bool room = a->live_count < LIVE_CLIENTS_MAX;
    if (!room || (a->live_count == 0 && engine_watch(a->engine, true) != 0)) {
        gateway_answer_error(request, 503, NULL, "too many listen already: try again later");
        return;
    }
    struct gateway_stream *stream =
        gateway_stream_new(request, "text/event-stream; charset=utf-8", a, on_gone);
    if (stream == NULL) {
        stop_if_alone(a);
        return;
    }
    a->live[a->live_count++] = stream;
    if (a->live_count == 1) {
        int started = uv_timer_start(&a->live_timer, on_live_timer, TICK_MS, TICK_MS);
        assert(started == 0);
    }
    greet(a, stream);
}

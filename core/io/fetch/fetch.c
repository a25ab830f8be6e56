/*
 * fetch.c - the outgoing calls: starting, cancelling, ending all of them.
 *
 * HTTP connections per host are not bounded here: the `concurrency` of a service is that bound, and
 * a queue inside curl would count towards the timeouts of the queued calls. SMTP sessions are
 * bounded, see io/fetch/mail.c. io/fetch/multi.c connects curl to the loop.
 *
 * Left out on purpose: redirects (the handler sees the 3xx and decides), cookies, netrc,
 * compression, HTTP/2 (one call per connection, so that a lost connection concerns only one call).
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdlib.h>

static void on_timer_closed(uv_handle_t *handle) {
    fetch_handle_closed(handle->data);
}

static void timer_setup(struct fetch *f, uv_timer_t *timer) {
    int code = uv_timer_init(f->loop, timer);
    assert(code == 0); /* libuv documents no failure */
    timer->data = f;
    f->handles++;
}

int fetch_new(struct fetch **out, uv_loop_t *loop, void *ctx,
              void (*on_done)(void *ctx, uint64_t id, struct call_result *result)) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return ERR_MEMORY;
    }
    struct fetch *f = calloc(1, sizeof *f);
    if (f == NULL) {
        goto no_fetch;
    }
    f->loop = loop;
    f->ctx = ctx;
    f->on_done = on_done;
    TAILQ_INIT(&f->finished);
    TAILQ_INIT(&f->put_off);
    TAILQ_INIT(&f->paused);
    LIST_INIT(&f->unwatched);
    mail_init(f);
    if (fetch_multi_open(f) != 0) {
        goto no_multi;
    }
    timer_setup(f, &f->curl_timer);
    timer_setup(f, &f->hand_over);
    timer_setup(f, &f->mail_timer);
    timer_setup(f, &f->put_off_timer);
    timer_setup(f, &f->paused_timer);
    *out = f;
    return 0;

no_multi:
    free(f);
no_fetch:
    curl_global_cleanup();
    return ERR_MEMORY;
}

void fetch_egress(struct fetch *f, struct egress egress) {
    f->egress = egress;
}

void fetch_use_memory(struct fetch *f, struct memory *memory) {
    f->memory = memory;
}

static void stop(struct call *call) {
    switch (call->place) {
    case CALL_HTTP:
    case CALL_PUT_OFF:
        http_stop(call);
        break;
    case CALL_MAIL_WAITING:
    case CALL_MAIL_SESSION:
        mail_stop(call);
        break;
    case CALL_FINISHED:
        TAILQ_REMOVE(&call->fetch->finished, call, link);
        break;
    case CALL_NOWHERE:
        break;
    }
    fetch_call_free(call);
}

void fetch_free(struct fetch *f) {
    if (f == NULL) {
        return;
    }
    assert(!f->handing_over && !f->closing);
    f->closing = true;
    for (size_t i = 0; i < FETCH_BUCKETS; i++) {
        while (f->buckets[i] != NULL) {
            stop(f->buckets[i]);
        }
    }
    assert(f->running == 0);
    mail_close_all(f);
    for (size_t i = 0; i < f->spare_count; i++) {
        curl_easy_cleanup(f->spares[i]);
    }
    CURLMcode code = curl_multi_cleanup(f->multi);
    assert(code == CURLM_OK);
    uv_close((uv_handle_t *)&f->curl_timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->hand_over, on_timer_closed);
    uv_close((uv_handle_t *)&f->mail_timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->put_off_timer, on_timer_closed);
    uv_close((uv_handle_t *)&f->paused_timer, on_timer_closed);
}

int fetch_start(struct fetch *f, uint64_t id, const struct call_request *request) {
    assert(fetch_find(f, id) == NULL);
    assert(request->url != NULL && request->timeout_ms > 0);
    if (f->running >= CALLS_MAX) {
        return ERR_LIMIT;
    }
    struct call *call = fetch_call_new(f, id, request);
    if (call == NULL) {
        return ERR_MEMORY;
    }
    if (request->kind == CALL_KIND_MAIL) {
        mail_start(call);
        return 0;
    }
    int code = http_start(call);
    if (code != 0) {
        fetch_call_free(call);
    }
    return code;
}

void fetch_cancel(struct fetch *f, uint64_t id) {
    struct call *call = fetch_find(f, id);
    if (call != NULL) {
        stop(call);
    }
}

size_t fetch_running(const struct fetch *f) {
    return f->running;
}

bool fetch_close_idle(struct fetch *f) {
    bool closed = mail_close_idle(f);
    f->renew = f->pooled;
    return fetch_multi_renew(f) || closed;
}

size_t fetch_paused(const struct fetch *f) {
    const struct call *call = NULL;
    size_t count = 0;
    TAILQ_FOREACH(call, &f->paused, link) {
        count++;
    }
    return count;
}

size_t fetch_waiting_for_descriptors(const struct fetch *f) {
    return f->put_off_count;
}

/*
 * call.c - the calls under way: their table by number, and delivering finished ones.
 *
 * A finished call is first put in a list, and delivered when curl is no longer on the stack,
 * because on_done may start or cancel calls.
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the table of calls ---- */

static struct call **bucket_of(struct fetch *f, uint64_t id) {
    return &f->buckets[(id ^ id >> 32) & (FETCH_BUCKETS - 1)];
}

struct call *fetch_find(struct fetch *f, uint64_t id) {
    struct call *call = *bucket_of(f, id);
    while (call != NULL && call->id != id) {
        call = call->bucket_next;
    }
    return call;
}

struct call *fetch_call_new(struct fetch *f, uint64_t id, const struct call_request *request) {
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->fetch = f;
    call->id = id;
    call->request = request;
    call->deadline_ms = uv_now(f->loop) + (uint64_t)request->timeout_ms;
    buf_init(&call->result.headers, CALL_BYTES_MAX);
    buf_init(&call->result.body, CALL_BYTES_MAX);
    struct call **bucket = bucket_of(f, id);
    call->bucket_next = *bucket;
    *bucket = call;
    f->running++;
    fetch_take_own(call);
    return call;
}

void fetch_call_free(struct call *call) {
    struct fetch *f = call->fetch;
    struct call **at = bucket_of(f, call->id);
    while (*at != call) {
        assert(*at != NULL);
        at = &(*at)->bucket_next;
    }
    *at = call->bucket_next;
    assert(f->running > 0);
    f->running--;
    fetch_give(call);
    call_result_clear(&call->result);
    free(call);
}

static void on_hand_over(uv_timer_t *timer) {
    fetch_hand_over(timer->data);
}

void fetch_finish(struct call *call, int code, const char *error) {
    struct fetch *f = call->fetch;
    assert(call->place != CALL_FINISHED);
    call->result.code = code;
    if (error != NULL) {
        (void)snprintf(call->result.error, sizeof call->result.error, "%s", error);
    }
    call->place = CALL_FINISHED;
    TAILQ_INSERT_TAIL(&f->finished, call, link);
    int started = uv_timer_start(&f->hand_over, on_hand_over, 0, 0);
    assert(started == 0);
}

void fetch_hand_over(struct fetch *f) {
    if (f->handing_over) {
        return;
    }
    f->handing_over = true;
    struct call *call;
    while ((call = TAILQ_FIRST(&f->finished)) != NULL) {
        TAILQ_REMOVE(&f->finished, call, link);
        struct call_result result = call->result;
        uint64_t id = call->id;
        buf_init(&call->result.headers, CALL_BYTES_MAX);
        buf_init(&call->result.body, CALL_BYTES_MAX);
        fetch_call_free(call);
        f->on_done(f->ctx, id, &result);
        call_result_clear(&result);
    }
    f->handing_over = false;
    (void)uv_timer_stop(&f->hand_over);
}

/*
 * room.c - answers and the budget of memory (base/memory.h).
 *
 * Each call takes what curl needs for it. A short answer is read whatever memory there is; a longer
 * one only while it fits and leaves some for calls that begin, or else it is paused: curl reads no
 * more from its socket, and the peer waits. If all that have begun waited for the others to end,
 * none would, so one of them is favoured and read on.
 *
 * Nothing reports that memory was given back, so a timer checks while answers are paused.
 */
#include "io/fetch/impl.h"

#include "base/limits.h"

#include <assert.h>

enum { MARGIN_PARTS = 4 /* of the share, what long answers leave */ };

void fetch_take_own(struct call *call) {
    bool mail = call->request->kind == CALL_KIND_MAIL;
    call->taken = CALL_OWN_BYTES + (mail ? call->request->body_len : 0);
    memory_take(call->fetch->memory, MEMORY_CALLS, call->taken);
}

static size_t answer_bytes(const struct call *call) {
    return call->result.headers.len + call->result.body.len;
}

void fetch_take_answer(struct call *call) {
    size_t taken = CALL_OWN_BYTES + answer_bytes(call);
    assert(taken >= call->taken);
    memory_take(call->fetch->memory, MEMORY_CALLS, taken - call->taken);
    call->taken = taken;
}

void fetch_give(struct call *call) {
    struct fetch *f = call->fetch;
    assert(!call->paused);
    f->favoured = f->favoured == call ? NULL : f->favoured;
    memory_give(f->memory, MEMORY_CALLS, call->taken);
    call->taken = 0;
}

static size_t margin(const struct fetch *f) {
    return memory_share(f->memory, MEMORY_CALLS) / MARGIN_PARTS;
}

static bool fits(const struct fetch *f, size_t len) {
    return f->memory == NULL || memory_room(f->memory, MEMORY_CALLS) >= margin(f) + len;
}

void fetch_leave_paused(struct call *call) {
    if (call->paused) {
        TAILQ_REMOVE(&call->fetch->paused, call, link);
        call->paused = false;
    }
}

/* Each reads on, or is paused again behind the others. */
static void on_paused_timer(uv_timer_t *timer) {
    struct fetch *f = timer->data;
    const struct call *last = TAILQ_LAST(&f->paused, call_list);
    bool through = last == NULL;
    while (!through && (fits(f, 0) || f->favoured == NULL)) {
        struct call *call = TAILQ_FIRST(&f->paused);
        through = call == last;
        fetch_leave_paused(call);
        CURLcode code = curl_easy_pause(call->easy, CURLPAUSE_CONT);
        (void)code; /* a failed transfer is reported like any other */
    }
    if (TAILQ_EMPTY(&f->paused)) {
        (void)uv_timer_stop(timer);
    }
}

static void pause_answer(struct call *call) {
    struct fetch *f = call->fetch;
    assert(!call->paused);
    call->paused = true;
    TAILQ_INSERT_TAIL(&f->paused, call, link);
    if (!uv_is_active((uv_handle_t *)&f->paused_timer)) {
        int started =
            uv_timer_start(&f->paused_timer, on_paused_timer, MEMORY_AGAIN_MS, MEMORY_AGAIN_MS);
        assert(started == 0);
    }
}

bool fetch_may_read(struct call *call, size_t len) {
    struct fetch *f = call->fetch;
    if (answer_bytes(call) + len <= CALL_OWN_BYTES || fits(f, len) || f->favoured == call) {
        return true;
    }
    if (f->favoured == NULL) {
        f->favoured = call;
        return true;
    }
    pause_answer(call);
    return false;
}

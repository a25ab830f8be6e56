/*
 * call.c - the calls under way: their table by number, delivering finished ones, their deadlines.
 *
 * A finished call is first put in a list, and delivered when libpq is no longer on the stack,
 * because on_done may start or cancel calls.
 */
#include "io/pg/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void pg_handle_closed(struct pg *pg) {
    assert(pg->handles > 0);
    if (--pg->handles == 0) {
        free(pg);
    }
}

/* ---- the table of calls ---- */

static struct pg_call **bucket_of(struct pg *pg, uint64_t id) {
    return &pg->buckets[(id ^ id >> 32) & (PG_BUCKETS - 1)];
}

struct pg_call *pg_find(struct pg *pg, uint64_t id) {
    struct pg_call *call = *bucket_of(pg, id);
    while (call != NULL && call->id != id) {
        call = call->bucket_next;
    }
    return call;
}

struct pg_call *pg_call_new(struct pg_database *d, uint64_t id,
                            const struct call_request *request) {
    struct pg *pg = d->pg;
    struct pg_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->pg = pg;
    call->database = d;
    call->id = id;
    call->request = request;
    call->deadline_ms = uv_now(pg->loop) + (uint64_t)request->timeout_ms;
    buf_init(&call->result.headers, SQL_BYTES_MAX);
    buf_init(&call->result.body, SQL_BYTES_MAX);
    struct pg_call **bucket = bucket_of(pg, id);
    call->bucket_next = *bucket;
    *bucket = call;
    pg->running++;
    pg_take_own(call);
    return call;
}

void pg_call_free(struct pg_call *call) {
    struct pg *pg = call->pg;
    struct pg_call **at = bucket_of(pg, call->id);
    while (*at != call) {
        assert(*at != NULL);
        at = &(*at)->bucket_next;
    }
    *at = call->bucket_next;
    assert(pg->running > 0);
    pg->running--;
    pg_give(call);
    call_result_clear(&call->result);
    free(call);
}

/* ---- handing over ---- */

static void on_hand_over(uv_timer_t *timer) {
    struct pg *pg = timer->data;
    struct pg_call *call;
    while ((call = TAILQ_FIRST(&pg->finished)) != NULL) {
        TAILQ_REMOVE(&pg->finished, call, queue);
        struct call_result result = call->result;
        uint64_t id = call->id;
        buf_init(&call->result.headers, SQL_BYTES_MAX);
        buf_init(&call->result.body, SQL_BYTES_MAX);
        pg_call_free(call);
        pg->on_done(pg->ctx, id, &result);
        call_result_clear(&result);
    }
}

void pg_leave_waiting(struct pg_call *call) {
    TAILQ_REMOVE(&call->database->waiting, call, queue);
    call->database->waiting_count--;
}

void pg_finish(struct pg_call *call, int code, const char *error) {
    struct pg *pg = call->pg;
    assert(call->place != PG_FINISHED && call->link == NULL);
    if (call->place == PG_WAITING) {
        pg_leave_waiting(call);
    }
    call->result.code = code;
    if (error != NULL) {
        (void)snprintf(call->result.error, sizeof call->result.error, "%s", error);
    }
    call->place = PG_FINISHED;
    TAILQ_INSERT_TAIL(&pg->finished, call, queue);
    int started = uv_timer_start(&pg->hand_over, on_hand_over, 0, 0);
    assert(started == 0);
}

/* ---- deadlines ---- */

static void on_timer(uv_timer_t *timer) {
    struct pg *pg = timer->data;
    pg->hooks.due(pg);
}

void pg_due(struct pg *pg, uint64_t when_ms) {
    uint64_t now = uv_now(pg->loop);
    uint64_t in = when_ms > now ? when_ms - now : 0;
    bool sooner = uv_is_active((uv_handle_t *)&pg->timer) && uv_timer_get_due_in(&pg->timer) <= in;
    if (!sooner && !pg->closing) {
        int started = uv_timer_start(&pg->timer, on_timer, in, 0);
        assert(started == 0);
    }
}

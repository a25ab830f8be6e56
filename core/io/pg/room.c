/*
 * room.c - results and the budget of memory (base/memory.h), as of HTTP calls in io/fetch/room.c: a
 * short result is read whatever memory there is, a longer one while it fits, and one of those that
 * do not is favoured, so that some end.
 */
#include "io/pg/impl.h"

#include "base/limits.h"

#include <assert.h>

enum { MARGIN_PARTS = 4 /* of the share, what long results leave */ };

void pg_take_own(struct pg_call *call) {
    call->taken = CALL_OWN_BYTES;
    memory_take(call->pg->memory, MEMORY_CALLS, call->taken);
}

static size_t answer_bytes(const struct pg_call *call) {
    size_t unread = call->link == NULL ? 0 : call->link->unread;
    return call->result.headers.len + call->result.body.len + unread;
}

void pg_take_answer(struct pg_call *call) {
    size_t needed = CALL_OWN_BYTES + answer_bytes(call);
    if (needed > call->taken) {
        memory_take(call->pg->memory, MEMORY_CALLS, needed - call->taken);
        call->taken = needed;
    }
}

void pg_give(struct pg_call *call) {
    memory_give(call->pg->memory, MEMORY_CALLS, call->taken);
    call->taken = 0;
}

static bool fits(const struct pg *pg) {
    return memory_room(pg->memory, MEMORY_CALLS) >=
           (pg->memory == NULL ? 0 : memory_share(pg->memory, MEMORY_CALLS) / MARGIN_PARTS);
}

void pg_leave_paused(struct pg_link *link) {
    struct pg *pg = link->database->pg;
    pg->favoured = pg->favoured == link ? NULL : pg->favoured;
    pg->paused -= link->paused ? 1 : 0;
    link->paused = false;
}

/* Nothing reports that memory was given back: each looks again, and is paused again if it must. */
static void on_paused_timer(uv_timer_t *timer) {
    struct pg *pg = timer->data;
    for (size_t i = 0; i < pg->database_count; i++) {
        struct pg_link *link = TAILQ_FIRST(&pg->databases[i].links);
        while (link != NULL) {
            struct pg_link *next = TAILQ_NEXT(link, list);
            if (link->paused && (fits(pg) || pg->favoured == NULL)) {
                pg_leave_paused(link);
                pg->hooks.resume(link);
            }
            link = next;
        }
    }
    if (pg->paused == 0) {
        (void)uv_timer_stop(timer);
    }
}

bool pg_may_read(struct pg_link *link) {
    struct pg *pg = link->database->pg;
    if (link->call == NULL || answer_bytes(link->call) <= CALL_OWN_BYTES || fits(pg) ||
        pg->favoured == link) {
        return true;
    }
    if (pg->favoured == NULL) {
        pg->favoured = link;
        return true;
    }
    assert(!link->paused);
    link->paused = true;
    pg->paused++;
    if (!uv_is_active((uv_handle_t *)&pg->paused_timer)) {
        int started =
            uv_timer_start(&pg->paused_timer, on_paused_timer, MEMORY_AGAIN_MS, MEMORY_AGAIN_MS);
        assert(started == 0);
    }
    return false;
}

/*
 * pg.c - the databases and the calls under way: starting, cancelling, handing over, ending all.
 *
 * Left out on purpose: prepared statements (the plan costs less than the round trip), COPY,
 * LISTEN, pipelines, results in binary form.
 */
#include "io/pg/impl.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static void on_timer_closed(uv_handle_t *handle) {
    pg_handle_closed(handle->data);
}

static void timer_setup(struct pg *pg, uv_timer_t *timer) {
    int code = uv_timer_init(pg->loop, timer);
    assert(code == 0); /* libuv documents no failure */
    timer->data = pg;
    pg->handles++;
}

int pg_new(struct pg **out, uv_loop_t *loop, const struct database_conf *databases, size_t count,
           void *ctx, void (*on_done)(void *ctx, uint64_t id, struct call_result *result)) {
    struct pg *pg = calloc(1, sizeof *pg + count * sizeof pg->databases[0]);
    if (pg == NULL) {
        return ERR_MEMORY;
    }
    pg->loop = loop;
    pg->ctx = ctx;
    pg->on_done = on_done;
    pg->hooks = (struct pg_hooks){.dispatch = pg_dispatch,
                                  .ready = pg_link_ready,
                                  .failed = pg_link_failed,
                                  .put_off = pg_link_put_off,
                                  .resume = pg_link_resume,
                                  .due = pg_expire};
    TAILQ_INIT(&pg->finished);
    pg->database_count = count;
    for (size_t i = 0; i < count; i++) {
        struct pg_database *d = &pg->databases[i];
        d->pg = pg;
        d->conf = &databases[i];
        TAILQ_INIT(&d->links);
        TAILQ_INIT(&d->waiting);
    }
    timer_setup(pg, &pg->timer);
    timer_setup(pg, &pg->hand_over);
    timer_setup(pg, &pg->paused_timer);
    *out = pg;
    return 0;
}

void pg_use_memory(struct pg *pg, struct memory *memory) {
    pg->memory = memory;
}

/* ---- starting and ending ---- */

static struct pg_database *database_of(struct pg *pg, const char *name) {
    for (size_t i = 0; i < pg->database_count; i++) {
        if (strcmp(pg->databases[i].conf->name, name) == 0) {
            return &pg->databases[i];
        }
    }
    return NULL;
}

/* On the connection of its transaction. */
static void go_on(struct pg_call *call) {
    struct pg_link *link = pg_link_held(call->database, call->request->session);
    if (link == NULL) {
        pg_finish(call, ERR_NETWORK, "its transaction was rolled back: the connection broke");
        return;
    }
    pg_leave_waiting(call);
    pg_link_run(link, call);
}

int pg_start(struct pg *pg, uint64_t id, const struct call_request *request) {
    assert(request->kind == CALL_KIND_SQL && request->timeout_ms > 0 && pg_find(pg, id) == NULL);
    struct pg_database *d = database_of(pg, request->url);
    assert(d != NULL); /* the Lua API has looked it up */
    if (pg->running >= CALLS_MAX) {
        return ERR_LIMIT;
    }
    struct pg_call *call = pg_call_new(d, id, request);
    if (call == NULL) {
        return ERR_MEMORY;
    }
    TAILQ_INSERT_TAIL(&d->waiting, call, queue);
    d->waiting_count++;
    pg_due(pg, call->deadline_ms);
    if (request->scope == SQL_WITHIN || request->scope == SQL_COMMIT) {
        go_on(call);
    } else {
        pg_dispatch(d);
    }
    return 0;
}

static void stop(struct pg_call *call) {
    switch (call->place) {
    case PG_WAITING:
        pg_leave_waiting(call);
        break;
    case PG_EXECUTED:
        (void)pg_link_drop(call->link);
        break;
    case PG_FINISHED:
        TAILQ_REMOVE(&call->pg->finished, call, queue);
        break;
    }
    pg_call_free(call);
}

void pg_cancel(struct pg *pg, uint64_t id) {
    struct pg_call *call = pg_find(pg, id);
    if (call != NULL) {
        struct pg_database *d = call->database;
        stop(call);
        pg_dispatch(d);
    }
    /* Also if it has just been answered, and nobody has heard of the session yet. */
    for (size_t i = 0; i < pg->database_count; i++) {
        struct pg_link *link = pg_link_held(&pg->databases[i], id);
        if (link != NULL) {
            pg_link_free(link); /* and so the server rolls back */
            pg_dispatch(&pg->databases[i]);
        }
    }
}

bool pg_close_idle(struct pg *pg) {
    bool closed = false;
    for (size_t i = 0; i < pg->database_count; i++) {
        struct pg_link *link = TAILQ_FIRST(&pg->databases[i].links);
        while (link != NULL) {
            struct pg_link *next = TAILQ_NEXT(link, list);
            if (link->state == LINK_IDLE) {
                pg_link_free(link);
                closed = true;
            }
            link = next;
        }
    }
    return closed;
}

void pg_free(struct pg *pg) {
    if (pg == NULL) {
        return;
    }
    assert(!pg->closing);
    pg->closing = true;
    for (size_t i = 0; i < PG_BUCKETS; i++) {
        struct pg_call *call = pg->buckets[i];
        while (call != NULL) {
            struct pg_call *next = call->bucket_next;
            stop(call);
            call = next;
        }
    }
    assert(pg->running == 0);
    for (size_t i = 0; i < pg->database_count; i++) {
        struct pg_link *link;
        while ((link = TAILQ_FIRST(&pg->databases[i].links)) != NULL) {
            pg_link_free(link);
        }
    }
    uv_close((uv_handle_t *)&pg->timer, on_timer_closed);
    uv_close((uv_handle_t *)&pg->hand_over, on_timer_closed);
    uv_close((uv_handle_t *)&pg->paused_timer, on_timer_closed);
}

/* ---- looking at it ---- */

const char *pg_version(char out[PG_VERSION_BYTES]) {
    enum { MAJOR = 10000 }; /* 150018 is 15.18 */
    (void)snprintf(out, PG_VERSION_BYTES, "%d.%d", PQlibVersion() / MAJOR, PQlibVersion() % MAJOR);
    return out;
}

size_t pg_running(const struct pg *pg) {
    return pg->running;
}

size_t pg_paused(const struct pg *pg) {
    return pg->paused;
}

struct pg_state pg_look(const struct pg *pg, size_t n) {
    assert(n < pg->database_count);
    const struct pg_database *d = &pg->databases[n];
    size_t open = d->link_count - d->opening;
    return (struct pg_state){.name = d->conf->name,
                             .open = open,
                             .busy = open - d->idle,
                             .waiting = d->waiting_count,
                             .error = d->error[0] == '\0' ? NULL : d->error};
}

/*
 * pool.c - which statement gets which connection, and what is due.
 *
 * Statements of a database wait in the order of their coming. A connection is opened while more of
 * them wait than are being opened, up to the pool's size.
 */
#include "io/pg/impl.h"

#include <assert.h>

/* One that the service used last needs no reset. */
static struct pg_link *pick(const struct pg_database *d, size_t service) {
    struct pg_link *link;
    struct pg_link *other = NULL;
    TAILQ_FOREACH(link, &d->links, list) {
        if (link->state == LINK_IDLE && link->user == service && !link->dirty) {
            return link;
        }
        other = link->state == LINK_IDLE ? link : other;
    }
    return other;
}

static void serve_idle(struct pg_database *d) {
    struct pg_call *call;
    while (d->idle > 0 && (call = TAILQ_FIRST(&d->waiting)) != NULL) {
        struct pg_link *link = pick(d, call->request->service);
        assert(link != NULL);
        TAILQ_REMOVE(&d->waiting, call, queue);
        d->waiting_count--;
        pg_link_run(link, call);
    }
}

static void open_one(struct pg_database *d) {
    struct pg_link *link = pg_link_new(d);
    if (link == NULL) {
        pg_finish(TAILQ_FIRST(&d->waiting), ERR_MEMORY, NULL);
    } else if (pg_connect(link) != 0) {
        pg_take_text(d->error, sizeof d->error, error_text(ERR_MEMORY));
        pg_link_failed(link);
    }
}

void pg_dispatch(struct pg_database *d) {
    serve_idle(d);
    while (!d->pg->closing && d->waiting_count > d->opening && d->link_count < d->conf->pool &&
           d->again_ms <= uv_now(d->pg->loop)) {
        open_one(d);
    }
}

/* ---- what is due ---- */

static void expire_waiting(struct pg_call *call) {
    const struct pg_database *d = call->database;
    bool reached = d->link_count > d->opening;
    pg_finish(call, ERR_TIMEOUT,
              reached               ? "no connection of the pool became free in time"
              : d->error[0] != '\0' ? d->error
                                    : "the database could not be reached in time");
}

static void expire_call(struct pg_call *call, uint64_t now, uint64_t *next) {
    if (call->place == PG_FINISHED) {
        return;
    }
    if (call->deadline_ms > now) {
        *next = call->deadline_ms < *next ? call->deadline_ms : *next;
    } else if (call->place == PG_WAITING) {
        expire_waiting(call);
    } else {
        pg_finish(pg_link_drop(call->link), ERR_TIMEOUT, "the statement took too long");
    }
}

/* If there are other addresses, the next attempt begins with the one behind. */
static void expire_attempt(struct pg_link *link) {
    struct pg_database *d = link->database;
    pg_take_text(d->error, sizeof d->error, "the database does not answer");
    if (link->patience_ms == 0) {
        pg_link_failed(link);
        return;
    }
    d->first += link->first == d->first ? 1 : 0;
    pg_link_free(link);
}

static void expire_links(struct pg_database *d, uint64_t now, uint64_t *next) {
    struct pg_link *link = TAILQ_FIRST(&d->links);
    while (link != NULL) {
        struct pg_link *after = TAILQ_NEXT(link, list);
        if (link->state == LINK_BUSY || link->state == LINK_HELD) {
            link = after;
            continue;
        }
        if (link->until_ms > now) {
            *next = link->until_ms < *next ? link->until_ms : *next;
        } else if (link->state == LINK_IDLE) {
            pg_link_free(link);
        } else {
            expire_attempt(link);
        }
        link = after;
    }
}

void pg_expire(struct pg *pg) {
    uint64_t now = uv_now(pg->loop);
    uint64_t next = UINT64_MAX;
    for (size_t b = 0; b < PG_BUCKETS; b++) {
        for (struct pg_call *call = pg->buckets[b]; call != NULL; call = call->bucket_next) {
            expire_call(call, now, &next);
        }
    }
    for (size_t i = 0; i < pg->database_count; i++) {
        struct pg_database *d = &pg->databases[i];
        expire_links(d, now, &next);
        pg_dispatch(d);
        if (d->waiting_count > 0 && d->again_ms > now) {
            next = d->again_ms < next ? d->again_ms : next;
        }
    }
    if (next != UINT64_MAX) {
        pg_due(pg, next);
    }
}

/*
 * watch.c - a link's socket on the loop.
 */
#include "io/pg/impl.h"

#include <stdlib.h>

static void on_watch_closed(uv_handle_t *handle) {
    struct pg_watch *watch = (struct pg_watch *)handle;
    struct pg *pg = watch->pg;
    free(watch);
    pg_handle_closed(pg);
}

void pg_link_unwatch(struct pg_link *link) {
    if (link->watch != NULL) {
        (void)uv_poll_stop(&link->watch->poll);
        link->watch->link = NULL;
        uv_close((uv_handle_t *)&link->watch->poll, on_watch_closed);
        link->watch = NULL;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct pg_link *link = ((struct pg_watch *)poll)->link;
    (void)status; /* libpq finds the error itself */
    (void)events;
    if (link != NULL) {
        link->on_socket(link);
    }
}

static bool make_watch(struct pg_link *link) {
    struct pg *pg = link->database->pg;
    struct pg_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL) {
        return false;
    }
    if (uv_poll_init(pg->loop, &watch->poll, PQsocket(link->conn)) != 0) {
        free(watch);
        return false;
    }
    watch->pg = pg;
    watch->link = link;
    pg->handles++;
    link->watch = watch;
    return true;
}

bool pg_link_watch(struct pg_link *link, int events) {
    if (link->watch == NULL && !make_watch(link)) {
        return false;
    }
    return events == 0 ? uv_poll_stop(&link->watch->poll) == 0
                       : uv_poll_start(&link->watch->poll, events, on_poll) == 0;
}

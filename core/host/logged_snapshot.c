/*
 * logged_snapshot.c - writes a snapshot of the store to its log, and deletes what that makes needless.
 *
 * The loop takes a slice between two turns, and a thread of libuv sends it to the database; what did
 * not reach it is sent again. When a snapshot is finished, or the host has just started, trimming
 * follows, a little at a time.
 */
#include "host/logged.h"

#include "base/log.h"
#include "host/loop.h"
#include "journal/home.h"

/* --- on another thread --- */

static void work(uv_work_t *request) {
    struct host *h = request->data;
    struct host_log *l = &h->log;
    const struct log_snapshots *door = turns_snapshots(l->turns);
    switch (l->step) {
    case LOG_TRIM:
        l->code = door->trim(door->ctx, &l->more);
        break;
    case LOG_ADD:
        l->code = door->add(door->ctx, l->index, l->slice);
        break;
    case LOG_FINISH:
        l->code = door->finish(door->ctx, snapshot_head(l->snapshot));
        break;
    }
}

/* --- on the loop --- */

void host_snapshot_drop(struct host *h) {
    snapshot_free(h->log.snapshot);
    h->log.snapshot = NULL;
    h->log.slice = NULL;
    h->log.step = LOG_TRIM;
}

static void step_done(struct host *h) {
    struct host_log *l = &h->log;
    switch (l->step) {
    case LOG_TRIM:
        return;
    case LOG_ADD:
        l->slice = NULL;
        l->index++;
        return;
    case LOG_FINISH:
        snapshot_done(l->snapshot);
        log_info("host", "the log \"%s\" has a new snapshot, of turn %llu, with %llu bytes",
                 l->name, (unsigned long long)snapshot_head(l->snapshot)->number,
                 (unsigned long long)snapshot_head(l->snapshot)->bytes);
        host_snapshot_drop(h);
        l->more = true;
        return;
    }
}

/* After ERR_NETWORK the same step is due again: with the next turn, or with the next look. */
static void worked(uv_work_t *request, int status) {
    struct host *h = request->data;
    h->log.working = false;
    if (status != 0 || h->stopping) {
        return;
    }
    if (h->log.code == 0) {
        step_done(h);
        host_wake(h);
    } else if (h->log.code != ERR_NETWORK) { /* the turns find out why */
        host_snapshot_drop(h);
        h->log.more = false;
    }
}

static void begin_work(struct host *h) {
    h->log.work.data = h;
    int rc = uv_queue_work(&h->loop, &h->log.work, work, worked);
    h->log.working = rc == 0;
    host_check_uv(rc, "snapshot");
}

/* The next slice, or the end. False: not now. */
static bool take_slice(struct host_log *l) {
    if (l->step == LOG_FINISH || l->slice != NULL) {
        return true;
    }
    l->step = LOG_ADD;
    int code = snapshot_next(l->snapshot, &l->slice);
    if (code == ERR_NOTFOUND) {
        l->step = LOG_FINISH;
    }
    return code == 0 || code == ERR_NOTFOUND;
}

static bool begin_snapshot(struct host *h) {
    struct host_log *l = &h->log;
    if (l->snapshot == NULL && snapshot_is_due(h->store)) {
        l->snapshot = snapshot_new(h->store, journal_home);
        l->index = 0;
        l->slice = NULL;
    }
    return l->snapshot != NULL;
}

void host_snapshot_go_on(struct host *h) {
    struct host_log *l = &h->log;
    if (l->snapshot == NULL && l->more) {
        l->step = LOG_TRIM;
        begin_work(h);
    } else if (begin_snapshot(h) && take_slice(l)) {
        begin_work(h);
    }
}

/*
 * logged.c - see host/logged.h.
 */
#include "host/logged.h"

#include "base/log.h"
#include "base/process.h"
#include "host/loop.h"
#include "journal/home.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    CHECK_MS = 5000, /* who has no turns asks so often whether it has its log, */
    AWAY_MS = 1000,  /* and while the database is away, whether it is back */
    SYNC_MS = 30000, /* the copy's file is synced */
    PAUSE_MS_MIN = 1000,
    PAUSE_MS_MAX = 60000
};

/* --- opening --- */

static void name_log(struct host *h) {
    char process[PROCESS_NAME_BYTES];
    (void)snprintf(h->log.owner, sizeof h->log.owner, "%s (zingq " ZINGQ_VERSION ")",
                   process_name(process));
    conf_log_name(h->conf, h->log.name);
}

int host_log_open(struct host *h, struct report *r) {
    if (h->conf->store_url[0] == '\0') {
        return 0;
    }
    name_log(h);
    const struct turns_options options = {
        .url = h->conf->store_url, .name = h->log.name, .owner = h->log.owner};
    int code = host_log_refuse_marked(h, r);
    code = code == 0 ? turns_new(&h->log.turns, &options, r) : code;
    code = code == 0 ? store_use_log(h->store, turns_log(h->log.turns), journal_home, r) : code;
    code = code == 0 ? host_await_log(h, r) : code;
    if (code == 0) {
        /* What was asked first may have taken long, and says little of the database's clock then, from
         * which engine time is about to start. Whose the log is by now is asked again soon. */
        (void)turns_check(h->log.turns);
        const struct trimmer_options trimmer = {.store = h->store,
                                                .home_of = journal_home,
                                                .door = turns_snapshots(h->log.turns),
                                                .slice_bytes = TRIMMER_SLICE_BYTES,
                                                .log_bytes_min = TRIMMER_LOG_BYTES_MIN};
        h->log.trimmer = trimmer_new(&trimmer);
        code = h->log.trimmer == NULL ? report(r, ERR_MEMORY, "out of memory") : 0;
    }
    if (code == 0) {
        log_info("host", "the log of the store is \"%s\" in PostgreSQL; %s is a copy of it",
                 h->log.name, h->conf->store_path);
    }
    return code;
}

/* Whether the log is still ours; if not, whether it has all that this host had. */
static int check(struct host *h) {
    int code = h->log.turns == NULL ? 0 : turns_check(h->log.turns);
    return code == ERR_FENCED ? store_fenced(h->store) : code;
}

/* --- the copy's file: commits do not wait for it --- */

static void sync_file(uv_work_t *request) {
    struct host_log *log = &((struct host *)request->data)->log;
    log->sync_error = fdatasync(log->file) == 0 ? 0 : errno;
}

static void file_synced(uv_work_t *request, int status) {
    struct host *h = request->data;
    (void)close(h->log.file);
    h->log.file = -1;
    if (status != 0 || h->log.sync_error == 0) {
        return;
    }
    store_doubt_file(h->store);
    log_error("host",
              "cannot sync %s/data.mdb: %s; this host ends, and its next start loads the store "
              "again from its log",
              h->conf->store_path, strerror(h->log.sync_error));
    if (!uv_is_closing((uv_handle_t *)&h->idle)) {
        h->status = host_exit_status(ERR_DISK);
        host_end_loop(h);
    }
}

/* A stop waits for it, as it waits for its own sync. */
static void sync_now_and_then(struct host *h) {
    struct host_log *log = &h->log;
    int64_t now_ms = host_now_ms(h);
    if (log->file >= 0 || h->stopping || now_ms - log->synced_ms < SYNC_MS) {
        return;
    }
    log->synced_ms = now_ms;
    log->file = store_unsynced_file(h->store);
    if (log->file >= 0) {
        log->syncing.data = h;
        host_check_uv(uv_queue_work(&h->loop, &log->syncing, sync_file, file_synced),
                      "syncing the store");
    }
}

static void on_timer(uv_timer_t *timer);

static void check_every(struct host *h, uint64_t ms) {
    host_check_uv(uv_timer_start(&h->log.timer, on_timer, ms, ms), "log timer");
}

static void on_timer(uv_timer_t *timer) {
    struct host *h = timer->data;
    if (h->engine == NULL) {
        return;
    }
    int code = check(h);
    if (host_log_is_over(h, code)) {
        host_wake(h);
        return;
    }
    check_every(h, code == ERR_NETWORK ? AWAY_MS : CHECK_MS);
    host_log_notice(h);
    sync_now_and_then(h);
    if (h->log.failed != 0) {
        host_log_turn(h);
    }
}

void host_log_watch(struct host *h) {
    h->log.file = -1;
    if (h->log.turns != NULL) {
        check_every(h, CHECK_MS);
    }
}

void host_log_close(struct host *h) {
    trimmer_free(h->log.trimmer);
    turns_free(h->log.turns);
}

/* --- the end --- */

bool host_log_is_over(struct host *h, int code) {
    struct report r;
    if (h->log.turns == NULL || (code != ERR_FENCED && code != ERR_LOST)) {
        return false;
    }
    if (h->log.over) {
        return true;
    }
    h->log.over = true;
    (void)host_log_explain(h, code, &r);
    log_error("host", "%s", r.text);
    h->status = host_exit_status(code);
    host_end_loop(h);
    return true;
}

bool host_log_may_connect(void *host) {
    struct host *h = host;
    int code = check(h);
    if (host_log_is_over(h, code)) {
        return false;
    }
    host_log_notice(h);
    return code == 0;
}

/* --- keeping it short --- */

static void shorten(uv_work_t *request) {
    struct host *h = request->data;
    trimmer_send(h->log.trimmer);
}

/* Who is fenced finds out by the turns. */
static void put_off(struct host_log *log, int code, int64_t now_ms) {
    log->failed_ms = log->failed == 0 ? now_ms : log->failed_ms;
    log->failed = code;
    log->pause_ms = log->pause_ms == 0 ? PAUSE_MS_MIN : 2 * log->pause_ms;
    log->pause_ms = log->pause_ms > PAUSE_MS_MAX ? PAUSE_MS_MAX : log->pause_ms;
    log->again_ms = now_ms + log->pause_ms;
    log_warn("host",
             "no snapshot could be sent to the log \"%s\": %s; the next attempt is in %lld s",
             log->name, error_text(code), (long long)log->pause_ms / 1000);
}

/* What could not be sent is sent again after a later turn. */
static void shortened(uv_work_t *request, int status) {
    struct host *h = request->data;
    struct host_log *log = &h->log;
    log->sends = false;
    int code = status == 0 ? trimmer_sent(log->trimmer) : 0;
    if (code != 0) {
        put_off(log, code, host_now_ms(h));
        return;
    }
    log->failed = 0;
    log->pause_ms = 0;
    if (status == 0 && !uv_is_closing((uv_handle_t *)&h->idle)) {
        host_wake(h);
    }
}

/* A host that stops waits for what is being sent: at most the 15 s that its statement has. */
void host_log_turn(struct host *h) {
    struct host_log *log = &h->log;
    int64_t now_ms = host_now_ms(h);
    if (log->turns == NULL || log->sends || h->stopping || now_ms < log->again_ms) {
        return;
    }
    int code = trimmer_prepare(log->trimmer);
    if (code != 0) {
        if (code != ERR_NOTFOUND) {
            put_off(log, code, now_ms);
        }
        return;
    }
    log->sending.data = h;
    int rc = uv_queue_work(&h->loop, &log->sending, shorten, shortened);
    log->sends = rc == 0;
    host_check_uv(rc, "sending a snapshot");
}

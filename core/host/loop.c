/*
 * loop.c - what every file of the host asks of its loop: waking up, ending, with which exit status.
 */
#include "host/loop.h"

#include "base/log.h"
#include "host/notify.h"

#include <errno.h>
#include <string.h>

enum {
    ANSWERS_MS = 1000, /* for clients of a host of a cluster that have connected just now */
    CUT_MS = 5000 /* for the turn that cuts the last attempts: with a full store there is none */
};

int64_t host_now_ms(const struct host *h) {
    (void)h;
    return clock_monotonic_ms();
}

void host_check_uv(int rc, const char *what) {
    if (rc != 0) {
        log_error("host", "%s: %s", what, uv_strerror(rc));
    }
}

static void on_idle(uv_idle_t *idle) {
    (void)idle; /* keeps the loop from sleeping */
}

/* libuv runs timers before the poll, and on_check after it. So a timer callback must not assume
 * that a turn follows at once: the poll may sleep first, for as long as the next timer allows,
 * while messages are unread. Whatever makes a turn due wakes the loop; an active idle handle makes
 * the poll return at once. */
void host_wake(struct host *h) {
    host_check_uv(uv_idle_start(&h->idle, on_idle), "idle");
}

void host_on_timer(uv_timer_t *timer) {
    host_wake(timer->data);
}

void host_end_loop(struct host *h) {
    uv_stop(&h->loop);
}

void host_tell_manager(const char *text) {
    if (host_notify(text) != 0) {
        log_warn("host", "cannot tell the service manager %s: %s", text, strerror(errno));
    }
}

int host_exit_status(int code) {
    switch (code) {
    case ERR_INVALID:
    case ERR_SCRIPT:
    case ERR_NOTFOUND:
        return EXIT_USAGE;
    case ERR_LOST:
        return EXIT_LOST;
    case ERR_FENCED:
        return EXIT_FENCED;
    case ERR_FOREIGN:
        return EXIT_FOREIGN;
    default:
        return EXIT_CANNOT_RUN;
    }
}

static void on_drain_timer(uv_timer_t *timer) {
    struct host *h = timer->data;
    log_warn("host",
             "stopping while %zu events still wait for a call: they will run again at the "
             "next start",
             engine_running(h->engine));
    host_end_loop(h);
}

/* How long attempts may go on: as long as the most patient service allows. */
static int64_t stop_ms(const struct host *h) {
    int64_t most_ms = 0;
    for (size_t i = 0; i < h->conf->service_count; i++) {
        int64_t ms = service_stop_ms(&h->conf->services[i], h->conf);
        most_ms = ms > most_ms ? ms : most_ms;
    }
    return most_ms;
}

void host_stop(struct host *h, int status) {
    if (h->stopping) {
        host_end_loop(h);
        return;
    }
    h->stopping = true;
    h->status = status;
    host_tell_manager("STOPPING=1");
    engine_drain(h->engine);
    if (h->conf->cluster.name[0] != '\0' && h->tcp != NULL) {
        gateway_hold(h->tcp, true); /* others answer at its port; who is here gets an answer yet */
        host_check_uv(uv_timer_start(&h->answers_timer, host_on_timer, ANSWERS_MS, 0),
                      "answers timer");
    }
    host_check_uv(uv_timer_start(&h->drain_timer, on_drain_timer, (uint64_t)stop_ms(h) + CUT_MS, 0),
                  "drain timer");
    host_wake(h);
}

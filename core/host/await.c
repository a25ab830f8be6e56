/*
 * await.c - a host that cannot start yet, because the database of its log is away, or the store is
 * being loaded from it: it says so to whoever asks, on the socket and the port that the host will have,
 * and to the service manager.
 *
 * It runs a loop of its own: that of the host has an engine behind it.
 */
#include "host/logged.h"

#include "base/log.h"
#include "host/loop.h"
#include "host/notify.h"
#include "host/port.h"
#include "store/folder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_MS = 3000, AGAIN_MS = 500, TELL_MS = 60000 };

struct await {
    struct host *h;
    uv_loop_t loop;
    uv_timer_t again, manager;
    uv_signal_t sigterm, sigint;
    struct gateway *socket, *tcp;
    struct report *why;
    bool joined; /* the log is ours, */
    bool more;   /* and the store lacks some of it */
    int code;    /* of the last attempt; ERR_BUSY: stopped */
    int64_t told_ms;
};

static int join(struct await *a, int64_t wait_ms) {
    struct host *h = a->h;
    return turns_join(h->log.turns, store_log_state(h->store)->id, wait_ms, a->why);
}

/* Joins, and goes a step towards a store that is what its log says. */
static void attempt(struct await *a, int64_t wait_ms) {
    a->code = a->joined ? 0 : join(a, wait_ms);
    a->joined = a->code == 0;
    if (a->joined) {
        a->code = store_settle(a->h->store, &a->more);
        a->code = a->code == 0 ? 0 : host_log_explain(a->h, a->code, a->why);
    }
}

static bool goes_on(const struct await *a) {
    return a->code == ERR_NETWORK || (a->code == 0 && a->more);
}

static void tell(struct await *a) {
    int64_t now = host_now_ms(a->h);
    if (a->told_ms != 0 && now - a->told_ms < TELL_MS) {
        return;
    }
    a->told_ms = now;
    if (a->code == 0) {
        log_info("host", "loading the store from its log (store.url)");
    } else {
        log_warn("host", "waiting for the database of the store's log (store.url): %s",
                 a->why->text);
    }
}

static void on_again(uv_timer_t *timer) {
    struct await *a = timer->data;
    attempt(a, 0);
    if (!goes_on(a)) {
        uv_stop(&a->loop);
        return;
    }
    tell(a);
    /* Of 0 ms it would run again at once, before the signals and the doors have their turn: libuv before 1.45
     * runs timers until none is due. */
    host_check_uv(uv_timer_start(timer, on_again, a->code == 0 ? 1 : AGAIN_MS, 0), "again timer");
}

static void on_manager(uv_timer_t *timer) {
    (void)timer;
    host_tell_manager("WATCHDOG=1");
}

static void on_signal(uv_signal_t *signal, int number) {
    struct await *a = signal->data;
    (void)number;
    a->code = ERR_BUSY;
    a->h->stopping = true;
    uv_stop(&a->loop);
}

/* The port is asked by anyone: the reason is for the socket alone. */
static void answer(const struct await *a, struct gateway_request *request, bool ours) {
    struct report r;
    if (a->code == 0) {
        (void)report(&r, 0, "this host has not started yet: it loads its store from its log");
    } else {
        (void)report(&r, 0,
                     "this host has not started yet: it waits for the database of its log%s%s",
                     ours ? " (store.url): " : "", ours ? a->why->text : "");
    }
    host_port_answer_unready(request, r.text);
}

static void on_request(void *ctx, struct gateway_request *request) {
    answer(ctx, request, true);
}

static void on_stranger(void *ctx, struct gateway_request *request) {
    answer(ctx, request, false);
}

/* What does not open now is complained of when the host opens it. */
static void open_doors(struct await *a) {
    const struct conf *conf = a->h->conf;
    char listen[STORE_PATH_BYTES];
    struct report r;
    const struct gateway_callbacks of_socket = {.ctx = a, .on_request = on_request};
    const struct gateway_callbacks of_port = {.ctx = a, .on_request = on_stranger};
    if (store_folder_door(conf->store_path, listen, &r) == 0) {
        (void)gateway_new(&a->socket, &a->loop, listen, GATEWAY_BODY_BYTES_MAX, &of_socket, &r);
    }
    /* In a cluster other shards answer there, or the fleet. */
    if (conf->http_listen[0] != '\0' && conf->cluster.name[0] == '\0') {
        (void)host_port_open(&a->tcp, &a->loop, conf, false, of_port, &r);
    }
}

static int open_loop(struct await *a) {
    uint64_t manager_ms = host_notify_interval_ms();
    a->again.data = a->manager.data = a->sigterm.data = a->sigint.data = a;
    int rc = uv_loop_init(&a->loop);
    if (rc != 0) {
        return rc;
    }
    const int rcs[] = {uv_timer_init(&a->loop, &a->again),
                       uv_timer_init(&a->loop, &a->manager),
                       uv_signal_init(&a->loop, &a->sigterm),
                       uv_signal_init(&a->loop, &a->sigint),
                       uv_timer_start(&a->again, on_again, 0, 0),
                       manager_ms == 0 ? 0 : uv_timer_start(&a->manager, on_manager, 0, manager_ms),
                       uv_signal_start(&a->sigterm, on_signal, SIGTERM),
                       uv_signal_start(&a->sigint, on_signal, SIGINT)};
    for (size_t i = 0; rc == 0 && i < sizeof rcs / sizeof *rcs; i++) {
        rc = rcs[i];
    }
    return rc;
}

static void on_walk(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void close_loop(struct await *a) {
    gateway_free(a->socket);
    gateway_free(a->tcp);
    uv_walk(&a->loop, on_walk, NULL);
    (void)uv_run(&a->loop, UV_RUN_DEFAULT);
    host_check_uv(uv_loop_close(&a->loop), "closing the loop of a host that waits");
}

int host_await_log(struct host *h, struct report *r) {
    struct await a = {.h = h, .why = r, .more = true};
    int64_t until_ms = host_now_ms(h) + FIRST_MS;
    do {
        attempt(&a, FIRST_MS);
    } while (a.code == 0 && a.more && host_now_ms(h) < until_ms);
    if (!goes_on(&a)) {
        return a.code;
    }
    int rc = open_loop(&a);
    if (rc != 0) {
        return report(r, ERR_SYSTEM, "cannot set up an event loop: %s", uv_strerror(rc));
    }
    tell(&a);
    open_doors(&a);
    host_tell_manager("READY=1");
    (void)uv_run(&a.loop, UV_RUN_DEFAULT);
    close_loop(&a);
    if (a.code == 0 && host_notify_wait(HOST_OPEN_MS) != 0) { /* it is opened without a report */
        log_warn("host", "cannot ask the service manager for patience: %s", strerror(errno));
    }
    return a.code == ERR_BUSY
               ? report(r, ERR_BUSY, "stopped while it waited for the database of its log")
               : a.code;
}

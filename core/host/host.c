/*
 * host.c - the loop: collects input, lets the engine decide, sends PUBACKs and publishes.
 *
 *   uv poll  ->  the doors read their sockets, but only record what came
 *   on_check ->  turn(): collect MQTT, engine_turn, flush
 *   timer    ->  wakes the loop when time makes a turn due, so that on_check follows at once
 *
 * Stopping: SIGTERM stops new work and gives waiting calls some time to end; a second one stops at
 * once. Whatever is left runs again at the next start, and this does not count as a crash.
 */
#include "host/impl.h"

#include "host/ask.h"
#include "host/doors.h"
#include "host/join.h"
#include "host/linger.h"
#include "host/logged.h"
#include "host/loop.h"
#include "host/members.h"
#include "host/publisher.h"
#include "host/reload.h"
#include "host/scripts.h"
#include "host/stand_in.h"
#include "host/telemetry.h"
#include "host/terms.h"
#include "host/token.h"
#include "lua/api/api.h"

#include "host/notify.h"
#include "host/port.h"
#include "base/limits.h"
#include "base/log.h"
#include "store/folder.h"
#include "base/watchdog.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    PAUSE_AFTER_FAILURE_MS = 1000,
    COLLECT_AT_ONCE = 16,
    BUSY_MESSAGES = 16, /* in one turn: then more are probably on their way */
    REPEAT_MS = 60000,
};

/* --- the turn --- */

/* When the next turn is due: at once (idle runs), at a time (timer), or when input arrives. */
static void arm(struct host *h, bool more) {
    int64_t now = engine_now_ms(h->engine);
    int64_t next = engine_next_ms(h->engine);
    int64_t pause = h->retry_ms - host_now_ms(h);
    if (pause > 0) {
        next = now + pause;
        more = false;
    }
    if (more || next <= now) {
        host_wake(h);
        return;
    }
    host_check_uv(uv_idle_stop(&h->idle), "idle");
    if (next == INT64_MAX) {
        host_check_uv(uv_timer_stop(&h->timer), "timer");
        return;
    }
    uv_update_time(&h->loop);
    int64_t delay = next - now;
    host_check_uv(uv_timer_start(&h->timer, host_on_timer,
                                 (uint64_t)(delay > CLOCK_LOOK_MS ? CLOCK_LOOK_MS : delay), 0),
                  "timer");
}

/* Nothing that arrived since the last commit may be acknowledged: it comes again over a new
 * connection. */
static void fall_back(struct host *h) {
    if (h->drop || h->turn_messages > 0) {
        mqtt_drop(h->subscriber);
        h->readable = false;
    }
    host_stand_in_drop(h);
    h->drop = false;
    h->retry_ms = host_now_ms(h) + PAUSE_AFTER_FAILURE_MS;
}

/* Clients that were accepted just before it left its port to others. */
static bool owes_answers(const struct host *h) {
    return uv_is_active((const uv_handle_t *)&h->answers_timer) && gateway_owes(h->tcp);
}

static void stop_when_idle(struct host *h) {
    struct engine_status status;
    engine_status(h->engine, &status);
    bool left = h->leaving && status.waiting == 0 &&
                status.outbox <= status.outbox_refused + status.outbox_held &&
                status.forwards_waiting == 0;
    if (left || (h->stopping && engine_running(h->engine) == 0 && !owes_answers(h))) {
        host_end_loop(h);
    }
}

/* Reads the broker's sockets dry, within the bounds of a turn. */
static void collect(struct host *h) {
    h->turn_messages = 0;
    h->turn_bytes = 0;
    while ((h->readable || host_stand_in_readable(h)) &&
           h->turn_messages < engine_intake(h->engine) && h->turn_bytes < engine_room(h->engine) &&
           engine_accepts(h->engine)) {
        /* When room is scarce, a single large message too many would matter. */
        bool scarce = engine_room(h->engine) < TURN_BYTES_MAX;
        h->readable = h->readable && mqtt_collect(h->subscriber, scarce ? 1 : COLLECT_AT_ONCE);
        host_stand_in_collect(h, scarce ? 1 : COLLECT_AT_ONCE);
        (void)engine_enter(h->engine, PHASE_SEND);
        host_pump(h);
        (void)engine_enter(h->engine, PHASE_COLLECT);
    }
}

/* After a turn with many messages the next one waits a little: a commit for a few events costs
 * nearly as much as one for hundreds. Publishes continue in the meantime. A quiet host never naps,
 * nor does one that has something left to do: an unread message, a runnable lane, a publish that
 * may leave. */
static void nap_if_busy(struct host *h) {
    bool idle = !h->readable && !host_stand_in_readable(h) && !h->publisher_readable &&
                !engine_due(h->engine);
    if (h->turn_messages >= BUSY_MESSAGES && idle) {
        uv_update_time(&h->loop);
        h->nap_until_ms = uv_now(&h->loop) + (uint64_t)h->linger_ms;
    }
}

static bool napping(const struct host *h) {
    return uv_now(&h->loop) < h->nap_until_ms && !h->stopping && !h->leaving;
}

static void rest(struct host *h) {
    if (h->publisher_readable) {
        host_wake(h);
        return;
    }
    host_check_uv(uv_idle_stop(&h->idle), "idle");
    host_check_uv(uv_timer_start(&h->timer, host_on_timer, h->nap_until_ms - uv_now(&h->loop), 0),
                  "timer");
}

/* What the commit has decided. Publishes first: somebody waits for them, and the broker wakes up once
 * for both. */
static void act(struct host *h) {
    host_ask_send(h);
    mqtt_flush(h->publisher);
    mqtt_flush(h->subscriber);
    host_stand_in_flush(h);
    host_members_turn(h);
    host_reload_turn(h);
    host_log_turn(h);
    host_publish_status(h);
}

static void turn(struct host *h) {
    if (host_now_ms(h) < h->retry_ms) {
        arm(h, false);
        return;
    }
    if (host_join_is_refused(h)) {
        if (h->stopping) {
            stop_when_idle(h);
        }
        arm(h, h->readable);
        return;
    }
    host_pump(h);
    if (napping(h)) {
        rest(h);
        return;
    }
    host_ask_work(h);
    (void)engine_enter(h->engine, PHASE_COLLECT);
    collect(h);
    int code = engine_turn(h->engine);
    host_log_notice(h);
    if (code != 0 && host_log_is_over(h, code)) {
        return;
    }
    if (code != 0 || h->drop) {
        fall_back(h);
    } else {
        act(h);
    }
    bool accepts = engine_accepts(h->engine) && engine_room(h->engine) > 0;
    mqtt_hold(h->subscriber, !accepts || host_join_waits(h));
    host_stand_in_hold(h, !accepts);
    if (h->stopping || h->leaving) {
        stop_when_idle(h);
    }
    nap_if_busy(h);
    if (napping(h)) {
        rest(h);
        return;
    }
    bool more = accepts && (h->readable || host_stand_in_readable(h));
    arm(h, more || h->publisher_readable || engine_due(h->engine) || host_ask_due(h));
}

static void on_check(uv_check_t *check) {
    struct host *h = check->data;
    (void)engine_enter(h->engine, PHASE_SEND);
    turn(h);
    (void)engine_enter(h->engine, PHASE_OTHER);
}

/* --- the service manager --- */

/* A timer of the loop itself: a turn that never ends stops the heartbeat. */
static void on_manager_timer(uv_timer_t *timer) {
    const struct host *h = timer->data;
    host_tell_manager("WATCHDOG=1");
    if (h->tcp != NULL && !h->stopping) {
        host_port_tell(); /* it may not have been heard */
    }
}

/* --- stopping --- */

static void on_signal(uv_signal_t *signal, int number) {
    struct host *h = signal->data;
    log_info("host", "%s: stopping%s", number == SIGINT ? "SIGINT" : "SIGTERM",
             h->stopping ? " immediately" : "; a second signal stops immediately");
    host_stop(h, EXIT_GOOD);
}

static void on_sighup(uv_signal_t *signal, int number) {
    (void)number;
    host_reload(signal->data, NULL, false);
}

static void on_sys_timer(uv_timer_t *timer) {
    struct host *h = timer->data;
    sys_tick(h->sys);
    host_wake(h);
}

static void on_repeat_timer(uv_timer_t *timer) {
    host_repeat_warnings(timer->data);
    host_members_repeat(timer->data);
}

/* --- start --- */

static int raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return ERR_SYSTEM;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : ERR_SYSTEM;
}

static int open_loop(struct host *h, struct report *r) {
    int rc = uv_loop_init(&h->loop);
    if (rc != 0) {
        return report(r, ERR_SYSTEM, "cannot make an event loop: %s", uv_strerror(rc));
    }
    h->loop.data = h;
    h->check.data = h->timer.data = h->idle.data = h->reload_timer.data = h->drain_timer.data = h;
    h->saved_timer.data = h->conf_watch.data = h->answers_timer.data = h;
    h->sys_timer.data = h->repeat_timer.data = h->alone_timer.data = h;
    h->members_timer.data = h->manager_timer.data = h->log.timer.data = h;
    h->sigterm.data = h->sigint.data = h->sighup.data = h->watch.data = h;
    const int rcs[] = {
        uv_loop_configure(&h->loop, UV_METRICS_IDLE_TIME),
        uv_check_init(&h->loop, &h->check),
        uv_check_start(&h->check, on_check),
        uv_idle_init(&h->loop, &h->idle),
        uv_timer_init(&h->loop, &h->timer),
        uv_timer_init(&h->loop, &h->reload_timer),
        uv_timer_init(&h->loop, &h->drain_timer),
        uv_timer_init(&h->loop, &h->answers_timer),
        uv_timer_init(&h->loop, &h->saved_timer),
        uv_timer_init(&h->loop, &h->sys_timer),
        uv_timer_init(&h->loop, &h->repeat_timer),
        uv_timer_init(&h->loop, &h->alone_timer),
        uv_timer_init(&h->loop, &h->members_timer),
        uv_timer_init(&h->loop, &h->manager_timer),
        uv_timer_init(&h->loop, &h->log.timer),
        uv_signal_init(&h->loop, &h->sigterm),
        uv_signal_init(&h->loop, &h->sigint),
        uv_signal_init(&h->loop, &h->sighup),
        uv_fs_event_init(&h->loop, &h->watch),
        uv_fs_event_init(&h->loop, &h->conf_watch),
        uv_signal_start(&h->sigterm, on_signal, SIGTERM),
        uv_signal_start(&h->sigint, on_signal, SIGINT),
        uv_signal_start(&h->sighup, on_sighup, SIGHUP),
    };
    for (size_t i = 0; i < sizeof rcs / sizeof *rcs; i++) {
        if (rcs[i] != 0) {
            return report(r, ERR_SYSTEM, "cannot set up the event loop: %s", uv_strerror(rcs[i]));
        }
    }
    return 0;
}

/* A host with a new store of its own next to theirs would work without their keys. */
static int check_folder(const struct host *h, struct report *r) {
    unsigned hosts = store_folder_hosts(h->conf->store_path);
    return hosts == 0
               ? 0
               : report(r, ERR_INVALID,
                        "%s contains the folders of %u hosts: run them with --hosts %u, or choose "
                        "the folder of one with --data",
                        h->conf->store_path, hosts, hosts);
}

static int open_engine(struct host *h, struct report *r) {
    const struct store_options store = {.path = h->conf->store_path,
                                        .max_bytes = h->conf->store_max_bytes,
                                        .logged = h->conf->store_url[0] != '\0',
                                        .rebuilt = h->conf->store_url[0] != '\0'};
    struct clock_reading now;
    clock_read(&now);
    memory_init(&h->memory, h->conf->memory_bytes);
    int code = store_open(&h->store, &store, r);
    if (code == 0) {
        code = culprit_open(&h->culprit, h->conf->store_path, now.boot.id, r);
    }
    code = code == 0 ? host_log_open(h, r) : code;
    if (code == 0) {
        host_watch_runs(h);
        host_choose_linger(h);
    }
    if (code == 0) {
        code = script_host_new(&h->scripts, h->conf, &api_library);
        code = code == 0 ? 0 : report(r, code, "out of memory");
    }
    if (code == 0) {
        script_use_memory(h->scripts, &h->memory);
        code = host_load_scripts(h, r);
    }
    if (code != 0) {
        return code;
    }
    const struct engine_doors doors = host_engine_doors(h);
    struct engine_options options = {.conf = h->conf,
                                     .store = h->store,
                                     .scripts = h->scripts,
                                     .doors = &doors,
                                     .culprit = h->culprit,
                                     .memory = &h->memory,
                                     .only = h->options->services,
                                     .only_count = h->options->service_count};
    randombytes_buf(&options.seed, sizeof options.seed);
    code = engine_new(&h->engine, &options, r);
    bool by_log = code == ERR_NETWORK || code == ERR_FENCED || code == ERR_LOST;
    return by_log && store_has_log(h->store) ? host_log_explain(h, code, r) : code;
}

/* From now on, every log line names this host. */
static int check_division(const struct host *h, struct report *r) {
    const struct division *d = &h->conf->hosts.share;
    if (!division_is_divided(d)) {
        return 0;
    }
    log_set_host(d->place);
    return h->options->service_count == 0
               ? 0
               : report(
                     r, ERR_INVALID,
                     "--service leaves services out, but hosts.count is %u: the keys of a "
                     "service belong to every host of the division, so each must run all of them",
                     (unsigned)d->count);
}

/* For people who try handlers: on the terminal, not in the log. */
static void print_login_link(const struct host *h) {
    struct buf url;
    buf_init(&url, TOPIC_BYTES_MAX);
    if (host_login_link(h, &url)) {
        (void)printf("dashboard: %s\n", buf_str(&url));
        (void)fflush(stdout);
    }
    buf_clear(&url);
}

/* The configuration, which names the broker of a trial run once that is up. */
static int read_conf(struct host *h, struct report *r) {
    h->overrides = h->options->overrides;
    if (h->options->with_broker && h->overrides.broker_url == NULL) {
        int code = companions_start(&h->companions, r);
        if (code != 0) {
            return code;
        }
        h->overrides.broker_url = h->companions.broker_url;
    }
    int code = conf_load(&h->conf, h->options->conf_file, &h->overrides, r);
    if (code != 0) {
        return code;
    }
    assert(h->conf != NULL);
    h->reload.read_ms = clock_wall_ms();
    host_set_log(h->options, h->conf);
    code = check_division(h, r);
    return code == 0 ? check_folder(h, r) : code;
}

/* Nothing at an interval of 0. */
static void repeat_every(uv_timer_t *timer, uint64_t ms, uv_timer_cb on_time, const char *what) {
    if (ms > 0) {
        host_check_uv(uv_timer_start(timer, on_time, ms, ms), what);
    }
}

static void log_start(const struct host *h) {
    log_info("host", "zingq %s runs %zu service%s from %s, data in %s", ZINGQ_VERSION,
             h->conf->service_count, h->conf->service_count == 1 ? "" : "s", h->conf->file,
             h->conf->store_path);
    if (geteuid() == 0 && !h->options->with_broker) {
        log_warn("host", "runs as root, which it never needs: give it a user of its own "
                         "(docs/install.md, \"As a service\")");
    }
    if (h->options->with_broker) {
        print_login_link(h);
    }
}

static int start(struct host *h, struct report *r) {
    int code = read_conf(h, r);
    code = code == 0 ? open_loop(h, r) : code;
    code = code == 0 ? pg_check(h->conf, r) : code;
    code = code == 0 ? open_engine(h, r) : code;
    code = code == 0 ? host_open_doors(h, r) : code;
    if (code != 0) {
        return code;
    }
    host_watch_scripts(h);
    if (h->options->with_broker) {
        host_watch_conf(h);
    }
    h->started_ms = host_now_ms(h);
    host_log_watch(h);
    mqtt_start(h->subscriber);
    mqtt_start(h->publisher);
    repeat_every(&h->sys_timer, (uint64_t)h->conf->sys_interval_ms, on_sys_timer, "sys timer");
    repeat_every(&h->repeat_timer, REPEAT_MS, on_repeat_timer, "repeat timer");
    repeat_every(&h->manager_timer, host_notify_interval_ms(), on_manager_timer, "manager timer");
    log_start(h);
    (void)host_notify_wait(0); /* whether anyone hears it, the next line says */
    host_tell_manager("READY=1");
    return 0;
}

/* --- stop --- */

static void on_walk(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void close_loop(struct host *h) {
    if (h->loop.data == h) {
        uv_walk(&h->loop, on_walk, NULL);
        (void)uv_run(&h->loop, UV_RUN_DEFAULT);
        host_check_uv(uv_loop_close(&h->loop), "closing the loop");
    }
}

static void close_all(struct host *h) {
    host_reload_cancel(h);
    if (h->engine != NULL && h->subscriber != NULL && !h->log.over && engine_stop(h->engine) != 0) {
        log_error("host",
                  "the last commit failed: events that waited for a call are listed as running "
                  "until they run again");
    }
    /* The watching connection is closed first: otherwise it would receive the other one's
     * goodbye. */
    if (h->publisher != NULL) {
        sys_goodbye(h->sys, h->publisher, h->leaving);
        mqtt_disconnect(h->publisher, -1);
    }
    host_stand_in_close(h);
    if (h->subscriber != NULL) {
        host_members_goodbye(h);
        mqtt_disconnect(h->subscriber, h->leaving ? 0 : -1);
    }
    gateway_free(h->socket);
    if (!h->stopping) { /* it ends by itself: others answer at its port from now on */
        host_tell_manager("STOPPING=1");
    }
    gateway_free(h->tcp);
    front_free(h->front);
    admin_free(h->admin);
    host_close_asks(h);
    sys_free(h->sys);
    engine_free(h->engine);
    fetch_free(h->fetch);
    pg_free(h->pg);
    mqtt_free(h->subscriber);
    mqtt_free(h->publisher);
    host_end_telemetry(h);
    close_loop(h);
    script_host_free(h->scripts);
    watchdog_stop();
    culprit_stopped(h->culprit);
    culprit_close(h->culprit);
    host_log_close(h);
    store_close(h->store);
    conf_free(h->conf);
    companions_stop(&h->companions);
    host_members_close(h);
    host_terms_clear(h);
}

int host_run(const struct host_options *options) {
    struct host *h = calloc(1, sizeof *h);
    struct report r = {"out of memory"};
    if (h == NULL) {
        (void)fprintf(stderr, "zingq: out of memory\n");
        return EXIT_CANNOT_RUN;
    }
    h->options = options;
    STAILQ_INIT(&h->asks);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit of file sizes is like a full disk */
    if (raise_file_limit() != 0) {
        log_warn("host", "cannot raise the number of open files: %s", strerror(errno));
    }
    int code = start(h, &r);
    if (code == 0) {
        (void)uv_run(&h->loop, UV_RUN_DEFAULT);
        log_info("host", "stopped");
    } else if (h->stopping) {
        log_info("host", "%s", r.text);
    } else {
        (void)fprintf(stderr, "zingq: %s\n", r.text);
        h->status = host_exit_status(code);
    }
    int status = h->status;
    close_all(h);
    free(h);
    return status;
}

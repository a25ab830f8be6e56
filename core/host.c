/*
 * host.c - the loop: what is ready is collected, the engine decides, PUBACKs and publishes leave.
 *
 *   uv poll  ->  sockets are read by their doors only as far as noting what came
 *   on_check ->  turn(): collect MQTT, engine_turn, flush
 *   timer    ->  the same when the clock makes a turn due
 *
 * Stopping: SIGTERM stops new work and gives what waits for a call DRAIN_MS to end; a second one
 * stops at once. What is left is marked ready, not crashed.
 */
#include "host.h"

#include "admin.h"
#include "companion.h"
#include "engine.h"
#include "fetch.h"
#include "gateway.h"
#include "log.h"
#include "mqtt.h"
#include "script.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_MS = 10000, RELOAD_DELAY_MS = 100, PAUSE_AFTER_FAILURE_MS = 1000 };

struct host {
    const struct host_options *options;
    uv_loop_t loop;
    uv_check_t check;
    uv_idle_t idle;          /* active while there is more to do at once */
    uv_timer_t timer;        /* the next turn the clock makes due */
    uv_timer_t reload_timer; /* gathers the many events of one saved file */
    uv_timer_t drain_timer;
    uv_signal_t sigterm, sigint, sighup;
    uv_fs_event_t watch;
    struct conf *conf;
    struct store *store;
    struct script_host *scripts;
    struct engine *engine;
    struct mqtt *mqtt;
    struct fetch *fetch;
    struct gateway *socket; /* DATA/zingq.sock */
    struct admin *admin;
    struct companions companions;
    char client_id[256];
    int64_t started_ms;
    int64_t retry_ms; /* no turns before: the last one failed */
    bool readable;    /* the broker's socket has input */
    bool stopping;
    bool leaving;   /* unsubscribed for good: stops when nothing waits */
    bool drop;      /* the connection: a message could not be kept */
    bool said_lost; /* that the connection is lost: once an outage */
    int status;     /* to exit with */
    char broker_error[256];
};

/* --- clocks -------------------------------------------------------------------------------------
 */

static int64_t now_ms(void *ctx) {
    (void)ctx;
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t monotonic_us(void *ctx) {
    (void)ctx;
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- the turn -----------------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *timer) {
    (void)timer; /* on_check follows */
}

static void on_idle(uv_idle_t *idle) {
    (void)idle; /* keeps the loop from sleeping */
}

static void check_uv(int rc, const char *what) {
    if (rc != 0) {
        log_error("host", "%s: %s", what, uv_strerror(rc));
    }
}

/* When the next turn is due: at once (idle runs), at a time (timer), or when something comes. */
static void arm(struct host *h, bool more) {
    int64_t now = now_ms(h);
    int64_t next = engine_next_ms(h->engine);
    if (h->retry_ms > now) {
        next = h->retry_ms;
        more = false;
    }
    if (more || next <= now) {
        check_uv(uv_idle_start(&h->idle, on_idle), "idle");
        return;
    }
    check_uv(uv_idle_stop(&h->idle), "idle");
    if (next == INT64_MAX) {
        check_uv(uv_timer_stop(&h->timer), "timer");
        return;
    }
    uv_update_time(&h->loop);
    int64_t delay = next - now;
    check_uv(uv_timer_start(&h->timer, on_timer, (uint64_t)(delay > 60000 ? 60000 : delay), 0),
             "timer");
}

static void end_loop(struct host *h) {
    uv_stop(&h->loop);
}

/* Nothing that came since the last commit may be acknowledged: it comes again. */
static void drop_connection(struct host *h) {
    mqtt_drop(h->mqtt);
    h->readable = false;
    h->drop = false;
    h->retry_ms = now_ms(h) + PAUSE_AFTER_FAILURE_MS;
}

static void stop_when_idle(struct host *h) {
    struct engine_status status;
    engine_status(h->engine, &status);
    bool left = h->leaving && status.waiting == 0 && status.outbox == 0;
    if (left || (h->stopping && engine_running(h->engine) == 0)) {
        end_loop(h);
    }
}

static void turn(struct host *h) {
    if (now_ms(h) < h->retry_ms) {
        arm(h, false);
        return;
    }
    if (h->readable && engine_accepts(h->engine)) {
        h->readable = mqtt_collect(h->mqtt, TURN_EVENTS_MAX / 2);
    }
    int code = engine_turn(h->engine);
    if (code != 0 || h->drop) {
        drop_connection(h);
    } else {
        mqtt_flush(h->mqtt);
    }
    bool accepts = engine_accepts(h->engine);
    mqtt_hold(h->mqtt, !accepts);
    if (h->stopping || h->leaving) {
        stop_when_idle(h);
    }
    arm(h, (h->readable && accepts) || engine_due(h->engine));
}

static void on_check(uv_check_t *check) {
    turn(check->data);
}

/* --- stopping -----------------------------------------------------------------------------------
 */

static void on_drain_timer(uv_timer_t *timer) {
    struct host *h = timer->data;
    log_warn("host",
             "stopping with %zu events still waiting for a call: they run again at the "
             "next start",
             engine_running(h->engine));
    end_loop(h);
}

static void stop(struct host *h, int status) {
    if (h->stopping) {
        end_loop(h);
        return;
    }
    h->stopping = true;
    h->status = status;
    engine_drain(h->engine);
    check_uv(uv_timer_start(&h->drain_timer, on_drain_timer, DRAIN_MS, 0), "drain timer");
    check_uv(uv_idle_start(&h->idle, on_idle), "idle");
}

static void on_signal(uv_signal_t *signal, int number) {
    struct host *h = signal->data;
    log_info("host", "%s: stopping%s", number == SIGINT ? "SIGINT" : "SIGTERM",
             h->stopping ? " at once" : ", once more stops at once");
    stop(h, EXIT_GOOD);
}

/* --- scripts ------------------------------------------------------------------------------------
 */

static void on_reload(void *ctx, size_t service, const char *error) {
    const struct host *h = ctx;
    const char *name = h->conf->services[service].name;
    if (error == NULL) {
        log_info("script", "service \"%s\" runs its new scripts version=%016" PRIx64, name,
                 script_version(h->scripts, service));
    } else {
        log_error("script", "service \"%s\" keeps its last good scripts: %s", name, error);
    }
}

static void reload(struct host *h) {
    (void)script_reload(h->scripts, h, on_reload);
}

static void on_reload_timer(uv_timer_t *timer) {
    reload(timer->data);
}

static void on_files_changed(uv_fs_event_t *watch, const char *name, int events, int status) {
    (void)name;
    (void)events;
    struct host *h = watch->data;
    check_uv(status < 0 ? status : 0, "watching the scripts folder");
    check_uv(uv_timer_start(&h->reload_timer, on_reload_timer, RELOAD_DELAY_MS, 0), "reload timer");
}

static void on_sighup(uv_signal_t *signal, int number) {
    (void)number;
    reload(signal->data);
}

/* --- MQTT ---------------------------------------------------------------------------------------
 */

static void on_readable(void *ctx) {
    struct host *h = ctx;
    h->readable = true;
}

static void offer(struct host *h, size_t service, const struct mqtt_message *m) {
    struct event_bytes bytes = {.topic = m->topic,
                                .payload = m->payload,
                                .content_type = m->content_type,
                                .response_topic = m->response_topic,
                                .correlation = m->correlation,
                                .properties = m->properties};
    if (engine_offer(h->engine, service, &bytes, m->qos, m->retain) != 0) {
        /* Acknowledging it would lose it; without memory there is nothing else to hold it by. */
        log_error("host", "out of memory: dropping the connection, the broker sends it again");
        h->drop = true;
    }
}

/* The subscription's number tells which service a copy is for. A broker without such numbers
 * leaves only the filters to go by. */
static void on_message(void *ctx, const struct mqtt_message *m) {
    struct host *h = ctx;
    for (size_t i = 0; i < m->subscription_id_count; i++) {
        size_t service = m->subscription_ids[i] - 1;
        if (service < h->conf->service_count) {
            offer(h, service, m);
        }
    }
    for (size_t i = 0; m->subscription_id_count == 0 && i < h->conf->service_count; i++) {
        struct engine_service_status s;
        if (engine_service_status(h->engine, i, &s) == 0 && s.active &&
            service_wants(&h->conf->services[i], m->topic.data)) {
            offer(h, i, m);
        }
    }
}

static void on_published(void *ctx, int mid, uint8_t reason) {
    struct host *h = ctx;
    engine_published(h->engine, mid, reason);
}

static int publish(void *ctx, const struct publication *p, int *mid) {
    struct host *h = ctx;
    struct mqtt_publish out = {.topic = p->topic.data,
                               .payload = p->payload,
                               .content_type = p->content_type,
                               .response_topic = p->response_topic,
                               .correlation = p->correlation,
                               .properties = p->properties,
                               .qos = p->qos,
                               .retain = p->retain};
    struct report r;
    int code = mqtt_publish(h->mqtt, &out, mid, &r);
    if (code == ERR_INVALID) {
        log_error("broker", "%s", r.text);
    }
    return code;
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct host *h = ctx;
    bool again = session->connects > 1;
    log_info("broker", "connected to %s client_id=%s session=%s", h->conf->broker.url,
             session->client_id, session->session_present ? "kept" : "new");
    if (again && !session->session_present) {
        log_warn("broker", "the broker has lost our session: messages it held for us may be "
                           "missing; give it persistence (zingq doctor)");
    }
    if (!session->shared_available) {
        log_warn("broker", "the broker has no shared subscriptions: plain ones are used, run one "
                           "host only");
    }
    h->said_lost = false;
    h->broker_error[0] = '\0';
    engine_connected(h->engine, session->receive_maximum);
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct host *h = ctx;
    engine_disconnected(h->engine);
    h->readable = false;
    (void)snprintf(h->broker_error, sizeof h->broker_error, "%s", text);
    if (why == MQTT_DOWN_FATAL || why == MQTT_DOWN_TAKEN_OVER) {
        fprintf(stderr, "zingq: %s\n", text);
        stop(h, EXIT_CANNOT_RUN);
    } else if (!h->said_lost) {
        h->said_lost = true;
        log_warn("broker", "%s: trying again", text);
    }
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    (void)ctx;
    if (reason >= 0x80) {
        log_error("broker",
                  "the broker refused the subscription %s (reason 0x%02x): check its "
                  "access rules",
                  filter, reason);
    }
}

static void on_unsubscribed(void *ctx) {
    struct host *h = ctx;
    log_info("host", "left every group; what is stored is handled before the session ends");
    h->leaving = true;
    check_uv(uv_idle_start(&h->idle, on_idle), "idle");
}

/* --- calls and commands -------------------------------------------------------------------------
 */

static int call_start(void *ctx, uint64_t id, const struct fetch_request *request) {
    struct host *h = ctx;
    return fetch_start(h->fetch, id, request);
}

static void call_cancel(void *ctx, uint64_t id) {
    struct host *h = ctx;
    fetch_cancel(h->fetch, id);
}

static void on_fetched(void *ctx, uint64_t id, struct fetch_result *result) {
    struct host *h = ctx;
    engine_call_done(h->engine, id, result);
}

static void command_done(void *ctx, struct command *command) {
    struct host *h = ctx;
    admin_command_done(h->admin, command);
}

static void on_request(void *ctx, struct gateway_request *request) {
    struct host *h = ctx;
    admin_request(h->admin, request);
}

static json_t *host_status(void *ctx) {
    struct host *h = ctx;
    const struct mqtt_session *session = mqtt_session(h->mqtt);
    return json_pack("{s:s, s:s, s:i, s:I, s:s, s:b, s:s, s:s, s:I, s:i}", "version", ZINGQ_VERSION,
                     "id", h->client_id, "pid", (int)getpid(), "uptime_ms",
                     (json_int_t)(now_ms(h) - h->started_ms), "broker", h->conf->broker.url,
                     "connected", (int)session->connected, "broker_error", h->broker_error, "conf",
                     h->conf->file, "connects", (json_int_t)session->connects, "calls",
                     (int)fetch_running(h->fetch));
}

static void leave(void *ctx) {
    struct host *h = ctx;
    log_info("host", "leaving: no new messages from now on");
    if (mqtt_unsubscribe_all(h->mqtt) == ERR_NOTFOUND) {
        on_unsubscribed(h);
    }
}

static void admin_reload(void *ctx) {
    reload(ctx);
}

static void wake(void *ctx) {
    struct host *h = ctx;
    check_uv(uv_idle_start(&h->idle, on_idle), "idle");
}

/* --- start --------------------------------------------------------------------------------------
 */

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
    h->sigterm.data = h->sigint.data = h->sighup.data = h->watch.data = h;
    const int rcs[] = {
        uv_check_init(&h->loop, &h->check),
        uv_check_start(&h->check, on_check),
        uv_idle_init(&h->loop, &h->idle),
        uv_timer_init(&h->loop, &h->timer),
        uv_timer_init(&h->loop, &h->reload_timer),
        uv_timer_init(&h->loop, &h->drain_timer),
        uv_signal_init(&h->loop, &h->sigterm),
        uv_signal_init(&h->loop, &h->sigint),
        uv_signal_init(&h->loop, &h->sighup),
        uv_fs_event_init(&h->loop, &h->watch),
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

static int open_engine(struct host *h, struct report *r) {
    const struct store_options store = {.path = h->conf->store_path,
                                        .max_bytes = h->conf->store_max_bytes};
    int code = store_open(&h->store, &store, r);
    if (code == 0) {
        code = script_host_new(&h->scripts, h->conf);
    }
    if (code == 0) {
        code = script_load_all(h->scripts, r);
    }
    if (code != 0) {
        return code;
    }
    const struct engine_doors doors = {.ctx = h,
                                       .now_ms = now_ms,
                                       .monotonic_us = monotonic_us,
                                       .publish = publish,
                                       .call_start = call_start,
                                       .call_cancel = call_cancel,
                                       .command_done = command_done};
    struct engine_options options = {.conf = h->conf,
                                     .store = h->store,
                                     .scripts = h->scripts,
                                     .doors = &doors,
                                     .only = h->options->services,
                                     .only_count = h->options->service_count};
    randombytes_buf(&options.seed, sizeof options.seed);
    return engine_new(&h->engine, &options, r);
}

static int subscribe(struct host *h, struct report *r) {
    for (size_t i = 0; i < h->conf->service_count; i++) {
        const struct service_conf *s = &h->conf->services[i];
        struct engine_service_status status;
        if (engine_service_status(h->engine, i, &status) != 0 || !status.active) {
            continue;
        }
        for (size_t f = 0; f < s->filter_count; f++) {
            int code =
                mqtt_subscribe(h->mqtt, s->share ? s->name : NULL, s->filters[f], (uint32_t)i + 1);
            if (code != 0) {
                return report(r, code, "service \"%s\": cannot subscribe to %s: %s", s->name,
                              s->filters[f], error_text(code));
            }
        }
    }
    return 0;
}

static int open_broker(struct host *h, struct report *r) {
    const struct mqtt_callbacks callbacks = {.ctx = h,
                                             .on_message = on_message,
                                             .on_published = on_published,
                                             .on_up = on_up,
                                             .on_down = on_down,
                                             .on_subscribed = on_subscribed,
                                             .on_unsubscribed = on_unsubscribed,
                                             .on_readable = on_readable};
    if (h->conf->broker.client_id[0] != '\0') {
        (void)snprintf(h->client_id, sizeof h->client_id, "%s", h->conf->broker.client_id);
    } else {
        (void)snprintf(h->client_id, sizeof h->client_id, "zingq-%s", engine_host_id(h->engine));
    }
    int code = mqtt_new(&h->mqtt, &h->loop, &h->conf->broker, h->client_id, NULL, &callbacks, r);
    return code == 0 ? subscribe(h, r) : code;
}

static int open_doors(struct host *h, struct report *r) {
    int code = fetch_new(&h->fetch, &h->loop, h, on_fetched);
    if (code == 0) {
        code = open_broker(h, r);
    }
    const struct admin_hooks hooks = {
        .ctx = h, .host_status = host_status, .leave = leave, .reload = admin_reload, .wake = wake};
    if (code == 0) {
        code = admin_new(&h->admin, h->engine, &hooks);
    }
    if (code != 0) {
        return code;
    }
    char listen[4096];
    int len = snprintf(listen, sizeof listen, "unix:%s/zingq.sock", h->conf->store_path);
    if (len < 0 || (size_t)len >= sizeof listen) {
        return report(r, ERR_INVALID, "store.path is too long for a socket in it");
    }
    const struct gateway_callbacks callbacks = {.ctx = h, .on_request = on_request};
    return gateway_new(&h->socket, &h->loop, listen, GATEWAY_BODY_BYTES_MAX, &callbacks, r);
}

static void watch_scripts(struct host *h) {
    int rc = uv_fs_event_start(&h->watch, on_files_changed, h->conf->scripts_dir, 0);
    if (rc != 0) {
        log_warn("script", "cannot watch %s: %s: saved scripts go live at SIGHUP",
                 h->conf->scripts_dir, uv_strerror(rc));
    }
}

static int start(struct host *h, struct report *r) {
    (void)snprintf(r->text, sizeof r->text, "out of memory");
    int code = h->options->with_broker ? companions_start(&h->companions, r) : 0;
    struct conf_overrides overrides = h->options->overrides;
    if (h->options->with_broker && overrides.broker_url == NULL) {
        overrides.broker_url = h->companions.broker_url;
    }
    if (code == 0) {
        code = conf_load(&h->conf, h->options->conf_file, &overrides, r);
    }
    if (code == 0) {
        code = open_loop(h, r);
    }
    if (code == 0) {
        code = open_engine(h, r);
    }
    if (code == 0) {
        code = open_doors(h, r);
    }
    if (code != 0) {
        return code;
    }
    watch_scripts(h);
    h->started_ms = now_ms(h);
    mqtt_start(h->mqtt);
    log_info("host", "zingq %s runs %zu services from %s, data in %s", ZINGQ_VERSION,
             h->conf->service_count, h->conf->file, h->conf->store_path);
    return 0;
}

/* --- stop ---------------------------------------------------------------------------------------
 */

static void on_walk(uv_handle_t *handle, void *arg) {
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static void close_all(struct host *h) {
    if (h->engine != NULL && h->mqtt != NULL && engine_stop(h->engine) != 0) {
        log_error("host", "the last commit failed: what was running counts as a crash");
    }
    if (h->mqtt != NULL) {
        mqtt_disconnect(h->mqtt, h->leaving ? 0 : -1);
    }
    gateway_free(h->socket);
    admin_free(h->admin);
    engine_free(h->engine);
    fetch_free(h->fetch);
    mqtt_free(h->mqtt);
    if (h->loop.data == h) {
        uv_walk(&h->loop, on_walk, NULL);
        (void)uv_run(&h->loop, UV_RUN_DEFAULT);
        check_uv(uv_loop_close(&h->loop), "closing the loop");
    }
    script_host_free(h->scripts);
    store_close(h->store);
    conf_free(h->conf);
    companions_stop(&h->companions);
}

static int exit_status_of(int code) {
    switch (code) {
    case ERR_INVALID:
    case ERR_SCRIPT:
    case ERR_NOTFOUND:
        return EXIT_USAGE;
    default:
        return EXIT_CANNOT_RUN;
    }
}

int host_run(const struct host_options *options) {
    struct host *h = calloc(1, sizeof *h);
    struct report r;
    if (h == NULL) {
        fprintf(stderr, "zingq: out of memory\n");
        return EXIT_CANNOT_RUN;
    }
    h->options = options;
    (void)signal(SIGPIPE, SIG_IGN);
    if (raise_file_limit() != 0) {
        log_warn("host", "cannot raise the number of open files: %s", strerror(errno));
    }
    int code = start(h, &r);
    if (code == 0) {
        (void)uv_run(&h->loop, UV_RUN_DEFAULT);
        log_info("host", "stopped");
    } else {
        fprintf(stderr, "zingq: %s\n", r.text);
        h->status = exit_status_of(code);
    }
    int status = h->status;
    close_all(h);
    free(h);
    return status;
}

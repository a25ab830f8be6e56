/*
 * doors.c - the callbacks of the doors: they pass input to the engine, and the engine's requests to
 * the doors. No decision is made here.
 */
#include "host/doors.h"

#include "host/ask.h"
#include "host/broker.h"
#include "host/databases.h"
#include "host/forward.h"
#include "host/join.h"
#include "host/loop.h"
#include "host/members.h"
#include "host/linger.h"
#include "host/logged.h"
#include "host/memory.h"
#include "host/publisher.h"
#include "host/reload.h"
#include "host/session.h"
#include "host/shortage.h"
#include "host/stand_in.h"
#include "host/take.h"
#include "host/telemetry.h"
#include "host/terms.h"
#include "host/port.h"
#include "host/token.h"
#include "base/json.h"
#include "base/log.h"
#include "store/folder.h"

#include <stdio.h>
#include <unistd.h>

/* --- clocks --- */

static void read_clocks(void *ctx, struct clock_reading *out) {
    const struct host *h = ctx;
    clock_read(out);
    if (h->log.turns != NULL) {
        turns_read_clock(h->log.turns, out);
    }
}

static int64_t monotonic_us(void *ctx) {
    (void)ctx;
    return clock_monotonic_us();
}

static int64_t processor_us(void *ctx) {
    (void)ctx;
    return clock_thread_ns() / 1000;
}

static int64_t idle_us(void *ctx) {
    struct host *h = ctx;
    return (int64_t)(uv_metrics_idle_time(&h->loop) / 1000);
}

/* --- MQTT --- */

static void on_readable(void *ctx) {
    struct host *h = ctx;
    h->readable = true;
    host_wake(h);
}

static void on_message(void *ctx, const struct mqtt_message *m) {
    struct host *h = ctx;
    if (!h->members.refused) { /* otherwise never acknowledged: it waits at the broker */
        (void)host_take(h, m, 0);
    }
}

static void on_up(void *ctx, const struct mqtt_session *session) {
    struct host *h = ctx;
    if (host_loss_up(&h->loss, uv_now(&h->loop)) || !session->session_present) {
        log_info("broker", "connected to %s client_id=%s session=%s", h->broker.url,
                 session->client_id, session->session_present ? "kept" : "new");
    }
    host_broker_up(h);
    host_session_up(h, session->session_present);
    h->broker_error[0] = '\0';
    host_terms_up(h, false);
    host_members_up(h);
    host_join_up(h, session->session_present);
    sys_tick(h->sys);
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct host *h = ctx;
    h->readable = false;
    host_members_down(h);
    host_join_down(h);
    sys_tick(h->sys);
    host_broker_down(h, false, why, text);
}

/* Only the host's presence is published over this connection. */
static void on_published(void *ctx, int mid, uint8_t reason) {
    host_members_published(ctx, mid, reason);
}

static void on_subscribed(void *ctx, const char *filter, uint8_t reason) {
    host_filter_answered(ctx, filter, reason);
    host_members_answered(ctx);
}

static void on_resubscribed(void *ctx, const char *filter, uint8_t before, uint8_t reason) {
    host_filter_answered_anew(ctx, filter, before, reason);
}

static void on_unsubscribed(void *ctx) {
    struct host *h = ctx;
    if (h->members.refused) {
        host_join_unsubscribed(h);
        return;
    }
    if (!h->leave_asked) {
        host_session_tidied(h);
        return;
    }
    host_session_ended(h);
    log_info("host", "left every group; stored events are handled before the session ends");
    h->leaving = true;
    host_wake(h);
}

/* --- calls and commands --- */

static int call_start(void *ctx, uint64_t id, const struct call_request *request) {
    struct host *h = ctx;
    return request->kind == CALL_KIND_ASK   ? host_ask_start(h, id, request)
           : request->kind == CALL_KIND_SQL ? pg_start(h->pg, id, request)
                                            : fetch_start(h->fetch, id, request);
}

static void call_cancel(void *ctx, uint64_t id) {
    struct host *h = ctx;
    if (!host_ask_cancel(h, id)) {
        fetch_cancel(h->fetch, id);
        pg_cancel(h->pg, id);
    }
}

static void on_answered(void *ctx, uint64_t id, struct call_result *result) {
    struct host *h = ctx;
    engine_call_done(h->engine, id, result);
    host_wake(h); /* they deliver from a timer */
}

static size_t calls_running(const struct host *h) {
    return fetch_running(h->fetch) + pg_running(h->pg);
}

static void command_done(void *ctx, struct command *command) {
    struct host *h = ctx;
    admin_command_done(h->admin, command);
}

static void on_request(void *ctx, struct gateway_request *request) {
    struct host *h = ctx;
    admin_request(h->admin, request);
}

static struct gateway_welcome on_front_head(void *ctx, const struct gateway_request *request) {
    const struct host *h = ctx;
    return front_welcome(h->front, request);
}

static void on_front_request(void *ctx, struct gateway_request *request) {
    struct host *h = ctx;
    front_request(h->front, request);
}

static void host_metrics(void *ctx, struct buf *out) {
    const struct host *h = ctx;
    const struct mqtt_session *session = mqtt_session(h->subscriber);
    buf_printf(out,
               "# HELP zingq_broker_connects_total connections made since the host started\n"
               "# TYPE zingq_broker_connects_total counter\nzingq_broker_connects_total %llu\n"
               "# HELP zingq_calls HTTP, SMTP and SQL calls in progress\n"
               "# TYPE zingq_calls gauge\nzingq_calls %zu\n"
               "# HELP zingq_uptime_seconds seconds since the host started\n"
               "# TYPE zingq_uptime_seconds gauge\nzingq_uptime_seconds %.3f\n",
               (unsigned long long)session->connects, calls_running(h),
               (double)(host_now_ms(h) - h->started_ms) / 1000);
    host_terms_metrics(h, out);
    host_forward_metrics(h, out);
    host_shortage_metrics(h, out);
    host_memory_metrics(h, out);
    host_database_metrics(h, out);
    host_log_metrics(h, out);
    host_telemetry_metrics(h, out);
    host_members_metrics(h, out);
    host_stand_in_metrics(h, out);
    sys_write_metrics(h->sys, out);
    if (h->ask != NULL) {
        ask_write_metrics(h->ask, out);
    }
}

static bool broker_ready(void *ctx) {
    return host_broker_ready(ctx);
}

static void broker_reasons(void *ctx, json_t *list) {
    host_broker_reasons(ctx, list);
}

/* The error of one of the two connections: the one that a person should read first. */
static const char *broker_error(const struct host *h) {
    return h->broker_error[0] != '\0' ? h->broker_error : h->publisher_error;
}

static json_t *host_status(void *ctx) {
    struct host *h = ctx;
    const struct mqtt_session *session = mqtt_session(h->subscriber);
    bool connected = session->connected && mqtt_session(h->publisher)->connected;
    json_t *host = json_pack("{s:s, s:s, s:i, s:I, s:s, s:b, s:b, s:s, s:s, s:I, s:i}", "version",
                             ZINGQ_VERSION, "id", h->client_id, "pid", (int)getpid(), "uptime_ms",
                             (json_int_t)(host_now_ms(h) - h->started_ms), "broker", h->broker.url,
                             "connected", (int)connected, "ready",
                             (int)(broker_ready(h) && engine_accepts(h->engine)), "broker_error",
                             broker_error(h), "conf", h->conf->file, "connects",
                             (json_int_t)session->connects, "calls", (int)calls_running(h));
    if (host != NULL) {
        host_reload_status(h, host);
        sys_add_status(h->sys, host);
        host_terms_status(h, host);
        host_forward_status(h, host);
        host_memory_status(h, host);
        host_database_status(h, host);
        host_telemetry_status(h, host);
        host_linger_status(h, host);
        host_log_status(h, host);
    }
    return host;
}

static void add_hosts(void *ctx, json_t *object) {
    host_members_status(ctx, object);
}

static void leave(void *ctx) {
    struct host *h = ctx;
    log_info("host", "leaving: accepting no new messages");
    h->leave_asked = true;
    host_reload_cancel(h); /* it would subscribe again */
    if (mqtt_unsubscribe_all(h->subscriber) == ERR_NOTFOUND) {
        on_unsubscribed(h);
    }
}

static json_t *login(void *ctx) {
    struct buf url;
    buf_init(&url, TOPIC_BYTES_MAX);
    json_t *object = host_login_link(ctx, &url) ? json_pack("{s:s}", "url", buf_str(&url)) : NULL;
    buf_clear(&url);
    return object;
}

static void admin_reload(void *ctx, struct gateway_request *request, bool prune) {
    host_reload(ctx, request, prune);
}

static void wake(void *ctx) {
    struct host *h = ctx;
    host_wake(h);
}

/* --- opening --- */

struct engine_doors host_engine_doors(struct host *h) {
    return (struct engine_doors){.ctx = h,
                                 .read_clocks = read_clocks,
                                 .monotonic_us = monotonic_us,
                                 .processor_us = processor_us,
                                 .idle_us = idle_us,
                                 .publish = host_publish,
                                 .forward = host_forward,
                                 .receipt = host_receipt,
                                 .call_start = call_start,
                                 .call_cancel = call_cancel,
                                 .spans = host_take_spans,
                                 .command_done = command_done};
}

static int open_broker(struct host *h, struct report *r) {
    host_choose_broker(h);
    const struct mqtt_callbacks callbacks = {.ctx = h,
                                             .on_message = on_message,
                                             .on_published = on_published,
                                             .on_up = on_up,
                                             .on_down = on_down,
                                             .on_subscribed = on_subscribed,
                                             .on_resubscribed = on_resubscribed,
                                             .on_unsubscribed = on_unsubscribed,
                                             .on_readable = on_readable,
                                             .may_connect = host_log_may_connect};
    if (h->conf->broker.client_id[0] != '\0') {
        (void)snprintf(h->client_id, sizeof h->client_id, "%s", h->conf->broker.client_id);
    } else {
        (void)snprintf(h->client_id, sizeof h->client_id, "zingq-%s", engine_host_id(h->engine));
    }
    struct host_presence will = {0};
    int code = host_members_open(h, &will);
    if (code == 0) {
        host_join_open(h);
    } else {
        host_presence_clear(&will);
        return report(r, code, "cannot prepare the presence of this host: %s", error_text(code));
    }
    code =
        mqtt_new(&h->subscriber, &h->loop, &h->broker, h->client_id, &will.message, &callbacks, r);
    host_presence_clear(&will);
    if (code == 0 && !h->members.decided) {
        mqtt_withhold(h->subscriber);
    }
    code = code == 0 ? host_subscribe(h, r) : code;
    code = code == 0 ? host_open_publisher(h, r) : code;
    return code == 0 && host_stand_in_open(h) != 0 ? report(r, ERR_MEMORY, "out of memory") : code;
}

static int open_socket(struct host *h, struct report *r) {
    char listen[STORE_PATH_BYTES];
    int code = store_folder_door(h->conf->store_path, listen, r);
    if (code != 0) {
        return code;
    }
    const struct gateway_callbacks callbacks = {
        .ctx = h, .on_request = on_request, .make_room = host_make_room, .memory = &h->memory};
    return gateway_new(&h->socket, &h->loop, listen, GATEWAY_BODY_BYTES_MAX, &callbacks, r);
}

static int make_front(struct host *h, struct report *r) {
    const struct front_options options = {.conf = h->conf,
                                          .engine = h->engine,
                                          .admin = h->admin,
                                          .hooks = {.ctx = h,
                                                    .broker_ready = broker_ready,
                                                    .broker_reasons = broker_reasons,
                                                    .host_metrics = host_metrics},
                                          .made_token = h->token};
    return front_new(&h->front, &options) == 0 ? 0 : report(r, ERR_MEMORY, "out of memory");
}

static int open_port(struct host *h, struct report *r) {
    const struct gateway_callbacks callbacks = {.ctx = h,
                                                .on_request = on_front_request,
                                                .welcome = on_front_head,
                                                .make_room = host_make_room,
                                                .memory = &h->memory,
                                                .headers = front_headers,
                                                .proxies =
                                                    (const char *const *)h->conf->http_proxies,
                                                .proxy_count = h->conf->http_proxy_count};
    /* Somebody may be trying handlers in another folder, too. */
    bool any = h->options->with_broker;
    return host_port_open(&h->tcp, &h->loop, h->conf, any, callbacks, r);
}

static int open_front(struct host *h, struct report *r) {
    if (h->conf->http_listen[0] == '\0') {
        return 0;
    }
    int code = host_load_token(h, r);
    code = code == 0 ? make_front(h, r) : code;
    code = code == 0 ? open_port(h, r) : code;
    if (code != 0) {
        return code;
    }
    host_warn_tokens(h);
    log_info("host", "front door on port %u, http.listen = \"%s\"", gateway_port(h->tcp),
             h->conf->http_listen);
    return 0;
}

int host_open_doors(struct host *h, struct report *r) {
    int code = host_open_asks(h);
    const struct admin_options options = {.loop = &h->loop,
                                          .conf = h->conf,
                                          .engine = h->engine,
                                          .scripts = h->scripts,
                                          .ask = h->ask,
                                          .memory = &h->memory,
                                          .hooks = {.ctx = h,
                                                    .host_status = host_status,
                                                    .add_hosts = add_hosts,
                                                    .login = login,
                                                    .leave = leave,
                                                    .reload = admin_reload,
                                                    .wake = wake}};
    if (code == 0) {
        code = fetch_new(&h->fetch, &h->loop, h, on_answered);
    }
    if (code == 0) {
        code = host_open_databases(h, on_answered);
    }
    if (code == 0) {
        fetch_use_memory(h->fetch, &h->memory);
        fetch_egress(h->fetch, (struct egress){h->conf->egress_allow, h->conf->egress_allow_count});
    }
    if (code == 0) {
        code = host_use_telemetry(h);
    }
    if (code == 0) {
        code = open_broker(h, r);
    }
    if (code == 0) {
        code = admin_new(&h->admin, &options, r);
    }
    if (code == 0) {
        code = open_socket(h, r);
    }
    return code == 0 ? open_front(h, r) : code;
}

/*
 * doors.c - the doors' callbacks: what they bring goes to the engine, what the engine wants
 * goes to them. No decision is taken here.
 */
#include "host/impl.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- clocks --- */

int64_t host_now_ms(const struct host *h) {
    (void)h;
    return clock_monotonic_ms();
}

static void read_clocks(void *ctx, struct clock_reading *out) {
    (void)ctx;
    clock_read(out);
}

static int64_t monotonic_us(void *ctx) {
    (void)ctx;
    return clock_monotonic_us();
}

static int64_t processor_us(void *ctx) {
    (void)ctx;
    return clock_thread_ns() / 1000;
}

/* --- MQTT --- */

static void on_readable(void *ctx) {
    struct host *h = ctx;
    h->readable = true;
    host_wake(h);
}

/* What hosts say of themselves and to one another. */
static bool is_of_hosts(const char *topic) {
    static const char *const prefixes[] = {"zingq/sys/",     "zingq/hosts/", "zingq/forward/",
                                           "zingq/receipt/", "zingq/ask/",   "zingq/answer/"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (strncmp(topic, prefixes[i], strlen(prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether this is some host's status or such and the service has it only because it asked for
 * everything: a wildcard in the first level does not mean it, as it does not mean $SYS. Handling it
 * would change the status, which would be published again, and so on for ever. */
static bool is_others_status(const struct service_conf *s, const char *topic) {
    if (!is_of_hosts(topic)) {
        return false;
    }
    for (size_t i = 0; i < s->filter_count; i++) {
        bool by_name = s->filters[i][0] != '#' && s->filters[i][0] != '+';
        if (by_name && filter_matches(s->filters[i], topic)) {
            return false;
        }
    }
    return true;
}

static bool is_plain(const struct host *h, const struct service_conf *s) {
    return !s->share || h->conf->broker.alone || !mqtt_session(h->mqtt)->shared_available;
}

/* `host`: as for host_take. */
static void offer(struct host *h, size_t service, const struct mqtt_message *m, uint16_t host) {
    struct event_bytes bytes = {.topic = m->topic,
                                .payload = m->payload,
                                .content_type = m->content_type,
                                .response_topic = m->response_topic,
                                .correlation = m->correlation,
                                .properties = m->properties,
                                .reason = m->refused};
    if (is_others_status(&h->conf->services[service], m->topic.data)) {
        return;
    }
    h->turn_messages++;
    h->turn_bytes += m->payload.len + m->properties.len;
    const struct service_conf *s = &h->conf->services[service];
    const struct offer how = {.qos = m->qos,
                              .retained = m->retain,
                              .everywhere = s->share && is_plain(h, s),
                              .host = host};
    if (engine_offer(h->engine, service, &bytes, how) != 0) {
        /* Acknowledging it would lose it; without memory there is nothing else to hold it by. */
        log_error("host", "out of memory: dropping the connection, the broker sends it again");
        h->drop = true;
    }
}

static void offer_signal(struct host *h, size_t service, const struct mqtt_message *m,
                         uint16_t host) {
    if (m->refused.len > 0) {
        if (host == 0) { /* else our own copy is the dead letter */
            offer(h, service, m, 0);
        }
        return;
    }
    struct event_bytes bytes = {
        .topic = m->topic, .payload = m->payload, .properties = m->properties};
    h->turn_messages++;
    h->turn_bytes += m->payload.len + m->properties.len;
    if (engine_offer_signal(h->engine, service, &bytes, host) != 0) {
        log_error("host", "out of memory: dropping the connection, the broker sends it again");
        h->drop = true;
    }
}

static bool subscribes_to(const struct service_conf *s, const char *filter) {
    for (size_t i = 0; i < s->filter_count; i++) {
        if (strcmp(s->filters[i], filter) == 0) {
            return true;
        }
    }
    return false;
}

/* Two plain subscriptions to one filter are one at the broker, under the later number: the others
 * get their copy here. */
static void offer_to_twins(struct host *h, size_t service, const struct mqtt_message *m,
                           uint16_t host) {
    for (size_t i = 0; i < h->conf->service_count; i++) {
        const struct service_conf *twin = &h->conf->services[i];
        bool told = false;
        for (size_t k = 0; k < m->subscription_id_count; k++) {
            told = told || m->subscription_ids[k] == engine_service_number(h->engine, i) + 1u;
        }
        bool other = i != service && engine_runs(h->engine, i) && is_plain(h, twin);
        for (size_t f = 0; other && !told && f < twin->filter_count; f++) {
            if (filter_matches(twin->filters[f], m->topic.data) &&
                subscribes_to(&h->conf->services[service], twin->filters[f])) {
                offer(h, i, m, host);
                break;
            }
        }
    }
}

/* Queued in our session for a service that topics.conf no longer has. */
static void pass_over(struct host *h, const struct mqtt_message *m) {
    if (h->passed_over++ == 0) {
        log_error(
            "broker",
            "a message on %s is for a service that is no longer in topics.conf: such messages "
            "are acknowledged and dropped (said once)",
            m->topic.data);
    }
}

static bool is_signal_for(const struct service_conf *s, const char *topic) {
    static const char prefix[] = "zingq/signal/";
    size_t len = strlen(s->name);
    return strncmp(topic, prefix, sizeof prefix - 1) == 0 &&
           strncmp(topic + sizeof prefix - 1, s->name, len) == 0 &&
           topic[sizeof prefix - 1 + len] == '/';
}

static bool route_by_filter(struct host *h, const struct mqtt_message *m, uint16_t host) {
    bool any = false;
    for (size_t i = 0; i < h->conf->service_count; i++) {
        if (engine_runs(h->engine, i) && is_signal_for(&h->conf->services[i], m->topic.data)) {
            offer_signal(h, i, m, host);
            any = true;
        }
        if (engine_runs(h->engine, i) && service_wants(&h->conf->services[i], m->topic.data)) {
            offer(h, i, m, host);
            any = true;
        }
    }
    return any;
}

/* The subscription's number tells which service a copy is for. A broker without such numbers
 * leaves only the filters to go by. */
bool host_take(struct host *h, const struct mqtt_message *m, uint16_t host) {
    for (size_t i = 0; i < m->subscription_id_count; i++) {
        size_t service = 0;
        uint32_t number = m->subscription_ids[i] - 1;
        bool signal = number >= SIGNAL_SUBSCRIPTION;
        number -= signal ? SIGNAL_SUBSCRIPTION : 0;
        if (!engine_service_by_number(h->engine, number, &service)) {
            pass_over(h, m);
            continue;
        }
        if (signal) {
            offer_signal(h, service, m, host);
            continue;
        }
        offer(h, service, m, host);
        if (is_plain(h, &h->conf->services[service])) {
            offer_to_twins(h, service, m, host);
        }
    }
    return m->subscription_id_count > 0 || route_by_filter(h, m, host);
}

static void on_message(void *ctx, const struct mqtt_message *m) {
    struct host *h = ctx;
    if (!h->members.refused) { /* else never acknowledged: it waits at the broker */
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
    host_members_up(h, session->session_present);
    sys_tick(h->sys);
}

static void on_down(void *ctx, enum mqtt_down why, const char *text) {
    struct host *h = ctx;
    h->readable = false;
    host_members_down(h);
    sys_tick(h->sys);
    host_broker_down(h, false, why, text);
}

/* Nothing is published over this connection but the host's presence. */
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
    log_info("host", "left every group; what is stored is handled before the session ends");
    h->leaving = true;
    host_wake(h);
}

/* --- calls and commands --- */

static int call_start(void *ctx, uint64_t id, const struct call_request *request) {
    struct host *h = ctx;
    return request->kind == CALL_KIND_ASK ? host_ask_start(h, id, request)
                                          : fetch_start(h->fetch, id, request);
}

static void call_cancel(void *ctx, uint64_t id) {
    struct host *h = ctx;
    if (!host_ask_cancel(h, id)) {
        fetch_cancel(h->fetch, id);
    }
}

static void on_fetched(void *ctx, uint64_t id, struct call_result *result) {
    struct host *h = ctx;
    engine_call_done(h->engine, id, result);
    host_wake(h); /* fetch hands over from a timer */
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
    const struct mqtt_session *session = mqtt_session(h->mqtt);
    buf_printf(out,
               "# HELP zingq_broker_connects_total connections made since the start\n"
               "# TYPE zingq_broker_connects_total counter\nzingq_broker_connects_total %llu\n"
               "# HELP zingq_calls HTTP and SMTP calls under way\n"
               "# TYPE zingq_calls gauge\nzingq_calls %zu\n"
               "# HELP zingq_uptime_seconds since the host started\n"
               "# TYPE zingq_uptime_seconds gauge\nzingq_uptime_seconds %.3f\n",
               (unsigned long long)session->connects, fetch_running(h->fetch),
               (double)(host_now_ms(h) - h->started_ms) / 1000);
    host_terms_metrics(h, out);
    host_forward_metrics(h, out);
    host_shortage_metrics(h, out);
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

/* Of the two connections; what a person reads first. */
static const char *broker_error(const struct host *h) {
    return h->broker_error[0] != '\0' ? h->broker_error : h->out_error;
}

static json_t *host_status(void *ctx) {
    struct host *h = ctx;
    const struct mqtt_session *session = mqtt_session(h->mqtt);
    bool connected = session->connected && mqtt_session(h->out)->connected;
    json_t *host = json_pack("{s:s, s:s, s:i, s:I, s:s, s:b, s:b, s:s, s:s, s:I, s:i}", "version",
                             ZINGQ_VERSION, "id", h->client_id, "pid", (int)getpid(), "uptime_ms",
                             (json_int_t)(host_now_ms(h) - h->started_ms), "broker", h->broker.url,
                             "connected", (int)connected, "ready",
                             (int)(broker_ready(h) && engine_accepts(h->engine)), "broker_error",
                             broker_error(h), "conf", h->conf->file, "connects",
                             (json_int_t)session->connects, "calls", (int)fetch_running(h->fetch));
    if (host != NULL) {
        sys_add_status(h->sys, host);
        host_terms_status(h, host);
        host_forward_status(h, host);
    }
    return host;
}

static void add_hosts(void *ctx, json_t *object) {
    host_members_status(ctx, object);
}

static void leave(void *ctx) {
    struct host *h = ctx;
    log_info("host", "leaving: no new messages from now on");
    h->leave_asked = true;
    if (mqtt_unsubscribe_all(h->mqtt) == ERR_NOTFOUND) {
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

static void admin_reload(void *ctx) {
    host_reload(ctx);
    host_reload_tokens(ctx);
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
                                 .publish = host_publish,
                                 .forward = host_forward,
                                 .receipt = host_receipt,
                                 .call_start = call_start,
                                 .call_cancel = call_cancel,
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
                                             .on_readable = on_readable};
    if (h->conf->broker.client_id[0] != '\0') {
        (void)snprintf(h->client_id, sizeof h->client_id, "%s", h->conf->broker.client_id);
    } else {
        (void)snprintf(h->client_id, sizeof h->client_id, "zingq-%s", engine_host_id(h->engine));
    }
    struct buf will = {0};
    int code = host_members_open(h, &will);
    if (code != 0) {
        buf_clear(&will);
        return report(r, code, "cannot prepare the presence of this host: %s", error_text(code));
    }
    const struct mqtt_publish gone = {
        .topic = h->members.topic, .payload = buf_slice(&will), .qos = 1, .retain = true};
    code = mqtt_new(&h->mqtt, &h->loop, &h->broker, h->client_id, &gone, &callbacks, r);
    buf_clear(&will);
    if (code == 0 && !h->members.decided) {
        mqtt_withhold(h->mqtt);
    }
    code = code == 0 ? host_subscribe(h, r) : code;
    code = code == 0 ? host_open_publisher(h, r) : code;
    return code == 0 && host_stand_in_open(h) != 0 ? report(r, ERR_MEMORY, "out of memory") : code;
}

static int open_socket(struct host *h, struct report *r) {
    char listen[4096];
    int len = snprintf(listen, sizeof listen, "unix:%s/zingq.sock", h->conf->store_path);
    if (len < 0 || (size_t)len >= sizeof listen) {
        return report(r, ERR_INVALID, "store.path is too long for a socket in it");
    }
    const struct gateway_callbacks callbacks = {
        .ctx = h, .on_request = on_request, .make_room = host_make_room};
    return gateway_new(&h->socket, &h->loop, listen, GATEWAY_BODY_BYTES_MAX, &callbacks, r);
}

static int open_front(struct host *h, struct report *r) {
    const struct front_hooks hooks = {.ctx = h,
                                      .broker_ready = broker_ready,
                                      .broker_reasons = broker_reasons,
                                      .host_metrics = host_metrics};
    if (h->conf->http_listen[0] == '\0') {
        return 0;
    }
    const struct front_options options = {.conf = h->conf,
                                          .engine = h->engine,
                                          .admin = h->admin,
                                          .hooks = hooks,
                                          .made_token = h->token};
    int code = host_load_token(h, r);
    if (code != 0) {
        return code;
    }
    if (front_new(&h->front, &options) != 0) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    const struct gateway_callbacks callbacks = {.ctx = h,
                                                .on_request = on_front_request,
                                                .welcome = on_front_head,
                                                .make_room = host_make_room,
                                                .headers = front_headers,
                                                .proxies =
                                                    (const char *const *)h->conf->http_proxies,
                                                .proxy_count = h->conf->http_proxy_count};
    struct report why = {""};
    code = gateway_new(&h->tcp, &h->loop, h->conf->http_listen, GATEWAY_BODY_BYTES_MAX, &callbacks,
                       &why);
    if (code == ERR_BUSY && h->options->with_broker) {
        /* Someone tries handlers in another folder, too: any free port will do. */
        code =
            gateway_new(&h->tcp, &h->loop, "127.0.0.1:0", GATEWAY_BODY_BYTES_MAX, &callbacks, &why);
    }
    if (code != 0) {
        return report(r, code, "http.listen: %s", why.text);
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
                                          .hooks = {.ctx = h,
                                                    .host_status = host_status,
                                                    .add_hosts = add_hosts,
                                                    .login = login,
                                                    .leave = leave,
                                                    .reload = admin_reload,
                                                    .wake = wake}};
    if (code == 0) {
        code = fetch_new(&h->fetch, &h->loop, h, on_fetched);
    }
    if (code == 0) {
        code = open_broker(h, r);
    }
    if (code == 0) {
        code = admin_new(&h->admin, &options);
    }
    if (code == 0) {
        code = open_socket(h, r);
    }
    return code == 0 ? open_front(h, r) : code;
}

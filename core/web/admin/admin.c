/*
 * admin.c - the routes of the API.
 */
#include "web/admin/impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_closed(uv_handle_t *handle) {
    struct admin *a = handle->data;
    assert(a->handles > 0);
    if (--a->handles == 0) {
        admin_stop_sampling(a);
        audit_close(a->audit);
        free(a);
    }
}

int admin_new(struct admin **out, const struct admin_options *options, struct report *r) {
    struct admin *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    a->options = *options;
    a->engine = options->engine;
    int code = audit_open(&a->audit, options->conf->store_path, r);
    if (code != 0) {
        free(a);
        return code;
    }
    a->request_here = admin_request;
    a->routes = &admin_routes;
    a->find_letters = admin_job_find;
    LIST_INIT(&a->changes);
    TAILQ_INIT(&a->readings);
    TAILQ_INIT(&a->relays);
    TAILQ_INIT(&a->follows);
    TAILQ_INIT(&a->finds);
    TAILQ_INIT(&a->gathers);
    const int rcs[] = {uv_idle_init(options->loop, &a->reader),
                       uv_timer_init(options->loop, &a->job_timer),
                       uv_timer_init(options->loop, &a->live_timer),
                       uv_timer_init(options->loop, &a->sampling_timer)};
    a->reader.data = a->job_timer.data = a->live_timer.data = a->sampling_timer.data = a;
    for (size_t i = 0; i < sizeof rcs / sizeof *rcs; i++) {
        assert(rcs[i] == 0); /* libuv documents no failure */
        a->handles++;
    }
    code = admin_start_sampling(a);
    if (code != 0) {
        admin_free(a);
        return report(r, code, "%s", error_text(code));
    }
    *out = a;
    return 0;
}

void admin_free(struct admin *a) {
    if (a == NULL) {
        return;
    }
    admin_forget_readings(a);
    admin_forget_relays(a);
    admin_forget_follows(a);
    admin_forget_finds(a);
    admin_forget_gathers(a);
    admin_forget_jobs(a);
    admin_forget_changes(a);
    uv_close((uv_handle_t *)&a->reader, on_closed);
    uv_close((uv_handle_t *)&a->job_timer, on_closed);
    uv_close((uv_handle_t *)&a->live_timer, on_closed);
    uv_close((uv_handle_t *)&a->sampling_timer, on_closed);
}

void admin_use_scripts(struct admin *a, struct script_host *scripts) {
    a->options.scripts = scripts;
}

/* --- neither a command nor read from the store --- */

static void get_status(void *ctx, const struct call *call) {
    gateway_answer_json(call->request, 200, NULL, admin_status_json(ctx));
}

static void get_services(void *ctx, const struct call *call) {
    gateway_answer_json(call->request, 200, NULL, admin_services_json(ctx));
}

static void get_hosts(void *ctx, const struct call *call) {
    const struct admin *a = ctx;
    json_t *hosts = json_object();
    if (hosts != NULL) {
        a->options.hooks.add_hosts(a->options.hooks.ctx, hosts);
    }
    gateway_answer_json(call->request, 200, NULL, hosts);
}

/* Whoever can open the socket owns the host, and may have its token; the broker carries none. */
static void get_login(void *ctx, const struct call *call) {
    const struct admin *a = ctx;
    if (gateway_is_final(call->request)) {
        gateway_answer_error(call->request, 403, NULL,
                             "a host gives the link to its dashboard on its own machine only");
        return;
    }
    json_t *login = a->options.hooks.login(a->options.hooks.ctx);
    if (login == NULL) {
        gateway_answer_error(call->request, 404, NULL,
                             "this host has no front door: http.listen is empty");
        return;
    }
    gateway_answer_json(call->request, 200, NULL, login);
}

static void post_leave(void *ctx, const struct call *call) {
    const struct admin *a = ctx;
    a->options.hooks.leave(a->options.hooks.ctx);
    gateway_answer_json(call->request, 202, NULL, json_pack("{s:b}", "ok", 1));
}

static void post_reload(void *ctx, const struct call *call) {
    const struct admin *a = ctx;
    const char *prune = gateway_query(call->request, "prune");
    a->options.hooks.reload(a->options.hooks.ctx, call->request,
                            prune != NULL && strcmp(prune, "1") == 0);
}

/* --- requests --- */

#define GET "GET"
#define POST "POST"

/* All routes of the API. A literal part takes precedence over a "*" in its place. */
static const struct route rows[] = {
    {GET, "/api/status", ACCESS_READ, get_status, 0},
    {GET, "/api/services", ACCESS_READ, get_services, 0},
    {GET, "/api/services/*", ACCESS_READ, admin_show_service, 0},
    {GET, "/api/hosts", ACCESS_READ, get_hosts, 0},
    {GET, "/api/division", ACCESS_READ, admin_show_division, 0},
    {GET, "/api/live", ACCESS_READ, admin_live, 0},
    {GET, "/api/history", ACCESS_READ, admin_show_history, 0},
    {GET, "/api/events", ACCESS_READ, admin_read, READING_EVENTS},
    {GET, "/api/events/*", ACCESS_READ, admin_read, READING_TRACE},
    {GET, "/api/ids/*", ACCESS_READ, admin_read_ids, 0},
    {GET, "/api/dlq", ACCESS_READ, admin_read, READING_DEAD},
    {GET, "/api/dlq/groups", ACCESS_READ, admin_read, READING_GROUPS},
    {GET, "/api/dlq/*", ACCESS_READ, admin_read, READING_LETTER},
    {GET, "/api/keys", ACCESS_READ, admin_read, READING_KEYS},
    {GET, "/api/keys/*", ACCESS_READ, admin_read, READING_KEY},
    {GET, "/api/state/*", ACCESS_READ, admin_read, READING_STATE},
    {GET, "/api/peek/*", ACCESS_READ, admin_peek, 0},
    {GET, "/api/outbox", ACCESS_READ, admin_read_outbox, 0},
    {GET, "/api/delayed", ACCESS_READ, admin_read_delayed, 0},
    {GET, "/api/audit", ACCESS_OPERATE, admin_show_audit, 0},
    {GET, "/api/login", ACCESS_SOCKET, get_login, 0},
    {GET, "/api/replay", ACCESS_READ, admin_job_show, 0},
    {POST, "/api/replay", ACCESS_OPERATE, admin_rerun, 0},
    {POST, "/api/replay/stop", ACCESS_OPERATE, admin_job_stop, 0},
    {POST, "/api/dlq/replay", ACCESS_OPERATE, admin_job_start, COMMAND_REPLAY},
    {POST, "/api/dlq/discard", ACCESS_OPERATE, admin_job_start, COMMAND_DISCARD},
    {POST, "/api/dlq/stop", ACCESS_OPERATE, admin_job_stop, 0},
    {POST, "/api/dlq/*/try", ACCESS_OPERATE, admin_try, 0},
    {POST, "/api/dlq/*/replay", ACCESS_OPERATE, admin_command, COMMAND_REPLAY},
    {POST, "/api/dlq/*/discard", ACCESS_OPERATE, admin_command, COMMAND_DISCARD},
    {POST, "/api/dlq/*/edit", ACCESS_OPERATE, admin_command, COMMAND_EDIT},
    {POST, "/api/publish", ACCESS_OPERATE, admin_command, COMMAND_PUBLISH},
    {POST, "/api/signals/**", ACCESS_OPERATE, admin_signal, 0},
    {POST, "/api/cancel/*", ACCESS_OPERATE, admin_command, COMMAND_CANCEL},
    {POST, "/api/keys/*/resume", ACCESS_OPERATE, admin_command, COMMAND_KEY_RESUME},
    {POST, "/api/keys/*/skip", ACCESS_OPERATE, admin_command, COMMAND_KEY_SKIP},
    {POST, "/api/keys/*/erase", ACCESS_OPERATE, admin_erase, 0},
    {POST, "/api/outbox/*/retry", ACCESS_OPERATE, admin_command, COMMAND_OUTBOX_RETRY},
    {POST, "/api/outbox/*/discard", ACCESS_OPERATE, admin_command, COMMAND_OUTBOX_DISCARD},
    {POST, "/api/services/*/pause", ACCESS_OPERATE, admin_command, COMMAND_PAUSE},
    {POST, "/api/services/*/resume", ACCESS_OPERATE, admin_command, COMMAND_RESUME},
    {POST, "/api/services/*/move", ACCESS_OPERATE, admin_command, COMMAND_MOVE},
    {POST, "/api/leave", ACCESS_ADMIN, post_leave, 0},
    {POST, "/api/reload", ACCESS_ADMIN, post_reload, 0},
};

/* True if the request must be recorded in the audit log. Publishes and signals are found as the
 * events they become; requests passed on by another host were recorded there. */
static bool is_change(const struct call *call) {
    const struct route *route = call->route;
    const char *dry = gateway_query(call->request, "dry");
    bool is_event = route->serve == admin_signal ||
                    (route->serve == admin_command && route->kind == COMMAND_PUBLISH);
    return route->access >= ACCESS_OPERATE && strcmp(route->method, POST) == 0 &&
           route->serve != admin_try && !is_event && !gateway_is_final(call->request) &&
           (dry == NULL || strcmp(dry, "1") != 0);
}

const struct route_table admin_routes = {rows, sizeof rows / sizeof *rows};

void admin_serve(struct admin *a, const struct call *call) {
    if (admin_find(a, call)) {
        return;
    }
    if (is_change(call) && !admin_begin_change(a, call->request)) {
        gateway_answer_error(call->request, 503, NULL, error_text(ERR_MEMORY));
        return;
    }
    if (!admin_relay(a, call)) {
        call->route->serve(a, call);
    }
}

void admin_request(struct admin *a, struct gateway_request *request) {
    struct call call = {.request = request};
    (void)route_find(&admin_routes, gateway_method(request), gateway_path(request), &call);
    if (call.allowed) {
        admin_serve(a, &call);
    } else {
        route_refuse(&call);
    }
}

void admin_publish(struct admin *a, struct gateway_request *request, const char *topic,
                   const char *once, const char *priority) {
    if (!admin_relay_publish(a, request, topic, once, priority)) {
        admin_command_publish(a, request, topic, once, priority);
    }
}

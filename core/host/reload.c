/*
 * reload.c - takes over another version of topics.conf without a restart.
 *
 *   host_reload        checks all of it, scripts included; the engine starts no more attempts
 *   host_reload_turn   attempts have ended, or RELOAD_CALLS_MS have passed: what still waits for a
 *                      call goes back uncounted. Then, between two turns: engine_stop, the contents
 *                      of h->conf are exchanged, the engine loads the store, all others follow
 *
 * So a kill at any moment finds a store that fits the old version or the new one. A mistake, or a
 * change that needs a restart, is found before anything has changed, and refuses the whole file: the
 * host runs one version, never parts of two. Sockets stay: the connections to the broker with their
 * session, the doors, requests that wait.
 *
 * Subscriptions that topics.conf no longer has stay until they are pruned: a service that was taken
 * out by mistake loses nothing.
 */
#include "host/reload.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/watchdog.h"
#include "conf/change.h"
#include "host/join.h"
#include "host/linger.h"
#include "host/loop.h"
#include "host/members.h"
#include "host/scripts.h"
#include "host/session.h"
#include "host/stand_in.h"
#include "host/telemetry.h"
#include "host/port.h"
#include "host/token.h"
#include "lua/api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LATE_MS = 5000,       /* for the turn that cuts attempts: with a full store there is none */
    SAVED_DELAY_MS = 200, /* collects the many events that saving one file causes */
};

/* --- the outcome --- */

static void answer(struct host_reload *c, bool changed) {
    if (c->request != NULL) {
        gateway_answer_json(c->request, 200, NULL,
                            json_pack("{s:b, s:b}", "ok", 1, "changed", (int)changed));
        c->request = NULL;
    }
}

static void fail(struct host *h, const char *what, const struct report *r) {
    struct host_reload *c = &h->reload;
    (void)snprintf(c->error, sizeof c->error, "%s: %.900s", what, r->text);
    utf8_mend(c->error);
    log_error("host", "%s", c->error);
    if (c->request != NULL) {
        gateway_answer_error(c->request, 400, NULL, r->text);
        c->request = NULL;
    }
}

static void refuse(struct host *h, const struct report *r) {
    fail(h, "topics.conf is not taken over, the host runs the version of before", r);
}

static void discard(struct host *h) {
    struct host_reload *c = &h->reload;
    script_host_free(c->scripts);
    conf_free(c->conf);
    c->scripts = NULL;
    c->conf = NULL;
}

/* --- checking --- */

static int load_scripts(struct host *h, struct report *r) {
    struct host_reload *c = &h->reload;
    int code = script_host_new(&c->scripts, c->conf, &api_library);
    if (code != 0) {
        return report(r, code, "out of memory");
    }
    script_use_memory(c->scripts, &h->memory);
    script_name_loads(c->scripts, h->culprit);
    return script_load_all(c->scripts, r);
}

/* *changed: there is another version, without a mistake. */
static int read_conf(struct host *h, bool *changed, struct report *r) {
    struct host_reload *c = &h->reload;
    int code = conf_load(&c->conf, h->conf->file, &h->overrides, r);
    *changed = code == 0 && !conf_same(h->conf, c->conf);
    if (code == 0 && *changed) {
        code = conf_check_change(h->conf, c->conf, r);
    }
    return code == 0 && *changed ? load_scripts(h, r) : code;
}

static bool answered(const struct host *h) {
    return !mqtt_session(h->subscriber)->connected || h->granted + h->refused >= h->filters;
}

static int prune(struct host *h, bool can, struct report *r) {
    if (!can) {
        return report(r, ERR_BUSY, "the broker has not answered every subscription: try again");
    }
    int code = host_prune(h);
    return code == 0 ? 0 : report(r, code, "cannot give up subscriptions: %s", error_text(code));
}

/* topics.conf is as it was. */
static void reload_files(struct host *h) {
    struct report r = {""};
    int code = h->reload.prune ? prune(h, answered(h), &r) : 0;
    host_reload_scripts(h);
    if (code != 0) {
        fail(h, "not pruned", &r);
    } else {
        h->reload.error[0] = '\0';
        answer(&h->reload, false);
    }
}

static void on_late(uv_timer_t *timer) {
    host_wake(timer->data);
}

static void begin(struct host *h) {
    struct host_reload *c = &h->reload;
    c->late_ms = host_now_ms(h) + RELOAD_CALLS_MS + LATE_MS;
    engine_rest(h->engine, RELOAD_CALLS_MS);
    host_check_uv(uv_timer_start(&h->drain_timer, on_late, RELOAD_CALLS_MS + LATE_MS, 0),
                  "reload timer");
    host_wake(h);
}

static void refuse_busy(struct gateway_request *request, const char *why) {
    if (request != NULL) {
        gateway_answer_error(request, 409, NULL, why);
    }
}

void host_reload(struct host *h, struct gateway_request *request, bool prunes) {
    struct host_reload *c = &h->reload;
    struct report r = {""};
    bool changed = false;
    if (h->stopping || h->leave_asked || h->members.refused) {
        refuse_busy(request, "the host stops");
        return;
    }
    if (c->conf != NULL) {
        c->again = c->again || request == NULL;
        refuse_busy(request, "another reload is under way: try again");
        return;
    }
    c->request = request;
    c->prune = prunes;
    host_port_reload(h->tcp);
    int code = read_conf(h, &changed, &r);
    if (code == 0 && changed) {
        begin(h);
        return;
    }
    discard(h);
    if (code != 0) {
        refuse(h, &r);
    } else {
        reload_files(h);
    }
}

/* --- taking over --- */

static void exchange(struct host *h) {
    struct host_reload *c = &h->reload;
    conf_exchange(h->conf, c->conf);
    script_use_conf(h->scripts, c->conf);
    script_use_conf(c->scripts, h->conf);
}

/* Half of the host has one version: what is stored is complete, and the next start reads it. */
static _Noreturn void die(const struct report *r) {
    log_error("host",
              "cannot take over topics.conf, and cannot go back: %s: ending, what is stored "
              "is complete",
              r->text);
    _exit(EXIT_CANNOT_RUN);
}

/* Everything that depends on the services follows them. */
static int follow(struct host *h) {
    host_stand_in_end(h);
    int code = host_members_change(h);
    code = code == 0 ? sys_change(h->sys) : code;
    code = code == 0 && h->front != NULL ? front_change(h->front) : code;
    code = code == 0 ? host_use_telemetry(h) : code;
    if (code != 0) {
        return code;
    }
    admin_use_scripts(h->admin, h->scripts);
    fetch_egress(h->fetch, (struct egress){h->conf->egress_allow, h->conf->egress_allow_count});
    host_set_log(h->options, h->conf);
    host_watch_runs(h);
    host_choose_linger(h);
    host_warn_tokens(h);
    host_join_change(h, (int64_t)uv_now(&h->loop));
    return 0;
}

/* What is new first: so no message falls between a filter and the one that replaces it. */
static int subscribe(struct host *h, struct report *r) {
    bool can = answered(h);
    int code = host_subscribe_anew(h, r);
    return code == 0 && h->reload.prune ? prune(h, can, r) : code;
}

/* The engine has the new version, or, after an error, the old one again. */
static int change_engine(struct host *h, struct report *r) {
    struct host_reload *c = &h->reload;
    struct report again = {""};
    exchange(h);
    int code = engine_reconfigure(h->engine, c->scripts, r);
    if (code == ERR_MEMORY) {
        die(r);
    }
    if (code == 0) {
        struct script_host *before = h->scripts;
        h->scripts = c->scripts;
        c->scripts = before;
        return 0;
    }
    conf_exchange(h->conf, c->conf);
    script_use_conf(h->scripts, h->conf);
    script_use_conf(c->scripts, c->conf);
    if (engine_reconfigure(h->engine, h->scripts, &again) != 0) {
        die(&again);
    }
    return code;
}

static int take_over(struct host *h, struct report *r) {
    int code = engine_stop(h->engine);
    if (code != 0) {
        engine_go_on(h->engine);
        return report(r, code, "cannot write the store: %s", error_text(code));
    }
    code = change_engine(h, r);
    if (follow(h) != 0) {
        die(&(struct report){"out of memory"});
    }
    return code;
}

static void complete(struct host *h) {
    struct host_reload *c = &h->reload;
    struct report r = {""};
    c->read_ms = clock_wall_ms();
    c->error[0] = '\0';
    log_info("host", "topics.conf was taken over: %zu service%s", h->conf->service_count,
             h->conf->service_count == 1 ? "" : "s");
    host_tell_scripts(h);
    if (subscribe(h, &r) != 0) {
        fail(h, "topics.conf was taken over, but not the subscriptions", &r);
    }
    answer(c, true);
}

void host_reload_turn(struct host *h) {
    struct host_reload *c = &h->reload;
    struct report r = {""};
    if (c->conf == NULL || h->stopping ||
        (engine_running(h->engine) > 0 && host_now_ms(h) < c->late_ms)) {
        return;
    }
    host_check_uv(uv_timer_stop(&h->drain_timer), "reload timer");
    int code = take_over(h, &r);
    discard(h);
    if (code != 0) {
        refuse(h, &r);
    } else {
        complete(h);
    }
    host_wake(h);
    if (c->again) {
        c->again = false;
        host_reload(h, NULL, false);
    }
}

void host_reload_cancel(struct host *h) {
    struct host_reload *c = &h->reload;
    if (c->conf != NULL && !h->stopping) { /* a stop has the timer, and lets nothing start */
        host_check_uv(uv_timer_stop(&h->drain_timer), "reload timer");
        engine_go_on(h->engine);
    }
    discard(h);
    refuse_busy(c->request, "the host stops");
    c->request = NULL;
    c->again = false;
}

/* --- zingq dev --- */

static void on_saved_timer(uv_timer_t *timer) {
    host_reload(timer->data, NULL, false);
}

static void on_saved(uv_fs_event_t *watch, const char *name, int events, int status) {
    struct host *h = watch->data;
    const char *slash = strrchr(h->conf->file, '/');
    const char *file = slash == NULL ? h->conf->file : slash + 1;
    (void)events;
    if (status == 0 && name != NULL && strcmp(name, file) == 0) {
        host_check_uv(uv_timer_start(&h->saved_timer, on_saved_timer, SAVED_DELAY_MS, 0),
                      "reload timer");
    }
}

void host_watch_conf(struct host *h) {
    int rc = uv_fs_event_start(&h->conf_watch, on_saved, h->conf->dir, 0);
    if (rc != 0) {
        log_warn("host", "cannot watch %s: %s: topics.conf is read again at SIGHUP", h->conf->dir,
                 uv_strerror(rc));
    }
}

/* --- what can be seen of it --- */

void host_reload_status(const struct host *h, json_t *host) {
    const struct host_reload *c = &h->reload;
    (void)json_object_set_new(host, "conf_read_ms", json_integer((json_int_t)c->read_ms));
    (void)json_object_set_new(host, "conf_error", json_string(c->error));
}

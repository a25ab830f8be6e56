/*
 * scripts.c - the handlers' scripts: loaded at the start, and again when a file is saved.
 */
#include "host/scripts.h"

#include "host/loop.h"
#include "base/log.h"
#include "base/watchdog.h"

#include <inttypes.h>

enum {
    RELOAD_DELAY_MS = 100,
    RELOAD_AGAIN_MS = 1000, /* while a service still has handlers in the version before the last */
};

static void on_reload(void *ctx, size_t service, const char *error) {
    const struct host *h = ctx;
    const char *name = h->conf->services[service].name;
    if (error == NULL) {
        log_info("script", "service \"%s\" runs its new scripts version=%016" PRIx64, name,
                 script_version(h->scripts, service));
    } else {
        log_error("script", "service \"%s\" %s: %s", name,
                  script_runs(h->scripts, service) ? "keeps its last good scripts"
                                                   : "does not run, its events wait",
                  error);
    }
}

void host_tell_scripts(struct host *h) {
    for (size_t i = 0; i < h->conf->service_count; i++) {
        if (!script_runs(h->scripts, i)) {
            on_reload(h, i, script_error(h->scripts, i));
        }
    }
}

/* Without a watchdog the host still works, as it did before there was one. */
void host_watch_runs(struct host *h) {
    struct report r = {""};
    watchdog_stop();
    if (watchdog_start(h->culprit, watchdog_limit_ms(h->conf->lua_time_ms), &r) != 0) {
        log_warn("host", "%s: a run that hangs in C stops the host", r.text);
    }
}

int host_load_scripts(struct host *h, struct report *r) {
    size_t running = 0;
    script_name_loads(h->scripts, h->culprit);
    int code = script_load_all(h->scripts, r);
    for (size_t i = 0; i < h->conf->service_count; i++) {
        running += script_runs(h->scripts, i);
    }
    if (code != 0 && running == 0) {
        return code;
    }
    host_tell_scripts(h);
    return 0;
}

static void on_reload_timer(uv_timer_t *timer);

void host_reload_scripts(struct host *h) {
    if (script_reload(h->scripts, h, on_reload) > 0) {
        engine_scripts_changed(h->engine);
        host_wake(h);
    }
    if (script_reload_waits(h->scripts)) {
        host_check_uv(uv_timer_start(&h->reload_timer, on_reload_timer, RELOAD_AGAIN_MS, 0),
                      "reload timer");
    }
}

static void on_reload_timer(uv_timer_t *timer) {
    host_reload_scripts(timer->data);
}

static void on_files_changed(uv_fs_event_t *watch, const char *name, int events, int status) {
    (void)name;
    (void)events;
    struct host *h = watch->data;
    host_check_uv(status < 0 ? status : 0, "watching the scripts folder");
    host_check_uv(uv_timer_start(&h->reload_timer, on_reload_timer, RELOAD_DELAY_MS, 0),
                  "reload timer");
}

void host_watch_scripts(struct host *h) {
    int rc = uv_fs_event_start(&h->watch, on_files_changed, h->conf->scripts_dir, 0);
    if (rc != 0) {
        log_warn("script", "cannot watch %s: %s: saved scripts go live at SIGHUP",
                 h->conf->scripts_dir, uv_strerror(rc));
    }
}

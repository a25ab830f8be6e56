/* watch.c - see trial/watch.h. */
#include "trial/watch.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* An editor writes, renames and sets times: one save is several changes. */
enum { QUIET_MS = 50, FOLDERS_MAX = 4, SIGNALS = 2 };

struct watch {
    uv_loop_t loop;
    uv_fs_event_t folders[FOLDERS_MAX];
    uv_timer_t quiet;
    uv_signal_t signals[SIGNALS];
    bool changed, ended;
};

static bool is_ours(const char *name) {
    const char *dot = name == NULL ? NULL : strrchr(name, '.');
    return dot != NULL && (strcmp(dot, ".lua") == 0 || strcmp(dot, ".conf") == 0);
}

static void on_quiet(uv_timer_t *timer) {
    struct watch *w = timer->data;
    w->changed = true;
}

static void on_change(uv_fs_event_t *folder, const char *name, int events, int status) {
    struct watch *w = folder->data;
    (void)events;
    if (status == 0 && is_ours(name)) {
        int rc = uv_timer_start(&w->quiet, on_quiet, QUIET_MS, 0);
        assert(rc == 0); /* it fails for want of a callback only */
        (void)rc;
    }
}

static void on_signal(uv_signal_t *signal, int number) {
    struct watch *w = signal->data;
    (void)number;
    w->ended = true;
}

static int start(struct watch *w, const char *const *folders, size_t count) {
    int rc = uv_timer_init(&w->loop, &w->quiet);
    w->quiet.data = w;
    for (size_t i = 0; i < SIGNALS && rc == 0; i++) {
        rc = uv_signal_init(&w->loop, &w->signals[i]);
        w->signals[i].data = w;
    }
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = uv_fs_event_init(&w->loop, &w->folders[i]);
        w->folders[i].data = w;
        rc = rc == 0 ? uv_fs_event_start(&w->folders[i], on_change, folders[i], 0) : rc;
    }
    return rc;
}

int watch_new(struct watch **out, const char *const *folders, size_t count, struct report *r) {
    assert(count <= FOLDERS_MAX);
    struct watch *w = calloc(1, sizeof *w);
    int rc = w == NULL ? UV_ENOMEM : uv_loop_init(&w->loop);
    if (rc != 0) {
        free(w);
        return report(r, ERR_SYSTEM, "cannot watch the scripts: %s", uv_strerror(rc));
    }
    rc = start(w, folders, count);
    if (rc != 0) {
        watch_free(w);
        return report(r, ERR_SYSTEM, "cannot watch the scripts: %s", uv_strerror(rc));
    }
    *out = w;
    return 0;
}

static void close_handle(uv_handle_t *handle, void *unused) {
    (void)unused;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void watch_free(struct watch *w) {
    uv_walk(&w->loop, close_handle, NULL);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT); /* closing callbacks; nothing else is left */
    int rc = uv_loop_close(&w->loop);
    assert(rc == 0);
    (void)rc;
    free(w);
}

/* Tests catch the same signals, in their own way, while they run. */
bool watch_wait(struct watch *w) {
    static const int numbers[SIGNALS] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < SIGNALS; i++) {
        w->ended = uv_signal_start(&w->signals[i], on_signal, numbers[i]) != 0 || w->ended;
    }
    while (!w->ended && !w->changed) {
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    w->changed = false;
    for (size_t i = 0; i < SIGNALS; i++) {
        (void)uv_signal_stop(&w->signals[i]);
    }
    return !w->ended;
}

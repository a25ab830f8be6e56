/*
 * logged_end.c - a log that this host cannot use: why, and the mark of who has lost it.
 */
#include "host/logged.h"

#include "base/log.h"
#include "store/folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MARK "log-taken-over"

/* In a cluster the lease decides where a shard runs, and it may come back. */
static bool is_shard(const struct host *h) {
    return h->conf->cluster.name[0] != '\0';
}

int host_log_refuse_marked(const struct host *h, struct report *r) {
    char path[STORE_PATH_BYTES];
    if (is_shard(h)) {
        return 0;
    }
    int code = store_folder_file(h->conf->store_path, MARK, path, r);
    if (code != 0 || access(path, F_OK) != 0) {
        return code;
    }
    return report(r, ERR_INVALID,
                  "this host has lost the log \"%s\" (store.url) to another process, which that "
                  "file names: %s. If this one is to go on, stop the other one, remove the file, "
                  "and start it again",
                  h->log.name, path);
}

static void leave_mark(const struct host *h, const char *taker) {
    char text[512];
    struct report r = {""};
    (void)snprintf(text, sizeof text, "%s\n", taker);
    if (store_folder_write(h->conf->store_path, MARK, text, &r) != 0) {
        log_error("host", "%s; keep this host from being started again", r.text);
    }
}

int host_log_explain(struct host *h, int code, struct report *r) {
    const struct log_state *log = store_log_state(h->store);
    struct turns_state state;
    turns_look(h->log.turns, &state);
    if (code == ERR_FENCED && is_shard(h)) {
        return report(r, code, "the log \"%s\" was taken over by %s: this process ends",
                      h->log.name, state.taker);
    }
    if (code == ERR_FENCED) {
        leave_mark(h, state.taker);
        return report(
            r, code,
            "the log \"%s\" (store.url) was taken over by %s: this host ends. It does not "
            "start again before %s/" MARK " is removed; stop the other one first",
            h->log.name, state.taker, h->conf->store_path);
    }
    if (code == ERR_LOST && store_is_ahead(h->store)) {
        return report(r, code,
                      "this host ends: its folder has what its log lacks. Restore the database, "
                      "or, to go on with what it has, let store.path name a new folder");
    }
    if (code == ERR_LOST) {
        return report(r, code,
                      "this host ends: the log \"%s\" (store.url) lacks turns that it needs, up to "
                      "turn %" PRIu64 ": somebody has deleted rows of zq.log or zq.snap, or has "
                      "restored a part of them. Restore the database as a whole",
                      h->log.name, log->last);
    }
    return report(r, code, "the log \"%s\" (store.url) cannot be used: %s", h->log.name,
                  code == ERR_NETWORK && state.error[0] != '\0' ? state.error : error_text(code));
}

/*
 * follower.c - the process that follows a shard which another host runs: its data folder is kept what the
 * shard's log says, so that the shard, should it start here, lacks the last moments only.
 *
 * It reads the log and takes it from nobody; it runs no event and knows no broker. What it does is what
 * the start of a shard does before it joins its log (store_settle), over and over: after each look that
 * shows something new, once a second at most. Its folder can be used by one process at a time, as ever:
 * when the shard is to start here, the fleet kills it first, at whatever it does.
 *
 * What is wrong with the copy (it has what the log lacks, the disk is full) ends this process and
 * nothing else. The shard finds it again, should it start here, and only then it matters.
 */
#include "host/fleet/fleet.h"

#include "base/clock.h"
#include "base/log.h"
#include "cluster/turns.h"
#include "host/fleet/impl.h"
#include "host/notify.h"
#include "host/token.h"
#include "journal/home.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    LOOK_MS = 1000,
    CONNECT_MS = 1000,
    SYNC_MS = 30000, /* the copy's file is synced */
    TELL_MS = 60000, /* that the database is away */
    GONE_MAX = 5,    /* snapshots in a row that went away while they were loaded */
    NICE = 10        /* a copy is in no hurry: shards that run here come first */
};

struct follower {
    struct conf *conf;
    struct store *store;
    struct turns *turns;
    char name[CONF_LOG_NAME_BYTES];
    bool joined;
    bool level;      /* the store has all that the log had at the last look */
    bool told;       /* so */
    int64_t away_ms; /* when it was last told that the database is away; 0 = it is not */
    unsigned gone;
    bool dirty; /* something was applied since the last sync */
    int64_t synced_ms;
};

static volatile sig_atomic_t stopped;

static void on_stop(int number) {
    (void)number;
    stopped = 1;
}

/* The first SIGTERM lets it sync its file; the second ends it as a kill does. */
static int take_signals(struct report *r) {
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    return sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0 &&
                   sigaction(SIGHUP, &ignore, NULL) == 0 && sigaction(SIGPIPE, &ignore, NULL) == 0
               ? 0
               : report(r, ERR_SYSTEM, "cannot wait for signals: %s", strerror(errno));
}

static int open_copy(struct follower *f, struct report *r) {
    const struct store_options store = {.path = f->conf->store_path,
                                        .max_bytes = f->conf->store_max_bytes,
                                        .logged = true,
                                        .rebuilt = true,
                                        .follows = true};
    const struct turns_options log = {
        .url = f->conf->store_url, .name = f->name, .owner = "", .follows = true};
    conf_log_name(f->conf, f->name);
    int code = store_open(&f->store, &store, r);
    code = code == 0 ? turns_new(&f->turns, &log, r) : code;
    return code == 0 ? store_use_log(f->store, turns_log(f->turns), journal_home, r) : code;
}

/* --- following --- */

/* ERR_NETWORK: not yet; a shard that has never run has no log. */
static int join(struct follower *f, struct report *r) {
    static const uint8_t any[LOG_ID_BYTES];
    int code = turns_join(f->turns, any, CONNECT_MS, r);
    f->joined = code == 0;
    return code == ERR_NOTFOUND ? ERR_NETWORK : code;
}

static int explain(const struct follower *f, int code, struct report *r) {
    struct turns_state state;
    turns_look(f->turns, &state);
    if (code == ERR_LOST && store_is_ahead(f->store)) {
        return report(r, code,
                      "%s has what its log lacks: the database has lost commits, or the log is "
                      "another one. The host that runs the shard decides by its own folder",
                      f->conf->store_path);
    }
    return report(r, code, "%s cannot be made what its log says: %s", f->conf->store_path,
                  code == ERR_FENCED                              ? state.taker
                  : code == ERR_NETWORK && state.error[0] != '\0' ? state.error
                                                                  : error_text(code));
}

/* Turns and slices that were being read go when a newer snapshot has them, which is loaded then. */
static int pass_over_gone(struct follower *f, int code) {
    bool gone = code == ERR_LOST && !store_is_ahead(f->store) && f->gone < GONE_MAX;
    f->gone = gone ? f->gone + 1 : f->gone;
    return gone ? 0 : code;
}

/* Asks for nothing but the log's last number as long as nothing is new. */
static int look(struct follower *f) {
    uint64_t last = 0;
    int code = turns_last(f->turns, &last);
    if (code == 0 && last != store_log_state(f->store)->last) {
        f->level = false;
        store_expect_more(f->store);
    }
    return code;
}

static int step(struct follower *f, struct report *r) {
    bool more = false;
    int code = f->joined ? 0 : join(f, r);
    if (code != 0) {
        return code;
    }
    code = f->level ? look(f) : 0;
    if (code == 0 && !f->level) {
        code = store_settle(f->store, &more);
        f->dirty = true;
        f->level = code == 0 && !more;
        f->gone = f->level ? 0 : f->gone;
        code = pass_over_gone(f, code);
    }
    return code == 0 ? 0 : explain(f, code, r);
}

/* A disk that fails to write must not stay unnoticed because commits do not wait for it. */
static int sync_now_and_then(struct follower *f, struct report *r) {
    int64_t now_ms = clock_monotonic_ms();
    if (!f->dirty || now_ms - f->synced_ms < SYNC_MS) {
        return 0;
    }
    f->synced_ms = now_ms;
    f->dirty = false;
    int fd = store_unsynced_file(f->store);
    (void)host_notify_wait(HOST_OPEN_MS); /* who does not hear it is told again below */
    bool good = fd < 0 || fdatasync(fd) == 0;
    int error = errno;
    (void)host_notify_wait(0);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (!good) {
        store_doubt_file(f->store);
        return report(r, ERR_DISK, "cannot sync %s/data.mdb: %s", f->conf->store_path,
                      strerror(error));
    }
    return 0;
}

/* To the fleet: that it is alive, and what it has, if it could look. */
static void tell(struct follower *f, int code) {
    char word[FLEET_WORD_BYTES];
    uint64_t turn = store_log_state(f->store)->last;
    bool all = code == 0 && f->level;
    (void)snprintf(word, sizeof word, all ? FLEET_FOLLOWS "%" PRIu64 : "WATCHDOG=1", turn);
    (void)host_notify(word); /* without it the fleet starts another one */
    if (all && !f->told) {
        f->told = true;
        log_info("follower", "%s follows the log \"%s\", and has all of it, up to turn %" PRIu64,
                 f->conf->store_path, f->name, turn);
    }
}

static void tell_away(struct follower *f, int code, const struct report *r) {
    int64_t now_ms = clock_monotonic_ms();
    if (code == ERR_NETWORK && (f->away_ms == 0 || now_ms - f->away_ms >= TELL_MS)) {
        f->away_ms = now_ms;
        log_warn("follower", "%s", r->text);
    }
    f->away_ms = code == 0 ? 0 : f->away_ms;
}

/* A load takes half of the time at most, so that neither the database nor this machine is busy with it
 * alone. */
static int64_t pause_after(const struct follower *f, int code, int64_t took_ms) {
    return code != 0 || f->level || took_ms > LOOK_MS ? LOOK_MS : took_ms;
}

static int follow(struct follower *f, struct report *r) {
    int code = 0;
    while (stopped == 0 && (code == 0 || code == ERR_NETWORK)) {
        int64_t from_ms = clock_monotonic_ms();
        code = step(f, r);
        int64_t pause_ms = pause_after(f, code, clock_monotonic_ms() - from_ms);
        tell(f, code);
        tell_away(f, code, r);
        code = code == 0 ? sync_now_and_then(f, r) : code;
        if (code == 0 || code == ERR_NETWORK) {
            (void)poll(NULL, 0, (int)pause_ms);
        }
    }
    return stopped != 0 ? 0 : code;
}

int fleet_follow(const struct host_options *options) {
    struct follower f = {.synced_ms = clock_monotonic_ms()};
    struct report r = {""};
    int code = conf_load(&f.conf, options->conf_file, &options->overrides, &r);
    if (code == 0) {
        host_set_log(options, f.conf);
        (void)setpriority(PRIO_PROCESS, 0, NICE);
        code = take_signals(&r);
    }
    code = code == 0 ? open_copy(&f, &r) : code;
    code = code == 0 ? follow(&f, &r) : code;
    if (code != 0) {
        log_error("follower", "%s", r.text);
    }
    store_close(f.store);
    turns_free(f.turns);
    conf_free(f.conf);
    return code == 0 ? EXIT_GOOD : host_exit_status(code);
}

bool fleet_is_follower(void) {
    const char *follows = getenv(FLEET_SHARD_FOLLOWS);
    return fleet_is_shard() && follows != NULL && follows[0] != '\0';
}

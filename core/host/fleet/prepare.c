/*
 * prepare.c - what a fleet has before its first host starts, and gives back after the last: the
 * configuration, the folder and its lock, the companions, the signals.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "host/fleet/member.h"
#include "host/token.h"
#include "store/folder.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOCK_MS = 2000, /* the kernel is about to end the hosts of a killed fleet */
    LOCK_STEP_MS = 20,
};

_Static_assert((int)FLEET_SECRET_BYTES == HOST_TOKEN_BYTES, "a secret is made as a token is");

/* --- what is refused --- */

/* A single host would have its store in the folder itself. */
static int check_folder(const struct fleet *f, struct report *r) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    int code = store_data_file(f->conf->store_path, file, r);
    if (code != 0 || stat(file, &st) != 0) {
        return code;
    }
    if (fleet_is_member(f)) {
        return report(r, ERR_INVALID,
                      "%s holds the store of one host, and in a cluster it has folders of shards: "
                      "give it another folder with --data; docs/cluster.md says how a store gets "
                      "into a cluster",
                      f->conf->store_path);
    }
    return report(r, ERR_INVALID,
                  "%s holds the store of one host that is not divided: `zingq reshard --count "
                  "%u` makes it that of %u, or give these another folder with --data",
                  f->conf->store_path, f->count, f->count);
}

static int check_count(const struct fleet *f, struct report *r) {
    unsigned hosts = store_folder_hosts(f->conf->store_path);
    return hosts <= f->count
               ? 0
               : report(
                     r, ERR_INVALID,
                     "%s holds %u hosts, and --hosts is %u: `zingq reshard --count %u` moves the "
                     "keys to where they belong then",
                     f->conf->store_path, hosts, f->count, f->count);
}

static int check_conf(const struct fleet *f, struct report *r) {
    unsigned count = f->conf->hosts.share.count;
    if (division_is_divided(&f->conf->hosts.share) && fleet_is_member(f)) {
        return report(
            r, ERR_INVALID,
            "hosts.count is %u, and this is a host of the cluster \"%s\", which gives its "
            "shards a count and a number: leave out count and this",
            count, f->conf->cluster.name);
    }
    if (division_is_divided(&f->conf->hosts.share)) {
        return report(r, ERR_INVALID,
                      "hosts.count is %u already: --hosts gives each of its hosts a count and a "
                      "number, so leave out count and this, or start one host without --hosts",
                      count);
    }
    int code = check_folder(f, r);
    return code == 0 && !fleet_is_member(f) ? check_count(f, r) : code;
}

/* --- start and stop --- */

/* This is the lock of a single host on this folder: so neither a single host nor a second fleet can
 * run. After a fleet was killed, its hosts still hold the lock until the kernel ends them. */
static int lock_folder(struct fleet *f, struct report *r) {
    int64_t until_ms = clock_monotonic_ms() + LOCK_MS;
    int code = store_folder_make(f->conf->store_path, r);
    while (code == 0) {
        code = store_folder_lock(f->conf->store_path, &f->lock, r);
        if (code != ERR_BUSY || clock_monotonic_ms() > until_ms) {
            return code;
        }
        (void)close(f->lock);
        f->lock = -1;
        (void)poll(NULL, 0, LOCK_STEP_MS);
        code = 0;
    }
    return code;
}

static int open_signals(struct fleet *f, struct report *r) {
    sigset_t set;
    bool ok = sigemptyset(&set) == 0 && sigaddset(&set, SIGTERM) == 0 &&
              sigaddset(&set, SIGINT) == 0 && sigaddset(&set, SIGHUP) == 0 &&
              sigaddset(&set, SIGCHLD) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0;
    f->signals = ok ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    return f->signals >= 0 ? 0
                           : report(r, ERR_SYSTEM, "cannot wait for signals: %s", strerror(errno));
}

static int prepare_folder(struct fleet *f, struct report *r) {
    int code = lock_folder(f, r);
    if (code == 0 && fleet_is_member(f)) {
        return store_folder_mark_cluster(f->conf->store_path, r);
    }
    return code == 0 && f->conf->hosts.secret_count == 0
               ? host_load_secret(f->conf->store_path, "secret", f->secret, r)
               : code;
}

int fleet_prepare(struct fleet *f, struct report *r) {
    int code = conf_load(&f->conf, f->options->conf_file, &f->options->overrides, r);
    if (code == 0) {
        host_set_log(f->options, f->conf);
        code = check_conf(f, r);
    }
    code = code == 0 ? prepare_folder(f, r) : code;
    code = code == 0 ? fleet_open_door(f, r) : code;
    if (code == 0 && f->options->with_broker && f->options->overrides.broker_url == NULL) {
        code = companions_start(&f->companions, r);
    }
    return code == 0 ? open_signals(f, r) : code;
}

int fleet_set_hosts(struct fleet *f, unsigned count, struct report *r) {
    int code = 0;
    for (f->count = 0; code == 0 && f->count < count; f->count++) {
        struct fleet_host *host = &f->hosts[f->count];
        host->number = f->count + 1;
        host->pause_ms = FLEET_PAUSE_MS_LEAST;
        host->due_ms = INT64_MAX;
        code = fleet_open_words(host, r);
    }
    return code;
}

void fleet_close(struct fleet *f) {
    const int fds[] = {f->lock, f->signals};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    for (unsigned i = 0; i < PARTITIONS; i++) {
        if (f->hosts[i].number != 0 && f->hosts[i].words >= 0) {
            (void)close(f->hosts[i].words);
        }
    }
    fleet_close_door(f);
    companions_stop(&f->companions);
    conf_free(f->conf);
    free(f);
}

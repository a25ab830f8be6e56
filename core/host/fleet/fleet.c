/*
 * fleet.c - keeps N hosts running: one loop that waits for a signal, a report of a host, or the
 * time of a start.
 *
 * A host that dies is restarted after a pause, which grows while it keeps dying; in the meantime
 * its keys wait and the other hosts continue. If a host cannot start even the first time, all of
 * them are stopped: then topics.conf or this machine is at fault, and a person is there to see it.
 * A host that ends regularly (zingq leave, or its own SIGTERM) was meant to end, and is not
 * restarted.
 *
 * To its hosts, the fleet is the service manager: they report on a socket that they are ready and
 * alive. The fleet's reports to its own service manager follow from that: READY=1 when all hosts
 * are ready. A host that is no longer alive is killed and restarted here, without affecting the
 * others.
 *
 * In a cluster the same loop keeps the shards running that this host is to have (host/fleet/member.h): they
 * come and go, and what cannot start on this machine may start on another.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/fleet/member.h"
#include "host/notify.h"
#include "host/port.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* --- starts --- */

static void start_host(struct fleet *f, struct fleet_host *host) {
    if (!fleet_start(f, host)) {
        log_error("fleet", "cannot start %s %u: %s", f->what, host->number, strerror(errno));
        host->due_ms = host->started_ms + host->pause_ms;
    }
}

static void start_due(struct fleet *f) {
    int64_t now_ms = clock_monotonic_ms();
    for (unsigned i = 0; i < f->count && !f->stopping; i++) {
        if (f->hosts[i].pid == 0 && f->hosts[i].due_ms <= now_ms) {
            start_host(f, &f->hosts[i]);
        }
    }
}

/* --- signals --- */

static void take_signals(struct fleet *f) {
    struct signalfd_siginfo info;
    while (read(f->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGHUP) {
            fleet_signal_all(f, SIGHUP);
            host_port_reload(f->door.port);
        } else if (number == SIGTERM || number == SIGINT) {
            log_info("fleet", "%s: stopping %s", number == SIGINT ? "SIGINT" : "SIGTERM",
                     f->stopping ? "immediately" : "all hosts; a second signal stops immediately");
            fleet_stop(f);
        }
    }
}

/* --- reports of hosts --- */

static bool all_ready(const struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        if (!f->hosts[i].ready) {
            return false;
        }
    }
    return true;
}

static void tell_ready(struct fleet *f) {
    if (f->member == NULL && !f->told_ready && !f->stopping && all_ready(f)) {
        f->told_ready = true;
        log_info("fleet", "%u hosts running, data in %s", f->count, f->conf->store_path);
        fleet_tell_manager("READY=1");
    }
}

/* Tells the service manager that the fleet is alive. */
static void beat(struct fleet *f) {
    int64_t now_ms = clock_monotonic_ms();
    if (f->beat_every_ms != 0 && now_ms >= f->beat_due_ms) {
        f->beat_due_ms = now_ms + f->beat_every_ms;
        fleet_tell_manager("WATCHDOG=1");
    }
}

/* --- the loop --- */

/* Waits until something arrives, or the next start or heartbeat is due. */
static void wait_for_news(const struct fleet *f) {
    struct pollfd fds[PARTITIONS + 2] = {{.fd = f->signals, .events = POLLIN}};
    nfds_t count = f->count + 1;
    int64_t next_ms = f->beat_every_ms == 0 ? INT64_MAX : f->beat_due_ms;
    for (unsigned i = 0; i < f->count; i++) {
        const struct fleet_host *host = &f->hosts[i];
        fds[i + 1] = (struct pollfd){.fd = host->words, .events = POLLIN};
        if (!f->stopping && host->pid == 0 && host->due_ms < next_ms) {
            next_ms = host->due_ms;
        }
    }
    next_ms = f->stopping && f->stop_due_ms < next_ms ? f->stop_due_ms : next_ms;
    next_ms = f->member != NULL && member_due_ms(f->member) < next_ms ? member_due_ms(f->member)
                                                                      : next_ms;
    int64_t left_ms = next_ms - clock_monotonic_ms();
    int timeout = next_ms == INT64_MAX ? -1 : left_ms < 0 ? 0 : (int)left_ms;
    if (f->door.port != NULL) {
        int door_ms = uv_backend_timeout(&f->door.loop);
        timeout = timeout < 0 || (door_ms >= 0 && door_ms < timeout) ? door_ms : timeout;
        fds[count++] = (struct pollfd){.fd = uv_backend_fd(&f->door.loop), .events = POLLIN};
    }
    (void)poll(fds, count, timeout);
}

static void supervise(struct fleet *f) {
    while (!fleet_is_over(f)) {
        start_due(f);
        wait_for_news(f);
        if (fleet_take_words(f)) {
            member_note_copy(f);
        }
        tell_ready(f);
        take_signals(f);
        fleet_reap(f);
        fleet_attend_door(f);
        fleet_stop_due(f);
        beat(f);
        fleet_end_silent(f);
        if (f->member != NULL) {
            member_turn(f);
        }
    }
}

/* --- life --- */

static struct fleet *make(const struct host_options *options, unsigned count) {
    struct fleet *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return NULL;
    }
    f->options = options;
    f->count = count;
    f->what = "host";
    f->lock = f->signals = -1;
    f->door.why = member_why_idle;
    ssize_t len = readlink("/proc/self/exe", f->program, sizeof f->program - 1);
    f->program[len > 0 ? len : 0] = '\0';
    f->beat_every_ms = (int64_t)host_notify_interval_ms();
    f->silence_ms = 2 * f->beat_every_ms;
    return f;
}

/* All of them start at once; those of a cluster when it is known which. */
static int begin(struct fleet *f, struct report *r) {
    int code = fleet_prepare(f, r);
    if (code != 0 || fleet_is_member(f)) {
        return code == 0 ? member_new(f, r) : code;
    }
    code = fleet_set_hosts(f, f->count, r);
    for (unsigned i = 0; i < f->count; i++) {
        f->hosts[i].wanted = true;
        f->hosts[i].due_ms = 0;
    }
    return code;
}

static int run(struct fleet *f) {
    struct report r = {"out of memory"};
    int code = f == NULL ? ERR_MEMORY : begin(f, &r);
    if (code == 0) {
        supervise(f);
        log_info("fleet", "stopped");
    } else {
        (void)fprintf(stderr, "zingq: %s\n", r.text);
    }
    int status = code == 0 ? f->status : host_exit_status(code);
    if (f != NULL) {
        member_free(f->member);
        fleet_close(f);
    }
    return status;
}

int fleet_run(const struct host_options *options, unsigned count) {
    assert(count > 1 && count <= PARTITIONS);
    (void)signal(SIGPIPE, SIG_IGN);
    return run(make(options, count));
}

int fleet_run_member(const struct host_options *options) {
    (void)signal(SIGPIPE, SIG_IGN);
    return run(make(options, 0));
}

bool fleet_is_shard(void) {
    const char *parent = getenv(FLEET_SHARD_OF);
    return parent != NULL && strtoimax(parent, NULL, 10) == getppid();
}

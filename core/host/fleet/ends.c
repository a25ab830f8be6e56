/*
 * ends.c - the end of hosts: telling them to stop, and what follows when one has ended.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/fleet/member.h"
#include "host/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { STOP_DELAY_MS = 100 };

void fleet_tell_manager(const char *text) {
    if (host_notify(text) != 0) {
        log_warn("fleet", "cannot tell the service manager %s: %s", text, strerror(errno));
    }
}

void fleet_signal(const struct fleet *f, const struct fleet_host *host, int number) {
    if (host->pid != 0 && kill(host->pid, number) != 0) {
        log_warn("fleet", "cannot signal %s %u: %s", f->what, host->number, strerror(errno));
    }
}

void fleet_signal_all(const struct fleet *f, int number) {
    for (unsigned i = 0; i < f->count; i++) {
        fleet_signal(f, &f->hosts[i], number);
    }
}

/* A service manager may signal every process of its unit. A host that already has the signal must
 * not get a second one, which would stop it immediately: so hosts get time to report that they are
 * stopping. */
void fleet_stop(struct fleet *f) {
    if (f->stopping) {
        fleet_signal_all(f, SIGTERM);
        return;
    }
    fleet_tell_manager("STOPPING=1");
    f->stopping = true;
    f->stop_due_ms = clock_monotonic_ms() + STOP_DELAY_MS;
}

void fleet_stop_due(struct fleet *f) {
    if (!f->stopping || clock_monotonic_ms() < f->stop_due_ms) {
        return;
    }
    f->stop_due_ms = INT64_MAX;
    for (unsigned i = 0; i < f->count; i++) {
        if (!f->hosts[i].stopping) {
            fleet_signal(f, &f->hosts[i], SIGTERM);
        }
    }
}

/* The result of waitpid, for people. */
static void describe_end(struct fleet_host *host, int status) {
    host->crashed = WIFSIGNALED(status);
    if (host->crashed) {
        (void)snprintf(host->end, sizeof host->end, "was killed by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(host->end, sizeof host->end, "exited with status %d", WEXITSTATUS(status));
    }
}

static bool cannot_start(const struct fleet_host *host, int status, int64_t ran_ms) {
    return host->starts == 1 && ran_ms < FLEET_STEADY_MS && WIFEXITED(status) &&
           WEXITSTATUS(status) != 0;
}

static void start_again(struct fleet *f, struct fleet_host *host, int64_t ran_ms) {
    bool steady = ran_ms >= FLEET_STEADY_MS;
    host->pause_ms = steady ? FLEET_PAUSE_MS_LEAST : host->pause_ms;
    host->failures = steady ? 1 : host->failures + 1;
    log_warn("fleet", "%s %u %s: restarting in %lld s", f->what, host->number, host->end,
             (long long)(host->pause_ms / 1000));
    host->due_ms = clock_monotonic_ms() + host->pause_ms;
    host->pause_ms *= 2;
    host->pause_ms = host->pause_ms > FLEET_PAUSE_MS_MOST ? FLEET_PAUSE_MS_MOST : host->pause_ms;
}

static void on_end(struct fleet *f, struct fleet_host *host, int status) {
    int64_t ran_ms = clock_monotonic_ms() - host->started_ms;
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_GOOD;
    describe_end(host, status);
    host->pid = 0;
    if (f->stopping || !host->wanted) {
        if (!well) {
            log_warn("fleet", "%s %u %s", f->what, host->number, host->end);
        }
    } else if (f->member != NULL) {
        start_again(f, host, ran_ms);
    } else if (well) {
        log_warn("fleet", "host %u exited by itself and is not restarted", host->number);
    } else if (cannot_start(host, status, ran_ms)) {
        log_error("fleet", "host %u %s at its first start: all stop", host->number, host->end);
        f->status = WEXITSTATUS(status);
        fleet_stop(f);
    } else {
        start_again(f, host, ran_ms);
    }
    if (f->member != NULL) {
        member_note_end(f, host, status);
    }
}

/* Only hosts: companions_stop waits for the companions. */
void fleet_reap(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        struct fleet_host *host = &f->hosts[i];
        int status = 0;
        if (host->pid != 0 && waitpid(host->pid, &status, WNOHANG) == host->pid) {
            on_end(f, host, status);
        }
    }
}

bool fleet_is_idle(const struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        if (f->hosts[i].pid != 0) {
            return false;
        }
    }
    return true;
}

bool fleet_is_over(const struct fleet *f) {
    bool over = fleet_is_idle(f) && (f->stopping || f->member == NULL);
    for (unsigned i = 0; i < f->count && !f->stopping; i++) {
        over = over && f->hosts[i].due_ms == INT64_MAX;
    }
    return over;
}

/*
 * stop.c - stopping hosts: their signals, and whether one still runs.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

enum { STOP_DELAY_MS = 100 };

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

bool fleet_is_idle(const struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        if (f->hosts[i].pid != 0) {
            return false;
        }
    }
    return true;
}

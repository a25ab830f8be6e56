/*
 * silence.c - hosts that do not report any more, or not at all.
 *
 * A host that waits for its log, or is being filled from it, reports like any other
 * (host/await.c). What takes long without a report is the opening of a large store.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"

#include <signal.h>

bool fleet_starts(const struct fleet_host *host) {
    return host->pid != 0 && host->beat_ms == 0;
}

enum fleet_silence fleet_silence(const struct fleet_host *host, int64_t now_ms,
                                 int64_t silence_ms) {
    int64_t since_ms = now_ms - (host->beat_ms == 0 ? host->started_ms : host->beat_ms);
    bool starts = fleet_starts(host);
    silence_ms = host->waits_ms > silence_ms ? host->waits_ms : silence_ms;
    if (host->pid == 0 || host->silent || since_ms <= silence_ms) {
        return SILENCE_FINE;
    }
    bool patient = starts && since_ms <= FLEET_START_MS;
    return !patient ? SILENCE_LONG : host->slow ? SILENCE_FINE : SILENCE_SLOW;
}

static void end_silent(struct fleet *f, struct fleet_host *host, int64_t now_ms) {
    long long start_ms = now_ms - host->started_ms;
    switch (fleet_silence(host, now_ms, f->silence_ms)) {
    case SILENCE_FINE:
        return;
    case SILENCE_SLOW:
        host->slow = true;
        log_warn("fleet",
                 "%s %u has not reported since its start %lld s ago: it opens a large store, or "
                 "hangs; after %d s it is killed",
                 f->what, host->number, start_ms / 1000, FLEET_START_MS / 1000);
        return;
    case SILENCE_LONG:
        log_error("fleet", "%s %u has not reported for %lld ms: killing it", f->what, host->number,
                  fleet_starts(host) ? start_ms : (long long)(now_ms - host->beat_ms));
        host->silent = true;
        fleet_signal(f, host, SIGKILL); /* a stopped process would ignore others */
    }
}

void fleet_end_silent(struct fleet *f) {
    int64_t now_ms = clock_monotonic_ms();
    bool watched = f->silence_ms != 0 && (!f->stopping || f->member != NULL);
    for (unsigned i = 0; i < f->count && watched; i++) {
        end_silent(f, &f->hosts[i], now_ms);
    }
}

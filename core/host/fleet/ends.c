/*
 * ends.c - what follows when a host has ended: another start, the end of all, or nothing.
 */
#include "host/fleet/impl.h"

#include "base/clock.h"
#include "base/log.h"
#include "host/fleet/member.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { FOLLOWER_PAUSE_MS_MOST = 600000, FOLLOWER_STEADY_MS = 300000 /* some syncs went well */ };

static bool is_mute(const struct fleet_host *host) {
    return host->silent && host->beat_ms == 0;
}

/* The result of waitpid, for people. */
static void describe(const struct fleet_host *host, int status, char *to, size_t room) {
    if (is_mute(host)) {
        (void)snprintf(to, room, "did not report within %d s of its start", FLEET_START_MS / 1000);
    } else if (WIFSIGNALED(status)) {
        (void)snprintf(to, room, "was killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(to, room, "exited with status %d%s", WEXITSTATUS(status),
                       WEXITSTATUS(status) == EXIT_FOREIGN
                           ? ": its folder is the copy of another log; move it away"
                           : "");
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
    describe(host, status, host->end, sizeof host->end);
    host->crashed = WIFSIGNALED(status) && !is_mute(host);
    host->pid = 0;
    bool moved_back = host->told && well; /* while it drained; its start is due */
    if (f->stopping || !host->wanted || moved_back) {
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

/* What is wrong with a copy concerns nobody until its shard starts here. */
static void on_follower_end(const struct fleet *f, struct fleet_host *host, int status) {
    struct fleet_follower *follower = &host->follower;
    char end[sizeof host->end];
    host->pid = 0;
    follower->runs = false;
    follower->level_ms = 0;
    if (f->stopping || !follower->wanted) {
        return;
    }
    int64_t now_ms = clock_monotonic_ms();
    bool steady = now_ms - host->started_ms >= FOLLOWER_STEADY_MS;
    follower->pause_ms = steady ? FLEET_PAUSE_MS_LEAST : follower->pause_ms;
    int64_t pause_ms = host->told ? 0 : follower->pause_ms;
    host->due_ms = now_ms + pause_ms;
    if (host->told) {
        return;
    }
    describe(host, status, end, sizeof end);
    log_warn("fleet", "the follower of shard %u %s: again in %lld s", host->number, end,
             (long long)(pause_ms / 1000));
    follower->failed = true;
    follower->pause_ms =
        2 * pause_ms > FOLLOWER_PAUSE_MS_MOST ? FOLLOWER_PAUSE_MS_MOST : 2 * pause_ms;
}

/* Only hosts: companions_stop waits for the companions. */
void fleet_reap(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++) {
        struct fleet_host *host = &f->hosts[i];
        int status = 0;
        if (host->pid != 0 && waitpid(host->pid, &status, WNOHANG) == host->pid) {
            if (host->follower.runs) {
                on_follower_end(f, host, status);
            } else {
                on_end(f, host, status);
            }
        }
    }
}

bool fleet_is_over(const struct fleet *f) {
    bool over = fleet_is_idle(f) && (f->stopping || f->member == NULL);
    for (unsigned i = 0; i < f->count && !f->stopping; i++) {
        over = over && f->hosts[i].due_ms == INT64_MAX;
    }
    return over;
}

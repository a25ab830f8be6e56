/*
 * lines.c - how much handlers may write to the log: lines per attempt, and bytes per second and
 * service. Excess lines are left out and counted; the count is logged once a second.
 */
#include "lua/host.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "lua/run.h"

#include <inttypes.h>

static const int64_t SECOND_NS = 1000000000;

/* Begins the next second if it is time. */
static void look_at_second(struct log_budget *budget, const char *service) {
    int64_t now_ns = clock_monotonic_ns();
    if (budget->begun_ns != 0 && now_ns - budget->begun_ns < SECOND_NS) {
        return;
    }
    if (budget->left_out > 0) {
        log_warn("script",
                 "service \"%s\": %" PRIu64 " log lines of its handlers were left out; an attempt "
                 "may write %d lines, a service %d KiB a second",
                 service, budget->left_out, LOG_LINES_MAX, LOG_SECOND_BYTES_MAX >> 10);
    }
    *budget = (struct log_budget){.begun_ns = now_ns};
}

bool script_may_log(struct script_state *state, size_t bytes) {
    struct log_budget *budget = &state->host->slots[state->service].log;
    struct run *run = state->current;
    look_at_second(budget, state->host->conf->services[state->service].name);
    bool room = bytes <= LOG_SECOND_BYTES_MAX - budget->bytes;
    if (!room || (run != NULL && run->log_lines >= LOG_LINES_MAX)) {
        budget->left_out++;
        return false;
    }
    budget->bytes += bytes;
    if (run != NULL) {
        run->log_lines++;
    }
    return true;
}

void script_log_ended(struct script_host *host, size_t service) {
    struct log_budget *budget = &host->slots[service].log;
    if (budget->left_out > 0) {
        look_at_second(budget, host->conf->services[service].name);
    }
}

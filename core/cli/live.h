/*
 * live.h - what a running host reports about itself, for people: shared by `status` and `top`.
 */
#ifndef ZINGQ_CLI_LIVE_H
#define ZINGQ_CLI_LIVE_H

#include "base/json.h"
#include "cli/impl.h"

#include <stdio.h>

/* One line each for host, broker, outbox. `status` is the answer to GET /api/status; NULL = no
 * host. */
void live_print_host(FILE *out, const json_t *status);
/* A line each for memory, the disk that it waits for, and spans, if there is something to say. */
void live_print_use(FILE *out, const json_t *status);
/* One line per service: rate, lag, oldest, in flight, retrying, failures, times, dead.
 * ERR_MEMORY. */
int live_print_services(FILE *out, bool colour, size_t width, const json_t *status);

/* One line per schedule: its next tick and its last run. */
void live_print_schedules(FILE *out, const json_t *status);

/* A line for each host of the division, and for all of them; nothing when it is NULL. ERR_MEMORY. */
int live_print_division(FILE *out, bool colour, size_t width, const json_t *division);

#endif

/*
 * live.h - what a running host says of itself, for people: shared by `status` and `top`.
 */
#ifndef ZINGQ_CLI_LIVE_H
#define ZINGQ_CLI_LIVE_H

#include "cli/impl.h"

#include <stdio.h>

/* Host, broker, outbox: a line each. `status` is what GET /api/status answered; NULL = no host. */
void live_print_host(FILE *out, const json_t *status);
/* A line a service: rate, lag, oldest, in flight, retrying, failures, times, dead. ERR_MEMORY. */
int live_print_services(FILE *out, bool colour, size_t width, const json_t *status);

/* A line a schedule: its next tick, its last run. */
void live_print_schedules(FILE *out, const json_t *status);

#endif

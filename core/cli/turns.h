/*
 * turns.h - where the time of a running host went, for people.
 */
#ifndef ZINGQ_CLI_TURNS_H
#define ZINGQ_CLI_TURNS_H

#include "base/json.h"

#include <stdbool.h>
#include <stdio.h>

/* `status` is the answer to GET /api/status. 0, or an exit status. */
int turns_print(FILE *out, bool colour, const json_t *status);

#endif

/*
 * steps.h - the steps and calls of one event, for people.
 */
#ifndef ZINGQ_CLI_STEPS_H
#define ZINGQ_CLI_STEPS_H

#include "cli/impl.h"
#include "query/life.h"

/* One line each, in the order in which they began; nothing when there are none. */
void life_print_steps(const struct cli *cli, const struct life *life, const char *indent);
void life_print_calls(const struct cli *cli, const struct life *life, const char *indent);

#endif

/*
 * try.h - a dry run of a handler: printing what it would have done.
 */
#ifndef ZINGQ_CLI_TRY_H
#define ZINGQ_CLI_TRY_H

#include "cli/impl.h"
#include "query/try.h"

/* Prints the outcome, the effects and the call it waits for, as JSON with --json. 0 when it
 * succeeded or waits; EXIT_NO when it failed. `verdict` is the result of the retry script, or
 * NULL. */
int try_tell(const struct cli *cli, const struct run *run, const struct retry_verdict *verdict);

#endif

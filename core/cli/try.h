/*
 * try.h - a dry run of a handler: telling what it would have done.
 */
#ifndef ZINGQ_CLI_TRY_H
#define ZINGQ_CLI_TRY_H

#include "cli/impl.h"
#include "query/try.h"

/* Prints the outcome, the effects and the call it waits for, as --json wants. 0: it ended well or
 * waits; EXIT_NO: it failed. `verdict` is what the retry script said, or NULL. */
int try_tell(const struct cli *cli, const struct run *run, const struct retry_verdict *verdict);

#endif

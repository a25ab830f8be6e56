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

/* Prints the call that it waits for. */
void try_tell_call(const struct run *run);

/* --- cli/try_answers.c --- */

/* Reads --answers: an array, the caller's; NULL if it was not given. 0, or an exit status after
 * printing why. */
int try_read_answers(const struct cli *cli, json_t **out);
/* Continues it past its calls, for as long as there are answers; NULL = there are none. Prints each
 * call with its answer, unless JSON is asked for. */
void try_answer(const struct cli *cli, struct run *run, const json_t *answers);

#endif

/*
 * cli_try.h - a dry run of a handler: what it sees, and telling what it would have done.
 */
#ifndef ZINGQ_CLI_TRY_H
#define ZINGQ_CLI_TRY_H

#include "cli.h"
#include "run.h"

/* What a handler looks at in a dry run: the store's last commit, or a file in its place. */
struct try_view {
    struct cli *cli;     /* its store may not be open: then there is no state */
    const json_t *state; /* an object of name → value in place of the store's, or NULL */
    struct buf value;    /* the last value handed out */
    struct uuid_source ids;
    struct run_view view; /* what run_start wants; ctx is this struct */
};

/* `state` is borrowed. */
void try_view_init(struct try_view *view, struct cli *cli, const json_t *state);
void try_view_clear(struct try_view *view);

/* Prints the outcome, the effects and the call it waits for, as --json wants. 0: it ended well or
 * waits; EXIT_NO: it failed. `verdict` is what the retry script said, or NULL. */
int try_tell(const struct cli *cli, const struct run *run, const struct retry_verdict *verdict);

#endif

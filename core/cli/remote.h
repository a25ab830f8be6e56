/*
 * remote.h - reading commands about what another host has: the running host is asked, which
 * asks that one. What the commands print otherwise comes from the store beside them.
 */
#ifndef ZINGQ_CLI_REMOTE_H
#define ZINGQ_CLI_REMOTE_H

#include "cli/impl.h"

/* The command with --host N. Its exit status. */
int cli_remote(struct cli *cli);
/* The store has nothing of what was asked for: whether a running host knows of another host that
 * has. Then it is printed, or told why that cannot be known, and *status is the exit status. */
bool cli_is_elsewhere(struct cli *cli, int *status);

#endif

/*
 * remote.h - reading commands for what another host has: the running host relays the request to
 * that host. Output that does not come this way comes from the local store.
 */
#ifndef ZINGQ_CLI_REMOTE_H
#define ZINGQ_CLI_REMOTE_H

#include "cli/impl.h"

/* Whether the command knows --host. The others are about what is on this machine. */
bool cli_has_host(const struct cli_command *command);
/* Runs the command for --host N. Returns its exit status. */
int cli_remote(struct cli *cli);
/* Call when the local store has nothing that matches. True when a running host knows of another
 * host that may have it: then the answer was printed, or why it is unknown, and *status is the exit
 * status. */
bool cli_is_elsewhere(struct cli *cli, int *status);

#endif

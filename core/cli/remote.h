/*
 * remote.h - reading commands for what another host has: the running host relays the request to
 * that host. Output that does not come this way comes from the local store.
 */
#ifndef ZINGQ_CLI_REMOTE_H
#define ZINGQ_CLI_REMOTE_H

#include "cli/impl.h"
#include "query/merge.h"

/* Whether the command knows --host. The others are about what is on this machine. */
bool cli_has_host(const struct cli_command *command);
/* Whether any host of a division answers it for all: then one that runs is found in their folder. */
bool cli_any_host_answers(const struct cli_command *command);
/* Runs the command for --host N. Returns its exit status. */
int cli_remote(struct cli *cli);
/* How the list that the command prints is sorted, if all hosts of a division have a part of it; NULL:
 * it is no such list. */
const struct merge_order *cli_list_order(const struct cli_command *command);
/* Asks the host that runs on the data folder for the list of all hosts, and prints it. False: no
 * host runs there, and nothing was printed. */
bool cli_print_all(struct cli *cli, int *status);
/* Its --limit, or how many are shown without it. 0, or EXIT_USAGE after printing why. */
int cli_list_limit(const struct cli *cli, uint64_t *out);
/* Prints the rows of a list as the command does that asked for it. */
int cli_print_rows(const struct cli *cli, json_t *rows);
/* Call when the local store has nothing that matches. True when a running host knows of another
 * host that may have it: then the answer was printed, or why it is unknown, and *status is the exit
 * status. */
bool cli_is_elsewhere(struct cli *cli, int *status);

#endif

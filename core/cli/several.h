/*
 * several.h - all hosts, where several divide the keys.
 */
#ifndef ZINGQ_CLI_SEVERAL_H
#define ZINGQ_CLI_SEVERAL_H

#include "cli/impl.h"

/* True if the command's list was printed for all hosts, or why it cannot be: *status is the exit
 * status. The list comes from the running host, which asks the others; of the folders of several hosts, none of which
 * runs, it is read here. */
bool cli_lists_all(struct cli *cli, int *status);
/* Of how many hosts the running one is, among those that divide the keys; 1 = it is alone, or --host names
 * one of them. 0, or an exit status after printing why. */
int cli_count_hosts(struct cli *cli, unsigned *count);

/* The hosts that divide the keys with the one of this status, and their sums: {"hosts": [...], "missing": [...],
 * "waiting", "inflight", ...}, as GET /api/division has them. NULL: it is alone, or cannot be asked. */
json_t *cli_ask_division(struct cli *cli, const json_t *status);

/* The same of the first host, or shard, that runs in a folder of several. */
json_t *cli_ask_any_division(struct cli *cli, const char *folder);

#endif

/*
 * letters.h - which dead letters a command means, and reading them.
 */
#ifndef ZINGQ_CLI_LETTERS_H
#define ZINGQ_CLI_LETTERS_H

#include "cli/impl.h"
#include "query/dead.h"

/* EXIT_USAGE after telling that --group names no group. */
int letters_check_group(const struct cli *cli);
/* What --service and --group ask for; needs the store open. 0 or an exit status. */
int letters_parse_filter(struct cli *cli, struct dead_filter *filter);
/* The next dead row that matches after *row (zeroed at the start). Between two calls the
 * transaction may have begun anew. ERR_NOTFOUND. */
int letters_next(struct cli *cli, const struct dead_filter *filter, struct dead_row *row);
/* The dead letter with that id, of --service when it was given. EXIT_NO after telling that there
 * is none; 0 and *out NULL when another host has it, which has been shown. Opens the store and a transaction of its own. */
int letters_find(struct cli *cli, const char *id_text, struct event **out);

#endif

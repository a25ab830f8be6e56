/*
 * letters.h - which dead letters a command selects, and reading them.
 */
#ifndef ZINGQ_CLI_LETTERS_H
#define ZINGQ_CLI_LETTERS_H

#include "cli/impl.h"
#include "query/dead.h"

/* EXIT_USAGE after printing that the value of --group is not a group. */
int letters_check_group(const struct cli *cli);
/* The filter given by --service and --group; needs an open store. 0 or an exit status. */
int letters_parse_filter(struct cli *cli, struct dead_filter *filter);
/* The next dead letter that matches, after *row (zeroed at the start). The transaction may have
 * been renewed between two calls. ERR_NOTFOUND at the end. */
int letters_next(struct cli *cli, const struct dead_filter *filter, struct dead_row *row);
/* The dead letter with that id, of --service if given. EXIT_NO after printing that there is none; 0
 * and *out NULL when another host has it, which has been printed. Opens the store and a transaction
 * of its own. */
int letters_find(struct cli *cli, const char *id_text, struct event **out);

#endif

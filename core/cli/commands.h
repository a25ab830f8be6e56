/*
 * commands.h - the list of all commands: what the command line, the help, shells and the manual page are
 * made from.
 */
#ifndef ZINGQ_CLI_COMMANDS_H
#define ZINGQ_CLI_COMMANDS_H

#include "cli/impl.h"

#include <stddef.h>

enum { CLI_NAMES_MAX = 128 };

extern const struct cli_group cli_groups[];

/* First words of two-word commands, up to a NULL. */
extern const char *const cli_families[];

/* "status", "dlq list"; NULL if there is none. */
const struct cli_command *cli_find_command(const char *name);
bool cli_is_family(const char *word);
/* What may follow the family or, without one, "zingq". How many. */
size_t cli_list_names(const char *family, const char *names[CLI_NAMES_MAX]);

#endif

/* help.h - what --help prints, from the list of commands. */
#ifndef ZINGQ_CLI_HELP_H
#define ZINGQ_CLI_HELP_H

#include "cli/impl.h"

/* For one family, or for everything (NULL). EXIT_GOOD. */
int cli_print_help(const char *family);
int cli_print_command_help(const struct cli_command *c);

#endif

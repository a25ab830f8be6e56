/*
 * options.h - the options of a command line.
 */
#ifndef ZINGQ_CLI_OPTIONS_H
#define ZINGQ_CLI_OPTIONS_H

#include "cli/impl.h"

/* The options that every command has. */
extern const struct cli_option cli_common_options[];
/* --host, which every command can read, so that those without it say why. */
extern const struct cli_option cli_host_option[];

/* Reads the options of argv from argv[1] on; the other words are moved to the end, from optind
 * on. */
int cli_read_options(struct cli *cli, const struct cli_option *rows, bool stop_at_word, int argc,
                     char **argv);
/* The value of the last option of that name, or NULL when it was not given. */
const char *cli_option(const struct cli *cli, const char *name);
/* The next value of a repeatable option, after *at (0 at the start); NULL at the end. */
const char *cli_option_next(const struct cli *cli, const char *name, size_t *at);
bool cli_flag(const struct cli *cli, const char *name);
/* A whole number of at least 1; `otherwise` when not given. EXIT_USAGE after printing why. */
int cli_option_count(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t *out);
/* Reads a whole file; initializes *out in every case. 0, or an exit status after printing why. */
int cli_read_file(const char *path, size_t max, struct buf *out);

#endif

/*
 * tell.h - sentences on standard error, and the exit status that belongs to each.
 */
#ifndef ZINGQ_CLI_TELL_H
#define ZINGQ_CLI_TELL_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct cli;

/* Prints "zingq: <sentence>" on standard error; returns the exit status for the code. */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints "zingq: warning: <sentence>": for what works, but is probably not what was intended. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How many warnings were printed. */
unsigned cli_warnings(void);
/* Prints a usage error and a pointer to the command's help; returns EXIT_USAGE. */
int cli_misused(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* EXIT_USAGE after printing that the word is not one of `names`, and which one it resembles. */
int cli_unknown(const char *kind, const char *word, const char *const *names, size_t count);

#endif

/*
 * tell.h - sentences on standard error, and the exit status that goes with each.
 */
#ifndef ZINGQ_CLI_TELL_H
#define ZINGQ_CLI_TELL_H

#include "base/error.h"

#include <stddef.h>

struct cli;

/* "zingq: <sentence>" on standard error; returns the exit status that fits the code. */
int cli_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "zingq: warning: <sentence>" on standard error: it works, and is hardly what was meant. */
void cli_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for a wrong use of the command, with a pointer to its help; returns EXIT_USAGE. */
int cli_misused(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* EXIT_USAGE, after naming the word that is none of `names` and the one that was perhaps meant. */
int cli_unknown(const char *kind, const char *word, const char *const *names, size_t count);

#endif

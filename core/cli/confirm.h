/*
 * confirm.h - asks before what cannot be undone.
 */
#ifndef ZINGQ_CLI_CONFIRM_H
#define ZINGQ_CLI_CONFIRM_H

#include "cli/impl.h"

/* Asks "<question> [y/N] " unless --yes is given. 0 = go on. Otherwise EXIT_NO after printing
 * `nothing`, such as "nothing was erased": the answer was no, or there is nobody to ask, because standard
 * input or output is no terminal, or with --json. */
int cli_confirm(const struct cli *cli, const char *nothing, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

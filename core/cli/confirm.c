/*
 * confirm.c - see cli/confirm.h.
 */
#include "cli/confirm.h"

#include "cli/options.h"
#include "cli/tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static bool may_ask(const struct cli *cli) {
    return !cli->json && isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
}

int cli_confirm(const struct cli *cli, const char *nothing, const char *format, ...) {
    char answer[16];
    va_list args;
    if (cli_flag(cli, "yes")) {
        return 0;
    }
    if (!may_ask(cli)) {
        return cli_fail(ERR_NOTFOUND, "%s: add --yes", nothing);
    }
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf(" [y/N] ");
    (void)fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y')) {
        return 0;
    }
    (void)printf("%s\n", nothing);
    return EXIT_NO;
}

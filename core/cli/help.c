/* help.c - see cli/help.h. */
#include "cli/help.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/remote.h"

#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 24 };

static void print_options(const struct cli_option *options) {
    for (; options != NULL && options->name != NULL; options++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", options->name,
                       options->value == NULL ? "" : " ",
                       options->value == NULL ? "" : options->value);
        (void)printf("  %-*s %s\n", HELP_COLUMN, left, options->help);
    }
}

static void print_command_line(const struct cli_command *c) {
    char left[128];
    (void)snprintf(left, sizeof left, "%s%s%s", c->name, c->arguments[0] == '\0' ? "" : " ",
                   c->arguments);
    if (strlen(left) > HELP_COLUMN) {
        (void)printf("  %s\n  %-*s %s\n", left, HELP_COLUMN, "", c->help);
    } else {
        (void)printf("  %-*s %s\n", HELP_COLUMN, left, c->help);
    }
}

int cli_print_help(const char *family) {
    (void)printf("usage: zingq %s%s[options]\n", family == NULL ? "COMMAND " : family,
                 family == NULL ? "" : " COMMAND ");
    for (size_t g = 0; cli_groups[g].title != NULL; g++) {
        bool titled = false;
        const struct cli_command *c = cli_groups[g].commands;
        for (; c->name != NULL; c++) {
            if (family != NULL && cli_second_word(c->name, family) == NULL) {
                continue;
            }
            if (!titled) {
                (void)printf("\n%s\n", cli_groups[g].title);
                titled = true;
            }
            print_command_line(c);
        }
    }
    (void)printf("\nCommon options\n");
    print_options(cli_common_options);
    print_options(cli_host_option);
    (void)printf("\nExit status: 0 success, 1 check failed or nothing found, 2 usage or "
                 "configuration error, 3 cannot run.\n");
    return EXIT_GOOD;
}

int cli_print_command_help(const struct cli_command *c) {
    (void)printf("usage: zingq %s%s%s [options]\n\n%s\n", c->name,
                 c->arguments[0] == '\0' ? "" : " ", c->arguments, c->help);
    if (c->more != NULL) {
        (void)printf("%s\n", c->more);
    }
    (void)printf("\nOptions\n");
    print_options(c->options);
    print_options(cli_common_options);
    if (cli_has_host(c)) {
        print_options(cli_host_option);
    }
    return EXIT_GOOD;
}

/*
 * cli.c - from the command line to a command: finding its row, reading its options, printing help.
 *
 * Everything about a command is in its row; a new command is a row in its family's file.
 * getopt_long reads the options, set up from the rows, so that everything is written only once.
 *
 * Left out on purpose: options with different meanings in different commands, and abbreviated
 * commands: scripts that use them break when a command is added.
 */
#include "cli/cli.h"

#include "cli/impl.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "base/clock.h"

#include <assert.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES_MAX = 128, HELP_COLUMN = 24 };

/* Commands that are listed together in the help. */
struct group {
    const char *title;
    const struct cli_command *commands;
};

static const struct group groups[] = {
    {"Run", cli_host_commands},
    {"Check before you run", cli_check_commands},
    {"Write and test handlers", cli_write_commands},
    {"Inspect", cli_look_commands},
    {"Dead letters", cli_dlq_commands},
    {"Outbox", cli_outbox_commands},
    {"Keys", cli_keys_commands},
    {"State", cli_state_commands},
    {"The store's file", cli_file_commands},
    {"Change a running host", cli_change_commands},
};

/* First words of two-word commands. */
static const char *const families[] = {"new", "dlq", "outbox", "keys", "state"};

enum {
    GROUP_COUNT = sizeof groups / sizeof *groups,
    FAMILY_COUNT = sizeof families / sizeof *families,
};

/* ---- commands ---- */

static const struct cli_command *find_command(const char *name) {
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        const struct cli_command *c = groups[g].commands;
        for (; c->name != NULL; c++) {
            if (strcmp(c->name, name) == 0) {
                return c;
            }
        }
    }
    return NULL;
}

static bool is_family(const char *word) {
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        if (strcmp(families[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* The second word of the name when the first is the family, or NULL. */
static const char *second_word(const char *name, const char *family) {
    size_t len = strlen(family);
    return strncmp(name, family, len) == 0 && name[len] == ' ' ? name + len + 1 : NULL;
}

/* What may follow the family or, without one, "zingq". */
static size_t list_names(const char *family, const char *names[NAMES_MAX]) {
    size_t count = 0;
    for (size_t i = 0; family == NULL && i < FAMILY_COUNT; i++) {
        names[count++] = families[i];
    }
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        const struct cli_command *c = groups[g].commands;
        for (; c->name != NULL; c++) {
            bool two = strchr(c->name, ' ') != NULL;
            const char *name = family != NULL ? second_word(c->name, family) : two ? NULL : c->name;
            if (name != NULL) {
                assert(count < NAMES_MAX);
                names[count++] = name;
            }
        }
    }
    return count;
}

/* ---- help ---- */

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

/* Prints help for one family, or for everything. */
static int print_help(const char *family) {
    (void)printf("usage: zingq %s%s[options]\n", family == NULL ? "COMMAND " : family,
                 family == NULL ? "" : " COMMAND ");
    for (size_t g = 0; g < GROUP_COUNT; g++) {
        bool titled = false;
        const struct cli_command *c = groups[g].commands;
        for (; c->name != NULL; c++) {
            if (family != NULL && second_word(c->name, family) == NULL) {
                continue;
            }
            if (!titled) {
                (void)printf("\n%s\n", groups[g].title);
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

static int print_command_help(const struct cli_command *c) {
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

/* ---- the program ---- */

static void clear(struct cli *cli) {
    cli_close_store(cli);
    conf_free(cli->conf);
    free(cli->data);
}

static bool may_colour(void) {
    const char *no_color = getenv("NO_COLOR"); /* no-color.org: set and not empty */
    const char *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && (no_color == NULL || no_color[0] == '\0') &&
           (term == NULL || strcmp(term, "dumb") != 0);
}

static int run_command(struct cli *cli, int argc, char **argv) {
    int status = cli_read_options(cli, cli->command->options, false, argc, argv);
    if (status != 0) {
        (void)fprintf(stderr, "see zingq %s --help\n", cli->command->name);
        return status;
    }
    if (cli_flag(cli, "help")) {
        return print_command_help(cli->command);
    }
    cli->words = argv + optind;
    cli->word_count = argc - optind;
    if (cli->word_count < cli->command->words_min) {
        return cli_misused(cli, "%s requires %s", cli->command->name, cli->command->arguments);
    }
    if (cli->word_count > cli->command->words_max) {
        return cli_misused(cli, "unexpected argument \"%s\"", cli->words[cli->command->words_max]);
    }
    struct clock_reading now;
    clock_read(&now);
    cli->now_ms = now.wall_ms;
    cli->json = cli_flag(cli, "json");
    cli->colour = may_colour();
    cli->has_host = cli_has_host(cli->command);
    return cli_flag(cli, "host") ? cli_remote(cli) : cli->command->run(cli);
}

static int unknown_second(char **argv, const char *const *names, size_t count) {
    char kind[NAME_BYTES_MAX];
    (void)snprintf(kind, sizeof kind, "%s command", argv[0]);
    return cli_unknown(kind, argv[1], names, count);
}

/* Finds the command of one or two words at argv[0]; *used is how many it took. */
static int find_words(struct cli *cli, int argc, char **argv, int *used) {
    const char *names[NAMES_MAX];
    char name[2 * NAME_BYTES_MAX];
    *used = 1;
    if (!is_family(argv[0])) {
        cli->command = find_command(argv[0]);
        return cli->command != NULL
                   ? 0
                   : cli_unknown("command", argv[0], names, list_names(NULL, names));
    }
    if (argc < 2 || argv[1][0] == '-') {
        bool asked = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        return asked ? 0
                     : cli_fail(ERR_INVALID, "%s requires a subcommand: see zingq %s --help",
                                argv[0], argv[0]);
    }
    *used = 2;
    (void)snprintf(name, sizeof name, "%s %s", argv[0], argv[1]);
    cli->command = find_command(name);
    return cli->command != NULL ? 0 : unknown_second(argv, names, list_names(argv[0], names));
}

static int dispatch(struct cli *cli, int argc, char **argv) {
    int used;
    int status = find_words(cli, argc, argv, &used);
    if (status != 0) {
        (void)fprintf(stderr, "see zingq %s%s--help for the commands\n",
                      is_family(argv[0]) ? argv[0] : "", is_family(argv[0]) ? " " : "");
        return status;
    }
    if (cli->command == NULL) {
        return print_help(argv[0]);
    }
    return run_command(cli, argc - used + 1, argv + used - 1);
}

/* zingq help [COMMAND] is zingq COMMAND --help. */
static int help(int argc, char **argv) {
    struct cli cli = {.command = NULL};
    int used;
    if (argc == 0 || (argc == 1 && is_family(argv[0]))) {
        return print_help(argc == 0 ? NULL : argv[0]);
    }
    int status = find_words(&cli, argc, argv, &used);
    if (status != 0) {
        return status;
    }
    return cli.command == NULL ? print_help(argv[0]) : print_command_help(cli.command);
}

int cli_main(int argc, char **argv) {
    static const struct cli_option first_options[] = {
        {"version", NULL, "program and library versions"}, {NULL, NULL, NULL}};
    static char version_word[] = "version";
    static char *version_argv[] = {version_word, NULL};
    struct cli cli = {.command = NULL};
    int status = cli_read_options(&cli, first_options, true, argc, argv);
    if (status != 0) {
        return status;
    }
    char **words = argv + optind;
    int count = argc - optind;
    if (cli_flag(&cli, "version")) {
        words = version_argv;
        count = 1;
    }
    if (count == 0 && !cli_flag(&cli, "help")) {
        status = cli_fail(ERR_INVALID, "no command given: see zingq --help");
    } else if (count == 0 || strcmp(words[0], "help") == 0) {
        status = help(count == 0 ? 0 : count - 1, words + 1);
    } else {
        status = dispatch(&cli, count, words);
    }
    clear(&cli);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return status == 0 ? EXIT_CANNOT_RUN : status;
    }
    return status;
}

/*
 * cli.c - from the command line to a command: finding its row, reading its options.
 *
 * Everything about a command is in its row; a new command is a row in its family's file, a new family
 * one in cli/commands.c.
 * getopt_long reads the options, set up from the rows, so that everything is written only once.
 *
 * Left out on purpose: options with different meanings in different commands, and abbreviated
 * commands: scripts that use them break when a command is added.
 */
#include "cli/cli.h"

#include "cli/commands.h"
#include "cli/habits.h"
#include "cli/help.h"
#include "cli/impl.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/several.h"
#include "cli/store.h"
#include "cli/tell.h"
#include "base/clock.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        return cli_print_command_help(cli->command);
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
    cli->any_host = cli_any_host_answers(cli->command);
    if (cli_flag(cli, "host") && !cli_flag(cli, "follow")) { /* that always asks a host */
        return cli_remote(cli);
    }
    return cli_lists_all(cli, &status) ? status : cli->command->run(cli);
}

/* `name` is all of it, `word` what is wrong. */
static int unknown(const char *kind, const char *name, const char *word, const char *const *names,
                   size_t count) {
    const char *meant = cli_habit(name);
    return meant == NULL ? cli_unknown(kind, word, names, count)
                         : cli_fail(ERR_INVALID, "unknown %s \"%s\" (did you mean \"%s\"?)", kind,
                                    word, meant);
}

static int unknown_second(char **argv, const char *name, const char *const *names, size_t count) {
    char kind[NAME_BYTES_MAX];
    (void)snprintf(kind, sizeof kind, "%s command", argv[0]);
    return unknown(kind, name, argv[1], names, count);
}

/* Finds the command of one or two words at argv[0]; *used is how many it took. */
static int find_words(struct cli *cli, int argc, char **argv, int *used) {
    const char *names[CLI_NAMES_MAX];
    char name[2 * NAME_BYTES_MAX];
    *used = 1;
    if (!cli_is_family(argv[0])) {
        cli->command = cli_find_command(argv[0]);
        return cli->command != NULL
                   ? 0
                   : unknown("command", argv[0], argv[0], names, cli_list_names(NULL, names));
    }
    if (argc < 2 || argv[1][0] == '-') {
        bool asked = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
        return asked ? 0
                     : cli_fail(ERR_INVALID, "%s requires a subcommand: see zingq %s --help",
                                argv[0], argv[0]);
    }
    *used = 2;
    (void)snprintf(name, sizeof name, "%s %s", argv[0], argv[1]);
    cli->command = cli_find_command(name);
    return cli->command != NULL ? 0
                                : unknown_second(argv, name, names, cli_list_names(argv[0], names));
}

static int dispatch(struct cli *cli, int argc, char **argv) {
    int used;
    int status = find_words(cli, argc, argv, &used);
    if (status != 0) {
        (void)fprintf(stderr, "see zingq %s%s--help for the commands\n",
                      cli_is_family(argv[0]) ? argv[0] : "", cli_is_family(argv[0]) ? " " : "");
        return status;
    }
    if (cli->command == NULL) {
        return cli_print_help(argv[0]);
    }
    return run_command(cli, argc - used + 1, argv + used - 1);
}

/* zingq help [COMMAND] is zingq COMMAND --help. */
static int help(int argc, char **argv) {
    struct cli cli = {.command = NULL};
    int used;
    if (argc == 0 || (argc == 1 && cli_is_family(argv[0]))) {
        return cli_print_help(argc == 0 ? NULL : argv[0]);
    }
    int status = find_words(&cli, argc, argv, &used);
    if (status != 0) {
        return status;
    }
    return cli.command == NULL ? cli_print_help(argv[0]) : cli_print_command_help(cli.command);
}

int cli_main(int argc, char **argv) {
    static const struct cli_option first_options[] = {
        {"version", NULL, "program and library versions"}, {NULL, NULL, NULL}};
    static char version_word[] = "version";
    static char *version_argv[] = {version_word, NULL};
    struct cli cli = {.groups = cli_groups, .families = cli_families};
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
        (void)fputs("zingq: the output could not be written\n", stderr);
        return status == 0 ? EXIT_CANNOT_RUN : status;
    }
    return status;
}

/*
 * cli.c - from the command line to a command: its row, its options, its help.
 *
 * What a command takes stands in its row; a new one is a row in its family's file. Options are
 * read with getopt_long, built from the rows, so that everything is written down once.
 *
 * Left out on purpose: options that mean something else in another command, and abbreviated
 * commands: scripts that use them break when a command is added.
 */
#include "cli/cli.h"

#include "cli/remote.h"
#include "cli/text.h"
#include "base/clock.h"

#include <assert.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 32, FIRST_VALUE = 256, NAMES_MAX = 128, HELP_COLUMN = 24 };

static const struct cli_option common_options[] = {
    {"conf", "FILE", "topics.conf (short: -c); default ./topics.conf or /etc/zingq/topics.conf"},
    {"data", "DIR", "the data folder instead of store.path"},
    {"json", NULL, "print JSON"},
    {"help", NULL, "say how a command is used (short: -h)"},
    {"host", "N", "about host N of the division: the running host asks it"},
    {NULL, NULL, NULL},
};

static const struct cli_group groups[] = {
    {"Run", cli_host_commands},
    {"Check before you run", cli_check_commands},
    {"Look", cli_look_commands},
    {"Dead letters", cli_dlq_commands},
    {"Outbox", cli_outbox_commands},
    {"Keys", cli_keys_commands},
    {"State", cli_state_commands},
    {"The store's file", cli_file_commands},
    {"Change a running host", cli_change_commands},
};

/* First words of commands that have two. */
static const char *const families[] = {"dlq", "outbox", "keys", "state"};

enum {
    GROUP_COUNT = sizeof groups / sizeof *groups,
    FAMILY_COUNT = sizeof families / sizeof *families,
};

/* ---- telling ---- */

static int status_of(int code) {
    switch (code) {
    case 0:
        return EXIT_GOOD;
    case ERR_NOTFOUND:
    case ERR_EXISTS:
        return EXIT_NO;
    case ERR_INVALID:
    case ERR_SCRIPT:
    case ERR_LIMIT:
        return EXIT_USAGE;
    default:
        return EXIT_CANNOT_RUN;
    }
}

static void tell(const char *kind, const char *format, va_list args) {
    struct report r;
    struct buf safe;
    (void)vsnprintf(r.text, sizeof r.text, format, args);
    buf_init(&safe, sizeof r.text * 8);
    text_add_safe(&safe, slice_of(r.text));
    (void)fflush(stdout);
    (void)fprintf(stderr, "zingq: %s%s\n", kind, buf_str(&safe));
    buf_clear(&safe);
}

void cli_warn(const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell("warning: ", format, args);
    va_end(args);
}

int cli_fail(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell("", format, args);
    va_end(args);
    return status_of(code);
}

int cli_misused(const struct cli *cli, const char *format, ...) {
    va_list args;
    va_start(args, format);
    tell("", format, args);
    va_end(args);
    (void)fprintf(stderr, "usage: zingq %s%s%s [options]; zingq %s --help says more\n",
                  cli->command->name, cli->command->arguments[0] == '\0' ? "" : " ",
                  cli->command->arguments, cli->command->name);
    return EXIT_USAGE;
}

int cli_unknown(const char *kind, const char *word, const char *const *names, size_t count) {
    enum { FEW = 16 };
    const char *meant = conf_suggest(word, names, count);
    struct buf list;
    if (meant != NULL) {
        return cli_fail(ERR_INVALID, "unknown %s \"%s\" (did you mean \"%s\"?)", kind, word, meant);
    }
    buf_init(&list, 4096);
    for (size_t i = 0; i < count && count <= FEW; i++) {
        buf_printf(&list, "%s%s", i == 0 ? ": there are " : ", ", names[i]);
    }
    int status = cli_fail(ERR_INVALID, "unknown %s \"%s\"%s", kind, word, buf_str(&list));
    buf_clear(&list);
    return status;
}

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

/* What may follow the family; without one, what may follow "zingq". */
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

/* Of one family, or of all. */
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
    (void)printf("\nOptions of every command\n");
    print_options(common_options);
    (void)printf("\nExit status: 0 good, 1 the answer is no, 2 wrong usage or configuration, "
                 "3 cannot run.\n");
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
    print_options(common_options);
    return EXIT_GOOD;
}

/* ---- options ---- */

/* The options of a command (NULL: before a command was named), as getopt_long wants them. */
struct option_set {
    const struct cli_option *rows[OPTIONS_MAX];
    struct option longs[OPTIONS_MAX + 1];
    size_t count;
};

static void add_rows(struct option_set *set, const struct cli_option *rows) {
    for (; rows != NULL && rows->name != NULL; rows++) {
        assert(set->count < OPTIONS_MAX);
        set->rows[set->count] = rows;
        set->longs[set->count] = (struct option){
            .name = rows->name,
            .has_arg = rows->value == NULL ? no_argument : required_argument,
            .val = FIRST_VALUE + (int)set->count,
        };
        set->count++;
    }
}

static int unknown_option(const struct option_set *set, const char *word) {
    const char *names[OPTIONS_MAX];
    for (size_t i = 0; i < set->count; i++) {
        names[i] = set->rows[i]->name;
    }
    char name[64];
    word += strspn(word, "-");
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *meant = conf_suggest(name, names, set->count);
    if (meant != NULL) {
        return cli_fail(ERR_INVALID, "unknown option --%s (did you mean --%s?)", name, meant);
    }
    return cli_fail(ERR_INVALID, "unknown option %s%s",
                    name[0] == '\0' || name[1] != '\0' ? "--" : "-", name);
}

static int give(struct cli *cli, const struct cli_option *option, const char *value) {
    if (cli->given_count == CLI_OPTIONS_MAX) {
        return cli_fail(ERR_INVALID, "more than %d options", CLI_OPTIONS_MAX);
    }
    cli->given[cli->given_count++] = (struct cli_given){option, value};
    return 0;
}

/* What getopt_long found. */
static int take_option(struct cli *cli, const struct option_set *set, int found, char **argv) {
    char letter[3] = {'-', (char)optopt, '\0'};
    switch (found) {
    case 'c':
        return give(cli, &common_options[0], optarg);
    case 'h':
        return give(cli, &common_options[3], NULL);
    case ':':
        return cli_fail(ERR_INVALID, "option %s needs a value", argv[optind - 1]);
    case '?':
        /* optopt says which letter it was; for long ones it is 0 or a value of ours. */
        if (optopt >= FIRST_VALUE) {
            return cli_fail(ERR_INVALID, "option %s takes no value", argv[optind - 1]);
        }
        return unknown_option(set, optopt == 0 ? argv[optind - 1] : letter);
    default:
        assert(found >= FIRST_VALUE && (size_t)(found - FIRST_VALUE) < set->count);
        return give(cli, set->rows[found - FIRST_VALUE], optarg);
    }
}

/* Reads the options of argv from argv[1] on; the words that are none end up behind optind. */
static int read_options(struct cli *cli, const struct cli_option *rows, bool stop_at_word, int argc,
                        char **argv) {
    struct option_set set = {.count = 0};
    add_rows(&set, rows);
    add_rows(&set, common_options);
    opterr = 0;
    optind = 0; /* begin anew */
    int found;
    int status = 0;
    while (status == 0 &&
           (found = getopt_long(argc, argv, stop_at_word ? "+:hc:" : ":hc:", set.longs, NULL)) !=
               -1) {
        status = take_option(cli, &set, found, argv);
    }
    return status;
}

const char *cli_option_next(const struct cli *cli, const char *name, size_t *at) {
    while (*at < cli->given_count) {
        const struct cli_given *given = &cli->given[(*at)++];
        if (strcmp(given->option->name, name) == 0) {
            return given->value == NULL ? "" : given->value;
        }
    }
    return NULL;
}

const char *cli_option(const struct cli *cli, const char *name) {
    size_t at = 0;
    const char *last = NULL;
    const char *value;
    while ((value = cli_option_next(cli, name, &at)) != NULL) {
        last = value;
    }
    return last;
}

bool cli_flag(const struct cli *cli, const char *name) {
    return cli_option(cli, name) != NULL;
}

int cli_option_count(const struct cli *cli, const char *name, uint64_t otherwise, uint64_t *out) {
    const char *text = cli_option(cli, name);
    *out = otherwise;
    if (text == NULL) {
        return 0;
    }
    char *end = NULL;
    unsigned long long value = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (value == 0 || *end != '\0' || value > INT32_MAX) {
        return cli_misused(cli, "--%s wants a whole number from 1 on, not \"%s\"", name, text);
    }
    *out = value;
    return 0;
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
    int status = read_options(cli, cli->command->options, false, argc, argv);
    if (status != 0) {
        (void)fprintf(stderr, "zingq %s --help says what it takes\n", cli->command->name);
        return status;
    }
    if (cli_flag(cli, "help")) {
        return print_command_help(cli->command);
    }
    cli->words = argv + optind;
    cli->word_count = argc - optind;
    if (cli->word_count < cli->command->words_min) {
        return cli_misused(cli, "%s wants %s", cli->command->name, cli->command->arguments);
    }
    if (cli->word_count > cli->command->words_max) {
        return cli_misused(cli, "\"%s\" is one word too many", cli->words[cli->command->words_max]);
    }
    struct clock_reading now;
    clock_read(&now);
    cli->now_ms = now.wall_ms;
    cli->json = cli_flag(cli, "json");
    cli->colour = may_colour();
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
                     : cli_fail(ERR_INVALID, "%s wants a second word: see zingq %s --help", argv[0],
                                argv[0]);
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
        (void)fprintf(stderr, "zingq %s%s--help lists the commands\n",
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
    int status = read_options(&cli, first_options, true, argc, argv);
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
        status = cli_fail(ERR_INVALID, "no command given: zingq --help lists them");
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

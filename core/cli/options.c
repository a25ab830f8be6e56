/*
 * options.c - the options of a command line, read with getopt_long by the rows of its command.
 */
#include "cli/options.h"

#include "cli/tell.h"
#include "conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 32, FIRST_VALUE = 256 };

const struct cli_option cli_common_options[] = {
    {"conf", "FILE",
     "topics.conf file (short: -c); default ./topics.conf or /etc/zingq/topics.conf"},
    {"data", "DIR", "use this data folder instead of store.path"},
    {"json", NULL, "print JSON"},
    {"help", NULL, "print help for a command (short: -h)"},
    {NULL, NULL, NULL},
};

const struct cli_option cli_host_option[] = {
    {"host", "N", "ask host N of the division, through the running host"},
    {NULL, NULL, NULL},
};

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

/* -f is --follow, where there is one. */
static int take_follow(struct cli *cli, const struct option_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->rows[i]->name, "follow") == 0) {
            return give(cli, set->rows[i], NULL);
        }
    }
    return unknown_option(set, "-f");
}

/* What getopt_long found. */
static int take_option(struct cli *cli, const struct option_set *set, int found, char **argv) {
    char letter[3] = {'-', (char)optopt, '\0'};
    switch (found) {
    case 'c':
        return give(cli, &cli_common_options[0], optarg);
    case 'h':
        return give(cli, &cli_common_options[3], NULL);
    case 'f':
        return take_follow(cli, set);
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

int cli_read_options(struct cli *cli, const struct cli_option *rows, bool stop_at_word, int argc,
                     char **argv) {
    struct option_set set = {.count = 0};
    add_rows(&set, rows);
    add_rows(&set, cli_common_options);
    add_rows(&set, cli_host_option);
    opterr = 0;
    optind = 0; /* start over */
    int found;
    int status = 0;
    while (status == 0 &&
           (found = getopt_long(argc, argv, stop_at_word ? "+:hfc:" : ":hfc:", set.longs, NULL)) !=
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
        return cli_misused(cli, "--%s must be a whole number from 1 to %d, not \"%s\"", name,
                           INT32_MAX, text);
    }
    *out = value;
    return 0;
}

int cli_read_file(const char *path, size_t max, struct buf *out) {
    char chunk[65536];
    size_t got;
    FILE *file = fopen(path, "rb");
    buf_init(out, max);
    if (file == NULL) {
        return cli_fail(ERR_INVALID, "cannot read %s: %s", path, strerror(errno));
    }
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        buf_add(out, chunk, got);
    }
    bool bad = ferror(file) != 0;
    (void)fclose(file);
    if (bad) {
        return cli_fail(ERR_INVALID, "cannot read %s: %s", path, strerror(errno));
    }
    return out->failed ? cli_fail(ERR_LIMIT, "%s is larger than %zu bytes", path, max) : 0;
}

/*
 * reference.c - the reference in Markdown, for docs/: the options of topics.conf from the rows they are
 * read by, the commands from the rows they are run by.
 */
#include "cli/impl.h"

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/remote.h"
#include "cli/tell.h"
#include "conf/change.h"
#include "conf/options.h"

#include <stdio.h>

/* In a table a bar ends the cell. */
static void put_cell(const char *text) {
    for (; *text != '\0'; text++) {
        (void)printf("%s%c", *text == '|' ? "\\" : "", *text);
    }
}

/* ---- options of topics.conf ---- */

static void put_fallback(const struct conf_row *row) {
    if (row->fallback == NULL) {
        (void)printf("*must be given*");
    } else if (row->fallback[0] != '\0') {
        (void)printf("`%s`", row->fallback);
    }
}

static int put_row(const struct conf_spec *spec, const struct conf_row *row) {
    struct buf values;
    buf_init(&values, 256);
    conf_explain_values(row, &values);
    bool failed = values.failed;
    (void)printf("| `%s` | ", row->name);
    put_fallback(row);
    (void)printf(" | %s | ", buf_str(&values));
    put_cell(row->help);
    (void)printf("%s |\n", spec->form == CONF_PLAIN && conf_is_fixed(spec->name, row->name)
                               ? " *(restart)*"
                               : "");
    buf_clear(&values);
    return failed ? cli_fail(ERR_MEMORY, "%s", error_text(ERR_MEMORY)) : EXIT_GOOD;
}

static int put_sections(void) {
    for (size_t s = 0; s < CONF_SECTION_COUNT; s++) {
        const struct conf_spec *spec = &CONF_SPECS[s];
        (void)printf("\n## %s\n\n", spec->name);
        if (spec->form == CONF_FREE) {
            (void)printf("Any names; each value is a text, `env:NAME` or `file:PATH`.\n");
            continue;
        }
        (void)printf("| option | default | values | |\n|---|---|---|---|\n");
        for (size_t i = 0; i < spec->row_count; i++) {
            int status = put_row(spec, &spec->rows[i]);
            if (status != EXIT_GOOD) {
                return status;
            }
        }
    }
    return EXIT_GOOD;
}

/* ---- commands ---- */

static void put_options(const struct cli_option *options, bool first) {
    for (const struct cli_option *o = options; o != NULL && o->name != NULL; o++) {
        if (first && o == options) {
            (void)printf("\n| option | |\n|---|---|\n");
        }
        (void)printf("| `--%s%s%s` | ", o->name, o->value == NULL ? "" : " ",
                     o->value == NULL ? "" : o->value);
        put_cell(o->help);
        (void)printf(" |\n");
    }
}

static void put_command(const struct cli_command *c) {
    (void)printf("\n### zingq %s\n\n", c->name);
    if (c->arguments[0] != '\0') {
        (void)printf("`zingq %s %s`\n\n", c->name, c->arguments);
    }
    (void)printf("%s\n", c->help);
    if (c->more != NULL) {
        (void)printf("\n%s\n", c->more);
    }
    put_options(c->options, true);
}

static int put_commands(const struct cli *cli) {
    for (size_t g = 0; cli->groups[g].title != NULL; g++) {
        (void)printf("\n## %s\n", cli->groups[g].title);
        for (const struct cli_command *c = cli->groups[g].commands; c->name != NULL; c++) {
            put_command(c);
        }
    }
    (void)printf("\n## Common options\n");
    put_options(cli_common_options, true);
    put_options(cli_host_option, false);
    return EXIT_GOOD;
}

int cli_reference(struct cli *cli) {
    static const char *const pages[] = {"options", "commands"};
    if (strcmp(cli->words[0], pages[0]) == 0) {
        return put_sections();
    }
    if (strcmp(cli->words[0], pages[1]) == 0) {
        return put_commands(cli);
    }
    return cli_unknown("page", cli->words[0], pages, sizeof pages / sizeof *pages);
}

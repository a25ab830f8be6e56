/* manual.c - the manual page, zingq(1), from the list of commands. */
#include "cli/impl.h"

#include "cli/options.h"
#include "cli/remote.h"

#include <stdio.h>

/* As roff reads it: a line may not begin with a dot or a quote, dashes and backslashes are escaped. */
static void put_text(const char *text) {
    for (bool first = true; *text != '\0'; text++) {
        if (first && (*text == '.' || *text == '\'')) {
            (void)fputs("\\&", stdout);
        }
        (void)printf("%s%c", *text == '\\' || *text == '-' ? "\\" : "", *text);
        first = *text == '\n';
    }
    (void)putchar('\n');
}

static void put_options(const struct cli_option *options) {
    for (; options != NULL && options->name != NULL; options++) {
        (void)printf(".TP\n.BI \\-\\-%s \" %s\"\n", options->name,
                     options->value == NULL ? "" : options->value);
        put_text(options->help);
    }
}

static void put_command(const struct cli_command *c) {
    (void)printf(".SS zingq ");
    put_text(c->name);
    if (c->arguments[0] != '\0') {
        (void)printf(".I ");
        put_text(c->arguments);
        (void)printf(".br\n");
    }
    put_text(c->help);
    if (c->more != NULL) {
        (void)printf(".PP\n");
        put_text(c->more);
    }
    put_options(c->options);
    if (cli_has_host(c)) {
        put_options(cli_host_option);
    }
}

int cli_manual(struct cli *cli) {
    if (cli->word_count == 1) {
        return cli_reference(cli);
    }
    (void)printf(".TH ZINGQ 1 \"\" \"zingq " ZINGQ_VERSION "\" \"User Commands\"\n"
                 ".SH NAME\nzingq \\- the durable event worker for MQTT\n"
                 ".SH SYNOPSIS\n.B zingq\n.I COMMAND\n[options]\n.SH DESCRIPTION\n");
    put_text(
        "zingq subscribes to topics on an MQTT 5 broker, stores every event on disk before it "
        "acknowledges it, and hands events to handlers in Lua. topics.conf names the services; "
        "the documentation tells the rest.");
    for (size_t g = 0; cli->groups[g].title != NULL; g++) {
        (void)printf(".SH ");
        put_text(cli->groups[g].title);
        for (const struct cli_command *c = cli->groups[g].commands; c->name != NULL; c++) {
            put_command(c);
        }
    }
    (void)printf(".SH Common options\n");
    put_options(cli_common_options);
    (void)printf(".SH EXIT STATUS\n");
    put_text("0 success, 1 check failed or nothing found, 2 usage or configuration error, 3 cannot "
             "run.");
    return EXIT_GOOD;
}

/*
 * json.c - printing JSON.
 */
#include "cli/json.h"

#include "base/json.h"
#include "cli/tell.h"

#include <stdio.h>
#include <unistd.h>

/* ---- printing ---- */

/* On a terminal, everything that is not ASCII is escaped: it may contain control characters. */
static size_t print_flags(void) {
    return JSON_ENCODE_ANY | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0);
}

static int print(json_t *document, size_t flags) {
    int rc = document == NULL ? -1 : json_dumpf(document, stdout, flags | print_flags());
    json_decref(document);
    return rc == 0 ? 0 : cli_fail(ERR_MEMORY, "cannot print JSON: out of memory");
}

int cli_print_json(json_t *document) {
    int status = print(document, JSON_INDENT(2));
    (void)putchar('\n');
    return status;
}

static int add_to_page(const char *bytes, size_t size, void *ctx) {
    buf_add(ctx, bytes, size);
    return 0;
}

static int add_document(struct cli *cli, json_t *document) {
    int rc = document == NULL ? -1
                              : json_dump_callback(document, add_to_page, &cli->page,
                                                   JSON_COMPACT | print_flags());
    json_decref(document);
    return rc == 0 && !cli->page.failed ? 0
                                        : cli_fail(ERR_MEMORY, "cannot print JSON: out of memory");
}

int cli_print_json_item(struct cli *cli, json_t *item, uint64_t *count) {
    buf_add_str(&cli->page, (*count)++ == 0 ? "[\n" : ",\n");
    return add_document(cli, item);
}

int cli_print_json_line(struct cli *cli, json_t *document) {
    int status = add_document(cli, document);
    buf_add_str(&cli->page, "\n");
    return status;
}

void cli_print_json_end(uint64_t count) {
    (void)fputs(count == 0 ? "[]\n" : "\n]\n", stdout);
}

/*
 * cli_json.c - printing JSON.
 */
#include "cli.h"

#include <stdio.h>
#include <unistd.h>

/* ---- printing ---- */

/* On a terminal whatever is not ASCII is escaped: a control character may hide in it. */
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

int cli_print_json_item(json_t *item, uint64_t *count) {
    (void)fputs((*count)++ == 0 ? "[\n" : ",\n", stdout);
    return print(item, JSON_COMPACT);
}

void cli_print_json_end(uint64_t count) {
    (void)fputs(count == 0 ? "[]\n" : "\n]\n", stdout);
}

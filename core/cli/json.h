/*
 * json.h - printing JSON.
 */
#ifndef ZINGQ_CLI_JSON_H
#define ZINGQ_CLI_JSON_H

#include "cli/impl.h"

#include <jansson.h>

/* Prints a JSON document with a newline and takes it over; NULL counts as out of memory. */
int cli_print_json(json_t *document);
/* A list as JSON, an element at a time: "[" element, element "]". *count begins at 0. Within a
 * transaction: elements wait in cli->page until it ends. */
int cli_print_json_item(struct cli *cli, json_t *item, uint64_t *count);
void cli_print_json_end(uint64_t count);
/* The same for one line of JSON. */
int cli_print_json_line(struct cli *cli, json_t *document);

#endif

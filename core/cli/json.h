/*
 * json.h - printing JSON.
 */
#ifndef ZINGQ_CLI_JSON_H
#define ZINGQ_CLI_JSON_H

#include "base/json.h"
#include "cli/impl.h"

/* Prints a JSON document and a newline, and takes the reference; NULL means out of memory. */
int cli_print_json(json_t *document);
/* Prints a JSON list one element at a time: "[" element, element "]". *count starts at 0. Call
 * within a transaction: elements are collected in cli->page until it ends. */
int cli_print_json_item(struct cli *cli, json_t *item, uint64_t *count);
void cli_print_json_end(uint64_t count);
/* The same for one document per line. */
int cli_print_json_line(struct cli *cli, json_t *document);
/* Prints the notes of an answer, each on a line of its own, if there are any. */
void cli_print_notes(const json_t *answer);

/* Appends, after `before`, how many events of a service wait in memory by priority, as status has it;
 * false: it has none. */
bool cli_add_priorities(struct buf *out, const json_t *service, const char *before);

#endif

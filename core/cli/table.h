/*
 * table.h - tables for people: columns as wide as their widest cell.
 *
 * A table is kept in memory until it is printed, so the caller bounds its rows.
 */
#ifndef ZINGQ_CLI_TABLE_H
#define ZINGQ_CLI_TABLE_H

#include "cli/text.h"

struct table_column {
    const char *title;
    bool right; /* numbers */
};

struct table;

/* `columns` is borrowed. NULL when out of memory. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table);
/* Adds the next cell, row by row; the text must be safe to print and is copied. If memory runs out,
 * table_print reports it. */
void table_add(struct table *table, enum text_style style, const char *text);
/* Adds the next cell from a buffer, and empties the buffer. */
void table_take(struct table *table, enum text_style style, struct buf *text);
void table_add_count(struct table *table, enum text_style style, uint64_t n);
/* Prints the table; cuts its last column to keep lines within `width` (0 = any). ERR_MEMORY. */
int table_print(const struct table *table, FILE *out, bool colour, size_t width);
/* Width of the terminal on standard output in columns; 0 when it is not a terminal. */
size_t table_terminal_width(void);

#endif

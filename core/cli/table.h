/*
 * table.h - tables for people: columns as wide as their widest cell.
 *
 * A table is kept whole until it is printed, so whoever fills it bounds its rows.
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
/* The next cell, row by row; the text is taken as safe and copied. Running out of memory shows at
 * table_print. */
void table_add(struct table *table, enum text_style style, const char *text);
/* The next cell from a buffer, which is emptied for the one after. */
void table_take(struct table *table, enum text_style style, struct buf *text);
void table_add_count(struct table *table, enum text_style style, uint64_t n);
/* Prints the whole, its last column cut where lines would pass the width (0 = any). ERR_MEMORY. */
int table_print(const struct table *table, FILE *out, bool colour, size_t width);
/* Columns of the terminal on standard output; 0 when it is none. */
size_t table_terminal_width(void);

#endif

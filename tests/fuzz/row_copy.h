/*
 * row_copy.h - a row of the store, read by the journal's typed functions and written by them again:
 * for fuzz_record.c.
 */
#ifndef TESTS_ROW_COPY_H
#define TESTS_ROW_COPY_H

#include "journal/journal.h"

#include <stdbool.h>

/* The table's only row, which decodes and is (key, value). True: it was written again. False: no
 * function reads just such a row, or none writes it. */
bool row_copy(struct journal *j, enum store_table t, struct slice key, struct slice value);

#endif

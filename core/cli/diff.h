/*
 * diff.h - how two payloads differ, line by line; JSON is indented first.
 */
#ifndef ZINGQ_CLI_DIFF_H
#define ZINGQ_CLI_DIFF_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

/* Prints removed lines with "-", added ones with "+", unchanged ones with " ". ERR_MEMORY. */
int diff_print(FILE *out, bool colour, struct slice before, struct slice after);

#endif

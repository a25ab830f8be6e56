/*
 * diff.h - how two payloads differ, line by line; JSON is spread over lines first.
 */
#ifndef ZINGQ_CLI_DIFF_H
#define ZINGQ_CLI_DIFF_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

/* Prints lines that went with "-", that came with "+", that stayed with " ". ERR_MEMORY. */
int diff_print(FILE *out, bool colour, struct slice before, struct slice after);

#endif

/*
 * json.h - a JSON text as a tree, for those who need more than a pass over it.
 */
#ifndef ZINGQ_BASE_JSON_H
#define ZINGQ_BASE_JSON_H

#include "base/json_read.h"

#include <jansson.h>

/* The tree of the text, to be freed with json_decref; NULL and json_report's sentence. The last of
 * two values under a name counts. A number too large for a double is the largest double, as jq
 * writes it. */
json_t *json_read(struct slice text, const char *what, struct report *r);

#endif

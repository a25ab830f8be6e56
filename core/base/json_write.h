/*
 * json_write.h - strings and numbers as JSON.
 */
#ifndef ZINGQ_BASE_JSON_WRITE_H
#define ZINGQ_BASE_JSON_WRITE_H

#include "base/buf.h"

enum { JSON_REAL_BYTES = 32 };

/* A float in the fewest digits (15 to 17) that read back the same, always recognisable as a float
 * ("5.0", "1e+300"); v is finite. Returns out. */
const char *json_real_text(double v, char out[JSON_REAL_BYTES]);
/* The text as a JSON string with its quotes. A byte that is not UTF-8 becomes U+FFFD and the
 * answer is false. */
bool json_quote(struct slice text, struct buf *out);

#endif

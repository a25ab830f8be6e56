/*
 * value.h - a state value as bytes: a tag, then the value. The form on disk and in effects.
 *
 *   't' | 'f'                 true, false
 *   'i' int64 (8, LE)         whole number
 *   'd' double (8, LE)        float
 *   's' bytes                 string, any bytes
 *   'j' JSON text             table
 */
#ifndef ZINGQ_VALUE_H
#define ZINGQ_VALUE_H

#include "buf.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>

/* value + delta into `out`: a missing value (len 0) counts as 0; int + int stays int, on overflow
 * it becomes a float. ERR_INVALID when the value is not a number. */
int value_add(struct slice value, bool delta_is_int, int64_t delta_int, double delta,
              struct buf *out);
/* The value as JSON text, for people: strings quoted, floats shortest that reads back the same. */
int value_to_json(struct slice value, struct buf *out);
/* JSON text to a value; scalars take their own tags. ERR_INVALID with a sentence. */
int value_from_json(struct slice json, struct buf *out, struct report *r);

#endif

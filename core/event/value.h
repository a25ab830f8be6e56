/*
 * value.h - a state value as bytes: a tag, then the value. The form on disk and in effects.
 *
 *   't' | 'f'                 true, false
 *   'i' int64 (8, LE)         whole number
 *   'd' double (8, LE)        float
 *   's' bytes                 string, any bytes
 *   'j' JSON text             table
 *   'l' (u32 length, value)*  what zing.wait_all received; none of them is itself a list
 */
#ifndef ZINGQ_EVENT_VALUE_H
#define ZINGQ_EVENT_VALUE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the bytes are a value; of a table's JSON only that there is some. Those of a list are
 * looked at when they are read. */
bool value_is_sound(struct slice value);

/* value + delta into `out`: a missing value (len 0) counts as 0; int + int stays int, on overflow
 * it becomes a float. ERR_INVALID when the value is not a number. */
int value_add(struct slice value, bool delta_is_int, int64_t delta_int, double delta,
              struct buf *out);
/* The value as JSON text, for people: strings quoted, floats shortest that reads back the same. */
int value_to_json(struct slice value, struct buf *out);
/* JSON text to a value; scalars take their own tags. ERR_INVALID, ERR_MEMORY with a sentence. */
int value_from_json(struct slice json, struct buf *out, struct report *r);

#endif

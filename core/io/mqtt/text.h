/*
 * text.h - whether MQTT, and libmosquitto, accept bytes as a string. Part of the MQTT door
 * (io/mqtt/mqtt.h); pure.
 */
#ifndef ZINGQ_IO_MQTT_TEXT_H
#define ZINGQ_IO_MQTT_TEXT_H

#include "base/buf.h"

#include <stdbool.h>

/* What is wrong with a string, "a control character (U+0001)", into `out`; false when nothing is.
 */
bool mqtt_text_fault(struct slice s, char *out, size_t size);
/* Appends the string with \xNN for every invalid byte, at most `max` bytes of it; characters and
 * escapes are not cut in two. */
void mqtt_text_escape(struct buf *out, struct slice s, size_t max);

#endif

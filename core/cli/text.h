/*
 * text.h - text for people: safe text, times, numbers.
 *
 * Payloads, keys, topics and errors can come from anyone, so none of them reaches a terminal as it
 * is: control characters, bytes that are not UTF-8 and characters that change the writing direction
 * are escaped.
 */
#ifndef ZINGQ_CLI_TEXT_H
#define ZINGQ_CLI_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Appends the text as one line: a newline becomes \n, other control characters \x1b. */
void text_add_safe(struct buf *out, struct slice text);
/* An id that is given in whole as the digits that stand for it in tables; other text as text_add_safe. */
void text_add_id(struct buf *out, struct slice text);
/* Appends the text's lines, escaped, each with `indent` before it and a newline after it. */
void text_add_lines(struct buf *out, struct slice text, const char *indent);
/* Width on a terminal in columns: the number of UTF-8 sequences. */
size_t text_width(const char *text);

/* Indents JSON over several lines, or removes that again. Only white space between tokens changes.
 * The text must be valid JSON. */
void text_add_json_spread(struct buf *out, struct slice json);
void text_add_json_tight(struct buf *out, struct slice json);
bool text_is_json(struct slice text);

/* "2026-01-02 03:04:05" in local time; with milliseconds, ".123", when `with_ms`. */
void text_add_time(struct buf *out, int64_t ms, bool with_ms);
/* "3 m ago", "in 41 s", "now": in the largest unit that fits. */
void text_add_ago(struct buf *out, int64_t now_ms, int64_t ms);
/* "2026-01-02 03:04:05 (3 m ago)"; "-" for 0. */
void text_add_when(struct buf *out, int64_t now_ms, int64_t ms);
/* "850 us", "3.2 ms", "1.5 s". */
void text_add_duration_us(struct buf *out, int64_t us);
/* "12,345". */
void text_add_count(struct buf *out, uint64_t n);
/* "12.3 MiB". */
void text_add_bytes(struct buf *out, uint64_t n);

enum text_style { STYLE_PLAIN, STYLE_HEAD, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_DIM };

/* The style for a state, an enum event_state. */
enum text_style text_state_style(uint8_t state);
/* Prints the text, in its style when `colour`. */
void text_print(FILE *out, bool colour, enum text_style style, const char *text);

#endif

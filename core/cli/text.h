/*
 * text.h - what is written for people: text that came from outside, times, numbers.
 *
 * Payloads, keys, topics and errors come from anyone. Nothing of them reaches a terminal raw:
 * control characters, bytes that are not UTF-8 and marks that turn the direction of writing are
 * shown escaped.
 */
#ifndef ZINGQ_CLI_TEXT_H
#define ZINGQ_CLI_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Appends the text on one line: a newline reads \n, other control characters \x1b. */
void text_add_safe(struct buf *out, struct slice text);
/* Appends the text's lines, each safe, each after `indent`, each ended. */
void text_add_lines(struct buf *out, struct slice text, const char *indent);
/* Columns on a terminal: UTF-8 sequences. */
size_t text_width(const char *text);

/* Spreads JSON over indented lines / takes that out again. Only white space between the tokens
 * changes. The text must be valid JSON. */
void text_add_json_spread(struct buf *out, struct slice json);
void text_add_json_tight(struct buf *out, struct slice json);
bool text_is_json(struct slice text);

/* "2026-01-02 03:04:05" in local time; with "%03d" milliseconds when `ms` is asked for. */
void text_add_time(struct buf *out, int64_t ms, bool with_ms);
/* "3 m ago", "in 41 s", "now": the largest unit. */
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

/* How a state is shown: an enum event_state. */
enum text_style text_state_style(uint8_t state);
/* The text in its style when `colour`. */
void text_print(FILE *out, bool colour, enum text_style style, const char *text);

#endif

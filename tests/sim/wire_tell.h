/*
 * wire_tell.h - the history of one simulated world: every event as a sentence with its virtual
 * time. All sentences go into one hash, the last of them are kept for the story of a failure. There
 * is one history at a time: the interposed functions of wire_os.c have no pointer to a world.
 */
#ifndef ZINGQ_SIM_WIRE_TELL_H
#define ZINGQ_SIM_WIRE_TELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Begins anew. `loud`: every sentence is printed, too. */
void wire_tell_begin(bool loud);
/* Adds a sentence: up to 200 bytes, without an end of line. */
void wire_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and the world is wrong: a promise was broken. The first one is kept. */
void wire_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What was wrong first, or NULL. */
const char *wire_tell_failure(void);
uint64_t wire_tell_hash(void);
/* Sentences so far. */
size_t wire_tell_count(void);
/* The last sentences before the failure, or before the end. */
void wire_tell_story(FILE *out);

#endif

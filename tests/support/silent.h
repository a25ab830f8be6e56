/*
 * silent.h - a TCP server that is there and no more: it takes connections, and answers nothing or
 * the bytes it was given, whatever it is asked.
 */
#ifndef ZINGQ_TEST_SILENT_H
#define ZINGQ_TEST_SILENT_H

#include <stddef.h>
#include <stdint.h>

struct silent;

/* Listens on a free loopback port; `answer` is sent once on each connection after its first bytes,
 * NULL = never. */
struct silent *silent_new(const char *answer, size_t len, uint16_t *port);
void silent_free(struct silent *s);

#endif

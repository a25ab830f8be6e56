/*
 * life.h - the life of one event: what it is, each attempt, its end; for people.
 */
#ifndef ZINGQ_CLI_LIFE_H
#define ZINGQ_CLI_LIFE_H

#include "cli/impl.h"
#include "query/life.h"

/* "dead, seats, key rock-1, topic booking/request": the line a life begins with. */
void life_print_title(const struct cli *cli, const struct life *life, const char *indent);
/* Accepted, attempts, end: a line each, with the time passed; errors in full when `whole`. */
void life_print_course(const struct cli *cli, const struct life *life, const char *indent,
                       bool whole);
/* Where it came from, its properties, its payload. */
void life_print_content(const struct life *life, const char *indent);

#endif

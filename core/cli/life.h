/*
 * life.h - the life of one event, for people: what it is, each attempt, its end.
 */
#ifndef ZINGQ_CLI_LIFE_H
#define ZINGQ_CLI_LIFE_H

#include "cli/impl.h"
#include "query/life.h"

/* The first line, "dead, seats, key rock-1, topic booking/request". */
void life_print_title(const struct cli *cli, const struct life *life, const char *indent);
/* One line each for accepted, attempts and end, with the time between; full errors when `whole`. */
void life_print_course(const struct cli *cli, const struct life *life, const char *indent,
                       bool whole);
/* Its cause, its properties, its payload. */
void life_print_content(const struct life *life, const char *indent);

#endif

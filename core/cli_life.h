/*
 * cli_life.h - the life of one event: what it is, each attempt, its end; for people and programs.
 */
#ifndef ZINGQ_CLI_LIFE_H
#define ZINGQ_CLI_LIFE_H

#include "cli.h"

struct life {
    struct event *event;      /* owned */
    struct attempt *attempts; /* owned, their texts too; oldest first */
    size_t count;
};

/* Takes the event over, in every case, and reads its history; within a transaction. */
int life_read(struct cli *cli, struct event *event, struct life *out);
void life_clear(struct life *life);

/* "dead, seats, key rock-1, topic booking/request": the line a life begins with. */
void life_print_title(const struct cli *cli, const struct life *life, const char *indent);
/* Accepted, attempts, end: a line each, with the time passed; errors in full when `whole`. */
void life_print_course(const struct cli *cli, const struct life *life, const char *indent,
                       bool whole);
/* Where it came from, its properties, its payload. */
void life_print_content(const struct life *life, const char *indent);

/* Everything, `history` included; NULL when out of memory. */
json_t *life_json(const struct cli *cli, const struct life *life);

#endif

/*
 * habits.h - what other queues, brokers and shells call our commands.
 */
#ifndef ZINGQ_CLI_HABITS_H
#define ZINGQ_CLI_HABITS_H

/* The command that somebody means who types this: "dlq replay" for "dlq retry"; NULL = no idea. */
const char *cli_habit(const char *name);

#endif

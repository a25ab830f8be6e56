/*
 * command.h - commands of operators.
 */
#ifndef ZINGQ_ENGINE_COMMAND_H
#define ZINGQ_ENGINE_COMMAND_H

#include "engine/engine.h"

/* Executes the command, or refuses it: see command->code. */
int engine_carry_out(struct engine *e, struct command *command);

#endif

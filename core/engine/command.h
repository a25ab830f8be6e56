/*
 * command.h - what an operator asks for.
 */
#ifndef ZINGQ_ENGINE_COMMAND_H
#define ZINGQ_ENGINE_COMMAND_H

#include "engine/engine.h"

/* Carries the command out, or refuses it: see command->code. */
int engine_carry_out(struct engine *e, struct command *command);

#endif

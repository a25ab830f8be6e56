/*
 * input.h - what comes in is noted here and decided in the next turn.
 */
#ifndef ZINGQ_ENGINE_INPUT_H
#define ZINGQ_ENGINE_INPUT_H

#include "engine/engine.h"

struct call_end {
    uint64_t id;
    struct call_result result;
    struct call_end *next;
};

/* Takes it over, for the next turn. */
void engine_add_input(struct engine *e, struct event *event);
void engine_forget_inputs(struct engine *e);
/* Those that were carried out are the caller's again. */
void engine_answer_commands(struct engine *e);
/* None of this turn was, nor will be. */
void engine_refuse_commands(struct engine *e, int code);

#endif

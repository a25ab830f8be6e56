/*
 * input.h - inputs, which are queued here and decided in the next turn.
 */
#ifndef ZINGQ_ENGINE_INPUT_H
#define ZINGQ_ENGINE_INPUT_H

#include "engine/engine.h"

struct call_end {
    uint64_t id;
    struct call_result result;
    STAILQ_ENTRY(call_end) link;
};

/* ERR_MEMORY. */
int engine_make_inputs(struct engine *e);
void engine_free_inputs(struct engine *e);
/* Takes it over and queues it for the next turn. */
void engine_add_input(struct engine *e, struct event *event);
/* Messages and ended calls. */
void engine_forget_inputs(struct engine *e);
/* Whether there is anything to decide; and whether there are messages. */
bool engine_has_inputs(const struct engine *e);
bool engine_has_messages(const struct engine *e);
/* Of other hosts, among the messages. */
size_t engine_forward_bytes(const struct engine *e);
/* The next message, the next call that has ended; the caller's. NULL: none is left. */
struct event *engine_next_message(struct engine *e);
struct call_end *engine_next_ended(struct engine *e);
void engine_free_ended(struct engine *e, struct call_end *end);
/* The next command, which stays noted until engine_command_done; NULL: none is left. */
struct command *engine_next_command(struct engine *e);
void engine_command_done(struct engine *e);
/* Gives finished commands back to their callers: after the commit. */
void engine_answer_commands(struct engine *e);
bool engine_has_answers(const struct engine *e);
/* No command of this turn was executed, or will be. */
void engine_refuse_commands(struct engine *e, int code);
/* How many publishes may be unacknowledged: 0 = not connected. */
size_t engine_window(const struct engine *e);
/* When publishes that were answered, or are to be tried again, need a turn. */
int64_t engine_next_send_ms(struct engine *e);

#endif

/*
 * letters.h - what operators ask for about dead letters, and keys that one holds.
 */
#ifndef ZINGQ_ENGINE_LETTERS_H
#define ZINGQ_ENGINE_LETTERS_H

#include "engine/engine.h"

/* COMMAND_REPLAY: a dead letter runs again, or is sent again when it is a signal. */
int engine_replay(struct engine *e, struct command *c);
/* COMMAND_DISCARD: it is dead no more, and never runs. */
int engine_discard(struct engine *e, struct command *c);
/* COMMAND_KEY_RESUME, COMMAND_KEY_SKIP: the parked event at the head of a key runs again, or stays
 * dead while the key goes on. */
int engine_key_resume(struct engine *e, struct command *c);
int engine_key_skip(struct engine *e, struct command *c);

#endif

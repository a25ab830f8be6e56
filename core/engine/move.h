/*
 * move.h - a service takes over what another one left.
 */
#ifndef ZINGQ_ENGINE_MOVE_H
#define ZINGQ_ENGINE_MOVE_H

#include "engine/services.h"

/* ERR_MEMORY. */
int engine_make_moves(struct engine *e);
void engine_free_moves(struct engine *e);
/* Which services are being taken over, as the store has it; once all have their numbers. */
int engine_load_moves(struct engine *e);
/* What the service of that name has belongs to the one of that number from the next load on; a move
 * that was noted before is left as it is. Within a transaction. */
int engine_note_move(struct engine *e, const char *from, uint16_t to);
/* The service of that name is in topics.conf, and keeps what it has: if a later one takes it over,
 * that is a new move. Within a transaction. */
int engine_forget_move(struct engine *e, const char *service);
/* COMMAND_MOVE: begins one. */
int engine_move(struct engine *e, struct command *c);
/* Moves some rows, within the bounds of a turn. */
int engine_move_rows(struct engine *e);
/* Whether there are rows to move now. */
bool engine_wants_move(const struct engine *e);

#endif

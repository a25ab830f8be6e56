/*
 * kept.h - how much the signals that nobody has taken yet may take of the store.
 */
#ifndef ZINGQ_ENGINE_KEPT_H
#define ZINGQ_ENGINE_KEPT_H

#include "engine/services.h"

/* ERR_MEMORY. */
int engine_make_kept(struct engine *e);
void engine_free_kept(struct engine *e);
/* *room: whether a signal of that size may be kept for the service; if so, it is counted. */
int engine_room_for_signal(struct engine *e, uint16_t service, size_t bytes, bool *room);

#endif

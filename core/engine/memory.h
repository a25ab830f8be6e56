/*
 * memory.h - what does not fit the budget of memory (base/memory.h) waits: events, calls, messages.
 */
#ifndef ZINGQ_ENGINE_MEMORY_H
#define ZINGQ_ENGINE_MEMORY_H

#include "engine/engine.h"

struct lane;

/* ERR_MEMORY. */
int engine_make_shortage(struct engine *e);
void engine_free_shortage(struct engine *e);
/* A turn begins to run lanes: services that waited for memory are tried again. */
void engine_feed_services(struct engine *e);
/* The next lane that may start its head, and has memory for it; NULL: none. */
struct lane *engine_next_lane(struct engine *e);
/* Bytes of messages that a turn may take; 0 = they wait. */
size_t engine_memory_for_messages(const struct engine *e);
/* The number of services that wait for memory. */
size_t engine_starved(const struct engine *e);
/* When what waits for memory is tried again, in engine time; INT64_MAX = nothing waits. */
int64_t engine_next_memory_ms(const struct engine *e);

#endif

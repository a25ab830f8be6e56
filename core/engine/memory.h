/*
 * memory.h - events, calls and messages that do not fit the memory budget (base/memory.h) wait.
 */
#ifndef ZINGQ_ENGINE_MEMORY_H
#define ZINGQ_ENGINE_MEMORY_H

#include "engine/engine.h"

struct buf;
struct engine_service;
struct lane;

/* ERR_MEMORY. */
int engine_make_shortage(struct engine *e);
void engine_free_shortage(struct engine *e);
/* A turn begins to run lanes: lets services that waited for memory try again. */
void engine_feed_services(struct engine *e);
/* The next lane that may start its head and has the memory for it; NULL: there is none. */
struct lane *engine_next_lane(struct engine *e);
/* How many bytes of messages a turn may take; 0 = they wait. */
size_t engine_memory_for_messages(const struct engine *e);
/* The number of services that wait for memory. */
size_t engine_starved(const struct engine *e);
/* A policy, or a last attempt, failed for what the host lacks: whether the turn should fail for that,
 * so that all comes again. Not for ever: nobody else gets on meanwhile. */
bool engine_waits_for_lack(const struct engine *e, struct engine_service *s);
/* `lacks` as of a run. 0: the turn should go on; or else fail with this code. */
int engine_need(const struct engine *e, struct engine_service *s, int lacks);
/* The same of the text of a failure. ERR_MEMORY: the turn should fail. 0: it is whole, or it is lost and `text`
 * says that. */
int engine_need_text(const struct engine *e, struct engine_service *s, struct buf *text);
/* When to try again whatever waits for memory, in engine time; INT64_MAX = nothing waits. */
int64_t engine_next_memory_ms(const struct engine *e);

#endif

/*
 * watch.h - attempts that ended, kept while watched.
 */
#ifndef ZINGQ_ENGINE_WATCH_H
#define ZINGQ_ENGINE_WATCH_H

#include "engine/services.h"

/* ERR_MEMORY. */
int engine_make_watch(struct engine *e);
void engine_free_watch(struct engine *e);
/* An attempt ended and left the event in that state; `text` is the reason, "" = success. */
void engine_show_ending(struct engine *e, const struct engine_service *s, const struct event *event,
                        enum event_state state, struct slice text);
/* The turn was rolled back: forgets the attempts that ended in it. */
void engine_forget_endings(struct engine *e);

#endif

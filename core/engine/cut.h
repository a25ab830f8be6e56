/*
 * cut.h - what is left of a message that cannot become work, and how it is known.
 */
#ifndef ZINGQ_ENGINE_CUT_H
#define ZINGQ_ENGINE_CUT_H

#include "event/event.h"

/* Signals that come as messages: <this>SERVICE/KEY/NAME. */
#define ENGINE_SIGNAL_TOPIC "zingq/signal/"

/* Keeps `room` bytes of its payload and of its properties at most; with none it keeps nothing but
 * its topic, its key and its numbers. Takes the event over; NULL when out of memory. */
struct event *engine_cut(struct event *event, size_t room);
/* Whether the dead event is a signal that could not be. */
bool engine_is_signal_letter(const struct event *event);
/* ERR_INVALID (r): only the beginning of its payload is left, and nobody has edited it since. */
int engine_check_whole(const struct event *event, struct report *r);

#endif

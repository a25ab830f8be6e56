/*
 * cut.h - what is left of a message that cannot become work, and how it is known.
 */
#ifndef ZINGQ_ENGINE_CUT_H
#define ZINGQ_ENGINE_CUT_H

#include "event/event.h"

/* Signals that come as messages: <this>SERVICE/KEY/NAME. */
#define ENGINE_SIGNAL_TOPIC "zingq/signal/"

/* Keeps at most `room` bytes of the payload and of the properties; if it is 0, only the topic, the
 * key and the numbers. Takes the event over; NULL when out of memory. */
struct event *engine_cut(struct event *event, size_t room);
/* True if the dead event is a signal that could not be delivered. */
bool engine_is_signal_letter(const struct event *event);
/* ERR_INVALID (r): only the beginning of the payload is left, and it was not edited since. */
int engine_check_whole(const struct event *event, struct report *r);

#endif

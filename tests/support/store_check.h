/*
 * store_check.h - whether what a store holds fits what its engine says.
 *
 * Every waiting event has exactly one row, in `ready` or in `lane`; one that has ended has none,
 * unless it is parked. Only the head of a lane may wait or be parked, and each waiting one has one
 * timer, unless it waits for a signal for good. A delayed publish has a timer and is found by its
 * id. Lane rows stand in front of the ready rows of their lane. Locks, values and signals that run
 * out have a timer each. Histories and steps belong to events. The books count the same events.
 */
#ifndef ZINGQ_TEST_STORE_CHECK_H
#define ZINGQ_TEST_STORE_CHECK_H

#include "engine/engine.h"

#include <stdbool.h>

enum { STORE_CHECK_BYTES = 500 };

/* Between two turns, after one that was stored; `journal` reads the engine's store. The first thing
 * that does not fit, as a sentence in `why`; false when there is one. */
bool store_check(struct journal *journal, struct engine *engine, const struct conf *conf,
                 char why[STORE_CHECK_BYTES]);

#endif

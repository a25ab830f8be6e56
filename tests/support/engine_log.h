/*
 * engine_log.h - the log of a fixture's store: it is trimmed all the time, so that what a test leaves
 * behind is said by a snapshot and the turns after it.
 */
#ifndef ZINGQ_TEST_ENGINE_LOG_H
#define ZINGQ_TEST_ENGINE_LOG_H

#include "engine_fixture.h"

/* The store, just opened, has the log from now on; its code, with the sentence in f->report. */
int engine_log_use(struct engine_fixture *f);
/* After a turn. */
void engine_log_go_on(struct engine_fixture *f);
/* Before the store is closed. */
void engine_log_leave(struct engine_fixture *f);
/* Whatever a test has done: the store can be built from the log alone. */
void engine_log_check(struct engine_fixture *f);

#endif

/* engine_story.h - what a host and its operator do while a call fails (fault_plan.h): they try again. */
#ifndef TESTS_ENGINE_STORY_H
#define TESTS_ENGINE_STORY_H

#include "engine_fixture.h"

/* A host that does not start says why, and the next start works. */
void story_start(struct engine_fixture *f);
/* What was not done is asked for again: whoever is told of an error can rely on that. `run_through`: turns, which may fail, until
 * nothing is due. */
void story_order(struct engine_fixture *f, struct command command,
                 void (*run_through)(struct engine_fixture *f));

#endif

/*
 * engine_doors.h - the doors of an engine_fixture, for engine_fixture.c.
 */
#ifndef TESTS_ENGINE_DOORS_H
#define TESTS_ENGINE_DOORS_H

#include "engine_fixture.h"

enum { FIXTURE_IDS = 1 << 18 }; /* of fixture->ids */

struct engine_doors fixture_doors(struct engine_fixture *f);
/* A terminated copy; the test fails when there is no memory. */
char *fixture_copy(const char *data, size_t len);
/* Room for one more in a growing array. */
void *fixture_grow(void *items, size_t count, size_t *cap, size_t size);

#endif

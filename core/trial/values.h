/*
 * values.h - JSON as values of a test's own Lua state. (lua/json.h and lua/document.h count what
 * they do against a handler's limits, which a test has not.)
 *
 * Whole numbers are integers; null is test.null, the light userdata NULL; an empty table is an
 * object, unless it carries the metatable VALUES_ARRAY.
 */
#ifndef ZINGQ_TRIAL_VALUES_H
#define ZINGQ_TRIAL_VALUES_H

#include "base/json.h"

#include <lua.h>

#define VALUES_ARRAY "zingq.test.array"

/* Pushes the value. Raises when out of memory. */
void values_push(lua_State *L, const json_t *value);
/* The value at `index`, the caller's; NULL with the reason in r. Raises when out of memory only. */
json_t *values_read(lua_State *L, int index, struct report *r);

#endif

/*
 * bind_look.h - how test.lua looks into a world's store: state, locks, events, files.
 */
#ifndef ZINGQ_TRIAL_BIND_LOOK_H
#define ZINGQ_TRIAL_BIND_LOOK_H

#include <lua.h>

/* The name of a world's metatable. */
#define BIND_WORLD "zingq.test.world"

/* Adds the methods to the metatable on top. */
void bind_look_open(lua_State *L);

#endif

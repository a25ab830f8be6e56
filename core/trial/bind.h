/*
 * bind.h - what test.lua knows of C: a world, JSON, durations. test.lua makes of it what tests see.
 */
#ifndef ZINGQ_TRIAL_BIND_H
#define ZINGQ_TRIAL_BIND_H

#include <lua.h>

/* What the worlds of one test share; borrowed. */
struct bind {
    const char *conf_file;
    const char *folder; /* for their stores */
    unsigned worlds;    /* made so far */
};

/* Pushes the table of functions. */
void bind_open(lua_State *L, struct bind *bind);

#endif

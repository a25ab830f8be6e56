/*
 * api.h - what handlers can call: the `zing` table.
 */
#ifndef ZINGQ_LUA_API_API_H
#define ZINGQ_LUA_API_API_H

#include "lua/script.h"

/* For script_host_new. */
extern const struct script_library api_library;

#endif

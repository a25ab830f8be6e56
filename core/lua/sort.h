/*
 * sort.h - sorts a list of Lua values with n log n comparisons, whatever its order, and charges for
 * it.
 */
#ifndef ZINGQ_LUA_SORT_H
#define ZINGQ_LUA_SORT_H

#include <lua.h>
#include <stdbool.h>

/* Sorts the items 1 to n of the table at `index`, raw. before(L) says whether the value at -2 comes
 * before the one on top, and must leave the stack unchanged. Passes its errors on: the list then
 * has the same items, in some order. */
void sort_list(lua_State *L, int index, lua_Integer n, bool (*before)(lua_State *L));

#endif

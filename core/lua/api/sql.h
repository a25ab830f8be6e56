/*
 * sql.h - statements for a database, for the files of zing.sql. All of it may raise.
 */
#ifndef ZINGQ_LUA_API_SQL_H
#define ZINGQ_LUA_API_SQL_H

#include "lua/run.h"

#include <lua.h>

/* zing.sql(database, statement, params, options), from stack position 1 on. */
int sql_statement(lua_State *L);
/* The database named at `index`, which the run's service may use. */
const struct database_conf *sql_check_database(lua_State *L, const struct run *run, int index);
/* How a statement of the handler is executed at this point. */
enum sql_scope sql_scope_of(const struct run *run);
/* Fills run->request, which is new, but for its parameters. */
void sql_fill_request(lua_State *L, struct run *run, const struct database_conf *d,
                      struct slice statement, enum sql_scope scope);
/* Whether a repetition changes nothing about that error. */
bool sql_is_final(const struct call_result *result);
/* Raises what went wrong; the label of the statement is at `label`. */
int sql_raise(lua_State *L, const struct call_result *result, int label);
/* Pushes a bytea, which came as text. */
void sql_push_bytes(lua_State *L, struct slice text);
/* Raises that there is no memory, unless there was. */
void sql_need_memory(lua_State *L, bool had);

#endif

/*
 * api.c - what handlers can call: the table of subjects.
 */
#include "lua/api/api.h"

#include "lua/api/subjects.h"

#include <assert.h>

static void (*const subjects[])(lua_State *L) = {
    api_open_event, api_open_basics, api_open_json,   api_open_log,     api_open_publish,
    api_open_state, api_open_lock,   api_open_end,    api_open_http,    api_open_mail,
    api_open_step,  api_open_wait,   api_open_crypto, api_open_webhook, api_open_sql,
};

static void open_all(lua_State *L) {
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        int top = lua_gettop(L);
        subjects[i](L);
        assert(lua_gettop(L) == top);
        (void)top;
    }
}

const struct script_library api_library = {
    .open = open_all,
    .open_print = api_open_print,
    .push_event = api_push_event,
    .push_events = api_push_events,
    .push_lock = api_push_lock_event,
    .undo = api_undo,
};

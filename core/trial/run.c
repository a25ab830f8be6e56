/*
 * run.c - see trial/run.h.
 *
 * A test is code of the handler's own author: it has all of Lua. A hook ends it when it runs for
 * longer than it may, or when the program is to end: its stores are removed then.
 */
#include "trial/run.h"

#include "base/clock.h"
#include "base/embedded.h"
#include "conf/conf.h"
#include "trial/bind.h"
#include "trial/values.h"

#include <assert.h>
#include <lauxlib.h>
#include <lualib.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

enum { INSTRUCTIONS_A_LOOK = 10000, NS_PER_MS = 1000000 };

/* One run, while it lasts. */
struct run_of_test {
    struct bind bind;
    const struct run_place *place;
    const char *file;
    size_t number;
    const json_t *plan;
    json_t *outcome;
};

static volatile sig_atomic_t interrupted;
static int64_t end_ns; /* monotonic: when the test that runs has had its time */
static int64_t time_ms;

static void on_signal(int number) {
    (void)number;
    interrupted = 1;
}

void run_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool run_interrupted(void) {
    return interrupted != 0;
}

static void look_at_time(lua_State *L, lua_Debug *unused) {
    (void)unused;
    if (interrupted) {
        luaL_error(L, "interrupted");
    } else if (clock_monotonic_ns() > end_ns) {
        char text[32];
        end_ns += time_ms * NS_PER_MS; /* for what ends it */
        luaL_error(L, "the test takes longer than %s (--timeout)",
                   conf_duration_text(time_ms, text));
    }
}

/* ---- the kit ---- */

static const struct embedded *kit_file(const char *name) {
    const struct embedded *file = embedded_test_kit;
    while (file->path != NULL && strcmp(file->path, name) != 0) {
        file++;
    }
    assert(file->path != NULL);
    return file;
}

static void load_kit(lua_State *L, const char *name) {
    const struct embedded *file = kit_file(name);
    if (luaL_loadbuffer(L, file->data, file->len, "=test kit") != LUA_OK) {
        (void)lua_error(L);
    }
}

/* Pushes `test` and the function that runs a test. */
static void open_kit(lua_State *L, struct bind *bind) {
    load_kit(L, "test.lua");
    bind_open(L, bind);
    load_kit(L, "show.lua");
    lua_call(L, 0, 1);
    load_kit(L, "calls.lua");
    load_kit(L, "sql.lua");
    lua_call(L, 0, 1);
    lua_call(L, 1, 1);
    lua_call(L, 3, 2);
}

static void set_path(lua_State *L, const char *scripts_dir) {
    (void)lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", scripts_dir, scripts_dir);
    lua_setfield(L, -2, "path");
    lua_pop(L, 1);
}

/* ---- one run ---- */

static json_t *failure_of(const char *text) {
    json_t *outcome = json_pack("{s:[], s:{s:s}, s:[], s:{}}", "names", "failure", "text", text,
                                "points", "effects");
    return outcome;
}

static int protected_run(lua_State *L) {
    struct run_of_test *run = lua_touserdata(L, 1);
    struct report r = {""};
    luaL_openlibs(L);
    set_path(L, run->place->scripts_dir);
    open_kit(L, &run->bind);
    lua_pushvalue(L, -2);
    lua_setglobal(L, "test");
    struct stat st;
    if (stat(run->file, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe would wait for its writer */
        run->outcome = failure_of("it is not a regular file");
        return 0;
    }
    if (luaL_loadfile(L, run->file) != LUA_OK) {
        run->outcome = failure_of(lua_tostring(L, -1));
        return 0;
    }
    lua_pushinteger(L, (lua_Integer)run->number);
    if (run->plan != NULL) {
        values_push(L, run->plan);
    } else {
        lua_pushnil(L);
    }
    lua_call(L, 3, 1);
    run->outcome = values_read(L, -1, &r);
    if (run->outcome == NULL) {
        run->outcome = failure_of(r.text);
    }
    return 0;
}

json_t *run_test(const struct run_place *place, const char *file, size_t number,
                 const json_t *plan) {
    struct run_of_test run = {.bind = {.conf_file = place->conf_file, .folder = place->folder},
                              .place = place,
                              .file = file,
                              .number = number,
                              .plan = plan};
    lua_State *L = luaL_newstate();
    if (L == NULL) {
        return NULL;
    }
    time_ms = place->time_ms;
    end_ns = clock_monotonic_ns() + time_ms * NS_PER_MS;
    lua_sethook(L, look_at_time, LUA_MASKCOUNT, INSTRUCTIONS_A_LOOK);
    lua_pushcfunction(L, protected_run);
    lua_pushlightuserdata(L, &run);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK && run.outcome == NULL) {
        const char *text = lua_tostring(L, -1);
        run.outcome = failure_of(text == NULL ? "an error that is not a text" : text);
    }
    lua_close(L);
    return run.outcome;
}

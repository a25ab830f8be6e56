/*
 * routes.c - the result of a service's script as routes and roles: which function handles a topic.
 */
#include "lua/host.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* name in the table, role */
static const struct {
    const char *name;
    enum script_role role;
} reserved_names[] = {
    {"on_lock_expired", ROLE_ON_LOCK_EXPIRED},
    {"on_dead", ROLE_ON_DEAD},
};

int script_role_of(const char *name) {
    for (size_t i = 0; i < sizeof reserved_names / sizeof reserved_names[0]; i++) {
        if (strcmp(name, reserved_names[i].name) == 0) {
            return (int)reserved_names[i].role;
        }
    }
    return -1;
}

void script_take_role(lua_State *L, struct script_code *code, enum script_role role) {
    code->roles[role] = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void add_route(lua_State *L, struct script_code *code, const char *file) {
    size_t len;
    const char *filter = lua_tolstring(L, -2, &len);
    struct report r = {""};
    if (strlen(filter) != len || filter_check(filter, &r) != 0) {
        luaL_error(L, "scripts/%s: \"%s\" is neither a topic filter nor a reserved name: %s", file,
                   filter, r.text);
    }
    if (code->route_count >= FILTERS_MAX) {
        luaL_error(L, "scripts/%s: more than %d topic filters", file, FILTERS_MAX);
    }
    struct script_route *routes = realloc(code->routes, (code->route_count + 1) * sizeof *routes);
    if (routes == NULL) {
        (void)script_raise_lack(L, ERR_MEMORY, lua_pushfstring(L, "scripts/%s", file));
        return;
    }
    code->routes = routes;
    struct script_route *route = &routes[code->route_count];
    *route = (struct script_route){.len = len, .function = LUA_NOREF};
    route->filter = slice_dup((struct slice){filter, len});
    if (route->filter == NULL) {
        (void)script_raise_lack(L, ERR_MEMORY, lua_pushfstring(L, "scripts/%s", file));
    }
    route->wildcard = strpbrk(filter, "+#") != NULL;
    code->route_count++;
    route->function =
        luaL_ref(L, LUA_REGISTRYINDEX); /* may raise; the code owns what it has by then */
}

/* 0 literal, 1 '+', 2 '#' or the end */
static int level_rank(const char *at) {
    return *at == '\0' || *at == '#' ? 2 : *at == '+';
}

static const char *next_level(const char *at) {
    at += strcspn(at, "/");
    return *at == '/' ? at + 1 : at;
}

/* Filters without a wildcard come first, then those with +, then those with #. Within a group, the
 * first level at which only one of them is literal decides. */
static int compare_routes(const void *a, const void *b) {
    const char *x = ((const struct script_route *)a)->filter;
    const char *y = ((const struct script_route *)b)->filter;
    int kind_x = strchr(x, '#') != NULL ? 2 : strchr(x, '+') != NULL;
    int kind_y = strchr(y, '#') != NULL ? 2 : strchr(y, '+') != NULL;
    if (kind_x != kind_y) {
        return kind_x - kind_y;
    }
    const char *at_x = x, *at_y = y;
    while (*at_x != '\0' || *at_y != '\0') {
        int order = level_rank(at_x) - level_rank(at_y);
        if (order != 0) {
            return order;
        }
        at_x = next_level(at_x);
        at_y = next_level(at_y);
    }
    return strcmp(x, y);
}

void script_take_table(lua_State *L, struct script_code *code, const char *file) {
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "scripts/%s: the table it returns has a key that is not a topic filter",
                       file);
        }
        const char *name = lua_tostring(L, -2);
        if (!lua_isfunction(L, -1)) {
            luaL_error(L, "scripts/%s: [\"%s\"] is a %s, not a function", file, name,
                       luaL_typename(L, -1));
        }
        int role = script_role_of(name);
        if (role >= 0) {
            script_take_role(L, code, (enum script_role)role);
        } else {
            add_route(L, code, file);
        }
    }
    if (code->route_count > 1) {
        qsort(code->routes, code->route_count, sizeof *code->routes, compare_routes);
    }
}

int script_route_for(const struct script_code *code, struct slice topic) {
    for (size_t i = 0; i < code->route_count; i++) {
        const struct script_route *route = &code->routes[i];
        bool match = route->wildcard
                         ? filter_matches(route->filter, topic.data)
                         : slice_equal((struct slice){route->filter, route->len}, topic);
        if (match) {
            return route->function;
        }
    }
    return code->roles[ROLE_ANY];
}

void script_code_free(struct script_code *code) {
    if (code == NULL) {
        return;
    }
    for (size_t i = 0; i < code->route_count; i++) {
        free(code->routes[i].filter);
    }
    for (size_t i = 0; i < code->file_count; i++) {
        free(code->files[i].name);
    }
    free(code->routes);
    free(code->files);
    free(code);
}

/*
 * route.c - see io/httpd/route.h. There are few rows, so a linear search is fast enough.
 */
#include "io/httpd/route.h"

#include <stdio.h>
#include <string.h>

static struct parts split(const char *path) {
    struct parts parts = {.count = 0};
    while (*path == '/' && parts.count < sizeof parts.at / sizeof *parts.at) {
        path++;
        size_t len = strcspn(path, "/");
        parts.at[parts.count++] = (struct slice){path, len};
        path += len;
    }
    return parts;
}

static bool matches(const char *pattern, const struct parts *parts) {
    size_t i = 0;
    for (; *pattern == '/' && i < parts->count; i++) {
        pattern++;
        struct slice wanted = {pattern, strcspn(pattern, "/")};
        if (slice_is(wanted, "**")) {
            return true;
        }
        if (!slice_is(wanted, "*") && !slice_equal(wanted, parts->at[i])) {
            return false;
        }
        pattern += wanted.len;
    }
    return *pattern == '\0' && i == parts->count;
}

bool route_find(const struct route_table *table, const char *method, const char *path,
                struct call *call) {
    struct parts parts = split(path);
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    call->table = table;
    call->route = NULL;
    call->allowed = false;
    call->parts = parts;
    for (size_t i = 0; i < table->count && !call->allowed; i++) {
        const struct route *route = &table->rows[i];
        bool allowed = strcmp(route->method, wanted) == 0;
        if (matches(route->pattern, &parts) && (allowed || call->route == NULL)) {
            call->route = route;
            call->allowed = allowed;
        }
    }
    return call->route != NULL;
}

/* True if some row has this path and method. */
static bool knows(const struct call *call, const char *method) {
    for (size_t i = 0; i < call->table->count; i++) {
        const struct route *route = &call->table->rows[i];
        if (strcmp(route->method, method) == 0 && matches(route->pattern, &call->parts)) {
            return true;
        }
    }
    return false;
}

void route_refuse(const struct call *call) {
    if (call->route == NULL) {
        gateway_answer_error(call->request, 404, NULL, "no such path: see docs/http.md");
        return;
    }
    bool get = knows(call, "GET");
    bool post = knows(call, "POST");
    const char *both = get && post ? ", " : "";
    char allow[64];
    (void)snprintf(allow, sizeof allow, "Allow: %s%s%s\n", get ? "GET, HEAD" : "", both,
                   post ? "POST" : "");
    gateway_answer_error(call->request, 405, allow, get ? "use GET" : "use POST");
}

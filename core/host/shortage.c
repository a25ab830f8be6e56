/*
 * shortage.c - resources that this machine is short of: descriptors for clients and calls, files
 * that cannot be written. For status, the metrics, and the doors that ask for room.
 */
#include "host/shortage.h"

#include <inttypes.h>
#include <string.h>

bool host_make_room(void *ctx) {
    struct host *h = ctx;
    bool calls = h->fetch != NULL && fetch_close_idle(h->fetch);
    return (h->pg != NULL && pg_close_idle(h->pg)) || calls;
}

static void tell_door(const struct gateway *g, const char *name, host_tell *tell, void *ctx) {
    struct gateway_state state;
    struct report r;
    gateway_look(g, &state);
    if (state.shortage != 0) {
        (void)report(&r, 0,
                     "%s cannot accept connections: %s (%zu are open, %" PRIu64
                     " were refused since the start): raise the limit of open files",
                     name, strerror(state.shortage), state.connections, state.refused);
        tell(ctx, false, r.text);
    }
}

static void tell_databases(const struct host *h, host_tell *tell, void *ctx) {
    for (size_t i = 0; i < h->conf->database_count; i++) {
        struct pg_state state = pg_look(h->pg, i);
        struct report r;
        if (state.error != NULL) {
            (void)report(&r, 0, "database \"%s\" cannot be reached: %s", state.name, state.error);
            tell(ctx, false, r.text);
        }
    }
}

void host_each_shortage(const struct host *h, host_tell *tell, void *ctx) {
    struct engine_status status;
    struct report r;
    if (h->tcp != NULL) {
        tell_door(h->tcp, "the front door", tell, ctx);
    }
    if (h->socket != NULL) {
        tell_door(h->socket, "the socket for commands", tell, ctx);
    }
    size_t calls = fetch_waiting_for_descriptors(h->fetch);
    if (calls > 0) {
        (void)report(&r, 0,
                     "%zu calls of handlers wait for a file descriptor: raise the limit of open "
                     "files",
                     calls);
        tell(ctx, false, r.text);
    }
    tell_databases(h, tell, ctx);
    engine_status(h->engine, &status);
    calls = status.calls_starved + fetch_paused(h->fetch) + pg_paused(h->pg);
    if (status.starved > 0 || calls > 0) {
        (void)report(&r, 0,
                     "memory is short: events of %zu services and %zu calls wait: raise "
                     "limits.memory",
                     status.starved, calls);
        tell(ctx, false, r.text);
    }
    if (status.append_file != NULL) {
        (void)report(&r, 0, "%" PRIu64 " lines of zing.append wait: files/%s cannot be written: %s",
                     status.append_waiting, status.append_file, strerror(status.append_error));
        tell(ctx, false, r.text);
    }
}

struct door_row {
    const char *name, *type, *help;
    uint64_t (*of)(const struct gateway_state *state);
};

static uint64_t connections(const struct gateway_state *state) {
    return state->connections;
}

static uint64_t connections_max(const struct gateway_state *state) {
    return state->connections_max;
}

static uint64_t shortages(const struct gateway_state *state) {
    return state->shortages;
}

static uint64_t refused(const struct gateway_state *state) {
    return state->refused;
}

static const struct door_row door_rows[] = {
    {"zingq_http_connections", "gauge", "HTTP connections open", connections},
    {"zingq_http_connections_max", "gauge", "and their limit", connections_max},
    {"zingq_http_shortages_total", "counter", "how often no connection could be accepted",
     shortages},
    {"zingq_http_refused_total", "counter", "clients that got a 503 because of that", refused},
};

void host_shortage_metrics(const struct host *h, struct buf *out) {
    const struct {
        const char *name;
        const struct gateway *gateway;
    } doors[] = {{"front", h->tcp}, {"socket", h->socket}};
    for (size_t i = 0; i < sizeof door_rows / sizeof *door_rows; i++) {
        const struct door_row *row = &door_rows[i];
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, row->type);
        for (size_t d = 0; d < sizeof doors / sizeof *doors; d++) {
            struct gateway_state state;
            if (doors[d].gateway != NULL) {
                gateway_look(doors[d].gateway, &state);
                buf_printf(out, "%s{door=\"%s\"} %" PRIu64 "\n", row->name, doors[d].name,
                           row->of(&state));
            }
        }
    }
    buf_printf(out,
               "# HELP zingq_calls_waiting calls that wait for a file descriptor\n"
               "# TYPE zingq_calls_waiting gauge\nzingq_calls_waiting %zu\n",
               fetch_waiting_for_descriptors(h->fetch));
}

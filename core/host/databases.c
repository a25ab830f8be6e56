/*
 * databases.c - see host/databases.h.
 */
#include "host/databases.h"

#include <inttypes.h>

int host_open_databases(struct host *h,
                        void (*on_done)(void *ctx, uint64_t id, struct call_result *result)) {
    int code = pg_new(&h->pg, &h->loop, h->conf->databases, h->conf->database_count, h, on_done);
    if (code == 0) {
        pg_use_memory(h->pg, &h->memory);
    }
    return code;
}

void host_database_status(const struct host *h, json_t *object) {
    if (h->conf->database_count == 0) {
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; list != NULL && i < h->conf->database_count; i++) {
        struct pg_state s = pg_look(h->pg, i);
        json_t *one = json_pack("{s:s, s:i, s:i, s:i, s:i, s:s?}", "name", s.name, "pool",
                                (int)h->conf->databases[i].pool, "open", (int)s.open, "busy",
                                (int)s.busy, "waiting", (int)s.waiting, "error", s.error);
        (void)json_array_append_new(list, one);
    }
    (void)json_object_set_new(object, "databases", list);
}

static uint64_t open_of(const struct pg_state *s) {
    return s->open;
}

static uint64_t busy_of(const struct pg_state *s) {
    return s->busy;
}

static uint64_t waiting_of(const struct pg_state *s) {
    return s->waiting;
}

static uint64_t up_of(const struct pg_state *s) {
    return s->error == NULL ? 1 : 0;
}

void host_database_metrics(const struct host *h, struct buf *out) {
    static const struct {
        const char *name, *help;
        uint64_t (*of)(const struct pg_state *s);
    } rows[] = {
        {"zingq_database_connections", "connections to the database", open_of},
        {"zingq_database_busy", "of them, those with a statement under way", busy_of},
        {"zingq_database_waiting", "statements that wait for a connection", waiting_of},
        {"zingq_database_up", "0: the last attempt to connect failed", up_of},
    };
    for (size_t r = 0; h->conf->database_count > 0 && r < sizeof rows / sizeof *rows; r++) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", rows[r].name, rows[r].help,
                   rows[r].name);
        for (size_t i = 0; i < h->conf->database_count; i++) {
            struct pg_state s = pg_look(h->pg, i);
            buf_printf(out, "%s{database=\"%s\"} %" PRIu64 "\n", rows[r].name, s.name,
                       rows[r].of(&s));
        }
    }
}

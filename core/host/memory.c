/*
 * memory.c - see host/memory.h.
 */
#include "host/memory.h"

#include "base/json.h"

void host_memory_status(const struct host *h, json_t *host) {
    json_t *uses = json_pack("{s:I}", "limit", (json_int_t)h->conf->memory_bytes);
    size_t used = 0;
    int code = uses == NULL ? -1 : 0;
    for (unsigned use = 0; code == 0 && use < MEMORY_USES; use++) {
        used += h->memory.used[use];
        code = json_object_set_new(uses, memory_use_name((enum memory_use)use),
                                   json_integer((json_int_t)h->memory.used[use]));
    }
    code = code == 0 ? json_object_set_new(uses, "used", json_integer((json_int_t)used)) : code;
    if (code == 0) {
        (void)json_object_set_new(host, "memory", uses);
    } else {
        json_decref(uses);
    }
}

void host_memory_metrics(const struct host *h, struct buf *out) {
    struct engine_status status;
    engine_status(h->engine, &status);
    buf_add_str(out, "# HELP zingq_memory_bytes what is in use of limits.memory\n"
                     "# TYPE zingq_memory_bytes gauge\n");
    for (unsigned use = 0; use < MEMORY_USES; use++) {
        buf_printf(out, "zingq_memory_bytes{of=\"%s\"} %zu\n",
                   memory_use_name((enum memory_use)use), h->memory.used[use]);
    }
    buf_printf(out,
               "# HELP zingq_memory_limit_bytes limits.memory\n"
               "# TYPE zingq_memory_limit_bytes gauge\nzingq_memory_limit_bytes %llu\n"
               "# HELP zingq_services_starved services whose events wait for memory\n"
               "# TYPE zingq_services_starved gauge\nzingq_services_starved %zu\n"
               "# HELP zingq_calls_starved calls, and long answers, that wait for memory\n"
               "# TYPE zingq_calls_starved gauge\nzingq_calls_starved %zu\n",
               (unsigned long long)h->conf->memory_bytes, status.starved,
               status.calls_starved + fetch_paused(h->fetch) + pg_paused(h->pg));
}

/*
 * division.c - GET /api/division: how the hosts that divide the keys are doing, a row each.
 */
#include "web/admin/impl.h"

#include "base/json.h"

/* What is added up: of a host's services here, of hosts by whoever shows them. */
static const char *const figures[] = {"waiting", "inflight", "retrying",  "sleeping",
                                      "dead",    "done",     "rate_1min", "failures_1min"};

static json_t *member(const json_t *object, const char *name) {
    return json_incref(json_object_get(object, name));
}

/* The figures of one service. NULL when out of memory. */
static json_t *service_row(const json_t *service) {
    json_t *row = json_pack("{s:o, s:o}", "name", member(service, "name"), "paused",
                            member(service, "paused"));
    for (size_t i = 0; row != NULL && i < sizeof figures / sizeof *figures; i++) {
        if (json_object_set(row, figures[i], json_object_get(service, figures[i])) != 0) {
            json_decref(row);
            return NULL;
        }
    }
    return row;
}

static bool add_sums(json_t *row, const json_t *services) {
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        json_int_t sum = 0;
        size_t i;
        const json_t *service;
        json_array_foreach(services, i, service) {
            sum += json_integer_value(json_object_get(service, figures[f]));
        }
        if (json_object_set_new(row, figures[f], json_integer(sum)) != 0) {
            return false;
        }
    }
    return true;
}

/* NULL when out of memory. */
static json_t *host_row(struct admin *a) {
    json_t *status = admin_status_json(a);
    const json_t *services = json_object_get(status, "services");
    const json_t *verdict = json_object_get(status, "verdict");
    json_t *list = json_array();
    size_t i;
    const json_t *service;
    json_array_foreach(services, i, service) {
        if (json_array_append_new(list, service_row(service)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    json_t *row =
        json_pack("{s:i, s:o, s:o, s:o, s:o}", "host", (int)a->options.conf->hosts.share.place,
                  "level", member(verdict, "level"), "text", member(verdict, "text"), "outbox",
                  member(json_object_get(status, "engine"), "outbox"), "services", list);
    if (row != NULL && !add_sums(row, services)) {
        json_decref(row);
        row = NULL;
    }
    json_decref(status);
    return row;
}

void admin_show_division(void *ctx, const struct call *call) {
    static const struct gather_kind kind = {&merge_by_host, PARTITIONS, false};
    struct admin *a = ctx;
    if (!admin_gather(a, &kind, call)) {
        gateway_answer_json(call->request, 200, NULL, json_pack("[o]", host_row(a)));
    }
}

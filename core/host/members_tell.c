/*
 * members_tell.c - the list of hosts, for status, the metrics and the log.
 */
#include "host/members.h"

#include "query/json.h"

#include <string.h>

static json_t *names_of(const struct presence *p, bool held) {
    json_t *names = json_array();
    for (size_t i = 0; i < p->service_count; i++) {
        if (!held || p->services[i].held) {
            (void)json_array_append_new(names, json_string(p->services[i].name));
        }
    }
    return names;
}

static json_t *member_json(const struct presence *p, const char *state, bool self,
                           uint16_t stood_in_by) {
    json_t *one = json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:o, s:o, s:b}", "host", p->host,
                            "group", p->group, "count", (int)p->share.count, "this",
                            (int)p->share.place, "version", p->version, "state", state, "services",
                            names_of(p, false), "held", names_of(p, true), "self", (int)self);
    if (one != NULL) {
        (void)look_json_wall_time(one, "since", p->since_ms);
        (void)json_object_set_new(one, "stood_in_by",
                                  stood_in_by == 0 ? json_null() : json_integer(stood_in_by));
    }
    return one;
}

/* The state that the broker should show for us. */
static const char *own_state(const struct host *h) {
    if (!mqtt_session(h->subscriber)->connected) {
        return "gone";
    }
    return presence_state_name(members_self(h->members.table)->state);
}

void host_members_status(const struct host *h, json_t *object) {
    const struct members *table = h->members.table;
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    json_t *hosts = json_array();
    (void)json_array_append_new(hosts, member_json(members_self(table), own_state(h), true, 0));
    for (size_t i = 0; i < members_count(table); i++) {
        const char *state = member_view_name(members_view(table, i, now_ms));
        uint16_t by = members_stood_in_by(table, i, now_ms);
        (void)json_array_append_new(hosts, member_json(members_at(table, i), state, false, by));
    }
    (void)json_object_set_new(object, "hosts", hosts);
    (void)json_object_set_new(object, "hosts_known", json_boolean(host_members_known(h)));
}

void host_members_counts(const struct host *h, size_t *up, size_t *silent, size_t *gone) {
    const struct members *table = h->members.table;
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    *up = mqtt_session(h->subscriber)->connected && h->members.decided ? 1 : 0;
    *silent = *gone = 0;
    for (size_t i = 0; i < members_count(table); i++) {
        enum member_view view = members_view(table, i, now_ms);
        *up += view == MEMBER_UP ? 1 : 0;
        *silent += view == MEMBER_SILENT ? 1 : 0;
        *gone += view == MEMBER_GONE ? 1 : 0;
    }
}

void host_members_metrics(const struct host *h, struct buf *out) {
    size_t up = 0;
    size_t silent = 0;
    size_t gone = 0;
    host_members_counts(h, &up, &silent, &gone);
    buf_printf(out,
               "# HELP zingq_hosts hosts known by their presence, including this one\n"
               "# TYPE zingq_hosts gauge\n"
               "zingq_hosts{state=\"up\"} %zu\n"
               "zingq_hosts{state=\"silent\"} %zu\n"
               "zingq_hosts{state=\"gone\"} %zu\n"
               "# HELP zingq_hosts_known 1 while this host can see the others\n"
               "# TYPE zingq_hosts_known gauge\nzingq_hosts_known %d\n"
               "# HELP zingq_services_held services that take no events because of another host\n"
               "# TYPE zingq_services_held gauge\nzingq_services_held %zu\n",
               up, silent, gone, host_members_known(h) ? 1 : 0, h->members.held);
}

void host_each_stranger(const struct host *h, host_tell *tell, void *ctx) {
    const struct strangers *s = &h->members.strangers;
    struct report r;
    for (size_t i = 0; i < s->count; i++) {
        tell(ctx, false, host_stranger_text(s->topics[i], &r));
    }
}

/* A host that shares messages with us, gone without having left: the broker goes on giving it its
 * share. Hosts that divide the keys stand in for it. */
static void tell_ghosts(const struct host *h, host_tell *tell, void *ctx) {
    const struct members *table = h->members.table;
    int64_t now_ms = (int64_t)uv_now(&h->loop);
    struct report r;
    for (size_t i = 0; i < members_count(table) && !h->conf->broker.alone; i++) {
        const struct presence *p = members_at(table, i);
        enum member_view view = members_view(table, i, now_ms);
        bool away = view == MEMBER_GONE || view == MEMBER_SILENT;
        if (away && p->share.count <= 1 && !p->alone && members_may_share(table, p)) {
            /* Without a client id of topics.conf, it is that of the data folder. */
            size_t len = strlen(p->id);
            bool own = len > strlen(p->host) && strcmp(p->id + len - strlen(p->host), p->host) == 0;
            (void)report(&r, 0,
                         "host %s is gone, but has not left: the broker keeps its share of the "
                         "messages for it; start it again or, if its data folder is gone, `zingq "
                         "leave --client-id %s%s`",
                         p->host, own ? "zingq-" : "", own ? p->id : p->host);
            tell(ctx, false, r.text);
        }
    }
}

void host_each_conflict(const struct host *h, host_tell *tell, void *ctx) {
    const struct host_members *p = &h->members;
    const struct presence *self = members_self(p->table);
    struct report r;
    for (size_t i = 0; i < self->service_count; i++) {
        if (p->shares[i].held && members_must_hold(p->table, i, (int64_t)uv_now(&h->loop), &r)) {
            tell(ctx, true, r.text);
        }
    }
    if (p->keyed && host_members_unknown(h, &r)) {
        tell(ctx, false, r.text);
    }
    tell_ghosts(h, tell, ctx);
    if (!p->decided && !p->refused && mqtt_session(h->subscriber)->connected) {
        tell(ctx, true, "no events are taken until it is certain that no other host takes them");
    }
}

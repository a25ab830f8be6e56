/*
 * command.c - turns a request into a command of the engine; the answer waits for the commit.
 */
#include "web/admin/impl.h"

#include "event/span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The command of a request, and the bytes that it borrows. */
struct pending {
    struct order order; /* first, so that a pointer to it is a pointer to its struct pending */
    struct gateway_request *request;
    char *service, *key, *name, *who, *topic, *payload, *content_type, *once;
    struct buf properties;
    struct buf notes;
};

/* NULL when out of memory. */
static struct pending *pending_new(struct gateway_request *request, enum command_kind kind) {
    struct pending *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->request = request;
    p->order.command.kind = kind;
    p->order.command.notes = &p->notes;
    buf_init(&p->properties, GATEWAY_BODY_BYTES_MAX);
    buf_init(&p->notes, NOTES_BYTES_MAX);
    return p;
}

static void pending_free(struct pending *p) {
    if (p == NULL) {
        return;
    }
    free(p->service);
    free(p->key);
    free(p->name);
    free(p->who);
    free(p->topic);
    free(p->payload);
    free(p->content_type);
    buf_clear(&p->properties);
    buf_clear(&p->notes);
    free(p->once);
    free(p);
}

/* `status` is the path for following the job. */
static void answer_published(struct gateway_request *request, const struct uuid *made) {
    char id[UUID_TEXT_BYTES + 1];
    char path[64];
    (void)snprintf(path, sizeof path, "/api/events/%s", uuid_text(made, id));
    gateway_answer_json(request, 202, NULL, json_pack("{s:s, s:s}", "id", id, "status", path));
}

/* A list of the lines, NULL when out of memory. */
static json_t *lines_json(struct slice lines) {
    json_t *array = json_array();
    while (array != NULL && lines.len > 0) {
        struct slice line = slice_first_line(lines);
        json_t *text = json_stringn(line.data, line.len);
        if (text == NULL || json_array_append_new(array, text) != 0) {
            json_decref(array);
            return NULL;
        }
        size_t used = line.len < lines.len ? line.len + 1 : line.len;
        lines = (struct slice){lines.data + used, lines.len - used};
    }
    return array;
}

static void answer_command(struct admin *a, struct order *order) {
    (void)a;
    struct pending *p = (struct pending *)order;
    const struct command *command = &order->command;
    if (command->code != 0) {
        gateway_answer_error(p->request, admin_status_of(command->code), NULL,
                             command->report.text);
    } else if (command->kind == COMMAND_PUBLISH) {
        answer_published(p->request, &command->made);
    } else if (p->notes.len > 0) {
        gateway_answer_json(
            p->request, 200, NULL,
            json_pack("{s:b, s:o}", "ok", 1, "notes", lines_json(buf_slice(&p->notes))));
    } else {
        gateway_answer_json(p->request, 200, NULL, json_pack("{s:b}", "ok", 1));
    }
    pending_free(p);
}

void admin_command_done(struct admin *a, struct command *command) {
    struct order *order = command->owner;
    order->done(a, order);
}

void admin_submit(struct admin *a, struct order *order) {
    order->command.owner = order;
    engine_submit(a->engine, &order->command);
    a->options.hooks.wake(a->options.hooks.ctx);
}

/* Whether the property is none that a publisher may give. */
static bool is_reserved(const char *pair) {
    return strncmp(pair, "zingq-", 6) == 0 && strncmp(pair, "zingq-key=", 10) != 0 &&
           strncmp(pair, "zingq-priority=", 15) != 0;
}

/* The trace that the request belongs to goes on with the publish, unless its properties name one; what
 * is no trace context is ignored, as the recommendation asks for. */
static void add_trace(struct buf *properties, const struct gateway_request *request) {
    struct slice given;
    struct slice parent = slice_of(gateway_header(request, "traceparent"));
    struct slice state = slice_of(gateway_header(request, "tracestate"));
    struct span_context context;
    if (property_find(buf_slice(properties), "traceparent", &given) ||
        !span_context_parse(parent, &context)) {
        return;
    }
    span_carry(&context, state, properties);
}

/* property0=NAME=VALUE, property1=... */
static bool fill_properties(struct pending *p, const struct gateway_request *request,
                            struct report *r) {
    char name[32];
    const char *pair = NULL;
    for (int i = 0; i < PROPERTIES_MAX; i++) {
        (void)snprintf(name, sizeof name, "property%d", i);
        pair = gateway_query(request, name);
        if (pair == NULL) {
            break;
        }
        size_t len = strcspn(pair, "=");
        if (len == 0 || pair[len] == '\0') {
            (void)report(r, ERR_INVALID, "%s is not NAME=VALUE: \"%s\"", name, pair);
            return false;
        }
        if (is_reserved(pair)) {
            (void)report(
                r, ERR_INVALID,
                "property \"%.*s\": names that begin with zingq- are ZingQueue's own; only "
                "zingq-key and zingq-priority may be given",
                (int)len, pair);
            return false;
        }
        property_add(&p->properties, (struct slice){pair, len}, slice_of(pair + len + 1));
    }
    return !p->properties.failed;
}

bool admin_find_priority(const struct gateway_request *request, const char **priority,
                         struct report *r) {
    const char *text = gateway_header(request, PRIORITY_HEADER);
    *priority = text;
    if (text != NULL && (text[0] < '0' || text[0] > '9' || text[1] != '\0')) {
        (void)report(r, ERR_INVALID, PRIORITY_HEADER " is a number from 0 to 9, not \"%.32s\"",
                     text);
        return false;
    }
    return true;
}

/* What is ours, beside the properties that were given: the trace, the priority and the idempotency
 * key; NULL: there is none. False when out of memory. */
static bool fill_own_properties(struct pending *p, const struct gateway_request *request,
                                const char *once, const char *priority) {
    add_trace(&p->properties, request);
    if (priority != NULL) {
        property_add(&p->properties, slice_of(PRIORITY_HEADER), slice_of(priority));
    }
    p->order.command.properties = buf_slice(&p->properties);
    return !p->properties.failed && admin_keep(&p->once, &p->order.command.once, slice_of(once));
}

static bool find_once(const struct gateway_request *request, const char **once, struct report *r) {
    *once = gateway_header(request, "Idempotency-Key");
    if (slice_of(*once).len > ONCE_BYTES_MAX) {
        (void)report(r, ERR_LIMIT, ONCE_TOO_LONG);
        return false;
    }
    return true;
}

static bool fill_publish(struct pending *p, const struct gateway_request *request,
                         struct report *r) {
    uint64_t qos = 1;
    uint64_t retain = 0;
    uint64_t after_ms = 0;
    const uint64_t most_ms = (uint64_t)PUBLISH_AFTER_DAYS_MAX * 24 * 3600 * 1000;
    if (!admin_option(request, "qos", 0, 1, 1, &qos, r) ||
        !admin_option(request, "retain", 0, 1, 0, &retain, r) ||
        !admin_option(request, "after_ms", 0, most_ms, 0, &after_ms, r)) {
        return false;
    }
    if (topic_check(p->topic, r) != 0) {
        return false;
    }
    p->order.command.qos = (uint8_t)qos;
    p->order.command.retain = retain != 0;
    p->order.command.after_ms = (int64_t)after_ms;
    const char *once = NULL;
    const char *priority = NULL;
    return find_once(request, &once, r) && fill_properties(p, request, r) &&
           admin_find_priority(request, &priority, r) &&
           fill_own_properties(p, request, once, priority);
}

/* True if the command names an event or a publish, not a service. */
static bool is_about_id(enum command_kind kind) {
    static const enum command_kind kinds[] = {COMMAND_REPLAY,       COMMAND_DISCARD,
                                              COMMAND_EDIT,         COMMAND_CANCEL,
                                              COMMAND_OUTBOX_RETRY, COMMAND_OUTBOX_DISCARD};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i] == kind) {
            return true;
        }
    }
    return false;
}

/* Flags that must be given explicitly. */
static bool fill_flags(struct command *c, const struct gateway_request *request, struct report *r) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"force", &c->force},
                 {"compensate", &c->compensate},
                 {"publish", &c->publish_only},
                 {"without_compensation", &c->without_compensation}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        uint64_t number;
        if (!admin_option(request, flags[i].name, 0, 1, 0, &number, r)) {
            return false;
        }
        *flags[i].flag = number != 0;
    }
    return true;
}

/* Names from the path or the query. */
static bool fill_names(struct pending *p, const struct call *call, struct report *r) {
    struct command *c = &p->order.command;
    struct slice named = call->parts.count > 2 ? call->parts.at[2] : slice_of(NULL);
    bool by_id = is_about_id(c->kind);
    if (by_id && !uuid_parse(named, &c->id)) {
        (void)report(r, ERR_INVALID, "\"%.*s\" is not an event id", (int)named.len, named.data);
        return false;
    }
    bool in_path = !by_id && named.data != NULL;
    struct slice service = in_path ? named : slice_of(gateway_query(call->request, "service"));
    return admin_keep(&p->service, &c->service, service) &&
           admin_keep(&p->key, &c->key, slice_of(gateway_query(call->request, "key"))) &&
           admin_keep(&p->name, &c->name, slice_of(gateway_query(call->request, "to"))) &&
           admin_keep(&p->who, &c->who, slice_of(gateway_who(call->request))) &&
           admin_keep(&p->topic, &c->topic, slice_of(gateway_query(call->request, "topic")));
}

static bool fill(struct pending *p, const struct call *call, struct report *r) {
    struct command *c = &p->order.command;
    const struct gateway_request *request = call->request;
    const char *type = gateway_query(request, "content_type");
    type = type != NULL ? type : gateway_header(request, "Content-Type");
    return fill_names(p, call, r) && fill_flags(c, request, r) &&
           admin_keep(&p->payload, &c->payload, gateway_body(request)) &&
           admin_keep(&p->content_type, &c->content_type, slice_of(type)) &&
           (c->kind != COMMAND_PUBLISH || fill_publish(p, request, r));
}

/* An endpoint refuses requests while its host accepts no events, and this host refuses what another
 * host's endpoint relays to it. A person may still publish. */
static bool is_full_for(const struct admin *a, const struct call *call) {
    return call->route->kind == COMMAND_PUBLISH && gateway_is_final(call->request) &&
           gateway_header(call->request, "Idempotency-Key") != NULL && !engine_accepts(a->engine);
}

void admin_command(void *ctx, const struct call *call) {
    struct admin *a = ctx;
    struct report r = {"out of memory"};
    if (is_full_for(a, call)) {
        gateway_answer_error(call->request, 503, NULL, BACKLOG_FULL);
        return;
    }
    struct pending *p = pending_new(call->request, (enum command_kind)call->route->kind);
    if (p == NULL || !fill(p, call, &r)) {
        gateway_answer_error(call->request, p == NULL ? 503 : 400, NULL, r.text);
        pending_free(p);
        return;
    }
    p->order.done = answer_command;
    admin_submit(a, &p->order);
}

void admin_command_publish(struct admin *a, struct gateway_request *request, const char *topic,
                           const char *once, const char *priority) {
    struct pending *p = pending_new(request, COMMAND_PUBLISH);
    struct command *c = p == NULL ? NULL : &p->order.command;
    bool kept = p != NULL && admin_keep(&p->topic, &c->topic, slice_of(topic)) &&
                admin_keep(&p->payload, &c->payload, gateway_body(request)) &&
                admin_keep(&p->content_type, &c->content_type, slice_of("application/json")) &&
                fill_own_properties(p, request, once, priority);
    if (!kept) {
        gateway_answer_error(request, 503, NULL, "out of memory");
        pending_free(p);
        return;
    }
    p->order.done = answer_command;
    c->qos = 1;
    admin_submit(a, &p->order);
}

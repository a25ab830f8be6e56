/*
 * readings.c - requests that read the store: one row per kind, with its start, its step and its
 * end.
 *
 * A list that does not fit ends with a cursor in the header Zingq-Next; when passed as ?before=,
 * the next list continues after the last item shown.
 */
#include "web/admin/impl.h"

#include "query/json.h"
#include "query/steps.h"
#include "journal/event.h"
#include "journal/keyed.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what filters have in common ---- */

static int refuse(struct report *report_out, int status, const char *text) {
    (void)report(report_out, ERR_INVALID, "%s", text);
    return status;
}

static int find_service(const struct reading *r, const char *name, uint16_t *service,
                        struct report *report_out) {
    if (look_service_number(r->journal, name, service) == 0) {
        return 0;
    }
    (void)report(report_out, ERR_NOTFOUND, "no service \"%.*s\" here", NAME_BYTES_MAX, name);
    return 404;
}

static int filter_service(const struct reading *r, bool *by_service, uint16_t *service,
                          struct report *report_out) {
    const char *name = gateway_query(r->request, "service");
    *by_service = name != NULL;
    return name == NULL ? 0 : find_service(r, name, service, report_out);
}

/* A copy of a query parameter that lives as long as the reading; NULL when it was not given. */
static const char *keep_query(struct reading *r, size_t place, const char *name) {
    r->text[place] = slice_dup(slice_of(gateway_query(r->request, name)));
    return gateway_query(r->request, name) == NULL ? NULL : r->text[place];
}

static int filter_key(struct reading *r, struct slice *key, bool *given,
                      struct report *report_out) {
    *key = slice_of(keep_query(r, 0, "key"));
    *given = gateway_query(r->request, "key") != NULL;
    return key->len > KEY_BYTES_MAX ? refuse(report_out, 400, "no key is that long") : 0;
}

static int parse_id(const char *text, struct uuid *id, struct report *report_out) {
    if (uuid_parse(slice_of(text), id)) {
        return 0;
    }
    (void)report(report_out, ERR_INVALID, "\"%.64s\" is not an event id", text);
    return 400;
}

static void nothing_to_clear(struct reading *r) {
    (void)r;
}

/* ---- events ---- */

static int begin_events(struct admin *a, struct reading *r, const char *name,
                        struct report *report_out) {
    (void)a;
    (void)name;
    struct look_filter filter = {.by_service = false};
    const char *state = gateway_query(r->request, "state");
    const char *before = gateway_query(r->request, "before");
    struct event_place place;
    int status = filter_service(r, &filter.by_service, &filter.service, report_out);
    status = status == 0 ? filter_key(r, &filter.key, &filter.by_key, report_out) : status;
    filter.topic = keep_query(r, 1, "topic");
    r->of.events.with_steps = gateway_query(r->request, "steps") != NULL;
    filter.by_state = state != NULL;
    if (status == 0 && filter.topic != NULL && filter_check(filter.topic, report_out) != 0) {
        status = 400;
    }
    if (status == 0 && state != NULL && !event_state_parse(state, &filter.state)) {
        status = refuse(report_out, 400, "state is " EVENT_STATES_TEXT);
    }
    if (status == 0 && before != NULL && !look_place_parse(before, &place)) {
        status = refuse(report_out, 400, "before must be an event id or the value of Zingq-Next");
    }
    look_walk_init(&r->of.events.walk, r->journal, &filter);
    if (status == 0 && before != NULL) {
        look_walk_after(&r->of.events.walk, &place);
    }
    return status;
}

/* NULL when out of memory, or when the store cannot be read. */
static json_t *event_with_steps(const struct reading *r, const struct event *event) {
    struct steps steps;
    json_t *object = look_event_json(r->journal, event, true);
    if (object == NULL || !r->of.events.with_steps) {
        return object;
    }
    if (steps_read(r->journal, event, &steps) != 0 ||
        json_object_set_new(object, "steps", steps_json(&steps, event)) != 0) {
        json_decref(object);
        object = NULL;
    }
    steps_clear(&steps);
    return object;
}

static void mark_event(struct reading *r) {
    struct event_place place = look_walk_place(&r->of.events.walk);
    if (!uuid_is_zero(&place.id)) {
        look_place_text(&place, r->next);
    }
}

static int step_events(struct admin *a, struct reading *r) {
    (void)a;
    struct look_walk *walk = &r->of.events.walk;
    struct event *event = NULL;
    int code = look_walk_next(r->journal, walk, &event);
    if (event != NULL && !admin_read_add(r, event_with_steps(r, event))) {
        code = ERR_MEMORY;
    }
    event_free(event);
    r->rows = walk->passed;
    if (code == 0 && admin_read_full(r)) {
        mark_event(r);
        code = ERR_NOTFOUND;
    }
    return code;
}

static void clear_events(struct reading *r) {
    look_walk_clear(&r->of.events.walk);
}

/* ---- one event, and everything that belongs to it ---- */

static int begin_trace(struct admin *a, struct reading *r, const char *name,
                       struct report *report_out) {
    (void)a;
    int status = parse_id(name, &r->of.trace.id, report_out);
    if (status == 0 && trace_init(&r->of.trace.trace, TRACE_BYTES_MAX, r->now_ms) != 0) {
        status = refuse(report_out, 503, "out of memory");
    }
    return status;
}

/* For a host that combines the answers of all hosts: since when something of ours has been on its
 * way to another host. */
static json_t *with_forwards(struct admin *a, json_t *trace) {
    int64_t since_ms = INT64_MAX;
    for (uint16_t host = 1; host <= a->options.conf->hosts.share.count; host++) {
        struct forwards_state waits;
        engine_look_at_forwards(a->engine, host, &waits);
        if (waits.rows > 0 && waits.oldest_ms < since_ms) {
            since_ms = waits.oldest_ms; /* 0: unknown, so assume the longest time */
        }
    }
    if (trace != NULL && since_ms != INT64_MAX) {
        (void)json_object_set_new(trace, "forwards_since_ms", json_integer(since_ms));
    }
    return trace;
}

static int step_trace(struct admin *a, struct reading *r) {
    struct trace *trace = &r->of.trace.trace;
    if (!r->of.trace.begun) {
        r->of.trace.begun = true;
        return trace_begin(trace, r->journal, &r->of.trace.id);
    }
    int code = trace_step(trace, r->journal);
    if (code == ERR_NOTFOUND && trace_found(trace)) {
        json_t *answer = trace_json(r->journal, trace);
        bool part = gateway_is_final(r->request) && a->options.ask != NULL;
        return admin_read_add(r, part ? with_forwards(a, answer) : answer) ? code : ERR_MEMORY;
    }
    return code;
}

static void clear_trace(struct reading *r) {
    trace_clear(&r->of.trace.trace);
}

/* ---- dead letters ---- */

static int filter_letters(struct reading *r, struct dead_filter *filter,
                          struct report *report_out) {
    filter->group = keep_query(r, 0, "group");
    if (filter->group != NULL && !dead_group_is_valid(filter->group)) {
        return refuse(report_out, 400, "group is 4 to 16 hex digits, as /api/dlq/groups shows");
    }
    return filter_service(r, &filter->by_service, &filter->service, report_out);
}

/* Parses "MS.ID.SERVICE": the row that a page ended with. */
static bool parse_row(const char *text, struct dead_row *row) {
    uint64_t dead_ms = 0;
    struct event_place place;
    text = admin_parse_number(text, 10, INT64_MAX, '.', &dead_ms);
    bool ok = text != NULL && look_place_parse(text, &place);
    if (ok) {
        row->dead_ms = (int64_t)dead_ms;
        row->id = place.id;
        row->service = place.service;
    }
    return ok;
}

static int begin_dead(struct admin *a, struct reading *r, const char *name,
                      struct report *report_out) {
    (void)a;
    (void)name;
    const char *before = gateway_query(r->request, "before");
    int status = filter_letters(r, &r->of.dead.walk.filter, report_out);
    r->of.dead.paged = before != NULL;
    if (status == 0 && before != NULL && !parse_row(before, &r->of.dead.before)) {
        status = refuse(report_out, 400, "before must be the value of Zingq-Next");
    }
    if (status == 0 && dead_newest_init(&r->of.dead.newest, r->limit) != 0) {
        status = refuse(report_out, 503, "out of memory");
    }
    return status;
}

static void mark_dead(struct reading *r) {
    const struct dead_row *row = &r->of.dead.newest.rows[r->at - 1];
    char id[UUID_TEXT_BYTES + 1];
    (void)snprintf(r->next, sizeof r->next, "%" PRId64 ".%s.%u", row->dead_ms,
                   uuid_text(&row->id, id), row->service);
}

static int show_dead(struct reading *r) {
    struct dead_newest *n = &r->of.dead.newest;
    struct event *event = NULL;
    if (r->at == n->count) {
        return ERR_NOTFOUND;
    }
    const struct dead_row *row = &n->rows[r->at++];
    int code = dead_event(r->journal, row, &event);
    if (code == 0 && !admin_read_add(r, dead_json(r->journal, row, event))) {
        code = ERR_MEMORY;
    }
    event_free(event);
    code = code == ERR_NOTFOUND ? 0 : code; /* deleted in the meantime */
    bool more = r->at < n->count || n->seen > n->count || n->cut;
    if (code == 0 && more && (r->at == n->count || r->out.len >= r->bytes_max)) {
        mark_dead(r);
        return ERR_NOTFOUND;
    }
    return code;
}

static int step_dead(struct admin *a, struct reading *r) {
    (void)a;
    struct dead_walk *walk = &r->of.dead.walk;
    bool matches = false;
    if (r->collected) {
        return show_dead(r);
    }
    int code = dead_walk_next(r->journal, walk, &matches);
    if (code == ERR_NOTFOUND) {
        r->collected = true;
        dead_newest_sort(&r->of.dead.newest);
        return 0;
    }
    bool shown = r->of.dead.paged && !dead_is_newer(&r->of.dead.before, &walk->row);
    if (code == 0 && shown) {
        dead_walk_down_to(walk, r->of.dead.before.dead_ms);
    } else if (matches) {
        dead_newest_note(&r->of.dead.newest, walk);
    }
    return code;
}

static void clear_dead(struct reading *r) {
    dead_newest_clear(&r->of.dead.newest);
}

static int begin_groups(struct admin *a, struct reading *r, const char *name,
                        struct report *report_out) {
    (void)a;
    (void)name;
    struct dead_filter filter = {.by_service = false};
    int status = filter_letters(r, &filter, report_out);
    if (status == 0 && dead_groups_init(&r->of.groups.groups, &filter) != 0) {
        status = refuse(report_out, 503, "out of memory");
    }
    return status;
}

static int show_group(struct reading *r) {
    const struct dead_groups *groups = &r->of.groups.groups;
    struct event *event = NULL;
    if (r->at == groups->count || admin_read_full(r)) {
        return ERR_NOTFOUND;
    }
    const struct dead_group *group = &groups->items[r->at++];
    int code = dead_event(r->journal, &group->newest, &event);
    struct slice reason =
        event == NULL ? slice_of("(deleted in the meantime)") : slice_first_line(event->reason);
    if ((code == 0 || code == ERR_NOTFOUND) &&
        !admin_read_add(r, dead_group_json(r->journal, group, reason))) {
        code = ERR_MEMORY;
    }
    event_free(event);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int step_groups(struct admin *a, struct reading *r) {
    (void)a;
    if (r->collected) {
        return show_group(r);
    }
    int code = dead_groups_step(r->journal, &r->of.groups.groups);
    if (code == ERR_NOTFOUND) {
        r->collected = true;
        r->rows = 0;
        dead_groups_sort(&r->of.groups.groups);
        return 0;
    }
    return code;
}

static void clear_groups(struct reading *r) {
    dead_groups_clear(&r->of.groups.groups);
}

static int begin_letter(struct admin *a, struct reading *r, const char *name,
                        struct report *report_out) {
    (void)a;
    struct dead_filter *filter = &r->of.letter.filter;
    int status = parse_id(name, &r->of.letter.id, report_out);
    return status != 0 ? status
                       : filter_service(r, &filter->by_service, &filter->service, report_out);
}

static int step_letter(struct admin *a, struct reading *r) {
    (void)a;
    struct event *event = NULL;
    struct life life;
    int code = dead_find(r->journal, &r->of.letter.filter, &r->of.letter.id, &event);
    code = code == 0 ? life_read(r->journal, event, &life) : code;
    if (code != 0) {
        return code;
    }
    bool added = admin_read_add(r, dead_letter_json(r->journal, &life));
    life_clear(&life);
    return added ? ERR_NOTFOUND : ERR_MEMORY; /* that was everything */
}

/* ---- keys ---- */

/* Parses "PARTITION.SERVICE.LANE". */
static bool parse_lane(const char *text, struct row *row) {
    uint64_t partition = 0;
    uint64_t service = 0;
    text = admin_parse_number(text, 10, PARTITIONS - 1, '.', &partition);
    text = admin_parse_number(text, 10, UINT16_MAX, '.', &service);
    text = admin_parse_number(text, 16, UINT64_MAX, '\0', &row->lane);
    row->partition = (uint8_t)partition;
    row->service = (uint16_t)service;
    row->seq = UINT64_MAX;
    return text != NULL;
}

static int begin_keys(struct admin *a, struct reading *r, const char *name,
                      struct report *report_out) {
    (void)a;
    (void)name;
    struct held_walk *walk = &r->of.keys.walk;
    const char *before = gateway_query(r->request, "before");
    int status = filter_service(r, &walk->by_service, &walk->service, report_out);
    if (status == 0 && before != NULL && !parse_lane(before, &walk->row)) {
        status = refuse(report_out, 400, "before must be the value of Zingq-Next");
    }
    return status;
}

static void mark_key(struct reading *r) {
    const struct row *head = &r->of.keys.head;
    (void)snprintf(r->next, sizeof r->next, "%u.%u.%" PRIx64, head->partition, head->service,
                   head->lane);
}

static int step_keys(struct admin *a, struct reading *r) {
    (void)a;
    struct held held;
    struct event *event = NULL;
    bool found = false;
    struct held_walk *walk = &r->of.keys.walk;
    int code = held_walk_next(r->journal, walk, &held, &found);
    if (code == 0 && !found && !walk->any && admin_read_full(r)) {
        r->of.keys.head = walk->row; /* of a key that is not listed */
        mark_key(r);
        return ERR_NOTFOUND;
    }
    if (code != 0 || !found) {
        return code;
    }
    const struct row *head = &held.head;
    r->of.keys.head = held.head;
    code = journal_event_get(r->journal, head->partition, &head->id, head->service, &event);
    if (code == 0 && !admin_read_add(r, held_json(r->journal, &held, event))) {
        code = ERR_MEMORY;
    }
    event_free(event);
    code = code == ERR_NOTFOUND ? 0 : code;
    if (code == 0 && admin_read_full(r)) {
        mark_key(r);
        return ERR_NOTFOUND;
    }
    return code;
}

static int begin_key(struct admin *a, struct reading *r, const char *name,
                     struct report *report_out) {
    uint16_t service = 0;
    struct slice key;
    bool given = false;
    int status = find_service(r, name, &service, report_out);
    status = status == 0 ? filter_key(r, &key, &given, report_out) : status;
    if (status == 0 && !given) {
        status = refuse(report_out, 400, "which key? Give ?key=");
    }
    if (status != 0) {
        return status;
    }
    key_queue_init(&r->of.key.queue, service,
                   journal_origin_of(engine_journal(a->engine), slice_of(name)), key);
    r->of.key.key = key; /* the reading keeps it alive */
    r->of.key.events = json_array();
    return r->of.key.events == NULL ? refuse(report_out, 503, "out of memory") : 0;
}

static int step_key(struct admin *a, struct reading *r) {
    (void)a;
    struct key_queue *queue = &r->of.key.queue;
    const struct row *row = &queue->row;
    struct event *event = NULL;
    bool found = false;
    int code = key_queue_next(r->journal, queue, &found);
    if (code == ERR_NOTFOUND) {
        json_t *events = r->of.key.events;
        json_t *signals = NULL;
        code = key_signals(r->journal, queue, r->of.key.key, &signals);
        if (code != 0) {
            return code;
        }
        r->of.key.events = NULL;
        return admin_read_add(r, key_queue_json(queue, events, signals)) ? ERR_NOTFOUND
                                                                         : ERR_MEMORY;
    }
    if (code != 0 || !found || queue->count > r->limit) {
        return code;
    }
    code = journal_event_get(r->journal, row->partition, &row->id, row->service, &event);
    if (code == 0 &&
        json_array_append_new(r->of.key.events, look_event_json(r->journal, event, false)) != 0) {
        code = ERR_MEMORY;
    }
    event_free(event);
    return code == ERR_NOTFOUND ? 0 : code;
}

static void clear_key(struct reading *r) {
    json_decref(r->of.key.events);
}

/* ---- state ---- */

/* Parses "TABLE.KEY.NAME", texts in hex. */
static bool parse_cell(const char *text, struct state_walk *walk) {
    bool begins = (text[0] == 's' || text[0] == 'l') && text[1] == '.';
    const char *key_end = begins ? strchr(text + 2, '.') : NULL;
    size_t key_len = 0;
    size_t name_len = 0;
    uint8_t room[sizeof walk->room];
    if (key_end == NULL) {
        return false;
    }
    size_t hex_len = (size_t)(key_end - text - 2);
    if (sodium_hex2bin(room, sizeof room, text + 2, hex_len, NULL, &key_len, NULL) != 0 ||
        sodium_hex2bin(room + key_len, sizeof room - key_len, key_end + 1, strlen(key_end + 1),
                       NULL, &name_len, NULL) != 0 ||
        key_len * 2 != hex_len || name_len * 2 != strlen(key_end + 1) || key_len > KEY_BYTES_MAX ||
        name_len > STATE_NAME_BYTES_MAX) {
        return false;
    }
    state_walk_after(walk, text[0] == 'l', (struct slice){(const char *)room, key_len},
                     (struct slice){(const char *)room + key_len, name_len});
    return true;
}

static int begin_state(struct admin *a, struct reading *r, const char *name,
                       struct report *report_out) {
    const char *before = gateway_query(r->request, "before");
    uint16_t service = 0;
    struct slice key;
    bool given = false;
    int status = find_service(r, name, &service, report_out);
    status = status == 0 ? filter_key(r, &key, &given, report_out) : status;
    buf_init(&r->of.state.json, (size_t)32 << 20);
    if (status != 0) {
        return status;
    }
    const char *only = gateway_query(r->request, "only");
    if (only != NULL && strcmp(only, "locks") != 0) {
        return refuse(report_out, 400, "only=locks leaves out the state; there is nothing else");
    }
    r->text[1] = slice_dup(journal_origin_of(engine_journal(a->engine), slice_of(name)));
    state_walk_init(&r->of.state.walk, service, slice_of(r->text[1]), given ? &key : NULL);
    r->of.state.walk.in_locks = only != NULL;
    if (r->text[1] == NULL) {
        return refuse(report_out, 503, "out of memory");
    }
    bool ok = before == NULL || parse_cell(before, &r->of.state.walk);
    return ok ? 0 : refuse(report_out, 400, "before must be the value of Zingq-Next");
}

static void mark_cell(struct reading *r) {
    const struct cell *cell = &r->of.state.walk.cell;
    char key[2 * KEY_BYTES_MAX + 1];
    char name[2 * STATE_NAME_BYTES_MAX + 1];
    (void)sodium_bin2hex(key, sizeof key, (const uint8_t *)cell->key.data, cell->key.len);
    (void)sodium_bin2hex(name, sizeof name, (const uint8_t *)cell->name.data, cell->name.len);
    (void)snprintf(r->next, sizeof r->next, "%c.%s.%s", r->of.state.walk.in_locks ? 'l' : 's', key,
                   name);
}

static int step_state(struct admin *a, struct reading *r) {
    (void)a;
    struct state_item item;
    bool found = false;
    int code =
        state_walk_next(r->journal, &r->of.state.walk, r->now_ms, &r->of.state.json, &item, &found);
    if (code != 0 || !found) {
        return code;
    }
    if (!admin_read_add(r, state_item_json(&item))) {
        return ERR_MEMORY;
    }
    if (admin_read_full(r)) {
        mark_cell(r);
        return ERR_NOTFOUND;
    }
    return 0;
}

static void clear_state(struct reading *r) {
    buf_clear(&r->of.state.json);
}

/* ---- the kinds ---- */

static const struct reading_kind kinds[] = {
    [READING_EVENTS] = {50, true, &merge_events, begin_events, step_events, mark_event,
                        clear_events},
    [READING_TRACE] = {1, false, NULL, begin_trace, step_trace, NULL, clear_trace},
    [READING_DEAD] = {50, true, &merge_letters, begin_dead, step_dead, mark_dead, clear_dead},
    [READING_GROUPS] = {1000, true, &merge_groups, begin_groups, step_groups, NULL, clear_groups},
    [READING_LETTER] = {1, false, NULL, begin_letter, step_letter, NULL, nothing_to_clear},
    [READING_KEYS] = {100, true, &merge_by_host, begin_keys, step_keys, mark_key, nothing_to_clear},
    [READING_KEY] = {50, false, NULL, begin_key, step_key, NULL, clear_key},
    [READING_STATE] = {200, true, &merge_by_host, begin_state, step_state, mark_cell, clear_state},
};

void admin_read(void *ctx, const struct call *call) {
    admin_read_as(ctx, &kinds[call->route->kind], call);
}

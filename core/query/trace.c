/*
 * trace.c - see query/trace.h.
 *
 * The tree is built breadth first, with one look-up per step, so that a running host can do it in
 * small pieces; links make it readable depth first.
 */
#include "query/trace.h"

#include "query/events.h"
#include "query/json.h"
#include "journal/dedupe.h"
#include "journal/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int trace_init(struct trace *t, size_t bytes_max, int64_t now_ms) {
    *t = (struct trace){.nodes = calloc(TRACE_EVENTS_MAX, sizeof *t->nodes),
                        .bytes_max = bytes_max,
                        .now_ms = now_ms};
    return t->nodes == NULL ? ERR_MEMORY : 0;
}

void trace_clear(struct trace *t) {
    for (int i = 0; i < t->count; i++) {
        life_clear(&t->nodes[i].life);
    }
    for (size_t i = 0; i < t->cause_count; i++) {
        event_free(t->causes[i]);
    }
    free(t->nodes);
    *t = (struct trace){.count = 0};
}

/* ---- reading ---- */

static void link_node(struct trace *t, int at, int parent) {
    struct trace_node *node = &t->nodes[at];
    node->parent = parent;
    node->first = TRACE_NONE;
    node->last = TRACE_NONE;
    node->next = TRACE_NONE;
    if (parent != TRACE_NONE) {
        struct trace_node *above = &t->nodes[parent];
        *(above->last == TRACE_NONE ? &above->first : &t->nodes[above->last].next) = at;
        above->last = at;
        node->depth = above->depth + 1;
        return;
    }
    for (int i = at - 1; i >= 0; i--) { /* roots come first, so this is the previous one */
        if (t->nodes[i].parent == TRACE_NONE) {
            t->nodes[i].next = at;
            return;
        }
    }
}

/* When a key was asked for, an event may be both one of its events and the result of a publish of
 * another one: it is shown once, where it came from. */
static void hide_root_of(struct trace *t, const struct event *event) {
    for (int i = 0; i < t->count && t->nodes[i].parent == TRACE_NONE; i++) {
        const struct event *root = t->nodes[i].life.event;
        if (root->service == event->service && uuid_equal(&root->id, &event->id)) {
            t->nodes[i].elsewhere = true;
        }
    }
}

static int add_node(struct trace *t, struct journal *j, struct event *event, int parent) {
    if (t->count == TRACE_EVENTS_MAX || t->bytes > t->bytes_max) {
        t->cut = true;
        event_free(event);
        return 0;
    }
    struct trace_node *node = &t->nodes[t->count];
    node->depth = 0;
    int code = life_read(j, event, &node->life);
    if (code == 0) {
        if (parent != TRACE_NONE) {
            hide_root_of(t, event);
        }
        link_node(t, t->count++, parent);
        t->bytes += life_bytes(&node->life);
    }
    return code;
}

int trace_add(struct trace *t, struct journal *j, struct event *event) {
    return add_node(t, j, event, TRACE_NONE);
}

struct adding {
    struct trace *trace;
    struct journal *journal;
    int parent;
};

static int add_found(void *ctx, struct event *event) {
    const struct adding *adding = ctx;
    return add_node(adding->trace, adding->journal, event, adding->parent);
}

int trace_begin(struct trace *t, struct journal *j, const struct uuid *id) {
    struct adding adding = {t, j, TRACE_NONE};
    t->id = *id;
    int code = look_each_by_id(j, id, &adding, add_found);
    if (code != 0 || t->count > 0) {
        return code;
    }
    code = journal_publish_note_get(j, t->now_ms, id, &t->note);
    t->noted = code == 0;
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    uint64_t seq = t->note.seq - 1;
    struct slice record;
    code = journal_outbox_next(j, &seq, &record);
    t->outbox_left = code == ERR_NOTFOUND || (code == 0 && seq != t->note.seq);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int keep_first(void *ctx, struct event *event) {
    struct event **kept = ctx;
    if (*kept == NULL) {
        *kept = event;
    } else {
        event_free(event);
    }
    return 0;
}

/* The next cause upwards; causes_read when there is none. */
static int read_cause(struct trace *t, struct journal *j) {
    const struct event *below = t->cause_count > 0 ? t->causes[t->cause_count - 1]
                                : t->count > 0     ? t->nodes[0].life.event
                                                   : NULL;
    struct event *cause = NULL;
    if (below == NULL || uuid_is_zero(&below->cause) || t->cause_count == HOPS_MAX) {
        t->causes_read = true;
        return 0;
    }
    int code = look_each_by_id(j, &below->cause, &cause, keep_first);
    if (code != 0) {
        event_free(cause);
        return code;
    }
    t->causes_read = cause == NULL;
    if (cause != NULL) {
        t->causes[t->cause_count++] = cause;
    }
    return 0;
}

int trace_step(struct trace *t, struct journal *j) {
    struct uuid id;
    struct slice topic;
    if (!t->causes_read) {
        return read_cause(t, j);
    }
    while (t->following < t->count) {
        const struct trace_node *node = &t->nodes[t->following];
        if (look_next_publish(node->life.event, &t->published, &id, &topic)) {
            struct adding adding = {t, j, t->following};
            t->cut = t->cut || node->depth >= HOPS_MAX;
            return node->depth >= HOPS_MAX ? 0 : look_each_by_id(j, &id, &adding, add_found);
        }
        t->following++;
        t->published = 0;
    }
    return ERR_NOTFOUND;
}

/* ---- looking at it ---- */

bool trace_found(const struct trace *t) {
    return t->count > 0 || t->noted;
}

static int shown_from(const struct trace *t, int at) {
    while (at != TRACE_NONE && t->nodes[at].elsewhere) {
        at = t->nodes[at].next;
    }
    return at;
}

int trace_next(const struct trace *t, int at) {
    if (at == TRACE_NONE) {
        return shown_from(t, t->count > 0 ? 0 : TRACE_NONE);
    }
    if (t->nodes[at].first != TRACE_NONE) {
        return t->nodes[at].first;
    }
    while (at != TRACE_NONE && t->nodes[at].next == TRACE_NONE) {
        at = t->nodes[at].parent;
    }
    return at == TRACE_NONE ? TRACE_NONE : shown_from(t, t->nodes[at].next);
}

bool trace_became(const struct trace *t, int node, const struct uuid *publish) {
    for (int i = t->nodes[node].first; i != TRACE_NONE; i = t->nodes[i].next) {
        if (uuid_equal(&t->nodes[i].life.event->id, publish)) {
            return true;
        }
    }
    return false;
}

const char *trace_state(const struct trace *t) {
    bool dead = false;
    bool discarded = false;
    bool expired = false;
    if (t->count == 0) {
        bool delayed = t->note.due_ms > t->now_ms;
        return t->note.cancelled_ms != 0 ? "cancelled"
               : delayed                 ? "delayed"
               : t->outbox_left          ? "published"
                                         : "outbox";
    }
    for (int i = 0; i < t->count; i++) {
        uint8_t state = t->nodes[i].life.event->state;
        if (!event_state_ended(state)) {
            return "working";
        }
        dead = dead || event_state_dead(state);
        discarded = discarded || state == EVENT_DISCARDED;
        expired = expired || state == EVENT_EXPIRED;
    }
    return dead ? "dead" : expired ? "expired" : discarded ? "discarded" : "done";
}

/* ---- JSON ---- */

/* Appends the event to those of the publish that it came from. */
static int hang_below(json_t *parent, const struct trace_node *node, json_t *object) {
    json_t *publishes = json_object_get(parent, "publishes");
    char id[UUID_TEXT_BYTES + 1];
    (void)uuid_text(&node->life.event->id, id);
    size_t i;
    json_t *one;
    json_array_foreach(publishes, i, one) {
        const char *text = json_string_value(json_object_get(one, "id"));
        if (text != NULL && strcmp(text, id) == 0) {
            if (json_object_get(one, "events") == NULL &&
                json_object_set_new(one, "events", json_array()) != 0) {
                return ERR_MEMORY;
            }
            return json_array_append(json_object_get(one, "events"), object) == 0 ? 0 : ERR_MEMORY;
        }
    }
    return ERR_CORRUPT; /* it must have come from one of them */
}

static json_t *tree_json(const struct journal *j, const struct trace *t) {
    json_t *roots = json_array();
    json_t *path[HOPS_MAX + 2]; /* borrowed: the node under way at each depth */
    int code = roots == NULL ? ERR_MEMORY : 0;
    for (int i = trace_next(t, TRACE_NONE); i != TRACE_NONE && code == 0; i = trace_next(t, i)) {
        const struct trace_node *node = &t->nodes[i];
        json_t *object = life_json(j, &node->life);
        assert(node->depth < HOPS_MAX + 2);
        if (object == NULL) {
            code = ERR_MEMORY;
        } else if (node->depth == 0) {
            code = json_array_append(roots, object) == 0 ? 0 : ERR_MEMORY;
        } else {
            code = hang_below(path[node->depth - 1], node, object);
        }
        path[node->depth] = object; /* its parent keeps it */
        json_decref(object);
    }
    if (code != 0) {
        json_decref(roots);
        return NULL;
    }
    return roots;
}

static json_t *causes_json(const struct journal *j, const struct trace *t) {
    json_t *list = json_array();
    for (size_t i = t->cause_count; i > 0; i--) {
        if (json_array_append_new(list, look_event_json(j, t->causes[i - 1], true)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *trace_json(const struct journal *j, const struct trace *t) {
    char id[UUID_TEXT_BYTES + 1];
    json_t *object = json_pack("{s:s, s:o, s:o, s:b}", "state", trace_state(t), "causes",
                               causes_json(j, t), "events", tree_json(j, t), "cut", (int)t->cut);
    bool by_id = !uuid_is_zero(&t->id);
    if (object != NULL && ((by_id && !look_json_text(object, "id", uuid_text(&t->id, id))) ||
                           (t->noted && !look_json_time(object, "due_at", t->note.due_ms)))) {
        json_decref(object);
        return NULL;
    }
    return object;
}

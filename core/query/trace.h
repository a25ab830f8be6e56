/*
 * trace.h - the life of an event, of those it came from and of those it led to.
 *
 * Upwards the causes; downwards every publish with the events it became on this host, found by the
 * id that both share. What is published and became no event yet is told by the note that
 * COMMAND_PUBLISH leaves. Bounded: HOPS_MAX deep, TRACE_EVENTS_MAX events, and so many bytes.
 */
#ifndef ZINGQ_QUERY_TRACE_H
#define ZINGQ_QUERY_TRACE_H

#include "base/limits.h"
#include "query/life.h"
#include "journal/dedupe.h"

#include <stdbool.h>
#include <stddef.h>

enum { TRACE_EVENTS_MAX = 1000, TRACE_NONE = -1 };

/* An event in the tree. */
struct trace_node {
    struct life life;
    int depth;
    int parent, first, last, next; /* nodes or TRACE_NONE: children in order, the next sibling */
    bool elsewhere;                /* a first node that a publish of another led to as well */
};

struct trace {
    struct trace_node *nodes; /* TRACE_EVENTS_MAX; owned */
    int count;
    bool cut; /* there is more */
    size_t bytes, bytes_max;
    int following;                  /* the node whose publishes are looked at */
    size_t published;               /* how far */
    struct event *causes[HOPS_MAX]; /* of the first node, nearest first; owned */
    size_t cause_count;
    bool causes_read;
    struct uuid id; /* as asked for; zero = a key was */
    struct publish_note note;
    bool noted;       /* the id is that of a publish whose note was found */
    bool outbox_left; /* and the broker has it */
    int64_t now_ms;
};

/* ERR_MEMORY. */
int trace_init(struct trace *t, size_t bytes_max, int64_t now_ms);
void trace_clear(struct trace *t);

/* Begins with every event of that id. The functions below work within a transaction. */
int trace_begin(struct trace *t, struct journal *j, const struct uuid *id);
/* Begins with this event, or continues with it; takes it over. */
int trace_add(struct trace *t, struct journal *j, struct event *event);
/* Looks up one more event; ERR_NOTFOUND when all are found. */
int trace_step(struct trace *t, struct journal *j);

/* Whether anything is known of the requested id. */
bool trace_found(const struct trace *t);
/* The node after this one, depth first; TRACE_NONE to begin, and at the end. */
int trace_next(const struct trace *t, int at);
/* Whether the publish of that node became an event here. */
bool trace_became(const struct trace *t, int node, const struct uuid *publish);
/* The overall state in one word: docs/http.md lists them. */
const char *trace_state(const struct trace *t);
json_t *trace_json(const struct journal *j, const struct trace *t);

#endif

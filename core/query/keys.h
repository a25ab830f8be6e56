/*
 * keys.h - blocked keys: what they wait for and how many events are queued behind.
 *
 * A key that is held up has rows in the lane table, its head first (journal/journal.h). What is
 * only ready to run has none. All functions read inside a transaction, which may be restarted
 * between two calls.
 */
#ifndef ZINGQ_QUERY_KEYS_H
#define ZINGQ_QUERY_KEYS_H

#include "base/json.h"
#include "journal/journal.h"
#include "journal/event.h"

#include <stdbool.h>

/* One lane with rows. */
struct held {
    struct row head;
    uint64_t behind; /* rows after the head */
};

/* Lane after lane; zeroed at the start, `by_service` and `service` set as asked. */
struct held_walk {
    bool by_service;
    uint16_t service;
    struct row row;   /* where the reading stands */
    struct held lane; /* being counted */
    bool any;
    bool over;
};

/* Looks at one row. *found: *out is the next lane. ERR_NOTFOUND after the last. */
int held_walk_next(struct journal *j, struct held_walk *walk, struct held *out, bool *found);
json_t *held_json(struct journal *j, const struct held *held, const struct event *event);

/* What waits in one key, in order. */
struct key_queue {
    struct row lane; /* partition, service, lane */
    struct row row;  /* where the reading stands */
    bool in_ready;   /* past the lane rows, which come first */
    struct row head;
    uint64_t count; /* events so far */
};

/* `origin`: journal_service_origin. */
void key_queue_init(struct key_queue *queue, uint16_t service, struct slice origin,
                    struct slice key);
/* Looks at one row. *found: queue->row is of this key. ERR_NOTFOUND after the last. */
int key_queue_next(struct journal *j, struct key_queue *queue, bool *found);
/* Takes over `events` and `signals`. */
json_t *key_queue_json(const struct key_queue *queue, json_t *events, json_t *signals);
/* The signals kept for the key that nobody has taken yet, {name, value, expires_at}, at most
 * READING_ITEMS_MAX of them, to be freed. ERR_MEMORY... */
int key_signals(struct journal *j, const struct key_queue *queue, struct slice key, json_t **out);
#endif

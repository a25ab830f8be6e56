/*
 * state.h - keyed state and locks, a cell at a time.
 *
 * All functions read inside a transaction, which may be restarted between two calls.
 */
#ifndef ZINGQ_QUERY_STATE_H
#define ZINGQ_QUERY_STATE_H

#include "journal/journal.h"
#include "journal/keyed.h"
#include "base/json.h"
#include "base/limits.h"

#include <stdbool.h>

/* Cells of one service, or of one key of it: state first, then locks. */
struct state_walk {
    uint16_t service;
    struct slice origin; /* borrowed */
    bool by_key;
    struct slice key;  /* borrowed */
    bool in_locks;     /* state is done */
    uint8_t partition; /* where the reading stands */
    bool begun;        /* in that partition, in that table */
    struct cell cell;  /* the last one looked at; its texts are in `room` */
    char room[KEY_BYTES_MAX + STATE_NAME_BYTES_MAX];
};

/* A value or a lock, read; points into the store and the buffer it was read with. */
struct state_item {
    bool is_lock;
    struct cell cell;
    struct slice owner; /* of a lock */
    struct slice json;  /* the value; a lock's data */
    int64_t expires_ms; /* 0 = never */
};

/* `key` NULL: all keys. `origin` is the service's
 * (journal_service_origin), borrowed. */
void state_walk_init(struct state_walk *walk, uint16_t service, struct slice origin,
                     const struct slice *key);
/* Only cells after this one in the walk. */
void state_walk_after(struct state_walk *walk, bool in_locks, struct slice key, struct slice name);
/* Looks at one row; *found: *item is it. `json` is where its value goes. ERR_NOTFOUND after the
 * last. */
int state_walk_next(struct journal *j, struct state_walk *walk, int64_t now_ms, struct buf *json,
                    struct state_item *item, bool *found);
/* One cell; ERR_NOTFOUND when there is none, or its time has run out. */
int state_read(struct journal *j, const struct cell *cell, bool lock, int64_t now_ms,
               struct buf *json, struct state_item *item);

/* NULL when out of memory. */
json_t *state_item_json(const struct state_item *item);

#endif

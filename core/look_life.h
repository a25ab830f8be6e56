/*
 * look_life.h - one event with its history.
 */
#ifndef ZINGQ_LOOK_LIFE_H
#define ZINGQ_LOOK_LIFE_H

#include "event.h"
#include "journal.h"

#include <jansson.h>

struct life {
    struct event *event;      /* owned */
    struct attempt *attempts; /* owned, their texts too; oldest first */
    size_t count;
};

/* Takes the event over, in every case, and reads its history; within a transaction. */
int life_read(struct journal *j, struct event *event, struct life *out);
void life_clear(struct life *life);
/* Bytes it holds: payload, properties, texts. */
size_t life_bytes(const struct life *life);

/* Everything, `history` included; NULL when out of memory. */
json_t *life_json(const struct journal *j, const struct life *life);

#endif

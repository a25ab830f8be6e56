/*
 * life.h - one event with its history and its steps.
 */
#ifndef ZINGQ_QUERY_LIFE_H
#define ZINGQ_QUERY_LIFE_H

#include "base/json.h"
#include "event/event.h"
#include "journal/journal.h"
#include "journal/event.h"
#include "query/steps.h"

struct life {
    struct event *event;      /* owned */
    struct attempt *attempts; /* owned, their texts too; oldest first */
    size_t count;
    struct steps steps;
};

/* Takes the event over, in every case, and reads its history; within a transaction. */
int life_read(struct journal *j, struct event *event, struct life *out);
void life_clear(struct life *life);
/* Bytes it holds: payload, properties, texts. */
size_t life_bytes(const struct life *life);

/* Everything, `history` included, `steps` and `calls` where there are any; NULL when out of memory.
 */
json_t *life_json(const struct journal *j, const struct life *life);

#endif

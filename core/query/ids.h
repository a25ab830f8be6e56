/*
 * ids.h - whole ids from their last digits, as tables print them.
 */
#ifndef ZINGQ_QUERY_IDS_H
#define ZINGQ_QUERY_IDS_H

#include "base/uuid.h"
#include "journal/event.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IDS_FOUND_MAX = 10 };

/* What the id is of. */
enum id_of {
    ID_OF_EVENT,   /* an event, or a publish that is to become one */
    ID_OF_LETTER,  /* a dead letter */
    ID_OF_PUBLISH, /* a publish in the outbox */
    ID_OF_KINDS
};

/* "event", "letter", "publish": what ?of= of /api/ids says. */
const char *id_of_name(enum id_of of);
/* "dead letter": for "no ... has an id that ends in". */
const char *id_of_what(enum id_of of);

/* Different ids; no more are kept than people compare. */
struct id_list {
    struct uuid ids[IDS_FOUND_MAX];
    size_t count;
};

/* False: it is full. */
bool id_list_add(struct id_list *list, const struct uuid *id);
/* Says that these digits fit all of them. */
void id_list_tell(const struct id_list *list, const char *tail, struct buf *out);

struct id_search {
    enum id_of of;
    char tail[UUID_TAIL_MAX];
    size_t tail_len;
    struct id_list found;
    size_t table;  /* of those that may have such an id */
    uint64_t rows; /* examined */
    unsigned group;
    bool begun;
    union {
        struct event_walk events;
        struct dead_row letters;
        struct uuid delayed;
        uint64_t outbox;
    } at;
};

/* False: those are not an id's last digits. */
bool id_search_init(struct id_search *s, enum id_of of, struct slice tail);
/* Examines one row, within a transaction, which may be another one each time. ERR_NOTFOUND after the
 * last, or when found is full; ERR_LIMIT after ID_ROWS_MAX. */
int id_search_step(struct id_search *s, struct journal *j);

#endif

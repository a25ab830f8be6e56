/*
 * outbox.h - what is to leave this host: publishes, lines for files. Part of the journal
 * (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_OUTBOX_H
#define ZINGQ_JOURNAL_OUTBOX_H

#include "journal/journal.h"

/* --- outbox --- */

/* A publish on its way: to services of this host, to the broker, or both. */
struct publication {
    struct uuid id;    /* zingq-id */
    struct uuid cause; /* zero = none */
    uint16_t hops;
    uint8_t qos;
    bool retain;
    struct slice topic; /* terminated once decoded */
    struct slice payload, key, content_type, response_topic, correlation;
    struct slice properties; /* user properties; in the outbox with ours added, ready to send */
    uint16_t service;        /* of that event, which keeps it; SERVICE_NONE = nobody's */
    uint64_t owner;          /* lane of the event that published it; 0 = none: it holds nobody */
    int64_t refused_ms;      /* when the broker first refused it; 0 = it did not */
    uint8_t refused_reason;  /* of its PUBACK; 0 = it closed the connection, or cannot carry it; or
                                one of: */
#define REFUSED_CRASH 1      /* the host went down while it was sent */
#define REFUSED_CRASHES 2    /* more than once: only a person sends it again */
    struct uuid handle; /* delayed under a name: its row's id, later publishes of that name replace
                           it; zero = the row has the publication's id */
    int64_t first_ms;   /* with it: since when the name waits, engine time */
};

void publication_encode(const struct publication *p, struct buf *out);
/* Slices point into `record`. ERR_CORRUPT. */
int publication_decode(struct slice record, struct publication *out);

/* The id of its row while it is delayed: the name's, or its own. */
const struct uuid *publication_delayed_id(const struct publication *p);

/* `record` is what publication_encode wrote. */
int journal_outbox_put(struct journal *j, uint64_t seq, struct slice record);
int journal_outbox_del(struct journal *j, uint64_t seq);
/* The first with a seq above *seq; in/out; the record points into the store. ERR_NOTFOUND. */
int journal_outbox_next(struct journal *j, uint64_t *seq, struct slice *record);

/* --- lines for files --- */

/* One row a line; seq orders the lines of a partition. */
int journal_append_put(struct journal *j, uint8_t partition, uint64_t seq, struct slice file,
                       struct slice line);
int journal_append_del(struct journal *j, uint8_t partition, uint64_t seq);
int journal_append_next(struct journal *j, uint8_t *partition, uint64_t *seq, struct slice *file,
                        struct slice *line);

#endif

/*
 * forward.h - forwards to other hosts, and the positions of other hosts in their forwards to this
 * one. Part of the journal (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_FORWARD_H
#define ZINGQ_JOURNAL_FORWARD_H

#include "journal/journal.h"

enum forward_kind { FORWARD_MESSAGE = 1, FORWARD_SIGNAL = 2 };

/* A message for a service, or a signal, on its way to the host that owns its partition. */
struct forward {
    enum forward_kind kind;
    uint8_t qos;          /* MESSAGE: it came with */
    bool retained;        /* the same */
    struct slice service; /* its name: numbers differ from host to host */
    struct slice key;
    struct slice topic;   /* MESSAGE; terminated once decoded */
    struct slice name;    /* SIGNAL */
    struct slice payload; /* SIGNAL: the value */
    struct slice content_type, response_topic, correlation, properties;
};

void forward_encode(const struct forward *f, struct buf *out);
/* Slices point into `record`. ERR_CORRUPT. */
int forward_decode(struct slice record, struct forward *out);

/* `record` is what forward_encode wrote. Within a partition rows are in the order of seq. */
int journal_forward_put(struct journal *j, uint8_t partition, uint64_t seq, struct slice record);
int journal_forward_del(struct journal *j, uint8_t partition, uint64_t seq);
/* The first of the partition with a seq above *seq; in/out; the record points into the store.
 * ERR_NOTFOUND. */
int journal_forward_next(struct journal *j, uint8_t partition, uint64_t *seq, struct slice *record);

/* The last forward that the partition took from a source, identified by its host id; 0 = none. */
int journal_cursor_get(struct journal *j, uint8_t partition, const struct uuid *source,
                       uint64_t *seq);
int journal_cursor_put(struct journal *j, uint8_t partition, const struct uuid *source,
                       uint64_t seq);

#endif

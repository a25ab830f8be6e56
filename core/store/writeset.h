/*
 * writeset.h - what a transaction changes, as bytes for a log (store/log.h): a body for each home.
 *
 * A home is a partition, or the host itself; each row has one, which its key alone decides. So the
 * bodies of two homes never change the same row: whoever applies all bodies of a home, in their
 * order, has the rows of that home, whatever becomes of the others.
 *
 *   body     u8 form (1) | operations, in their order:
 *   put      u8 1 | u8 table | u16 len, bytes: key | u32 len, bytes: value
 *   delete   u8 2 | u8 table | u16 len, bytes: key
 *   clear    u8 3 | u8 table              all rows that the home has in the table
 */
#ifndef ZINGQ_STORE_WRITESET_H
#define ZINGQ_STORE_WRITESET_H

#include "store/store.h"

#include <stdint.h>

enum { HOME_HOST = PARTITIONS, HOMES };

/* The home of the row with that key: a partition, or HOME_HOST. */
typedef uint8_t store_home(enum store_table t, struct slice key);

enum write_kind { WRITE_PUT = 1, WRITE_DELETE = 2, WRITE_CLEAR = 3 };

struct write {
    enum write_kind kind;
    enum store_table table;
    struct slice key;   /* not of CLEAR */
    struct slice value; /* of PUT alone */
};

struct writeset;

/* Empty; NULL: out of memory. */
struct writeset *writeset_new(void);
void writeset_free(struct writeset *w);
void writeset_reset(struct writeset *w);

/* Adds it to the body of its row's home; CLEAR to those of all homes. ERR_MEMORY: the set is no
 * longer whole. */
int writeset_add(struct writeset *w, store_home *home_of, const struct write *write);

bool writeset_is_empty(const struct writeset *w);
/* What a home's body says; empty if nothing of the home was changed. Valid until the next write. */
struct slice writeset_body(const struct writeset *w, uint8_t home);

/* Reads bodies: at the beginning of one. ERR_CORRUPT: of a form that this program does not know. */
int writeset_read(struct slice body, struct reader *out);
/* The next operation; key and value point into the body. ERR_NOTFOUND at the end; ERR_CORRUPT. */
int writeset_next(struct reader *r, struct write *out);

#endif

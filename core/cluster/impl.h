/*
 * impl.h - what the files of cluster share; nobody else includes it.
 */
#ifndef ZINGQ_CLUSTER_IMPL_H
#define ZINGQ_CLUSTER_IMPL_H

#include "base/uuid.h"
#include "io/pg/line.h"
#include "io/pg/pg.h"
#include "store/log.h"

#include <stdbool.h>
#include <stdint.h>

enum { PG_ANSWER_BYTES = 4096 /* of a short answer */ };

/* How a host names its row in zq.store; fixed from joining on. */
struct log_row {
    int32_t id;
    struct uuid token;
};

static inline struct slice slice_of_uuid(const struct uuid *id) {
    return (struct slice){(const char *)id->bytes, sizeof id->bytes};
}

/* What became of something that was only read, or may be done again. */
static inline int cluster_again(int code) {
    return code == ERR_REFUSED || code == ERR_DOUBT ? ERR_NETWORK : code;
}

/* The row and its token, which stand first in nearly all statements. */
static inline void cluster_begin_params(struct pg_params *params, const struct log_row *row) {
    params->count = 0;
    pg_add_i32(params, row->id);
    pg_add(params, slice_of_uuid(&row->token));
}

/* --- cluster/schema.c --- */

/* What a statement of the start came to, with a sentence of what it was: ERR_REFUSED if a person must
 * mend it; else it passes, ERR_NETWORK. */
int cluster_refused(const struct pg_line *line, int code, const char *what, struct report *r);

/* --- cluster/parts.c --- */

/* The parts of a turn or a slice as two arrays, of homes and of bodies. */
struct parts {
    struct buf homes, bodies;
};

void parts_init(struct parts *parts);
void parts_clear(struct parts *parts);
/* *bytes: of the bodies. ERR_MEMORY. */
int parts_put(struct parts *parts, const struct log_turn *turn, int64_t *bytes);
/* Both arrays, borrowed until the next parts_put. */
void parts_add(const struct parts *parts, struct pg_params *params);

/* --- cluster/ahead.c: reading turns and slices --- */

/* Rows of a statement that is under way: a turn's or a slice's stand together. */
struct ahead {
    bool open;           /* the statement is under way */
    uint64_t number;     /* of the row in hand; 0 = none */
    struct log_part row; /* its body is the connection's */
    struct buf bodies;   /* of the turn that was given out */
};

void ahead_init(struct ahead *a);
void ahead_clear(struct ahead *a);
/* Ends the statement under way, with its connection. */
void ahead_stop(struct ahead *a, struct pg_line *line);
/* Begins to read. ERR_NETWORK, ERR_CORRUPT. */
int ahead_start(struct ahead *a, struct pg_line *line, const struct pg_statement *statement,
                const struct pg_params *params);
/* The next turn, if it is that one. ERR_NOTFOUND: it is not there; ERR_NETWORK, ERR_CORRUPT,
 * ERR_MEMORY. */
int ahead_take(struct ahead *a, struct pg_line *line, uint64_t number, struct log_turn *out);

#endif

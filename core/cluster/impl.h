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

enum {
    PG_ANSWER_BYTES = 4096, /* of a short answer */
    TURN_BYTES = 1 << 30    /* of a turn, at most: a field has no more */
};

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

/* --- cluster/pack.c: a turn or a slice as the bytes of one field --- */

/* What packs them, one after the other; for one thread at a time. */
struct pack {
    struct buf plain, packed;
    struct ZSTD_CCtx_s *zstd;
};

struct packed {
    struct slice body; /* the pack's, until its next turn */
    int64_t bytes;     /* of the turn's bodies, as they were */
};

/* ERR_MEMORY: only pack_clear may follow. */
int pack_init(struct pack *p);
void pack_clear(struct pack *p);
/* Frees memory that a large turn took; `body` is gone. */
void pack_trim(struct pack *p);
/* ERR_MEMORY. */
int pack_turn(struct pack *p, const struct log_turn *turn, struct packed *out);
/* Its parts, which point into `plain`; the number is the caller's. ERR_CORRUPT, ERR_MEMORY. */
int unpack_turn(struct slice packed, struct buf *plain, struct log_turn *out);

/* --- cluster/ahead.c: reading turns and slices --- */

/* Rows of a statement that is under way, each a turn or a slice. */
struct ahead {
    bool open;         /* the statement is under way */
    uint64_t number;   /* of the row in hand; 0 = none */
    struct slice body; /* its turn, packed; the connection's */
    struct buf plain;  /* the turn that was given out */
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

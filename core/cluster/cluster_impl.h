/*
 * cluster_impl.h - what the files that speak for struct cluster share; nobody else includes it.
 */
#ifndef ZINGQ_CLUSTER_CLUSTER_IMPL_H
#define ZINGQ_CLUSTER_CLUSTER_IMPL_H

#include "cluster/cluster.h"
#include "cluster/impl.h"

struct cluster {
    struct cluster_options options;
    struct pg_line *line;
    struct uuid token; /* of our row in zq.host, since cluster_join */
    int64_t beats;     /* in it, as we know */
    bool known;        /* the tables are there, in a format that we know */
    struct buf kept;   /* what a short statement returned */
};

/* --- cluster/ask.c --- */

/* Connects, if need be, to a database that has the tables. ERR_NOTFOUND with a sentence: it has none. */
int cluster_connect(struct cluster *c, struct report *r);
/* The statement's one row. ERR_NOTFOUND: it has none, or no tables; ERR_NETWORK, ERR_REFUSED,
 * ERR_MEMORY. */
int cluster_ask(struct cluster *c, const struct pg_statement *statement,
                const struct pg_params *params, struct pg_row *row, struct report *r);
/* The same, for a row that is longer than PG_ANSWER_BYTES; it is kept in *kept. */
int cluster_ask_long(struct cluster *c, const struct pg_statement *statement,
                     const struct pg_params *params, struct buf *kept, struct pg_row *row,
                     struct report *r);
/* What a statement that was sent came to, with a sentence: ERR_NOTFOUND stays what it is. */
int cluster_judge(const struct cluster *c, int code, struct report *r);
/* Parameters that begin with the cluster's name. */
void cluster_begin(const struct cluster *c, struct pg_params *params);
/* ERR_NOTFOUND, with what makes it. */
int cluster_tell_none(const struct cluster *c, struct report *r);

#endif

/* make.c - a cluster is made, once: how many shards it has, and their secret. */
#include "cluster/cluster_impl.h"
#include "cluster/schema.h"

#include <sodium.h>
#include <stdio.h>

enum { SECRET_RANDOM_BYTES = (CLUSTER_SECRET_BYTES - 1) / 2 };

static const struct pg_statement make_cluster = {
    .name = "make cluster",
    .text = "WITH made AS (INSERT INTO zq.cluster (name, shards, secret, made)"
            " VALUES ($1, $2, $3, now()) ON CONFLICT DO NOTHING RETURNING name, shards),"
            " numbered AS (INSERT INTO zq.shard (cluster, number, since)"
            " SELECT made.name, n, now() FROM made, generate_series(1, made.shards) AS n)"
            " SELECT name FROM made",
    .types = {PG_TEXT, PG_INT2, PG_TEXT}};

static const struct pg_statement get_facts = {
    .name = "facts",
    .text = "SELECT shards, secret FROM zq.cluster WHERE name = $1",
    .types = {PG_TEXT}};

static int insert(struct cluster *c, const struct cluster_facts *facts, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    pg_add_i16(&params, (int16_t)facts->shards);
    pg_add(&params, slice_of(facts->secret));
    return cluster_ask(c, &make_cluster, &params, &row, r);
}

int cluster_make(struct cluster *c, struct cluster_facts *facts, struct report *r) {
    unsigned char bytes[SECRET_RANDOM_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    (void)sodium_bin2hex(facts->secret, sizeof facts->secret, bytes, sizeof bytes);
    int code = cluster_connect(c, r);
    if (code == ERR_NOTFOUND) {
        code = schema_make(c->line, r);
    }
    code = code == 0 ? insert(c, facts, r) : code;
    if (code == ERR_NOTFOUND) {
        code = cluster_facts(c, facts, r);
        return code == 0 ? report(r, ERR_EXISTS, "the cluster \"%s\" is there already",
                                  c->options.cluster)
                         : code;
    }
    return code;
}

int cluster_facts(struct cluster *c, struct cluster_facts *out, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    int code = cluster_ask(c, &get_facts, &params, &row, r);
    if (code != 0) {
        return code == ERR_NOTFOUND ? cluster_tell_none(c, r) : code;
    }
    out->shards = (unsigned)pg_get_int(row.fields[0]);
    (void)snprintf(out->secret, sizeof out->secret, "%.*s", (int)row.fields[1].len,
                   row.fields[1].data);
    return out->shards >= CLUSTER_SHARDS_MIN && out->shards <= PARTITIONS
               ? 0
               : report(r, ERR_SCHEMA, "the cluster \"%s\" has %u shards, and this zingq knows %d",
                        c->options.cluster, out->shards, PARTITIONS);
}

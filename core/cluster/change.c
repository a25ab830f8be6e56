/* change.c - what people change in a cluster: wishes, which its hosts meet at their next look. */
#include "cluster/cluster_impl.h"

/* Whoever could not run it may try again: a person has looked after it. */
static const struct pg_statement pin = {
    .name = "pin",
    .text = "UPDATE zq.shard SET pin = nullif($3, ''), failed = NULL"
            " WHERE cluster = $1 AND number = $2 AND ($3 = '' OR EXISTS (SELECT FROM zq.host h"
            " WHERE h.cluster = $1 AND h.name = $3)) RETURNING number",
    .types = {PG_TEXT, PG_INT2, PG_TEXT}};

static const struct pg_statement drain = {
    .name = "drain",
    .text = "UPDATE zq.host SET draining = $3 WHERE cluster = $1 AND name = $2 RETURNING name",
    .types = {PG_TEXT, PG_TEXT, PG_BOOL}};

static const struct pg_statement forget = {
    .name = "forget",
    .text = "WITH gone AS (DELETE FROM zq.host WHERE cluster = $1 AND name = $2"
            " AND state <> 'live' RETURNING name),"
            " unpinned AS (UPDATE zq.shard s SET pin = NULL FROM gone"
            " WHERE s.cluster = $1 AND s.pin = gone.name)"
            " SELECT name FROM gone",
    .types = {PG_TEXT, PG_TEXT}};

static const struct pg_statement find_host = {
    .name = "find host",
    .text = "SELECT state FROM zq.host WHERE cluster = $1 AND name = $2",
    .types = {PG_TEXT, PG_TEXT}};

static const struct pg_statement accept_loss = {
    .name = "accept loss",
    .text = "UPDATE zq.cluster SET lost = NULL, losses = losses + 1"
            " WHERE name = $1 AND lost IS NOT NULL RETURNING losses",
    .types = {PG_TEXT}};

static int tell_no_host(const struct cluster *c, const char *host, struct report *r) {
    return report(r, ERR_NOTFOUND, "the cluster \"%s\" has no host \"%s\"", c->options.cluster,
                  host);
}

int cluster_pin(struct cluster *c, unsigned shard, const char *host, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    pg_add_i16(&params, (int16_t)shard);
    pg_add(&params, slice_of(host));
    int code = cluster_ask(c, &pin, &params, &row, r);
    return code == ERR_NOTFOUND
               ? report(r, code, "the cluster \"%s\" has no shard %u, or no host \"%s\"",
                        c->options.cluster, shard, host)
               : code;
}

int cluster_drain(struct cluster *c, const char *host, bool draining, struct report *r) {
    const char flag = draining ? 1 : 0;
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    pg_add(&params, slice_of(host));
    pg_add(&params, (struct slice){&flag, 1});
    int code = cluster_ask(c, &drain, &params, &row, r);
    return code == ERR_NOTFOUND ? tell_no_host(c, host, r) : code;
}

int cluster_forget(struct cluster *c, const char *host, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    pg_add(&params, slice_of(host));
    int code = cluster_ask(c, &forget, &params, &row, r);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    code = cluster_ask(c, &find_host, &params, &row, r);
    return code == ERR_NOTFOUND ? tell_no_host(c, host, r)
           : code == 0
               ? report(r, ERR_BUSY, "the host \"%s\" lives: stop it first, or bury it", host)
               : code;
}

int cluster_accept_loss(struct cluster *c, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    int code = cluster_ask(c, &accept_loss, &params, &row, r);
    return code == ERR_NOTFOUND
               ? report(r, code, "the cluster \"%s\" has lost nothing", c->options.cluster)
               : code;
}

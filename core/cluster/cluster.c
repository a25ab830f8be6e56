/*
 * cluster.c - a host of a cluster: see cluster/cluster.h.
 *
 * Each call is one statement, which is its own transaction. It locks the row of a host first, then rows
 * of shards: none waits for another in a circle.
 *
 * A shard must not stay with a host that was buried. bury() takes from it the shards that its snapshot
 * shows; a claim that commits while bury() waits for the host's row is not among them. So a claim
 * raises the count of beats: bury(), once it has the row, finds another count than it wants, and does
 * nothing. The other way round the claim finds the host dead. The same holds for a claim whose answer
 * was lost, and which is carried out late.
 */
#include "cluster/cluster_impl.h"

enum { LEAVES = 3 /* tries: a late statement of ours may raise the count between */ };

#define OURS "cluster = $1 AND name = $2 AND token = $3 AND state = 'live'"

/* It could not run what it could not run before it started again; who knows. */
static const struct pg_statement join = {
    .name = "join",
    .text = "WITH me AS (INSERT INTO zq.host AS h"
            " (cluster, name, token, beat, at, lease_ms, state, process, status)"
            " SELECT c.name, $2, $3, 1, now(), $4, 'live', $5, '' FROM zq.cluster c"
            " WHERE c.name = $1 AND $6 > (SELECT count(*) FROM zq.host o"
            " WHERE o.cluster = $1 AND o.name <> $2 AND o.state = 'live')"
            " ON CONFLICT (cluster, name) DO UPDATE SET token = $3, beat = h.beat + 1, at = now(),"
            " lease_ms = $4, state = 'live', stopping = false, process = $5, status = ''"
            " RETURNING name, beat),"
            " again AS (UPDATE zq.shard s SET failed = NULL FROM me"
            " WHERE s.cluster = $1 AND s.failed = me.name)"
            " SELECT beat FROM me",
    .types = {PG_TEXT, PG_TEXT, PG_UUID, PG_INT4, PG_TEXT, PG_INT8}};

static const struct pg_statement beat = {
    .name = "beat",
    .text = "UPDATE zq.host SET beat = beat + 1, at = now(), lease_ms = $4, status = $5,"
            " stopping = $6 WHERE " OURS " RETURNING beat",
    .types = {PG_TEXT, PG_TEXT, PG_UUID, PG_INT4, PG_TEXT, PG_BOOL}};

#define BEAT "UPDATE zq.host SET beat = beat + 1, at = now() WHERE " OURS " RETURNING name, beat"

static const struct pg_statement claim = {
    .name = "claim",
    .text = "WITH me AS (" BEAT "),"
            " taken AS (UPDATE zq.shard s SET owner = me.name, since = now() FROM me"
            " WHERE s.cluster = $1 AND s.number = $4 AND s.owner IS NULL RETURNING s.number)"
            " SELECT me.beat, EXISTS (SELECT FROM taken) FROM me",
    .types = {PG_TEXT, PG_TEXT, PG_UUID, PG_INT2}};

static const struct pg_statement release = {
    .name = "release",
    .text = "WITH me AS (" BEAT "),"
            " given AS (UPDATE zq.shard s SET owner = NULL, since = now(),"
            " failed = CASE WHEN $5 <> '' THEN me.name END,"
            " note = CASE WHEN $5 <> '' THEN"
            " me.name || to_char(now(), ', YYYY-MM-DD HH24:MI:SS TZ: ') || $5 ELSE '' END"
            " FROM me WHERE s.cluster = $1 AND s.number = $4 AND s.owner = me.name)"
            " SELECT beat FROM me",
    .types = {PG_TEXT, PG_TEXT, PG_UUID, PG_INT2, PG_TEXT}};

static const struct pg_statement bury = {
    .name = "bury",
    .text = "WITH gone AS (UPDATE zq.host SET state = $4"
            " WHERE cluster = $1 AND name = $2 AND beat = $3 AND state = 'live' RETURNING name),"
            " freed AS (UPDATE zq.shard s SET owner = NULL, since = now() FROM gone"
            " WHERE s.cluster = $1 AND s.owner = gone.name)"
            " SELECT name FROM gone",
    .types = {PG_TEXT, PG_TEXT, PG_INT8, PG_TEXT}};

static const struct pg_statement ask_host = {
    .name = "host",
    .text = "SELECT token = $3, state = 'live', process FROM zq.host"
            " WHERE cluster = $1 AND name = $2",
    .types = {PG_TEXT, PG_TEXT, PG_UUID}};

static const struct pg_statement report_lost = {
    .name = "lost",
    .text = "UPDATE zq.cluster SET lost = $3 WHERE name = $1 AND losses = $2 AND lost IS NULL"
            " RETURNING name",
    .types = {PG_TEXT, PG_INT4, PG_TEXT}};

/* --- ourselves --- */

static void begin(const struct cluster *c, struct pg_params *params) {
    cluster_begin(c, params);
    pg_add(params, slice_of(c->options.host));
    pg_add(params, slice_of_uuid(&c->token));
}

/* Why our row, as we know it, is not there. */
static int tell_why(struct cluster *c, struct report *r) {
    const char *host = c->options.host;
    struct pg_params params;
    struct pg_row row;
    begin(c, &params);
    int code = cluster_ask(c, &ask_host, &params, &row, r);
    if (code == ERR_NOTFOUND) {
        return report(r, code, "the host \"%s\" is not in the cluster any more", host);
    }
    if (code != 0) {
        return code;
    }
    bool ours = pg_get_int(row.fields[0]) != 0;
    bool lives = pg_get_int(row.fields[1]) != 0;
    if (ours && lives) {
        return report(r, ERR_NETWORK, "the row of the host \"%s\" has just changed", host);
    }
    return lives ? report(r, ERR_FENCED,
                          "another process has joined as the host \"%s\" (cluster.host): %.*s",
                          host, (int)row.fields[2].len, row.fields[2].data)
                 : report(r, ERR_NOTFOUND, "the host \"%s\" was taken for dead", host);
}

/* A statement whose first field is our new count of beats. */
static int ask(struct cluster *c, const struct pg_statement *statement,
               const struct pg_params *params, struct pg_row *row, struct report *r) {
    int code = cluster_ask(c, statement, params, row, r);
    if (code == ERR_NOTFOUND) {
        return tell_why(c, r);
    }
    c->beats = code == 0 ? pg_get_int(row->fields[0]) : c->beats;
    return code;
}

int cluster_join(struct cluster *c, struct report *r) {
    struct cluster_facts facts;
    struct pg_params params;
    struct pg_row row;
    begin(c, &params);
    pg_add_i32(&params, (int32_t)c->options.lease_ms);
    pg_add(&params, slice_of(c->options.process));
    pg_add_i64(&params, CLUSTER_HOSTS_MAX);
    int code = cluster_ask(c, &join, &params, &row, r);
    if (code == ERR_NOTFOUND) {
        code = cluster_facts(c, &facts, r);
        return code == 0 ? report(r, ERR_LIMIT,
                                  "the cluster \"%s\" has %d live hosts, and no more "
                                  "are of use",
                                  c->options.cluster, CLUSTER_HOSTS_MAX)
                         : code;
    }
    c->beats = code == 0 ? pg_get_int(row.fields[0]) : c->beats;
    return code;
}

int cluster_beat(struct cluster *c, const char *status, bool stopping, struct report *r) {
    const char flag = stopping ? 1 : 0;
    struct pg_params params;
    struct pg_row row;
    begin(c, &params);
    pg_add_i32(&params, (int32_t)c->options.lease_ms);
    pg_add(&params, slice_of(status));
    pg_add(&params, (struct slice){&flag, 1});
    return ask(c, &beat, &params, &row, r);
}

/* --- shards --- */

int cluster_claim(struct cluster *c, unsigned shard, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    begin(c, &params);
    pg_add_i16(&params, (int16_t)shard);
    int code = ask(c, &claim, &params, &row, r);
    return code == 0 && pg_get_int(row.fields[1]) == 0
               ? report(r, ERR_EXISTS, "shard %u has a host", shard)
               : code;
}

int cluster_release(struct cluster *c, unsigned shard, const char *note, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    begin(c, &params);
    pg_add_i16(&params, (int16_t)shard);
    pg_add(&params, slice_of(note));
    return ask(c, &release, &params, &row, r);
}

/* --- the end of a host --- */

static int end(struct cluster *c, const char *host, int64_t beats, const char *state,
               struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    pg_add(&params, slice_of(host));
    pg_add_i64(&params, beats);
    pg_add(&params, slice_of(state));
    int code = cluster_ask(c, &bury, &params, &row, r);
    return code == ERR_NOTFOUND ? report(r, ERR_EXISTS,
                                         "the host \"%s\" has shown a sign of life, or is dead "
                                         "already",
                                         host)
                                : code;
}

int cluster_bury(struct cluster *c, const char *host, int64_t beats, struct report *r) {
    return end(c, host, beats, "dead", r);
}

int cluster_leave(struct cluster *c, struct report *r) {
    int code = ERR_EXISTS;
    for (int i = 0; code == ERR_EXISTS && i < LEAVES; i++) {
        code = cluster_beat(c, "", true, r);
        code = code == 0 ? end(c, c->options.host, c->beats, "gone", r) : code;
    }
    return code == ERR_EXISTS ? ERR_NETWORK : code;
}

int cluster_report_lost(struct cluster *c, int losses, const char *why, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin(c, &params);
    pg_add_i32(&params, losses);
    pg_add(&params, slice_of(why));
    int code = cluster_ask(c, &report_lost, &params, &row, r);
    return code == ERR_NOTFOUND ? 0 : code;
}

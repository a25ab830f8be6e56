/* view.c - how a cluster stands: for its hosts, who decide by it, and for people. */
#include "cluster/cluster_impl.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = 16 << 20 /* of hosts that are gone there may be many */ };

/* What a host says of itself with its beats (host/fleet/status.c). */
#define FOLLOWING                                                                                  \
    "CASE WHEN h.state = 'live' AND h.status LIKE '{%' THEN h.status::jsonb -> 'following' END"
#define COPY_MS "5000" /* followers look once a second */

/* One statement, so that everything is of one moment. Kinds of rows: 0 the cluster, 1 a host, 2 a shard, 3 a copy
 * of a shard. Of more hosts than there is room for, those count that live. */
static const struct pg_statement get_view = {
    .name = "view",
    .text = "SELECT * FROM (SELECT 0 AS kind, coalesce(lost, '') AS name, '' AS pin, '' AS failed,"
            " false AS draining, shards::int8 AS count, losses::int8 AS age, 0::int8 AS lease"
            " FROM zq.cluster WHERE name = $1"
            " UNION ALL (SELECT 1, name, state, CASE WHEN stopping THEN 'stopping'"
            " WHEN " FOLLOWING " IS NOT NULL THEN 'follows' ELSE '' END,"
            " draining, beat,"
            " (extract(epoch FROM now() - at) * 1000)::int8, lease_ms FROM zq.host h"
            " WHERE cluster = $1 ORDER BY state = 'live' DESC, at DESC LIMIT 64)"
            " UNION ALL SELECT 2, coalesce(owner, ''), coalesce(pin, ''), coalesce(failed, ''),"
            " since <> made, number, (extract(epoch FROM now() - since) * 1000)::int8, 0"
            " FROM zq.shard JOIN zq.cluster ON name = cluster WHERE cluster = $1"
            " UNION ALL SELECT 3, h.name, '', '', coalesce((e ->> 'age_ms')::int8 <= " COPY_MS
            ", false), (e ->> 'shard')::int8, 0, 0"
            " FROM zq.host h, jsonb_array_elements(CASE jsonb_typeof(" FOLLOWING ")"
            " WHEN 'array' THEN " FOLLOWING " END) AS e"
            " WHERE cluster = $1 AND state = 'live' AND NOT e ? 'failed')"
            " AS rows ORDER BY kind, name COLLATE \"C\"",
    .types = {PG_TEXT}};
_Static_assert(CLUSTER_HOSTS_MAX == 64, "as many as get_view asks for");

static void put_text(char *to, size_t room, struct slice field) {
    (void)snprintf(to, room, "%.*s", (int)field.len, field.data == NULL ? "" : field.data);
}

static void put_member(struct member *m, const struct pg_row *row) {
    *m = (struct member){.state = slice_is(row->fields[2], "live")   ? MEMBER_LIVE
                                  : slice_is(row->fields[2], "gone") ? MEMBER_GONE
                                                                     : MEMBER_DEAD,
                         .draining = pg_get_int(row->fields[4]) != 0,
                         .beats = pg_get_int(row->fields[5]),
                         .age_ms = pg_get_int(row->fields[6]),
                         .lease_ms = pg_get_int(row->fields[7]),
                         .stopping = slice_is(row->fields[3], "stopping"),
                         .follows = slice_is(row->fields[3], "follows")};
    put_text(m->name, sizeof m->name, row->fields[1]);
}

static void put_lease(struct shard_lease *lease, const struct pg_row *row) {
    *lease = (struct shard_lease){.age_ms = pg_get_int(row->fields[6]),
                                  .had_owner = pg_get_int(row->fields[4]) != 0};
    put_text(lease->owner, sizeof lease->owner, row->fields[1]);
    put_text(lease->pin, sizeof lease->pin, row->fields[2]);
    put_text(lease->failed, sizeof lease->failed, row->fields[3]);
}

static int put_copy(struct cluster_view *out, const struct pg_row *row, int64_t shard) {
    for (size_t i = 0; shard >= 1 && shard <= out->shards && i < out->member_count; i++) {
        struct member *m = &out->members[i];
        if (slice_is(row->fields[1], m->name)) {
            bool whole = pg_get_int(row->fields[4]) != 0;
            *(whole ? &m->copies : &m->loads) |= UINT64_C(1) << (shard - 1);
        }
    }
    return 0;
}

/* ERR_CORRUPT: that is no row of a cluster. */
static int put_row(struct cluster_view *out, const struct pg_row *row) {
    int64_t kind = pg_get_int(row->fields[0]);
    int64_t count = pg_get_int(row->fields[5]);
    if (kind == 0 && count >= CLUSTER_SHARDS_MIN && count <= PARTITIONS) {
        put_text(out->lost, sizeof out->lost, row->fields[1]);
        out->shards = (unsigned)count;
        out->losses = (int)pg_get_int(row->fields[6]);
        return 0;
    }
    if (kind == 1 && out->member_count < CLUSTER_HOSTS_MAX) {
        put_member(&out->members[out->member_count++], row);
        return 0;
    }
    if (kind == 2 && count >= 1 && count <= out->shards) {
        put_lease(&out->leases[count - 1], row);
        return 0;
    }
    return kind == 3 ? put_copy(out, row, count) : ERR_CORRUPT;
}

int cluster_look(struct cluster *c, struct cluster_view *out, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    *out = (struct cluster_view){.shards = 0};
    cluster_begin(c, &params);
    int code = cluster_connect(c, r);
    if (code != 0) {
        return code;
    }
    code = pg_line_send(c->line, &get_view, &params);
    while (code == 0 && (code = pg_line_row(c->line, &row)) == 0) {
        code = put_row(out, &row);
    }
    if (code == ERR_CORRUPT) {
        pg_line_close(c->line);
        return report(r, ERR_SCHEMA,
                      "zq.cluster, zq.host or zq.shard have rows of \"%s\" that are "
                      "of no cluster",
                      c->options.cluster);
    }
    code = cluster_judge(c, code, r);
    return code != ERR_NOTFOUND ? code : out->shards == 0 ? cluster_tell_none(c, r) : 0;
}

const struct member *cluster_member(const struct cluster_view *view, const char *name) {
    for (size_t i = 0; i < view->member_count; i++) {
        if (strcmp(view->members[i].name, name) == 0) {
            return &view->members[i];
        }
    }
    return NULL;
}

#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define AGE(column) "round(extract(epoch FROM now() - " column "))"

/* `standbys` is null for a user who may not see them. */
static const struct pg_statement get_all = {
    .name = "all",
    .text = "SELECT json_build_object('cluster', c.name, 'made_at', " TIME(
        "c.made") ","
                  " 'lost', c.lost, 'losses', c.losses,"
                  " 'synchronous', current_setting('synchronous_standby_names') <> ''"
                  " AND current_setting('synchronous_commit') <> 'local',"
                  " 'standbys', CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN (SELECT "
                  "count(*)"
                  " FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) END,"
                  " 'hosts', (SELECT coalesce(json_agg(json_build_object('host', h.name, 'state', "
                  "h.state,"
                  " 'beat_at', " TIME("h.at") ", 'age_s', " AGE(
                      "h.at") ", 'lease_ms', h.lease_ms,"
                              " 'draining', h.draining, 'stopping', h.stopping, 'shards', (SELECT "
                              "count(*) FROM zq.shard o"
                              " WHERE o.cluster = c.name AND o.owner = h.name), 'process', "
                              "h.process,"
                              " 'status', h.status) ORDER BY h.name COLLATE \"C\"), '[]')"
                              " FROM zq.host h WHERE h.cluster = c.name),"
                              " 'shards', (SELECT coalesce(json_agg(json_build_object('shard', "
                              "s.number,"
                              " 'host', s.owner, 'since', " TIME("s.since") ", 'age_s', " AGE(
                                  "s.since") ","
                                             " 'pin', s.pin, 'failed', s.failed, 'note', s.note, "
                                             "'log', l.name, 'turn', l.turn,"
                                             " 'bytes', l.bytes, 'snapshot_turn', l.snap_turn, "
                                             "'snapshot_bytes', l.snap_bytes,"
                                             " 'owner', l.owner) ORDER BY s.number), '[]') FROM "
                                             "zq.shard s"
                                             " LEFT JOIN zq.store l ON l.name = s.cluster || '-' "
                                             "|| s.number"
                                             " WHERE s.cluster = c.name))::text FROM zq.cluster c "
                                             "WHERE c.name = $1",
    .types = {PG_TEXT}};

static const char *text_of(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static json_t *find_shard(const json_t *shards, json_int_t number) {
    size_t i;
    json_t *shard;
    json_array_foreach(shards, i, shard) {
        if (json_integer_value(json_object_get(shard, "shard")) == number) {
            return shard;
        }
    }
    return NULL;
}

/* As the host has reported at its last beat; who had all of the log then has it now if there is nothing
 * more by now. */
static int show_follower(json_t *shard, const json_t *host, const json_t *following) {
    const json_t *turn = json_object_get(following, "turn");
    bool all = json_equal(turn, json_object_get(shard, "turn"));
    double age_s = json_number_value(json_object_get(host, "age_s")) +
                   json_number_value(json_object_get(following, "age_ms")) / 1000;
    bool known = json_is_integer(turn);
    json_t *one = json_pack("{s:s, s:o?, s:o?, s:b}", "host", text_of(host, "host"), "turn",
                            known ? json_integer(json_integer_value(turn)) : NULL, "behind_s",
                            known ? json_integer(all ? 0 : (json_int_t)(age_s + 0.5)) : NULL,
                            "failed", (int)json_is_true(json_object_get(following, "failed")));
    return json_object_set_new(shard, "follower", one) == 0 ? 0 : ERR_MEMORY;
}

static int show_followers_on(const json_t *shards, const json_t *host) {
    size_t i;
    const json_t *following;
    struct report r;
    bool lives = strcmp(text_of(host, "state"), "live") == 0;
    json_t *status =
        lives ? json_read(slice_of(text_of(host, "status")), "a host's status", &r) : NULL;
    int code = 0;
    json_array_foreach(json_object_get(status, "following"), i, following) {
        json_t *shard = find_shard(shards, json_integer_value(json_object_get(following, "shard")));
        code = code == 0 && shard != NULL ? show_follower(shard, host, following) : code;
    }
    json_decref(status);
    return code;
}

static int show_followers(json_t *all, struct report *r) {
    const json_t *shards = json_object_get(all, "shards");
    size_t i;
    json_t *one;
    int code = 0;
    json_array_foreach(shards, i, one) {
        code = json_object_set_new(one, "follower", json_null()) == 0 ? code : ERR_MEMORY;
    }
    json_array_foreach(json_object_get(all, "hosts"), i, one) {
        code = code == 0 ? show_followers_on(shards, one) : code;
    }
    if (code != 0) {
        json_decref(all);
        return report(r, code, "out of memory");
    }
    return 0;
}

int cluster_show(struct cluster *c, json_t **out, struct report *r) {
    struct pg_params params;
    struct pg_row row;
    struct buf kept;
    cluster_begin(c, &params);
    buf_init(&kept, SHOWN_BYTES_MAX);
    int code = cluster_ask_long(c, &get_all, &params, &kept, &row, r);
    if (code == 0) {
        *out = json_read(row.fields[0], "what the database says of the cluster", r);
        code = *out == NULL ? ERR_CORRUPT : show_followers(*out, r);
    } else if (code == ERR_NOTFOUND) {
        (void)cluster_tell_none(c, r);
    }
    buf_clear(&kept);
    return code;
}

/*
 * snapshots.c - who writes the snapshots of a log: see struct log_snapshots. Over a connection of its
 * own, because it is used by another thread.
 *
 * Slices stand under the token of their writer. So one who has been fenced, and does not know it yet,
 * mixes none of his with those of the next one.
 */
#include "cluster/snapshots.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECT_WAIT_MS = 5000, /* nobody waits but a host that stops */
    PATIENCE_MS = 10000
};

/* In place of what an earlier attempt at this slice left. */
static const struct pg_statement add_slice = {
    .name = "add",
    .text = "INSERT INTO zq.snap (store, turn, token, slice, body)"
            " SELECT id, $3, token, $4, $5 FROM zq.store WHERE id = $1 AND token = $2"
            " ON CONFLICT (store, turn, token, slice) DO UPDATE SET body = EXCLUDED.body"
            " RETURNING store",
    .types = {PG_INT4, PG_UUID, PG_INT8, PG_INT4, PG_BYTEA}};

/* False: a slice is missing, or a later snapshot is there. */
static const struct pg_statement finish_snapshot = {
    .name = "finish",
    .text = "WITH done AS (UPDATE zq.store SET snap_token = $2, snap_turn = $3, snap_slices = $4,"
            " snap_bytes = $5, bytes = (SELECT coalesce(sum(bytes), 0) FROM zq.log"
            " WHERE store = $1 AND turn > $3)"
            " WHERE id = $1 AND token = $2 AND snap_turn <= $3 AND NOT EXISTS ("
            "SELECT FROM generate_series(0, $4 - 1) AS i WHERE NOT EXISTS ("
            "SELECT FROM zq.snap s WHERE s.store = $1 AND s.turn = $3 AND s.token = $2"
            " AND s.slice = i)) RETURNING id)"
            " SELECT EXISTS (SELECT FROM done) FROM zq.store WHERE id = $1 AND token = $2",
    .types = {PG_INT4, PG_UUID, PG_INT8, PG_INT4, PG_INT8}};

/* A little at a time: what is deleted is locked and logged. */
static const struct pg_statement trim_turns = {
    .name = "trim turns",
    .text = "WITH ours AS (SELECT snap_turn FROM zq.store WHERE id = $1 AND token = $2),"
            " gone AS (DELETE FROM zq.log WHERE ctid = ANY (ARRAY("
            "SELECT ctid FROM zq.log WHERE store = $1 AND turn <= (SELECT snap_turn FROM ours)"
            " ORDER BY turn LIMIT 200)) RETURNING 1)"
            " SELECT (SELECT count(*) FROM gone) = 200 FROM ours",
    .types = {PG_INT4, PG_UUID}};

/* Ranges of the primary key, in its order: the first three walk over none of the snapshot that counts,
 * and the last one takes none that is under way. */
static const struct pg_statement trim_slices = {
    .name = "trim slices",
    .text =
        "WITH ours AS (SELECT snap_turn, snap_token FROM zq.store WHERE id = $1 AND token = $2),"
        " gone AS (DELETE FROM zq.snap WHERE ctid = ANY (ARRAY("
        "(SELECT ctid FROM zq.snap WHERE store = $1 AND turn < (SELECT snap_turn FROM ours)"
        " ORDER BY turn LIMIT 20)"
        " UNION ALL "
        "(SELECT ctid FROM zq.snap WHERE store = $1 AND turn = (SELECT snap_turn FROM ours)"
        " AND token < (SELECT snap_token FROM ours) ORDER BY token LIMIT 20)"
        " UNION ALL "
        "(SELECT ctid FROM zq.snap WHERE store = $1 AND turn = (SELECT snap_turn FROM ours)"
        " AND token > (SELECT snap_token FROM ours) ORDER BY token LIMIT 20)"
        " UNION ALL "
        "(SELECT ctid FROM zq.snap WHERE store = $1 AND turn > (SELECT snap_turn FROM ours)"
        " AND token <> $2 ORDER BY turn LIMIT 20)"
        " LIMIT 20)) RETURNING 1)"
        " SELECT (SELECT count(*) FROM gone) = 20 FROM ours",
    .types = {PG_INT4, PG_UUID}};

struct snapshots {
    const struct log_row *row;
    struct pg_line *line;
    struct log_snapshots door;
    struct pack pack;
    struct buf kept;
};

static int ask(struct snapshots *s, const struct pg_statement *statement,
               const struct pg_params *params, struct pg_row *row) {
    int code = pg_line_connect(s->line, CONNECT_WAIT_MS);
    code = code == 0 ? pg_line_ask(s->line, statement, params, &s->kept, row) : code;
    return code == ERR_NOTFOUND ? ERR_FENCED : cluster_again(code);
}

static int add(void *ctx, uint32_t index, const struct log_turn *slice) {
    struct snapshots *s = ctx;
    struct pg_params params;
    struct pg_row row;
    struct packed packed;
    int code = pack_turn(&s->pack, slice, &packed);
    if (code != 0) {
        return code;
    }
    cluster_begin_params(&params, s->row);
    pg_add_i64(&params, (int64_t)slice->number);
    pg_add_i32(&params, (int32_t)index);
    pg_add(&params, packed.body);
    code = ask(s, &add_slice, &params, &row);
    pack_trim(&s->pack);
    return code;
}

static int finish(void *ctx, const struct log_snapshot *snapshot) {
    struct snapshots *s = ctx;
    struct pg_params params;
    struct pg_row row;
    cluster_begin_params(&params, s->row);
    pg_add_i64(&params, (int64_t)snapshot->number);
    pg_add_i32(&params, (int32_t)snapshot->slices);
    pg_add_i64(&params, (int64_t)snapshot->bytes);
    int code = ask(s, &finish_snapshot, &params, &row);
    return code == 0 && pg_get_int(row.fields[0]) == 0 ? ERR_LOST : code;
}

static int trim(void *ctx, bool *more) {
    struct snapshots *s = ctx;
    struct pg_params params;
    struct pg_row row;
    cluster_begin_params(&params, s->row);
    int code = ask(s, &trim_turns, &params, &row);
    *more = code == 0 && pg_get_int(row.fields[0]) != 0;
    code = code == 0 ? ask(s, &trim_slices, &params, &row) : code;
    *more = *more || (code == 0 && pg_get_int(row.fields[0]) != 0);
    return code;
}

int snapshots_new(struct snapshots **out, const char *url, const struct log_row *row,
                  struct report *r) {
    const struct pg_line_options options = {.url = url, .patience_ms = PATIENCE_MS};
    struct snapshots *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    s->row = row;
    s->door = (struct log_snapshots){s, add, finish, trim};
    buf_init(&s->kept, PG_ANSWER_BYTES);
    int code = pack_init(&s->pack);
    code = code == 0 ? pg_line_new(&s->line, &options, r) : report(r, code, "out of memory");
    if (code != 0) {
        snapshots_free(s);
        return code;
    }
    *out = s;
    return 0;
}

void snapshots_free(struct snapshots *s) {
    if (s == NULL) {
        return;
    }
    pg_line_free(s->line);
    pack_clear(&s->pack);
    buf_clear(&s->kept);
    free(s);
}

const struct log_snapshots *snapshots_door(const struct snapshots *s) {
    return &s->door;
}

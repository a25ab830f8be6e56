/*
 * turns.c - see cluster/turns.h.
 *
 * The epoch is chosen here, higher each time: a barrier whose answer did not come, and which is carried
 * out late, finds a higher one and changes nothing.
 */
#include "cluster/turns.h"

#include "base/clock.h"
#include "cluster/impl.h"
#include "cluster/schema.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_WAIT_MS = 200, /* the loop waits meanwhile */
    TURNS_AHEAD = 64,      /* asked for at once when LMDB is behind */
    ROW_BYTES = 4096,      /* of a short answer */
    PART_BYTES = 1 << 30,  /* of the arrays of a turn */
    BODIES_KEPT = 1 << 20  /* of memory, between turns */
};

/* A host that is new begins with turn 0, and its first token names no snapshot. */
static const struct pg_statement join = {
    .name = "join",
    .text = "INSERT INTO zq.host AS h (name, log, token, epoch, turn, bytes, snap_turn, snap_token,"
            " snap_slices, snap_bytes, owner, since)"
            " VALUES ($1, $2, $3, 1, 0, 0, 0, $2, 0, 0, $4, now())"
            " ON CONFLICT (name) DO UPDATE SET token = EXCLUDED.token, epoch = h.epoch + 1,"
            " owner = EXCLUDED.owner, since = now()"
            " RETURNING id, epoch",
    .types = {PG_TEXT, PG_UUID, PG_UUID, PG_TEXT}};

static const struct pg_statement append_turn = {
    .name = "append",
    .text = "WITH fence AS (UPDATE zq.host SET turn = $4, bytes = bytes + $5"
            " WHERE id = $1 AND token = $2 AND epoch = $3 AND turn = $4 - 1 RETURNING id),"
            " bodies AS (INSERT INTO zq.log (host, turn, home, body)"
            " SELECT fence.id, $4, b.home, b.body FROM fence, unnest($6, $7) AS b (home, body))"
            " SELECT id FROM fence",
    .types = {PG_INT4, PG_UUID, PG_INT8, PG_INT8, PG_INT8, PG_INT2S, PG_BYTEAS}};

static const struct pg_statement raise_epoch = {
    .name = "barrier",
    .text = "UPDATE zq.host SET epoch = $3 WHERE id = $1 AND token = $2 AND epoch < $3"
            " RETURNING turn, bytes, log, snap_token, snap_turn, snap_slices, snap_bytes",
    .types = {PG_INT4, PG_UUID, PG_INT8}};

static const struct pg_statement ask_owner = {
    .name = "owner",
    .text = "SELECT token = $2, owner || to_char(since, ' at YYYY-MM-DD HH24:MI:SS TZ')"
            " FROM zq.host WHERE id = $1",
    .types = {PG_INT4, PG_UUID}};

static const struct pg_statement get_turns = {
    .name = "turns",
    .text = "SELECT turn, home, body FROM zq.log WHERE host = $1 AND turn BETWEEN $2 AND $3"
            " ORDER BY turn, home",
    .types = {PG_INT4, PG_INT8, PG_INT8}};

struct turns {
    struct turns_options options;
    struct pg_line *line;
    struct store_log log;
    struct host_row row;
    int64_t epoch;
    struct ahead ahead;
    struct buf kept;          /* what a short statement returned */
    struct buf homes, bodies; /* of the turn that is appended */
    struct turns_state state;
    char taker[256];
};

/* The row and its token, which stand first in a statement. */
static void begin_params(struct pg_params *params, const struct host_row *row) {
    params->count = 0;
    pg_add_i32(params, row->id);
    pg_add(params, slice_of_uuid(&row->token));
}

/* --- joining --- */

static int take_row(struct turns *t, struct report *r) {
    struct uuid log;
    struct pg_params params = {.count = 0};
    struct pg_row row;
    randombytes_buf(&log, sizeof log);
    randombytes_buf(&t->row.token, sizeof t->row.token);
    pg_add(&params, slice_of(t->options.name));
    pg_add(&params, slice_of_uuid(&log));
    pg_add(&params, slice_of_uuid(&t->row.token));
    pg_add(&params, slice_of(t->options.owner));
    int code = pg_line_ask(t->line, &join, &params, &t->kept, &row);
    if (code != 0) {
        return report(r, code == ERR_DOUBT ? ERR_NETWORK : code,
                      "the row of \"%s\" in zq.host cannot be taken over: %s", t->options.name,
                      pg_line_error(t->line));
    }
    t->row.id = (int32_t)pg_get_int(row.fields[0]);
    t->epoch = pg_get_int(row.fields[1]);
    t->state.up = true;
    return 0;
}

int turns_join(struct turns *t, int64_t wait_ms, struct report *r) {
    int code = pg_line_connect(t->line, wait_ms);
    if (code != 0) {
        return report(r, code, "%s",
                      code == ERR_MEMORY ? error_text(code) : pg_line_error(t->line));
    }
    code = schema_make(t->line, r);
    return code == 0 ? take_row(t, r) : code;
}

/* --- the fence --- */

/* The row is not as this process left it. */
static int find_taker(struct turns *t) {
    struct pg_params params;
    struct pg_row row;
    begin_params(&params, &t->row);
    int code = pg_line_ask(t->line, &ask_owner, &params, &t->kept, &row);
    if (code == 0 && pg_get_int(row.fields[0]) != 0) {
        return ERR_NETWORK; /* it is still ours: the next barrier settles what is between us */
    }
    if (code == 0) {
        (void)snprintf(t->taker, sizeof t->taker, "%.*s", (int)row.fields[1].len,
                       row.fields[1].data);
    } else if (code == ERR_NOTFOUND) {
        (void)snprintf(t->taker, sizeof t->taker, "whoever deleted its row in zq.host");
    }
    return code == 0 || code == ERR_NOTFOUND ? ERR_FENCED : cluster_again(code);
}

/* Whether a statement that changes the row if it is ours has found it. */
static int judge(struct turns *t, int code) {
    if (code == ERR_NOTFOUND) {
        code = find_taker(t);
    }
    t->state.up = code == 0 || code == ERR_FENCED;
    return code == ERR_REFUSED ? ERR_NETWORK : code;
}

/* --- turns --- */

int64_t cluster_put_parts(const struct log_turn *turn, struct buf *homes, struct buf *bodies) {
    int64_t bytes = 0;
    buf_reset(homes);
    buf_reset(bodies);
    struct pg_array of_homes = pg_array_begin(homes, PG_INT2);
    struct pg_array of_bodies = pg_array_begin(bodies, PG_BYTEA);
    for (size_t i = 0; i < turn->count; i++) {
        const char home[2] = {0, (char)turn->parts[i].home};
        pg_array_add(&of_homes, (struct slice){home, sizeof home});
        pg_array_add(&of_bodies, turn->parts[i].body);
        bytes += (int64_t)turn->parts[i].body.len;
    }
    pg_array_end(&of_homes);
    pg_array_end(&of_bodies);
    return bytes;
}

static void count_append(struct turns *t, int code, int64_t us) {
    t->state.turns += code == 0 ? 1 : 0;
    t->state.doubts += code == ERR_DOUBT ? 1 : 0;
    t->state.last_us = us;
    t->state.max_us = us > t->state.max_us ? us : t->state.max_us;
    t->state.total_us += us;
}

static int append(void *ctx, const struct log_turn *turn) {
    struct turns *t = ctx;
    struct pg_params params;
    struct pg_row row;
    int64_t from_us = clock_monotonic_us();
    ahead_stop(&t->ahead, t->line);
    int64_t bytes = cluster_put_parts(turn, &t->homes, &t->bodies);
    if (t->homes.failed || t->bodies.failed) {
        return ERR_MEMORY;
    }
    begin_params(&params, &t->row);
    pg_add_i64(&params, t->epoch);
    pg_add_i64(&params, (int64_t)turn->number);
    pg_add_i64(&params, bytes);
    pg_add(&params, buf_slice(&t->homes));
    pg_add(&params, buf_slice(&t->bodies));
    int code = judge(t, pg_line_ask(t->line, &append_turn, &params, NULL, &row));
    count_append(t, code, clock_monotonic_us() - from_us);
    buf_trim(&t->bodies, BODIES_KEPT);
    return code;
}

static int barrier(void *ctx, uint64_t *last) {
    struct turns *t = ctx;
    struct pg_params params;
    struct pg_row row;
    ahead_stop(&t->ahead, t->line);
    int code = pg_line_connect(t->line, CONNECT_WAIT_MS);
    if (code != 0) {
        t->state.up = false;
        return code;
    }
    begin_params(&params, &t->row);
    pg_add_i64(&params, ++t->epoch);
    code = judge(t, cluster_again(pg_line_ask(t->line, &raise_epoch, &params, &t->kept, &row)));
    if (code == 0) {
        *last = (uint64_t)pg_get_int(row.fields[0]);
    }
    return code;
}

static int read_turn(void *ctx, uint64_t number, struct log_turn *out) {
    struct turns *t = ctx;
    struct pg_params params = {.count = 0};
    if (t->ahead.number == number) {
        return ahead_take(&t->ahead, t->line, number, out);
    }
    ahead_stop(&t->ahead, t->line);
    int code = pg_line_connect(t->line, CONNECT_WAIT_MS);
    if (code != 0) {
        return code;
    }
    pg_add_i32(&params, t->row.id);
    pg_add_i64(&params, (int64_t)number);
    pg_add_i64(&params, (int64_t)number + TURNS_AHEAD - 1);
    code = ahead_start(&t->ahead, t->line, &get_turns, &params);
    return code == 0 ? ahead_take(&t->ahead, t->line, number, out) : code;
}

/* --- life --- */

int turns_new(struct turns **out, const struct turns_options *options, struct report *r) {
    struct turns *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    t->options = *options;
    t->log = (struct store_log){t, append, barrier, read_turn};
    ahead_init(&t->ahead);
    buf_init(&t->kept, ROW_BYTES);
    buf_init(&t->homes, PART_BYTES);
    buf_init(&t->bodies, PART_BYTES);
    const struct pg_line_options line = {.url = options->url,
                                         .patience_ms = CLUSTER_PATIENCE_MS,
                                         .pump = options->pump,
                                         .ctx = options->ctx};
    int code = pg_line_new(&t->line, &line, r);
    if (code != 0) {
        turns_free(t);
        return code;
    }
    *out = t;
    return 0;
}

void turns_free(struct turns *t) {
    if (t == NULL) {
        return;
    }
    pg_line_free(t->line);
    ahead_clear(&t->ahead);
    buf_clear(&t->kept);
    buf_clear(&t->homes);
    buf_clear(&t->bodies);
    free(t);
}

const struct store_log *turns_log(const struct turns *t) {
    return &t->log;
}

void turns_look(const struct turns *t, struct turns_state *out) {
    *out = t->state;
    out->error = pg_line_error(t->line);
    out->taker = t->taker;
}

/*
 * turns.c - see cluster/turns.h.
 *
 * The epoch is chosen here, higher each time: a barrier whose answer did not come, and which is carried
 * out late, finds a higher one and changes nothing.
 */
#include "cluster/turns.h"

#include "base/slew.h"
#include "cluster/impl.h"
#include "cluster/schema.h"
#include "cluster/snapshots.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONNECT_WAIT_MS = 200, /* the loop waits meanwhile */
    PATIENCE_MS = 5000,    /* with a statement */
    TURNS_AHEAD = 64,      /* asked for at once when LMDB is behind, */
    SLICES_AHEAD = 16      /* or is loaded */
};

/* Of a log of that id, or of any; one that has nothing yet, or any. Without an id: it is there, and was
 * not taken over. Reigns without a turn go, and those before the last thousand. */
static const struct pg_statement take_log = {
    .name = "take",
    .text = "WITH taken AS (UPDATE zq.store SET token = $2, epoch = epoch + 1, owner = $3,"
            " since = now(), schema = greatest(schema, $7)"
            " WHERE name = $1 AND (log = $4 OR $5) AND (turn = 0 AND snap_slices = 0 OR $6)"
            " AND schema <= $7 RETURNING id, epoch, turn),"
            " gone AS (DELETE FROM zq.reign r USING taken WHERE r.store = taken.id"
            " AND (r.from_turn >= taken.turn OR r.epoch <= (SELECT epoch FROM zq.reign"
            " WHERE store = taken.id ORDER BY epoch DESC OFFSET 999 LIMIT 1))),"
            " begun AS (INSERT INTO zq.reign (store, epoch, token, from_turn)"
            " SELECT id, epoch, $2, turn FROM taken)"
            " SELECT taken.id, taken.epoch, s.schema, clock_timestamp()"
            " FROM zq.store s LEFT JOIN taken ON taken.id = s.id WHERE s.name = $1",
    .types = {PG_TEXT, PG_UUID, PG_TEXT, PG_UUID, PG_BOOL, PG_BOOL, PG_INT4}};

/* It begins with turn 0, and no snapshot. */
static const struct pg_statement make_log = {
    .name = "make",
    .text = "WITH made AS (INSERT INTO zq.store (name, token, owner, log, epoch, turn, bytes,"
            " snap_turn, snap_token, snap_slices, snap_bytes, since, schema)"
            " VALUES ($1, $2, $3, $4, 1, 0, 0, 0, $2, 0, 0, now(), $5) ON CONFLICT DO NOTHING"
            " RETURNING id, epoch),"
            " begun AS (INSERT INTO zq.reign (store, epoch, token, from_turn)"
            " SELECT id, epoch, $2, 0 FROM made)"
            " SELECT id, epoch, clock_timestamp() FROM made",
    .types = {PG_TEXT, PG_UUID, PG_TEXT, PG_UUID, PG_INT4}};

static const struct pg_statement append_turn = {
    .name = "append",
    .text =
        "WITH fence AS (UPDATE zq.store SET turn = $4, bytes = bytes + $5"
        " WHERE id = $1 AND token = $2 AND epoch = $3 AND turn = $4 - 1 RETURNING id),"
        " kept AS (INSERT INTO zq.log (store, turn, bytes, body) SELECT id, $4, $5, $6 FROM fence)"
        " SELECT id, clock_timestamp() FROM fence",
    .types = {PG_INT4, PG_UUID, PG_INT8, PG_INT8, PG_INT8, PG_BYTEA}};

/* What a log is at, with the writer of its last turn. */
#define STATE                                                                                      \
    "turn, bytes, log, snap_token, snap_turn, snap_slices, snap_bytes,"                            \
    " (SELECT r.token FROM zq.reign r WHERE r.store = id AND r.from_turn < turn"                   \
    " ORDER BY r.epoch DESC LIMIT 1)"

static const struct pg_statement raise_epoch = {
    .name = "barrier",
    .text = "UPDATE zq.store SET epoch = $3 WHERE id = $1 AND token = $2 AND epoch < $3"
            " RETURNING " STATE,
    .types = {PG_INT4, PG_UUID, PG_INT8}};

/* For who only reads. */
static const struct pg_statement find_log = {
    .name = "find", .text = "SELECT id, schema FROM zq.store WHERE name = $1", .types = {PG_TEXT}};

static const struct pg_statement look_at_log = {
    .name = "state", .text = "SELECT " STATE " FROM zq.store WHERE id = $1", .types = {PG_INT4}};

/* For who follows it. The lock makes that a commit, which is answered when what it has seen lasts as well:
 * a turn that the server shows and no standby has may yet be lost, and then nobody ever had it. No turn
 * waits for it, nor it for a turn. */
static const struct pg_statement follow_log = {
    .name = "follow",
    .text = "SELECT " STATE " FROM zq.store WHERE id = $1 AND schema <= $2 FOR KEY SHARE OF store",
    .types = {PG_INT4, PG_INT4}};

static const struct pg_statement get_last = {
    .name = "last", .text = "SELECT turn FROM zq.store WHERE id = $1", .types = {PG_INT4}};

/* Where the reign after that one began, or the log's end; of one that is not known, the first one. */
static const struct pg_statement get_reach = {
    .name = "reach",
    .text = "SELECT coalesce((SELECT coalesce((SELECT min(n.from_turn) FROM zq.reign n"
            " WHERE n.store = s.id AND n.epoch > r.epoch AND n.token <> r.token), s.turn)"
            " FROM zq.reign r WHERE r.store = s.id AND r.token = $2 ORDER BY r.epoch LIMIT 1),"
            " (SELECT min(from_turn) FROM zq.reign WHERE store = s.id), 0)"
            " FROM zq.store s WHERE s.id = $1",
    .types = {PG_INT4, PG_UUID}};

static const struct pg_statement ask_owner = {
    .name = "owner",
    .text = "SELECT token = $2, owner || to_char(since, ' at YYYY-MM-DD HH24:MI:SS TZ'),"
            " clock_timestamp() FROM zq.store WHERE id = $1",
    .types = {PG_INT4, PG_UUID}};

static const struct pg_statement get_slices = {
    .name = "slices",
    .text = "SELECT slice::bigint + 1, body FROM zq.snap WHERE store = $1 AND turn = $2"
            " AND token = $3 AND slice BETWEEN $4 AND $5 ORDER BY slice",
    .types = {PG_INT4, PG_INT8, PG_UUID, PG_INT4, PG_INT4}};

static const struct pg_statement get_turns = {
    .name = "turns",
    .text = "SELECT turn, body FROM zq.log WHERE store = $1 AND turn BETWEEN $2 AND $3"
            " ORDER BY turn",
    .types = {PG_INT4, PG_INT8, PG_INT8}};

enum ahead_of { AHEAD_TURNS, AHEAD_SLICES };

struct turns {
    struct turns_options options;
    struct pg_line *line;
    struct store_log log;
    struct log_row row;
    int64_t epoch;
    uint64_t last;          /* the last turn that the barrier told of, */
    uint64_t snap_turn;     /* the snapshot, */
    struct uuid snap_token; /* and its writer's token */
    struct ahead ahead;
    enum ahead_of reads; /* what it has */
    struct snapshots *snapshots;
    struct buf kept;          /* what a short statement returned */
    struct pack pack;         /* of the turn that is appended */
    struct slew_source clock; /* the database's */
    struct turns_state state;
    bool hangs;       /* the last turn or barrier was not answered */
    int64_t again_ms; /* no connection is set up before that; monotonic */
    char taker[256];
};

/* A statement whose last field is the database's clock. */
static int ask(struct turns *t, const struct pg_statement *statement,
               const struct pg_params *params, struct pg_row *row) {
    int64_t asked_ms = clock_boottime_ms();
    int code = pg_line_ask(t->line, statement, params, &t->kept, row);
    int64_t shown_ms = code == 0 && row->count > 0 ? pg_get_ms(row->fields[row->count - 1]) : 0;
    if (shown_ms > 0 && shown_ms < INT64_C(1) << 47) { /* to the year 6429: it can be stored */
        slew_answer(&t->clock, asked_ms, clock_boottime_ms(), shown_ms);
    }
    return code;
}

/* --- joining --- */

static bool is_known(const uint8_t *id) {
    return !sodium_is_zero(id, LOG_ID_BYTES);
}

static int refuse_row(const struct turns *t, int code, struct report *r) {
    return cluster_refused(t->line, code, "the log's row in zq.store cannot be taken over", r);
}

static int make_row(struct turns *t, struct pg_row *row, struct report *r) {
    struct uuid log;
    struct pg_params params = {.count = 0};
    randombytes_buf(&log, sizeof log);
    pg_add(&params, slice_of(t->options.name));
    pg_add(&params, slice_of_uuid(&t->row.token));
    pg_add(&params, slice_of(t->options.owner));
    pg_add(&params, slice_of_uuid(&log));
    pg_add_i32(&params, STORE_SCHEMA);
    int code = ask(t, &make_log, &params, row);
    return code == ERR_NOTFOUND
               ? report(r, ERR_NETWORK, "another process makes the log of \"%s\" right now",
                        t->options.name)
           : code == 0 ? 0
                       : refuse_row(t, code, r);
}

static int tell_lost(const struct turns *t, struct report *r) {
    return report(r, ERR_LOST,
                  "the database has no log \"%s\", and store.path is a copy of it: the database "
                  "has lost it, or store.url or the name are others than before. To begin with "
                  "nothing, let store.path name a new folder",
                  t->options.name);
}

static int tell_foreign(const struct turns *t, struct report *r) {
    return report(r, ERR_FOREIGN,
                  "store.path is the copy of another log than the \"%s\" that the database has, "
                  "and nothing was taken over: the folder, store.url or the name is a wrong one, "
                  "or the log was made anew. To begin with what the database has, move the "
                  "folder away",
                  t->options.name);
}

/* Why a row that is there was not taken over. */
static int tell_not_taken(const struct turns *t, bool known, int64_t schema, struct report *r) {
    if (schema > STORE_SCHEMA) {
        return report(
            r, ERR_SCHEMA,
            "the log of \"%s\" was written by a newer zingq, with store schema %lld; this "
            "is zingq " ZINGQ_VERSION ", which knows %d, and nothing was taken over: use "
            "the newer zingq",
            t->options.name, (long long)schema, STORE_SCHEMA);
    }
    if (known) {
        return tell_foreign(t, r);
    }
    return t->options.unused
               ? report(r, ERR_EXISTS,
                        "the log \"%s\" (store.name) in that database has a store already, and "
                        "nothing was changed: choose another name",
                        t->options.name)
               : report(r, ERR_NETWORK, "another process takes the log of \"%s\" over right now",
                        t->options.name);
}

static int ask_for_row(struct turns *t, const uint8_t *id, struct pg_row *row) {
    static const char yes[] = {1};
    static const char no[] = {0};
    struct pg_params params = {.count = 0};
    pg_add(&params, slice_of(t->options.name));
    pg_add(&params, slice_of_uuid(&t->row.token));
    pg_add(&params, slice_of(t->options.owner));
    pg_add(&params, (struct slice){(const char *)id, LOG_ID_BYTES});
    pg_add(&params, (struct slice){is_known(id) ? no : yes, 1});
    pg_add(&params, (struct slice){t->options.unused ? no : yes, 1});
    pg_add_i32(&params, STORE_SCHEMA);
    return ask(t, &take_log, &params, row);
}

static int take_row(struct turns *t, const uint8_t *id, struct report *r) {
    struct pg_row row;
    int code = ask_for_row(t, id, &row);
    if (code == 0 && row.fields[0].data == NULL) {
        return tell_not_taken(t, is_known(id), pg_get_int(row.fields[2]), r);
    }
    if (code == ERR_NOTFOUND && is_known(id)) {
        return tell_lost(t, r);
    }
    code = code == ERR_NOTFOUND ? make_row(t, &row, r) : code == 0 ? 0 : refuse_row(t, code, r);
    if (code != 0) {
        return code;
    }
    t->row.id = (int32_t)pg_get_int(row.fields[0]);
    t->epoch = pg_get_int(row.fields[1]);
    t->state.up = true;
    return 0;
}

static int find_row(struct turns *t, struct report *r) {
    struct pg_params params = {.count = 0};
    struct pg_row row;
    pg_add(&params, slice_of(t->options.name));
    int code = pg_line_ask(t->line, &find_log, &params, &t->kept, &row);
    if (code == ERR_NOTFOUND) {
        return report(r, code, "the database has no log \"%s\"", t->options.name);
    }
    if (code != 0) {
        return cluster_refused(t->line, code, "the log's row in zq.store cannot be read", r);
    }
    if (pg_get_int(row.fields[1]) > STORE_SCHEMA) {
        return tell_not_taken(t, false, pg_get_int(row.fields[1]), r);
    }
    t->row.id = (int32_t)pg_get_int(row.fields[0]);
    t->state.up = true;
    return 0;
}

int turns_join(struct turns *t, const uint8_t id[LOG_ID_BYTES], int64_t wait_ms, struct report *r) {
    int code = pg_line_connect(t->line, wait_ms);
    if (code != 0) {
        return report(r, code, "%s",
                      code == ERR_MEMORY ? error_text(code) : pg_line_error(t->line));
    }
    code = t->options.reads ? schema_find(t->line, r) : schema_make(t->line, r);
    return code != 0 ? code : t->options.reads ? find_row(t, r) : take_row(t, id, r);
}

/* A server may accept connections and say nothing: the loop waits for it, whoever asks. So the next
 * attempt is not before as much time again has passed. */
static int connect_line(struct turns *t, int64_t wait_ms) {
    int64_t from_ms = clock_monotonic_ms();
    if (!pg_line_is_open(t->line) && from_ms < t->again_ms) {
        return ERR_NETWORK;
    }
    int code = pg_line_connect(t->line, wait_ms);
    if (code != 0) {
        int64_t now_ms = clock_monotonic_ms();
        t->again_ms = now_ms + (now_ms - from_ms);
    }
    return code;
}

/* --- the fence --- */

/* Whether the row is still ours. */
static int look_at_row(struct turns *t) {
    struct pg_params params;
    struct pg_row row;
    cluster_begin_params(&params, &t->row);
    int code = ask(t, &ask_owner, &params, &row);
    if (code == 0 && pg_get_int(row.fields[0]) != 0) {
        return 0;
    }
    if (code == 0) {
        (void)snprintf(t->taker, sizeof t->taker, "%.*s", (int)row.fields[1].len,
                       row.fields[1].data);
    } else if (code == ERR_NOTFOUND) {
        (void)snprintf(t->taker, sizeof t->taker, "whoever deleted its row in zq.store");
    }
    return code == 0 || code == ERR_NOTFOUND ? ERR_FENCED : cluster_again(code);
}

/* Whether a statement that changes the row if it is ours has found it. */
static int judge(struct turns *t, int code) {
    if (code == ERR_NOTFOUND) {
        code = look_at_row(t);
        code = code == 0 ? ERR_NETWORK : code; /* the next barrier settles what is between us */
    }
    t->hangs = code != 0 && code != ERR_FENCED;
    t->state.up = !t->hangs;
    return code == ERR_REFUSED ? ERR_NETWORK : code;
}

/* --- turns --- */

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
    struct packed packed;
    int64_t from_us = clock_monotonic_us();
    assert(!t->options.reads);
    ahead_stop(&t->ahead, t->line);
    int code = pack_turn(&t->pack, turn, &packed);
    if (code != 0) {
        return code;
    }
    cluster_begin_params(&params, &t->row);
    pg_add_i64(&params, t->epoch);
    pg_add_i64(&params, (int64_t)turn->number);
    pg_add_i64(&params, packed.bytes);
    pg_add(&params, packed.body);
    code = judge(t, ask(t, &append_turn, &params, &row));
    count_append(t, code, clock_monotonic_us() - from_us);
    pack_trim(&t->pack);
    return code;
}

static int take_state(struct turns *t, const struct pg_row *row, struct log_state *out) {
    if (row->fields[2].len != LOG_ID_BYTES || row->fields[3].len != sizeof t->snap_token) {
        return ERR_CORRUPT;
    }
    *out = (struct log_state){.last = (uint64_t)pg_get_int(row->fields[0]),
                              .bytes = (uint64_t)pg_get_int(row->fields[1]),
                              .snapshot = {.number = (uint64_t)pg_get_int(row->fields[4]),
                                           .slices = (uint32_t)pg_get_int(row->fields[5]),
                                           .bytes = (uint64_t)pg_get_int(row->fields[6])}};
    memcpy(out->id, row->fields[2].data, LOG_ID_BYTES);
    memcpy(out->self, &t->row.token, LOG_ID_BYTES);
    if (row->fields[7].len == LOG_ID_BYTES) {
        memcpy(out->writer, row->fields[7].data, LOG_ID_BYTES);
    }
    memcpy(&t->snap_token, row->fields[3].data, sizeof t->snap_token);
    t->snap_turn = out->snapshot.number;
    t->last = out->last;
    return 0;
}

/* What the log has; of one that is ours, what it will have. */
static int ask_state(struct turns *t, struct pg_row *row) {
    struct pg_params params = {.count = 0};
    if (t->options.follows) {
        pg_add_i32(&params, t->row.id);
        pg_add_i32(&params, STORE_SCHEMA);
        return pg_line_ask(t->line, &follow_log, &params, &t->kept, row);
    }
    if (t->options.reads) {
        pg_add_i32(&params, t->row.id);
        return pg_line_ask(t->line, &look_at_log, &params, &t->kept, row);
    }
    cluster_begin_params(&params, &t->row);
    pg_add_i64(&params, ++t->epoch);
    return pg_line_ask(t->line, &raise_epoch, &params, &t->kept, row);
}

static int barrier(void *ctx, struct log_state *out) {
    struct turns *t = ctx;
    struct pg_row row;
    ahead_stop(&t->ahead, t->line);
    int code = connect_line(t, CONNECT_WAIT_MS);
    if (code != 0) {
        t->state.up = false;
        return code;
    }
    code = judge(t, cluster_again(ask_state(t, &row)));
    return code == 0 ? take_state(t, &row, out) : code;
}

static int reach(void *ctx, const uint8_t writer[LOG_ID_BYTES], uint64_t *turn) {
    struct turns *t = ctx;
    struct pg_params params = {.count = 0};
    struct pg_row row;
    ahead_stop(&t->ahead, t->line);
    int code = connect_line(t, CONNECT_WAIT_MS);
    pg_add_i32(&params, t->row.id);
    pg_add(&params, (struct slice){(const char *)writer, LOG_ID_BYTES});
    code = code == 0 ? pg_line_ask(t->line, &get_reach, &params, &t->kept, &row) : code;
    if (code != 0) {
        return code == ERR_NOTFOUND ? ERR_FENCED : cluster_again(code);
    }
    *turn = (uint64_t)pg_get_int(row.fields[0]);
    return 0;
}

int turns_check(struct turns *t) {
    if (t->ahead.open) {
        return 0;
    }
    int code = connect_line(t, 0);
    code = code == 0 ? look_at_row(t) : code;
    t->state.up = !t->hangs && (code == 0 || code == ERR_FENCED);
    return code;
}

int turns_last(struct turns *t, uint64_t *turn) {
    struct pg_params params = {.count = 0};
    struct pg_row row;
    ahead_stop(&t->ahead, t->line);
    int code = connect_line(t, CONNECT_WAIT_MS);
    pg_add_i32(&params, t->row.id);
    code = code == 0 ? pg_line_ask(t->line, &get_last, &params, &t->kept, &row) : code;
    *turn = code == 0 ? (uint64_t)pg_get_int(row.fields[0]) : 0;
    return code == ERR_NOTFOUND ? ERR_FENCED : cluster_again(code);
}

/* --- reading --- */

/* Begins to read from that number on, unless that is what comes next. */
static int read_from(struct turns *t, enum ahead_of what, uint64_t number) {
    struct pg_params params = {.count = 0};
    if (t->ahead.number == number && t->reads == what) {
        return 0;
    }
    ahead_stop(&t->ahead, t->line);
    int code = connect_line(t, CONNECT_WAIT_MS);
    if (code != 0) {
        return code;
    }
    t->reads = what;
    pg_add_i32(&params, t->row.id);
    if (what == AHEAD_TURNS) {
        uint64_t to = number + TURNS_AHEAD - 1;
        pg_add_i64(&params, (int64_t)number);
        pg_add_i64(&params, (int64_t)(to < t->last ? to : t->last));
        return ahead_start(&t->ahead, t->line, &get_turns, &params);
    }
    pg_add_i64(&params, (int64_t)t->snap_turn);
    pg_add(&params, slice_of_uuid(&t->snap_token));
    pg_add_i32(&params, (int32_t)number - 1);
    pg_add_i32(&params, (int32_t)number - 1 + SLICES_AHEAD - 1);
    return ahead_start(&t->ahead, t->line, &get_slices, &params);
}

static int read_turn(void *ctx, uint64_t number, struct log_turn *out) {
    struct turns *t = ctx;
    int code = read_from(t, AHEAD_TURNS, number);
    return code == 0 ? ahead_take(&t->ahead, t->line, number, out) : code;
}

/* Counted from 1 there: 0 is no number of what is in hand. */
static int read_slice(void *ctx, uint32_t index, struct log_turn *out) {
    struct turns *t = ctx;
    int code = read_from(t, AHEAD_SLICES, (uint64_t)index + 1);
    code = code == 0 ? ahead_take(&t->ahead, t->line, (uint64_t)index + 1, out) : code;
    out->number = t->snap_turn;
    return code;
}

/* --- life --- */

int turns_new(struct turns **out, const struct turns_options *options, struct report *r) {
    struct turns *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return report(r, ERR_MEMORY, "out of memory");
    }
    t->options = *options;
    randombytes_buf(&t->row.token, sizeof t->row.token);
    t->options.reads = options->reads || options->follows;
    t->log = (struct store_log){t, append, barrier, reach, read_turn, read_slice};
    ahead_init(&t->ahead);
    buf_init(&t->kept, PG_ANSWER_BYTES);
    const struct pg_line_options line = {.url = options->url, .patience_ms = PATIENCE_MS};
    int code = pack_init(&t->pack);
    code = code == 0 ? pg_line_new(&t->line, &line, r) : report(r, code, "out of memory");
    code = code == 0 ? snapshots_new(&t->snapshots, options->url, &t->row, r) : code;
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
    snapshots_free(t->snapshots);
    ahead_clear(&t->ahead);
    buf_clear(&t->kept);
    pack_clear(&t->pack);
    free(t);
}

const struct store_log *turns_log(const struct turns *t) {
    return &t->log;
}

const struct log_snapshots *turns_snapshots(const struct turns *t) {
    return snapshots_door(t->snapshots);
}

void turns_read_clock(const struct turns *t, struct clock_reading *now) {
    if (t->clock.known) {
        now->wall_ms = now->boottime_ms + t->clock.ahead_ms;
        now->shared = true;
    }
}

void turns_look(const struct turns *t, struct turns_state *out) {
    struct clock_reading now;
    clock_read(&now);
    *out = t->state;
    out->clock_ahead_ms = slew_apart_ms(&t->clock, &now);
    out->error = pg_line_error(t->line);
    out->taker = t->taker;
}

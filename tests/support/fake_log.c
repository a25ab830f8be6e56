/* fake_log.c - see fake_log.h. */
#include "fake_log.h"

#include "journal/home.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct kept_turn {
    struct log_turn turn; /* bodies point into the bytes behind */
    char bytes[];
};

struct turns {
    struct kept_turn **of; /* a turn that was trimmed is NULL */
    size_t count, cap;
};

/* The log as one host has it. */
struct session {
    struct store_log door;
    struct log_snapshots snapshots;
    struct fake_log *log;
    uint8_t token[LOG_ID_BYTES];
    uint64_t from; /* the turn before its first */
    struct session *before;
};

struct fake_log {
    uint8_t id;
    struct turns turns;
    size_t trimmed;               /* turns, from the first one */
    struct log_snapshot snapshot; /* the last that is finished, */
    struct turns slices;          /* and its slices */
    uint64_t adding;              /* the number of one that is not, */
    struct turns added;           /* and its slices */
    struct kept_turn *late;       /* on its way */
    struct session *sessions;     /* the last first */
    struct session reader;        /* who has none */
    uint32_t joined;              /* sessions that there were */
    bool fenced, broken;          /* fenced: the last session, too */
    enum fake_answer answer;
    uint64_t writes, bytes;
};

struct fake_log *fake_log_new(void) {
    static uint8_t made;
    struct fake_log *log = calloc(1, sizeof *log);
    assert(log != NULL);
    log->id = ++made;
    return log;
}

static void free_turns(struct turns *turns) {
    for (size_t i = 0; i < turns->count; i++) {
        free(turns->of[i]);
    }
    free(turns->of);
    *turns = (struct turns){NULL, 0, 0};
}

void fake_log_free(struct fake_log *log) {
    if (log == NULL) {
        return;
    }
    free_turns(&log->turns);
    free_turns(&log->slices);
    free_turns(&log->added);
    while (log->sessions != NULL) {
        struct session *session = log->sessions;
        log->sessions = session->before;
        free(session);
    }
    free(log->late);
    free(log);
}

/* --- the doors --- */

static struct kept_turn *copy_turn(const struct log_turn *turn) {
    size_t bytes = 0;
    for (size_t i = 0; i < turn->count; i++) {
        bytes += turn->parts[i].body.len;
    }
    struct kept_turn *kept = malloc(sizeof *kept + bytes);
    assert(kept != NULL);
    kept->turn = *turn;
    char *at = kept->bytes;
    for (size_t i = 0; i < turn->count; i++) {
        struct slice body = turn->parts[i].body;
        memcpy(at, body.data, body.len);
        kept->turn.parts[i].body.data = at;
        at += body.len;
    }
    return kept;
}

static void count_writes(struct fake_log *log, const struct log_turn *turn) {
    struct reader r;
    struct write write;
    for (size_t i = 0; i < turn->count; i++) {
        log->bytes += turn->parts[i].body.len;
        for (int code = writeset_read(turn->parts[i].body, &r);
             code == 0 && writeset_next(&r, &write) == 0;) {
            log->writes++;
        }
    }
}

static void keep(struct turns *turns, struct kept_turn *kept) {
    if (turns->count == turns->cap) {
        turns->cap = turns->cap == 0 ? 64 : 2 * turns->cap;
        turns->of = realloc(turns->of, turns->cap * sizeof(struct kept_turn *));
        assert(turns->of != NULL);
    }
    turns->of[turns->count++] = kept;
}

static void land(struct fake_log *log, struct kept_turn *kept) {
    log->broken = log->broken || kept->turn.number != log->turns.count + 1;
    keep(&log->turns, kept);
    count_writes(log, &kept->turn);
}

static bool is_fenced(const struct session *session) {
    const struct fake_log *log = session->log;
    return session != &log->reader && (log->fenced || session != log->sessions);
}

static int append(void *ctx, const struct log_turn *turn) {
    struct session *session = ctx;
    struct fake_log *log = session->log;
    if (log->late != NULL) {
        land(log, log->late);
        log->late = NULL;
    }
    if (is_fenced(session)) {
        return ERR_FENCED;
    }
    if (log->answer == FAKE_AWAY) {
        return ERR_NETWORK;
    }
    if (log->answer == FAKE_DOUBT_LATE) {
        log->late = copy_turn(turn);
    } else if (log->answer != FAKE_DOUBT_LOST) {
        land(log, copy_turn(turn));
    }
    return log->answer == FAKE_GOOD ? 0 : ERR_DOUBT;
}

static uint64_t bytes_of(const struct turns *turns, size_t from) {
    uint64_t bytes = 0;
    for (size_t i = from; i < turns->count; i++) {
        const struct log_turn *turn = &turns->of[i]->turn;
        for (size_t p = 0; p < turn->count; p++) {
            bytes += turn->parts[p].body.len;
        }
    }
    return bytes;
}

/* Who wrote that turn; NULL = it is turn 0. */
static const struct session *writer_of(const struct fake_log *log, uint64_t turn) {
    const struct session *session = log->sessions;
    while (session != NULL && session->from >= turn) {
        session = session->before;
    }
    return session;
}

static int barrier(void *ctx, struct log_state *out) {
    struct session *session = ctx;
    struct fake_log *log = session->log;
    if (is_fenced(session)) {
        return ERR_FENCED;
    }
    if (log->answer == FAKE_AWAY) {
        return ERR_NETWORK;
    }
    if (session != &log->reader) {
        free(log->late);
        log->late = NULL;
    }
    *out = (struct log_state){.id = {log->id}, .last = log->turns.count, .snapshot = log->snapshot};
    out->bytes = bytes_of(&log->turns, log->snapshot.number);
    memcpy(out->self, session->token, LOG_ID_BYTES);
    const struct session *writer = writer_of(log, out->last);
    if (writer != NULL) {
        memcpy(out->writer, writer->token, LOG_ID_BYTES);
    }
    return 0;
}

static int reach(void *ctx, const uint8_t writer[LOG_ID_BYTES], uint64_t *turn) {
    const struct session *session = ctx;
    const struct fake_log *log = session->log;
    if (log->answer == FAKE_AWAY) {
        return ERR_NETWORK;
    }
    *turn = log->turns.count;
    for (session = log->sessions; session != NULL; session = session->before) {
        if (memcmp(session->token, writer, LOG_ID_BYTES) == 0) {
            return 0;
        }
        *turn = session->from < *turn ? session->from : *turn;
    }
    *turn = 0;
    return 0;
}

static int read_turn(void *ctx, uint64_t number, struct log_turn *out) {
    const struct session *session = ctx;
    const struct fake_log *log = session->log;
    if (is_fenced(session)) {
        return ERR_FENCED;
    }
    if (number <= log->trimmed || number > log->turns.count) {
        return ERR_NOTFOUND;
    }
    *out = log->turns.of[number - 1]->turn;
    return 0;
}

static int read_slice(void *ctx, uint32_t index, struct log_turn *out) {
    const struct session *session = ctx;
    const struct fake_log *log = session->log;
    if (is_fenced(session)) {
        return ERR_FENCED;
    }
    if (index >= log->snapshot.slices) {
        return ERR_NOTFOUND;
    }
    *out = log->slices.of[index]->turn;
    return 0;
}

/* --- snapshots --- */

/* Why a snapshot cannot be written now; 0 = it can. */
static int refusal(const struct session *session) {
    return is_fenced(session) ? ERR_FENCED : session->log->answer == FAKE_AWAY ? ERR_NETWORK : 0;
}

static int add(void *ctx, uint32_t index, const struct log_turn *slice) {
    struct session *session = ctx;
    struct fake_log *log = session->log;
    int code = refusal(session);
    if (code != 0) {
        return code;
    }
    if (log->adding != slice->number || index == 0) {
        free_turns(&log->added);
        log->adding = slice->number;
    }
    log->broken = log->broken || index > log->added.count;
    if (index < log->added.count) {
        free(log->added.of[index]);
        log->added.of[index] = copy_turn(slice);
    } else {
        keep(&log->added, copy_turn(slice));
    }
    return 0;
}

static int finish(void *ctx, const struct log_snapshot *snapshot) {
    struct session *session = ctx;
    struct fake_log *log = session->log;
    int code = refusal(session);
    bool again = code == 0 && memcmp(snapshot, &log->snapshot, sizeof *snapshot) == 0;
    if (code != 0 || again) {
        return code;
    }
    log->broken = log->broken || snapshot->number < log->adding ||
                  snapshot->slices != log->added.count || snapshot->number > log->turns.count ||
                  snapshot->bytes != bytes_of(&log->added, 0);
    free_turns(&log->slices);
    log->slices = log->added;
    log->added = (struct turns){NULL, 0, 0};
    log->snapshot = *snapshot;
    return 0;
}

/* One turn, so that it is killed in the middle. */
static int trim(void *ctx, bool *more) {
    struct session *session = ctx;
    struct fake_log *log = session->log;
    int code = refusal(session);
    if (code != 0) {
        return code;
    }
    free_turns(&log->added);
    if (log->trimmed < log->snapshot.number) {
        free(log->turns.of[log->trimmed]);
        log->turns.of[log->trimmed++] = NULL;
    }
    *more = log->trimmed < log->snapshot.number;
    return 0;
}

const struct store_log *fake_log_join(struct fake_log *log) {
    struct session *session = calloc(1, sizeof *session);
    assert(session != NULL);
    *session = (struct session){
        .log = log, .token = {log->id}, .from = log->turns.count, .before = log->sessions};
    memcpy(session->token + 1, &log->joined, sizeof log->joined);
    log->joined++;
    session->door = (struct store_log){session, append, barrier, reach, read_turn, read_slice};
    session->snapshots = (struct log_snapshots){session, add, finish, trim};
    log->sessions = session;
    log->fenced = false;
    free(log->late); /* it is fenced */
    log->late = NULL;
    return &session->door;
}

const struct store_log *fake_log_reader(struct fake_log *log) {
    log->reader.log = log;
    log->reader.door =
        (struct store_log){&log->reader, append, barrier, reach, read_turn, read_slice};
    return &log->reader.door;
}

const struct log_snapshots *fake_log_snapshots(struct fake_log *log) {
    assert(log->sessions != NULL);
    return &log->sessions->snapshots;
}

void fake_log_take_over(struct fake_log *log) {
    log->fenced = true;
}

void fake_log_answers(struct fake_log *log, enum fake_answer answer) {
    log->answer = answer;
}

void fake_log_lose(struct fake_log *log, size_t turns) {
    for (; turns > 0 && log->turns.count > log->trimmed; turns--) {
        free(log->turns.of[--log->turns.count]);
    }
}

bool fake_log_is_broken(const struct fake_log *log) {
    return log->broken;
}

uint64_t fake_log_last(const struct fake_log *log) {
    return log->turns.count;
}

uint64_t fake_log_writes(const struct fake_log *log) {
    return log->writes;
}

uint64_t fake_log_bytes(const struct fake_log *log) {
    return log->bytes;
}

/* --- what the store should be --- */

static int apply_home(const struct turns *turns, size_t from, struct store *to, uint8_t home) {
    int code = 0;
    for (size_t n = from; code == 0 && n < turns->count; n++) {
        const struct log_turn *turn = &turns->of[n]->turn;
        for (size_t i = 0; code == 0 && i < turn->count; i++) {
            code = turn->parts[i].home == home ? store_apply(to, &turn->parts[i], journal_home) : 0;
        }
    }
    return code;
}

static int build_home(struct fake_log *log, struct store *to, uint8_t home) {
    int code = apply_home(&log->slices, 0, to, home);
    return code == 0 ? apply_home(&log->turns, log->snapshot.number, to, home) : code;
}

/* The next row but for those that are the store's own, in a table. */
static bool next_row(struct store *s, enum store_table t, struct slice *key, struct slice *value) {
    do {
        if (store_seek(s, t, *key, key->len > 0, key, value) != 0) {
            return false;
        }
    } while (t == TABLE_META &&
             (slice_is(*key, "schema") || slice_is(*key, "schema by") || slice_is(*key, "log")));
    return true;
}

static bool tables_are_equal(struct store *a, struct store *b, enum store_table t, char *why,
                             size_t size) {
    struct slice keys[2] = {{NULL, 0}, {NULL, 0}};
    struct slice values[2] = {{NULL, 0}, {NULL, 0}};
    char name[STORE_TABLE_NAME_BYTES];
    size_t rows = 0;
    bool more[2];
    do {
        more[0] = next_row(a, t, &keys[0], &values[0]);
        more[1] = next_row(b, t, &keys[1], &values[1]);
        if (more[0] != more[1] ||
            (more[0] && (!slice_equal(keys[0], keys[1]) || !slice_equal(values[0], values[1])))) {
            (void)snprintf(why, size, "row %zu of \"%s\" is not what the log says", rows + 1,
                           store_table_name(t, name));
            return false;
        }
        rows++;
    } while (more[0]);
    return true;
}

static bool is_equal(struct fake_log *log, struct store *store, struct store *built, char *why,
                     size_t size) {
    int code = store_begin(built);
    for (uint8_t home = HOMES; code == 0 && home-- > 0;) {
        code = build_home(log, built, home);
    }
    code = code == 0 ? store_begin(store) : code;
    if (code != 0) {
        (void)snprintf(why, size, "the log cannot be applied: %s", error_text(code));
        return false;
    }
    bool equal = true;
    for (size_t t = 0; equal && t < TABLE_COUNT; t++) {
        equal = tables_are_equal(store, built, (enum store_table)t, why, size);
    }
    store_abort(store);
    return equal;
}

static void remove_store(const char *folder) {
    static const char *const files[] = {"data.mdb", "lock.mdb", "zingq.lock", "zingq.store"};
    char path[512];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

bool fake_log_is_store(struct fake_log *log, struct store *store, const char *folder, char *why,
                       size_t size) {
    const struct store_options options = {.path = folder, .max_bytes = (uint64_t)1 << 30};
    struct report r = {""};
    struct store *built = NULL;
    if (store_open(&built, &options, &r) != 0) {
        (void)snprintf(why, size, "%s", r.text);
        return false;
    }
    bool equal = is_equal(log, store, built, why, size);
    store_close(built);
    remove_store(folder);
    return equal;
}

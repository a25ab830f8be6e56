/*
 * node_log.c - the log that a host's store has in some worlds: it goes away for seconds, does not say
 * what became of a turn, or is taken over by somebody else. It is trimmed all the time, and the copy
 * that the host has of it gets lost now and then. See fake_log.h.
 */
#include "node.h"

#include "bugs.h"
#include "fake_log.h"
#include "fault_plan.h"
#include "sim.h"
#include "wrap.h"

#include "journal/home.h"
#include "store/folder.h"
#include "store/trimmer.h"

#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    TROUBLE = 20,    /* an append in so many is not simply good, */
    TAKEN_OVER = 10, /* and of these, one in so many meets somebody else's */
    AWAY_MS = 4000,
    FORGOTTEN = 4,   /* a start in so many is without what the machine had, */
    LOAD_KILLED = 8, /* a slice of so many that it then loads is its end, */
    PAGE_BYTES = 4096,
    SLICE_BYTES = 400, /* and slices are small, so that turns come between them */
    LOG_BYTES_MIN = 3000
};

bool node_log_make(struct node *n) {
    if (!n->sim->traits.logged) {
        return true;
    }
    n->log = n->machine == 0 ? fake_log_new() : n->sim->places[0][n->number - 1].log;
    n->log_chance = chance_of_seed(n->sim->plan->seed * NODES_MAX + n->place);
    return n->log != NULL;
}

/* --- doors --- */

/* How it answers now. */
static void choose_answer(struct node *n) {
    struct chance *c = &n->log_chance;
    bool trouble = !n->sim->settling && chance_next(c, TROUBLE) == 0;
    enum fake_answer answer = FAKE_GOOD;
    if (n->sim->settling || n->sim->true_ms >= n->log_back_ms) {
        fake_log_answers(n->log, FAKE_GOOD);
    }
    if (!trouble) {
        return;
    }
    if (chance_next(c, TAKEN_OVER) == 0) {
        fake_log_take_over(n->log);
        sim_tell(n->sim, "host %u: its log is taken over", n->number);
        return;
    }
    answer = (enum fake_answer)(FAKE_AWAY + chance_next(c, FAKE_DOUBT_LATE));
    n->log_back_ms = n->sim->true_ms + (answer == FAKE_AWAY ? (int64_t)chance_next(c, AWAY_MS) : 0);
    fake_log_answers(n->log, answer);
    sim_tell(n->sim, "host %u: its log %s", n->number,
             answer == FAKE_AWAY ? "is away" : "does not answer");
}

static int heard(struct node *n, int code) {
    n->log_refused = n->log_refused || code != 0;
    n->fenced = n->fenced || code == ERR_FENCED;
    return code;
}

/* fence-open: whoever appends, it is as if the owner did. */
static const struct store_log *appends_by(const struct node *n) {
    return bug_is(BUG_FENCE_OPEN) ? n->sim->nodes[n->number - 1]->log_door : n->log_door;
}

static int append(void *ctx, const struct log_turn *turn) {
    IN_DOOR;
    struct node *n = ctx;
    if (!node_acts(n, ACTION_APPEND)) {
        return ERR_DOUBT;
    }
    if (machines_is_cut(n)) {
        return heard(n, ERR_NETWORK);
    }
    choose_answer(n);
    if (bug_is(BUG_LOG_LATE)) {
        n->log_late = *turn;
        return 0;
    }
    const struct store_log *door = appends_by(n);
    int code = door->append(door->ctx, turn);
    return bug_is(BUG_FENCE_IGNORED) && code == ERR_FENCED ? 0 : heard(n, code);
}

void node_log_late(struct node *n) {
    IN_DOOR;
    if (n->log_late.count > 0 && node_acts(n, ACTION_APPEND)) {
        (void)n->log_door->append(n->log_door->ctx, &n->log_late);
    }
    n->log_late.count = 0;
}

static int barrier(void *ctx, struct log_state *out) {
    IN_DOOR;
    struct node *n = ctx;
    if (n->ghost || machines_is_cut(n)) {
        return heard(n, ERR_NETWORK);
    }
    n->unsynced = true; /* what is committed from here on */
    if (n->sim->settling || n->sim->true_ms >= n->log_back_ms) {
        fake_log_answers(n->log, FAKE_GOOD);
    }
    return heard(n, n->log_door->barrier(n->log_door->ctx, out));
}

static int reach(void *ctx, const uint8_t writer[LOG_ID_BYTES], uint64_t *turn) {
    IN_DOOR;
    struct node *n = ctx;
    return machines_is_cut(n) ? heard(n, ERR_NETWORK)
                              : n->log_door->reach(n->log_door->ctx, writer, turn);
}

static int read_turn(void *ctx, uint64_t number, struct log_turn *out) {
    IN_DOOR;
    const struct node *n = ctx;
    return n->log_door->read(n->log_door->ctx, number, out);
}

static int read_slice(void *ctx, uint32_t index, struct log_turn *out) {
    IN_DOOR;
    struct node *n = ctx;
    if (!n->sim->settling && chance_next(&n->log_chance, LOAD_KILLED) == 0) {
        n->kill_in = 1;
    }
    if (!node_acts(n, ACTION_LOAD)) {
        n->log_cut = true;
        return ERR_NETWORK;
    }
    return n->log_door->read_slice(n->log_door->ctx, index, out);
}

/* --- snapshots --- */

static bool may_send(struct node *n) {
    return node_acts(n, ACTION_SNAPSHOT) && !machines_is_cut(n);
}

static int add(void *ctx, uint32_t index, const struct log_turn *slice) {
    IN_DOOR;
    struct node *n = ctx;
    const struct log_snapshots *door = n->log_snapshots_door;
    return may_send(n) ? door->add(door->ctx, index, slice) : ERR_NETWORK;
}

static int finish(void *ctx, const struct log_snapshot *snapshot) {
    IN_DOOR;
    struct node *n = ctx;
    const struct log_snapshots *door = n->log_snapshots_door;
    return may_send(n) ? door->finish(door->ctx, snapshot) : ERR_NETWORK;
}

static int trim(void *ctx, bool *more) {
    IN_DOOR;
    struct node *n = ctx;
    const struct log_snapshots *door = n->log_snapshots_door;
    return may_send(n) ? door->trim(door->ctx, more) : ERR_NETWORK;
}

void node_log_go_on(struct node *n) {
    if (n->trimmer != NULL && !n->ghost && trimmer_prepare(n->trimmer) == 0) {
        trimmer_send(n->trimmer);
        (void)trimmer_sent(n->trimmer); /* or once more, later */
    }
}

void node_log_leave(struct node *n) {
    trimmer_free(n->trimmer);
    n->trimmer = NULL;
}

/* --- the file, and what the disk has of it --- */

static const char *path_of(const struct node *n, const char *file, char path[]) {
    (void)snprintf(path, NODE_PATH_BYTES + 32, "%s/data/%s", n->folder, file);
    return path;
}

static void rename_mark(const struct node *n, const char *from, const char *to) {
    char old[NODE_PATH_BYTES + 32];
    char new[NODE_PATH_BYTES + 32];
    (void)rename(path_of(n, from, old), path_of(n, to, new));
}

/* The host whose store is being closed. */
static struct node *closing;

void node_log_hide_mark(struct node *n) {
    closing = n;
    if (!n->stops) {
        rename_mark(n, STORE_UNSYNCED_MARK, "hidden");
    }
}

void node_log_show_mark(struct node *n) {
    rename_mark(n, "hidden", STORE_UNSYNCED_MARK);
    n->stops = false;
    closing = NULL;
}

/* The linker (--wrap) has every sync come by here. */
WRAPPED(mdb_env_sync); /* NOLINT: named by the linker */

int __wrap_mdb_env_sync(MDB_env *env, int force) { /* NOLINT */
    (void)env;
    if (closing != NULL && closing->stops && force != 0 && !bug_is(BUG_SYNC_SKIPPED)) {
        closing->unsynced = false;
    }
    return 0;
}

/* Pages are lost, or are not the ones that belong there. */
static void tear(struct node *n) {
    char path[NODE_PATH_BYTES + 32];
    char pages[2][PAGE_BYTES];
    FILE *file = fopen(path_of(n, "data.mdb", path), "r+");
    for (long at = 0; file != NULL && fseek(file, at, SEEK_SET) == 0 &&
                      fread(pages, 1, sizeof pages, file) == sizeof pages;
         at += PAGE_BYTES) {
        if (chance_next(&n->log_chance, 3) == 0) {
            memset(pages[1], 0, chance_next(&n->log_chance, 2) * PAGE_BYTES);
            (void)fseek(file, at, SEEK_SET);
            (void)fwrite(pages[1], 1, PAGE_BYTES, file);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

void node_log_power_cut(struct node *n) {
    char path[NODE_PATH_BYTES + 32];
    if (n->log == NULL) {
        return;
    }
    node_reader_end(n);
    FILE *mark = fopen(path_of(n, STORE_UNSYNCED_MARK, path), "r+");
    if (mark != NULL) {
        (void)fprintf(mark, "00000000-0000-4000-8000-%012u", n->boot); /* of a boot that is over */
        (void)fclose(mark);
    }
    if (n->unsynced) {
        tear(n);
        sim_tell(n->sim, "host %u: its disk lacks pages", n->number);
    }
    n->unsynced = false;
}

/* --- a start --- */

void node_log_forget_copy(struct node *n) {
    static const char *const files[] = {"data.mdb", "lock.mdb", "zingq.store"};
    char path[NODE_PATH_BYTES + 32];
    if (n->log == NULL || n->reader != 0 || n->disk != DISK_WELL ||
        chance_next(&n->log_chance, FORGOTTEN) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        (void)unlink(path_of(n, files[i], path));
    }
    sim_tell(n->sim, "host %u: its machine has nothing of the log", n->number);
}

static void join(struct node *n) {
    IN_DOOR;
    n->log_door = fake_log_join(n->log);
    n->log_snapshots_door = fake_log_snapshots(n->log);
}

int node_log_use(struct node *n, struct report *r) {
    n->log_refused = n->fenced = false;
    if (n->log == NULL) {
        return 0;
    }
    join(n);
    n->log_doors = (struct store_log){n, append, barrier, reach, read_turn, read_slice};
    n->log_snapshots = (struct log_snapshots){n, add, finish, trim};
    int code = store_use_log(n->store, &n->log_doors, journal_home, r);
    const struct trimmer_options options = {.store = n->store,
                                            .home_of = journal_home,
                                            .door = &n->log_snapshots,
                                            .slice_bytes = SLICE_BYTES,
                                            .log_bytes_min = LOG_BYTES_MIN};
    n->trimmer = code == 0 ? trimmer_new(&options) : NULL;
    return code == 0 && n->trimmer == NULL ? report(r, ERR_MEMORY, "out of memory") : code;
}

void node_log_drop(struct node *n) {
    fake_log_free(n->log);
    n->log = NULL;
    n->trimmer = NULL;
}

void node_log_check(struct node *n) {
    char folder[NODE_PATH_BYTES + 16];
    char why[WHY_BYTES / 2] = "";
    if (n->log == NULL || n->sim->failed) {
        return;
    }
    (void)snprintf(folder, sizeof folder, "%s/built", n->folder);
    if (fake_log_is_broken(n->log)) {
        sim_fail(n->sim, "host %u: a turn of its log has another number than the next", n->number);
    } else if (!fake_log_is_store(n->log, n->store, folder, why, sizeof why)) {
        sim_fail(n->sim, "host %u: %s", n->number, why);
    }
}

void node_log_check_load(struct node *n) {
    if (n->log_cut && !n->ghost && n->store != NULL && node_is_owner(n)) {
        n->log_cut = false;
        node_log_check(n);
    }
}

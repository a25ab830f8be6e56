/* node.c - see node.h. */
#include "node.h"
#include "lua/api/api.h"

#include "bugs.h"
#include "fake_log.h"
#include "fault_plan.h"
#include "restore.h"
#include "sim.h"
#include "wrap.h"
#include "journal/outbox.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    RENAMED_AT = 2, /* starts, before a host on its own renames a service */
    PACKET_BYTES = 1 << 20,
    LOADED = 50,        /* events waiting: a crash among them counts as loaded */
    SCRIPTS_EVERY = 16, /* a start in so many loads the scripts anew */
    LITTLE_EVERY = 7,   /* a start in so many has little memory: things wait for it */
    LITTLE_MEMORY = 1 << 20,
    MUCH_MEMORY = 512 << 20,
};

/* The host whose engine is on the processor. */
static struct node *working;

struct node *node_at_work(void) {
    return working;
}

/* --- being killed --- */

static FILE *open_page(const struct node *n, const char *mode) {
    char path[NODE_PATH_BYTES + 32];
    (void)snprintf(path, sizeof path, "%s/data/processor", n->folder);
    return fopen(path, mode);
}

/* Whoever is alone on the processor is charged. */
static void note_killed(struct node *n) {
    const struct culprit_record *now = culprit_now(n->culprit);
    bool runs =
        now->phase == CULPRIT_RUN || now->phase == CULPRIT_APPLY || now->phase == CULPRIT_POLICY;
    n->killed_in_send = n->killed_in_send || now->phase == CULPRIT_SEND;
    if (runs && now->count == 1) {
        load_killed(n->sim, &now->events[0].id);
    }
}

static void become_ghost(struct node *n, enum action action) {
    static const char *const names[ACTIONS] = {
        "a publish", "a forward", "a receipt",      "a call",       "a call's end",
        "an answer", "a run",     "an apply",       "a turn's log", "a snapshot",
        "a load",    "a commit",  "after a commit", "a PUBACK",     "between two turns"};
    node_note_crash(n, action);
    note_killed(n);
    FILE *page = open_page(n, "r");
    n->has_page = page != NULL && fread(n->page, 1, sizeof n->page, page) == sizeof n->page;
    if (page != NULL) {
        (void)fclose(page);
    }
    n->ghost = true;
    sim_tell(n->sim, "host %u is killed: %s", n->number, names[action]);
}

/* Whoever the page names would be charged with a crash. The transaction that a run leaves open is its
 * own. */
static void check_page(struct node *n, enum action action) {
    uint32_t phase = culprit_now(n->culprit)->phase;
    bool runs = phase == CULPRIT_RUN || phase == CULPRIT_APPLY;
    bool own = action == ACTION_RUN || action == ACTION_APPLY || action == ACTION_CALL_CANCEL;
    if (runs && !own && !n->ghost) {
        sim_fail(n->sim, "host %u would charge an event that is not on the processor", n->number);
    }
}

bool node_acts(struct node *n, enum action action) {
    check_page(n, action);
    if (!n->ghost && n->kill_in > 0 && --n->kill_in == 0) {
        become_ghost(n, action);
    }
    return !n->ghost;
}

void node_logs(const char *text) {
    IN_DOOR;
    struct node *n = working;
    if (n != NULL && !n->ghost && load_mine(n->sim, text)) {
        become_ghost(n, ACTION_RUN);
    }
}

/* The linker (--wrap) has every commit come by here. */
WRAPPED(mdb_txn_commit); /* NOLINT: named by the linker */

int __wrap_mdb_txn_commit(MDB_txn *txn) { /* NOLINT */
    struct node *n = working;
    if (n == NULL) {
        return __real_mdb_txn_commit(txn);
    }
    if (!node_acts(n, ACTION_COMMIT) || n->disk != DISK_WELL) {
        int rc = n->disk == DISK_FULL ? MDB_MAP_FULL : 5; /* EIO */
        n->disk = n->disk == DISK_FAILS_ONCE ? DISK_WELL : n->disk;
        n->sim->tally->refused_commits += n->ghost ? 0 : 1;
        mdb_txn_abort(txn);
        return rc;
    }
    int rc = __real_mdb_txn_commit(txn);
    n->sim->tally->commits++;
    (void)node_acts(n, ACTION_COMMITTED);
    return rc;
}

/* --- up and down --- */

static bool load_scripts(struct node *n, struct report *r) {
    if (script_host_new(&n->scripts, n->conf, &api_library) != 0) {
        return report(r, ERR_MEMORY, "out of memory") == 0;
    }
    script_use_memory(n->scripts, &n->memory);
    return script_load_all(n->scripts, r) == 0;
}

static bool open_parts(struct node *n, struct report *r) {
    const struct store_options store = {.path = n->conf->store_path,
                                        .max_bytes = n->conf->store_max_bytes,
                                        .logged = n->log != NULL,
                                        .rebuilt = n->log != NULL};
    const uint8_t boot[16] = {1, n->boot, (uint8_t)n->machine};
    if (n->scripts != NULL && n->starts % SCRIPTS_EVERY == 0) {
        script_host_free(n->scripts);
        n->scripts = NULL;
    }
    bool fresh = n->scripts == NULL;
    if (fresh) {
        node_scripts_mend(n);
    }
    n->memory.limit = (n->starts + n->number) % LITTLE_EVERY == 0 ? LITTLE_MEMORY : MUCH_MEMORY;
    bool opened = store_open(&n->store, &store, r) == 0 && node_log_use(n, r) == 0 &&
                  culprit_open(&n->culprit, n->conf->store_path, boot, r) == 0 &&
                  (!fresh || load_scripts(n, r));
    if (!opened && fresh) {
        script_host_free(n->scripts);
        n->scripts = NULL;
    }
    return opened;
}

/* Of the budget, only scripts that stay loaded have anything when an engine is gone. */
static void check_memory(const struct node *n) {
    for (size_t use = 0; use < MEMORY_USES; use++) {
        if (use != MEMORY_LUA && n->memory.used[use] != 0) {
            sim_fail(n->sim, "host %u: %zu bytes of %s are never given back", n->number,
                     n->memory.used[use], memory_use_name((enum memory_use)use));
        }
    }
}

static void close_parts(struct node *n) {
    engine_free(n->engine);
    check_memory(n);
    culprit_close(n->culprit);
    node_log_leave(n);
    store_close(n->store);
    n->engine = NULL;
    n->culprit = NULL;
    n->store = NULL;
    n->up = false;
}

/* What a process that died left: its page as it was at that moment. */
static void put_page_back(struct node *n) {
    FILE *page = n->has_page ? open_page(n, "r+") : NULL;
    if (page != NULL) {
        (void)fwrite(n->page, 1, sizeof n->page, page);
        (void)fclose(page);
    }
    n->has_page = false;
}

/* The others notice that it is gone. */
static void leave(struct node *n) {
    broker_cut(n->sim, n);
    broker_dropped(n->sim, n);
    node_reload_forget(n);
    peer_forget(n->sim, n);
    operate_forget(n->sim, n);
    n->ghost = false;
    n->kill_in = 0;
}

static void die(struct node *n) {
    node_log_hide_mark(n);
    close_parts(n);
    node_log_show_mark(n);
    put_page_back(n);
    leave(n);
}

void node_connect(struct node *n) {
    broker_connected(n->sim, n);
    static const size_t windows[] = {1, 3, 40, 200};
    size_t window = windows[sim_below(n->sim, sizeof windows / sizeof *windows)];
    engine_connected(n->engine, window, PACKET_BYTES);
}

static void connect(struct node *n) {
    if (n->online) {
        node_connect(n);
    }
    for (unsigned i = 0; i < n->sim->count; i++) {
        engine_member(n->engine, (uint16_t)(i + 1), n->sim->nodes[i]->up || i + 1 == n->number);
    }
}

/* It has started. */
static void begin(struct node *n) {
    n->up = true;
    n->up_ms = n->sim->true_ms;
    n->lost = false;
    n->retry_ms = 0;
    n->reader_turns = 0;
    broker_subscribe(n, true);
    connect(n);
    sim_tell(n->sim, "host %u is up, %llu events wait", n->number,
             (unsigned long long)node_waiting(n));
    operate_started(n->sim, n);
}

void node_start(struct node *n) {
    const struct engine_doors doors = node_doors(n);
    struct report r = {""};
    enum disk disk = n->disk;
    n->starts++;
    node_log_forget_copy(n);
    node_may_fail(n);
    int code = ERR_MEMORY;
    if (open_parts(n, &r)) {
        const struct engine_options options = {.conf = n->conf,
                                               .store = n->store,
                                               .scripts = n->scripts,
                                               .doors = &doors,
                                               .culprit = n->culprit,
                                               .memory = &n->memory,
                                               .seed = sim_below(n->sim, UINT64_MAX)};
        working = n;
        code = engine_new(&n->engine, &options, &r);
        working = NULL;
    }
    bool excused = node_has_failed(n) || disk != DISK_WELL || n->ghost || n->log_refused;
    if (code == 0 && !n->ghost) {
        begin(n);
        return;
    }
    if (!excused || (!n->ghost && r.text[0] == '\0')) {
        sim_fail(n->sim, "host %u does not start: %s", n->number, r.text);
    }
    sim_tell(n->sim, "host %u does not start: %s", n->number, r.text);
    die(n);
}

void node_kill(struct node *n) {
    sim_tell(n->sim, "host %u is killed between two turns", n->number);
    n->state = node_state(n);
    n->loaded = node_waiting(n) >= LOADED;
    node_note_crash(n, ACTION_REST);
    die(n);
}

void node_stop(struct node *n) {
    working = n;
    node_may_fail(n);
    engine_drain(n->engine);
    int code = engine_turn(n->engine);
    (void)node_has_failed(n);
    if (code == 0) {
        broker_acknowledged(n->sim, n);
        node_may_fail(n);
        code = engine_stop(n->engine);
        (void)node_has_failed(n);
    }
    working = NULL;
    if (code == 0 && !n->ghost) {
        culprit_stopped(n->culprit);
        n->stops = true;
        sim_tell(n->sim, "host %u is stopped", n->number);
    }
    die(n);
}

void node_arm(struct node *n, unsigned crash) {
    n->kill_in = n->sim->settling ? 0 : crash;
    n->state = crash > 0 ? node_state(n) : 0;
    n->loaded = crash > 0 && node_waiting(n) >= LOADED;
}

void node_disarm(struct node *n) {
    n->kill_in = 0;
    if (n->ghost) {
        die(n);
    }
}

/* --- the turn --- */

static void tell_room(struct node *n) {
    struct engine_status v;
    engine_status(n->engine, &v);
    if ((v.store_low != NULL) != n->low) {
        n->low = v.store_low != NULL;
        sim_tell(n->sim, "host %u: %s", n->number, n->low ? v.store_low : "there is room again");
    }
}

void node_turn(struct node *n) {
    struct sim *s = n->sim;
    int turns = 0;
    bool more = s->true_ms >= n->retry_ms;
    if (!more) {
        return;
    }
    while (more && !n->ghost && turns++ < 4) {
        if (n->online) {
            broker_deliver(s, n);
        }
        working = n;
        node_may_fail(n);
        uint64_t commits = s->tally->commits;
        int code = engine_turn(n->engine);
        (void)node_has_failed(n);
        working = NULL;
        s->tally->turns++;
        n->boot_stored = code == 0 && s->tally->commits > commits ? n->boot : n->boot_stored;
        if (n->ghost) {
            return;
        }
        n->lost = code != 0;
        if (code != 0) {
            sim_tell(s, "host %u: the turn fails: %s", n->number, error_text(code));
            bugs_turn_failed(n);
            broker_dropped(s, n);
            n->retry_ms = s->true_ms + NODE_PAUSE_MS;
            if (n->fenced) {
                die(n);
            }
            return;
        }
        if (node_acts(n, ACTION_PUBACK)) {
            broker_acknowledged(s, n);
            more = engine_due(n->engine);
        }
    }
    if (!n->ghost) {
        tell_room(n);
        if (!more && engine_accepts(n->engine) && node_is_owner(n)) {
            load_turned(s, n);
            node_reader_check(n);
        }
        working = n;
        (void)engine_send(n->engine);
        engine_send_forwards(n->engine);
        node_reload_turn(n);
        node_log_go_on(n);
        working = NULL;
        node_log_check_load(n);
    }
}

int64_t node_now_ms(struct node *n) {
    return engine_now_ms(n->engine);
}

uint64_t node_waiting(struct node *n) {
    struct engine_status status;
    if (n->engine == NULL) {
        return 0;
    }
    engine_status(n->engine, &status);
    return status.waiting;
}

/* --- making it --- */

static bool read_topics(struct node *n) {
    char path[NODE_PATH_BYTES + 32];
    struct report r = {"cannot write topics.conf"};
    (void)snprintf(path, sizeof path, "%s/topics.conf", n->folder);
    if (node_write_topics(n, &n->file) && conf_load(&n->conf, path, NULL, &r) == 0) {
        n->topics = n->file;
        n->file_differs = false;
        return true;
    }
    sim_fail(n->sim, "%s: %s", n->folder, r.text);
    return false;
}

static bool read_other_topics(struct node *n) {
    script_host_free(n->scripts);
    conf_free(n->conf);
    n->scripts = NULL;
    n->conf = NULL;
    return read_topics(n);
}

void node_forget_schedules(struct node *n) {
    node_stop(n);
    n->file.no_schedules = true;
    n->file.renamed = true;
    if (read_other_topics(n)) {
        node_start(n);
    }
}

/* A host on its own renames a service in the middle; where several have to wait for each other's
 * names, all do at the end. */
void node_start_again(struct node *n) {
    bool rename = n->sim->count == 1 && n->starts == RENAMED_AT;
    n->file.renamed = n->file.renamed || rename;
    if ((!rename && !n->file_differs) || read_other_topics(n)) {
        node_start(n);
    }
}

static bool make_folder(struct node *n) {
    (void)snprintf(n->folder, sizeof n->folder, "/dev/shm/zingq-sim-%d-XXXXXX", (int)getpid());
    if (mkdtemp(n->folder) == NULL) {
        sim_fail(n->sim, "no folder in /dev/shm");
        return false;
    }
    if (!node_scripts_make(n)) {
        sim_fail(n->sim, "cannot write in %s", n->folder);
        return false;
    }
    return true;
}

bool node_is_owner(const struct node *n) {
    return n->sim->nodes[n->number - 1] == n;
}

bool node_move(struct node *to, const struct node *from, unsigned machine) {
    struct sim *s = from->sim;
    bool there = to->sim != NULL;
    if (!there) {
        *to = (struct node){.sim = s, .number = from->number, .machine = machine};
        to->place = machine * NODES_MAX + to->number;
        to->wall_ahead_ms = from->wall_ahead_ms;
        to->wall_most_ms = from->wall_most_ms;
        to->stepped = from->stepped;
    }
    to->file = from->file;
    to->file_differs = there;
    to->killed_in_send = to->killed_in_send || from->killed_in_send;
    operate_moves(s, from, to);
    return there || (node_log_make(to) && make_folder(to) && read_topics(to));
}

bool node_make(struct node *n, struct sim *s, unsigned number) {
    *n = (struct node){.sim = s, .number = number, .place = number, .online = true};
    if (!node_log_make(n) || !make_folder(n) || !read_topics(n)) {
        return false;
    }
    node_start(n);
    return n->up;
}

void node_restore(struct node *n) {
    char from[NODE_PATH_BYTES + 32];
    char to[NODE_PATH_BYTES + 32];
    struct report r = {""};
    (void)snprintf(from, sizeof from, "%s/data", n->folder);
    node_log_drop(n);
    n->engine = NULL; /* and all that it works with: they are the other world's */
    n->scripts = NULL;
    n->store = NULL;
    n->culprit = NULL;
    n->reader = 0;
    n->up = false;
    leave(n);
    n->memory = (struct memory){0}; /* the scripts of a reload under way had some of it */
    bool made = make_folder(n);
    (void)snprintf(to, sizeof to, "%s/data", n->folder);
    node_may_fail(n);
    int code = made ? restore_folder(n->sim, from, to, &r) : 0;
    if (node_has_failed(n) && code != 0) { /* it can be begun again */
        code = restore_folder(n->sim, from, to, &r);
    }
    if (code != 0) {
        sim_fail(n->sim, "host %u cannot be backed up: %s", n->number, r.text);
    }
    n->file_differs = true; /* it is where the new folder is */
}

void node_free(struct node *n) {
    static const char *const files[] = {
        "data/data.mdb",    "data/data.mdb.torn", "data/lock.mdb",       "data/processor",
        "data/zingq.lock",  "data/zingq.store",   "data/zingq.unsynced", "data/files/free.log",
        "data/zingq.files", "topics.conf"};
    char path[NODE_PATH_BYTES + 32];
    if (n->sim == NULL) {
        return;
    }
    if (n->engine != NULL) {
        close_parts(n);
    }
    node_reader_end(n);
    script_host_free(n->scripts);
    conf_free(n->conf);
    if (n->machine == 0) { /* the others have had the same */
        fake_log_free(n->log);
    }
    for (size_t i = 0; n->folder[0] != '\0' && i < sizeof files / sizeof *files; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", n->folder, files[i]);
        (void)unlink(path);
    }
    node_scripts_remove(n);
    (void)snprintf(path, sizeof path, "%s/data/files", n->folder);
    (void)rmdir(path);
    (void)snprintf(path, sizeof path, "%s/data", n->folder);
    (void)rmdir(path);
    (void)rmdir(n->folder);
}

/*
 * bare.c - see bare.h.
 */
#include "bare.h"

#include "alone.h"

#include "base/temp.h"

#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    FILL_ROWS = 1000000, /* in one transaction */
    STATE_BYTES = 17,
    NOTE_BYTES = 41,
    PUBLISH_BYTES = 250,
    KEY_BYTES = 32
};

struct bare {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi state, notes, outbox;
};

static void need(int rc, const char *what) {
    if (rc != 0) {
        (void)fprintf(stderr, "bench: %s: %s\n", what, mdb_strerror(rc));
        exit(3);
    }
}

static void put(struct bare *b, MDB_dbi table, struct slice key, size_t bytes) {
    static char zeros[PUBLISH_BYTES];
    MDB_val k = {key.len, (void *)(uintptr_t)key.data};
    MDB_val v = {bytes, zeros};
    need(mdb_put(b->txn, table, &k, &v, 0), "put");
}

/* Led by the partition, as the engine has it. */
static struct slice state_key(uint64_t n, char out[KEY_BYTES]) {
    int len = snprintf(out + 5, KEY_BYTES - 5, "k%" PRIu64 "n", n);
    uint64_t lane = journal_lane(slice_of("bench"), (struct slice){out + 5, (size_t)len - 1});
    memcpy(out, (const char[]){(char)journal_partition(lane), 0, 1, 0, (char)(len - 1)}, 5);
    return (struct slice){out, (size_t)len + 5};
}

static struct slice number_key(uint64_t n, char out[KEY_BYTES]) {
    return (struct slice){out, (size_t)snprintf(out, KEY_BYTES, "%016" PRIx64, n)};
}

static void begin(struct bare *b) {
    need(mdb_txn_begin(b->env, NULL, 0, &b->txn), "begin");
}

static void commit(struct bare *b) {
    need(mdb_txn_commit(b->txn), "commit");
}

static void open_tables(struct bare *b, const char *folder) {
    alone_need(mkdir(folder, 0700) == 0 ? 0 : ERR_DISK, folder);
    need(mdb_env_create(&b->env), "create");
    need(mdb_env_set_maxdbs(b->env, 3), "maxdbs");
    need(mdb_env_set_mapsize(b->env, (size_t)64 << 30), "mapsize");
    need(mdb_env_open(b->env, folder, MDB_NOTLS, 0600), "open");
    begin(b);
    need(mdb_dbi_open(b->txn, "state", MDB_CREATE, &b->state), "state");
    need(mdb_dbi_open(b->txn, "notes", MDB_CREATE, &b->notes), "notes");
    need(mdb_dbi_open(b->txn, "outbox", MDB_CREATE, &b->outbox), "outbox");
    commit(b);
}

static void fill(struct bare *b, uint64_t keys) {
    char key[KEY_BYTES];
    begin(b);
    for (uint64_t n = 0; n < keys; n++) {
        put(b, b->state, state_key(n, key), STATE_BYTES);
        if (n % FILL_ROWS == FILL_ROWS - 1) {
            commit(b);
            begin(b);
        }
    }
    commit(b);
}

static void take(struct bare *b, uint64_t n, uint64_t keys) {
    char key[KEY_BYTES];
    struct slice state = state_key(n * ALONE_KEY_STEP % keys, key);
    MDB_val k = {state.len, (void *)(uintptr_t)state.data};
    MDB_val v;
    need(mdb_get(b->txn, b->state, &k, &v), "get");
    put(b, b->state, state, STATE_BYTES);
    put(b, b->notes, number_key(n, key), NOTE_BYTES);
    put(b, b->outbox, number_key(n, key), PUBLISH_BYTES);
    if (n >= STILL_EVENTS) {
        struct slice sent = number_key(n - STILL_EVENTS, key);
        k = (MDB_val){sent.len, (void *)(uintptr_t)sent.data};
        need(mdb_del(b->txn, b->outbox, &k, NULL), "delete");
    }
}

static double processor_us(void) {
    struct timespec t;
    alone_need(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? 0 : ERR_DISK, "clock");
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double bare_run(const char *folder, uint64_t events, uint64_t keys) {
    struct bare b;
    open_tables(&b, folder);
    fill(&b, keys);
    double before_us = processor_us();
    for (uint64_t n = 0; n < events;) {
        begin(&b);
        for (size_t i = 0; i < STILL_EVENTS && n < events; i++) {
            take(&b, n++, keys);
        }
        commit(&b);
    }
    double us = (processor_us() - before_us) / (double)events;
    mdb_env_close(b.env);
    alone_need(temp_folder_remove(folder), folder);
    (void)printf("bare LMDB, %" PRIu64 " keys: %.1f us of processor time an event\n", keys, us);
    return us;
}

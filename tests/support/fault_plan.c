/* fault_plan.c - see fault_plan.h. The linker (--wrap) leads the calls here. */
#include "fault_plan.h"
#include "wrap.h"

#include <errno.h>
#include <lmdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fault_plan *armed;
static bool struck;
static int held;

void fault_begin(struct fault_plan *plan) {
    armed = plan;
    struck = false;
}

bool fault_end(void) {
    armed = NULL;
    return struck;
}

int fault_hold(void) {
    return held++;
}

void fault_release(const int *was) {
    held = *was;
}

bool fault_strikes(enum fault kind) {
    if (armed == NULL || held > 0 || armed->kind != kind || --armed->left > 0) {
        return false;
    }
    armed->kind = FAULT_NONE;
    struck = true;
    return true;
}

/* --- stories --- */

#ifdef __SANITIZE_ADDRESS__ /* the other build tries more */
enum { SAMPLES = 20, FIRST_PART = 5 };
#else
enum { SAMPLES = 50, FIRST_PART = 1 };
#endif
enum { NEVER = 1 << 30 };

struct fault_plan fault_of_story;

static struct {
    enum fault kind;
    unsigned at;
} told; /* for when the test fails */

void fault_arm(enum fault kind, unsigned at) {
    fault_of_story = (struct fault_plan){kind, at};
}

unsigned fault_disarm(void) {
    unsigned left = fault_of_story.kind == FAULT_NONE ? 0 : fault_of_story.left;
    fault_of_story.kind = FAULT_NONE;
    return left;
}

static unsigned tell_one(enum fault kind, unsigned at,
                         unsigned (*tell)(enum fault kind, unsigned at)) {
    told.kind = kind;
    told.at = at;
    return tell(kind, at);
}

void fault_in_turn(enum fault kind, unsigned first,
                   unsigned (*tell)(enum fault kind, unsigned at)) {
    const char *wish = getenv("ZINGQ_TEST_FAULTS");
    bool all = wish != NULL && strcmp(wish, "all") == 0;
    unsigned one = wish == NULL || all ? 0 : (unsigned)strtoul(wish, NULL, 10);
    unsigned count = one > 0 ? one : NEVER - tell_one(kind, NEVER, tell);
    first /= FIRST_PART;
    unsigned step = all ? 1 : 1 + (count > first ? count - first : 0) / SAMPLES;
    for (unsigned at = one > 0 ? one : 1; at <= count; at += at < first ? 1 : step) {
        (void)tell_one(kind, at, tell);
    }
    told.kind = FAULT_NONE;
}

int fault_say_which(void **state) {
    (void)state;
    if (told.kind != FAULT_NONE) {
        (void)fprintf(stderr, "%s number %u failed: ZINGQ_TEST_FAULTS=%u\n",
                      told.kind == FAULT_MEMORY ? "allocation" : "call of LMDB", told.at, told.at);
    }
    told.kind = FAULT_NONE;
    return 0;
}

/* --- the calls --- */

static bool lacks(size_t size) {
    enum { LARGE_BYTES = 1 << 20, TEXT_BYTES = 4096 };
    enum fault kind = armed != NULL && held == 0 ? armed->kind : FAULT_NONE;
    return (kind == FAULT_LARGE && size >= LARGE_BYTES) ||
           (kind == FAULT_TEXT && size == TEXT_BYTES) || fault_strikes(FAULT_MEMORY);
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): named by the linker */
WRAPPED(malloc);
WRAPPED(calloc);
WRAPPED(realloc);

void *__wrap_malloc(size_t size) {
    return lacks(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return lacks(count * size) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size) {
    return lacks(size) ? NULL : __real_realloc(p, size);
}

/* NAME fails as a disk does that cannot be read, or that is full. */
#define CALL(name, parameters, arguments)                                                          \
    WRAPPED(name);                                                                                 \
    int __wrap_##name parameters {                                                                 \
        return fault_strikes(FAULT_STORE) ? EIO : __real_##name arguments;                         \
    }

CALL(mdb_txn_begin, (MDB_env * env, MDB_txn *parent, unsigned flags, MDB_txn **txn),
     (env, parent, flags, txn))
CALL(mdb_get, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
CALL(mdb_put, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned flags),
     (txn, dbi, key, data, flags))
CALL(mdb_del, (MDB_txn * txn, MDB_dbi dbi, MDB_val *key, MDB_val *data), (txn, dbi, key, data))
CALL(mdb_drop, (MDB_txn * txn, MDB_dbi dbi, int del), (txn, dbi, del))
CALL(mdb_cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor **cursor), (txn, dbi, cursor))
CALL(mdb_cursor_get, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, MDB_cursor_op op),
     (cursor, key, data, op))
CALL(mdb_cursor_put, (MDB_cursor * cursor, MDB_val *key, MDB_val *data, unsigned flags),
     (cursor, key, data, flags))
CALL(mdb_cursor_del, (MDB_cursor * cursor, unsigned flags), (cursor, flags))

/* Weak: the simulator's hosts have one of their own. */
WRAPPED(mdb_txn_commit);
__attribute__((weak)) int __wrap_mdb_txn_commit(MDB_txn *txn) {
    if (fault_strikes(FAULT_STORE)) {
        mdb_txn_abort(txn);
        return EIO;
    }
    return __real_mdb_txn_commit(txn);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

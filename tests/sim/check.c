/* check.c - see check.h. */
#include "check.h"

#include "sim.h"
#include "store_check.h"
#include "journal/keyed.h"

enum { LUA_BYTES_MAX = 24 << 20, STORE_BYTES_MAX = 1 << 20 };

static uint64_t rows_of(struct node *n, enum store_table table) {
    if (store_begin(n->store) != 0) {
        sim_fail(n->sim, "host %u: the store cannot be read", n->number);
        return 0;
    }
    uint64_t rows = store_rows(n->store, table);
    store_abort(n->store);
    return rows;
}

static void check_books(struct sim *s, struct node *n, bool ended) {
    for (size_t i = 0; i < n->conf->service_count && !s->failed; i++) {
        struct engine_service_status v;
        if (engine_service_status(n->engine, i, &v) != 0) {
            sim_fail(s, "host %u: no status of service %zu", n->number, i);
            return;
        }
        const struct books *b = &v.books;
        const unsigned long long ended_so_far = b->done + b->dead + b->discarded + b->expired;
        if (b->accepted < ended_so_far) {
            sim_fail(s, "host %u: the books of %s do not balance: %llu accepted, %llu ended",
                     n->number, v.name, (unsigned long long)b->accepted, ended_so_far);
        } else if (ended && books_waiting(b) != 0) {
            sim_fail(s, "host %u: %llu events of %s never end", n->number,
                     (unsigned long long)books_waiting(b), v.name);
        }
    }
}

static void check_store(struct sim *s, struct node *n) {
    char why[STORE_CHECK_BYTES];
    if (!s->failed && !n->lost &&
        !store_check(engine_journal(n->engine), n->engine, n->conf, why)) {
        sim_fail(s, "host %u: %s", n->number, why);
    }
}

void check_always(struct sim *s, struct node *n) {
    struct engine_status status;
    engine_status(n->engine, &status);
    if (status.lua_bytes > LUA_BYTES_MAX) {
        sim_fail(s, "host %u: Lua has %zu bytes", n->number, status.lua_bytes);
    }
    if (status.set_aside > 0) {
        sim_fail(s, "host %u: %llu records of the store cannot be read", n->number,
                 (unsigned long long)status.set_aside);
    }
    check_books(s, n, false);
    check_store(s, n);
    database_check(s, n);
}

void check_ended(struct sim *s, struct node *n) {
    static const struct {
        enum store_table table;
        const char *what;
    } empty[] = {
        {TABLE_OUTBOX, "publishes"}, {TABLE_FORWARD, "forwards"},
        {TABLE_READY, "ready rows"}, {TABLE_DELAYED, "delayed publishes"},
        {TABLE_WAITER, "waits"},
    };
    check_always(s, n);
    check_discarded(s, n);
    check_letters(s, n);
    check_books(s, n, true);
    node_log_check(n);
    for (size_t i = 0; i < sizeof empty / sizeof *empty && !s->failed; i++) {
        uint64_t rows = rows_of(n, empty[i].table);
        if (rows > 0) {
            sim_fail(s, "host %u: %llu %s are left", n->number, (unsigned long long)rows,
                     empty[i].what);
        }
    }
}

/* Locks or values that are to run out. */
static uint64_t mortal_rows(struct node *n, enum store_table table) {
    struct cell cell = {0};
    struct slice value;
    struct lock lock;
    int64_t expires_ms = 0;
    uint64_t rows = 0;
    struct journal *journal = engine_journal(n->engine);
    if (store_begin(n->store) != 0) {
        return 1;
    }
    while (journal_cell_scan(journal, table, &cell, &value) == 0) {
        if (table == TABLE_LOCK) {
            expires_ms = journal_lock_get(journal, &cell, &lock) == 0 ? lock.expires_ms : 1;
        } else if (journal_state_get(journal, &cell, 0, &value, &expires_ms) != 0) {
            expires_ms = 1;
        }
        rows += expires_ms != 0 ? 1 : 0;
    }
    store_abort(n->store);
    return rows;
}

void check_aged(struct sim *s, struct node *n) {
    struct store_space space;
    uint64_t dedupe = 0;
    check_ended(s, n);
    for (unsigned t = TABLE_DEDUPE; t < TABLE_COUNT; t++) {
        dedupe += rows_of(n, (enum store_table)t);
    }
    const struct {
        const char *what;
        uint64_t rows;
    } left[] = {{"events that are not dead", rows_of(n, TABLE_EVENT) - rows_of(n, TABLE_DEAD)},
                {"timers", rows_of(n, TABLE_TIMER)},
                {"signals", rows_of(n, TABLE_SIGNAL)},
                {"lines for files", rows_of(n, TABLE_APPEND)},
                {"idempotency keys", dedupe},
                {"locks that have run out", mortal_rows(n, TABLE_LOCK)},
                {"values that have run out", mortal_rows(n, TABLE_STATE)}};
    for (size_t i = 0; i < sizeof left / sizeof *left && !s->failed; i++) {
        if (left[i].rows > 0) {
            sim_fail(s, "host %u: %llu %s are left, though all their times are past", n->number,
                     (unsigned long long)left[i].rows, left[i].what);
        }
    }
    if (!s->failed && (store_usage(n->store, &space) != 0 || space.used > STORE_BYTES_MAX)) {
        sim_fail(s, "host %u: its store holds %llu bytes and next to nothing", n->number,
                 (unsigned long long)space.used);
    }
}

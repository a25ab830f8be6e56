/*
 * log.c - transactions, with a log or without: see store/log.h.
 */
#include "store/log.h"

#include "base/log.h"
#include "store/impl.h"

#include <assert.h>

int store_use_log(struct store *s, const struct store_log *log, store_home *home_of) {
    assert(s->txn == NULL && !s->read_only && s->log == NULL);
    s->writes = writeset_new();
    if (s->writes == NULL) {
        return ERR_MEMORY;
    }
    s->log = log;
    s->home = home_of;
    s->unsettled = true;
    return 0;
}

/* INV-STORE-11: LMDB has what the log has, no more and no less, before a transaction begins. */
static int settle(struct store *s) {
    uint64_t last;
    int code = s->log->barrier(s->log->ctx, &last);
    if (code != 0) {
        return code;
    }
    struct writeset *writes = s->writes;
    s->writes = NULL; /* what comes from the log does not go there again */
    code = store_catch_up(s, last);
    if (code == ERR_FULL) { /* what the log has cannot be turned away */
        code = store_lend(s, STORE_LENT_SPARE);
        code = code == 0 ? store_catch_up(s, last) : code;
    }
    s->writes = writes;
    s->unsettled = code != 0;
    if (code == ERR_LOST) {
        log_error("store",
                  "%s has turn %llu of the log, of which the log has %llu: it has lost turns that "
                  "it had confirmed, or is the log of another store",
                  s->path, (unsigned long long)s->logged, (unsigned long long)last);
    }
    return code;
}

/* --- transactions --- */

int store_begin(struct store *s) {
    int code = s->unsettled ? settle(s) : 0;
    return code == 0 ? store_txn_begin(s) : code;
}

static int append(struct store *s, uint64_t number) {
    struct log_turn turn = {.number = number};
    for (uint8_t home = 0; home < HOMES; home++) {
        struct slice body = writeset_body(s->writes, home);
        if (body.len > 0) {
            turn.parts[turn.count++] = (struct log_part){.home = home, .body = body};
        }
    }
    s->unsettled = true; /* until LMDB has it, too */
    return s->log->append(s->log->ctx, &turn);
}

static int commit_logged(struct store *s) {
    uint64_t number = s->logged + 1;
    int code = store_put_position(s, number);
    code = code == 0 ? append(s, number) : code;
    if (code != 0) {
        store_abort(s);
        return code;
    }
    code = store_txn_commit(s);
    writeset_reset(s->writes);
    if (code != 0) {
        return ERR_DOUBT; /* the log has it, and so will LMDB */
    }
    s->logged = number;
    s->unsettled = false;
    return 0;
}

int store_commit(struct store *s) {
    assert(s->txn != NULL);
    return s->writes == NULL || writeset_is_empty(s->writes) ? store_txn_commit(s)
                                                             : commit_logged(s);
}

/*
 * step.h - the durable progress of an event's handler: one record for each step, sleep and wait.
 *
 * A handler that waits for days is not kept in memory: it runs again from its first line, and an
 * operation that has a record is not executed again but returns the recorded result. Identity is
 * (kind, name) within the event, so a script may be edited between two runs.
 */
#ifndef ZINGQ_EVENT_STEP_H
#define ZINGQ_EVENT_STEP_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Stored as numbers: new ones go to the end. kind, name */
#define STEP_KIND_LIST(X)                                                                          \
    X(STEP_PLAIN, "step")      /* zing.step */                                                     \
    X(STEP_SAGA, "saga step")  /* saga:step */                                                     \
    X(STEP_UNDO, "undo")       /* the compensation of the saga step of that name */                \
    X(STEP_SLEEP, "sleep")     /* zing.sleep */                                                    \
    X(STEP_WAIT, "wait")       /* zing.wait */                                                     \
    X(STEP_CAUSE, "failed as") /* why a saga is being undone; no name */

enum step_kind {
#define X(kind, name) kind,
    STEP_KIND_LIST(X)
#undef X
        STEP_KIND_COUNT
};

/* state, name
 *
 *   saga step   begun ─▶ done           (registered before its action starts)
 *                 │ └──▶ failed         (the action said so itself: nothing is to be undone)
 *                 └────▶ unknown ─▶ done (crashed, timed out, or the peer never answered)
 */
#define STEP_STATE_LIST(X)                                                                         \
    X(STEP_DONE, "done")     /* has its result */                                                  \
    X(STEP_BEGUN, "begun")   /* saga step: its action was about to start; undo: tries were made */ \
    X(STEP_FAILED, "failed") /* saga step: its action did nothing; undo: failed for good */        \
    X(STEP_UNKNOWN, "unknown") /* saga step: nobody knows what its action did */                   \
    X(STEP_WAITING, "waiting") /* sleep, wait: until due_ms or a signal */                         \
    X(STEP_TIMEOUT, "timeout") /* wait: no signal came in time */

enum step_state {
#define X(state, name) state,
    STEP_STATE_LIST(X)
#undef X
        STEP_STATE_COUNT
};

struct step {
    enum step_kind kind;
    enum step_state state;
    uint64_t order;     /* the arrival number drawn when it began: later ones are larger */
    int64_t at_ms;      /* when it reached its state; wall clock, ms since 1970 */
    int64_t due_ms;     /* sleep, wait: until when; 0 = for good */
    uint32_t count;     /* undo: failed tries; a wait for several signals: those it misses, >= 1 */
    struct slice name;  /* 1..STEP_LABEL_BYTES_MAX (lua/run.h) bytes; of a cause: empty */
    struct slice value; /* the result in event/value.h form, len 0 = nil; undo, cause: a text */
};

/* "saga step", "begun"...; never NULL. */
const char *step_kind_name(enum step_kind kind);
const char *step_state_name(enum step_state state);
/* Whether the saga step must be compensated if its event fails. */
bool step_is_open(const struct step *step);

#endif

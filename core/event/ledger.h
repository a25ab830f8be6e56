/*
 * ledger.h - an event's outgoing calls: under which key each was made, and its outcome.
 *
 * The list is part of the event's record (event->calls): a call is on disk before it starts,
 * because the event is stored before; its answer is stored with the next commit of the event. So
 * after a crash the outcome of a call that is "asked" is unknown. Calls that only read (GET, HEAD)
 * are not recorded.
 */
#ifndef ZINGQ_EVENT_LEDGER_H
#define ZINGQ_EVENT_LEDGER_H

#include "base/buf.h"
#include "event/event.h"

#include <stdbool.h>
#include <stdint.h>

/* Stored as numbers: new ones go to the end. */
#define CALL_NOTE_STATE_LIST(X)                                                                    \
    X(CALL_ASKED, "asked")       /* on its way, or the host went down meanwhile */                 \
    X(CALL_ANSWERED, "answered") /* status tells how */                                            \
    X(CALL_UNSENT, "not sent")   /* the request never left */                                      \
    X(CALL_UNKNOWN, "unknown")   /* it had left, and no answer came, or one that does not tell */  \
    X(CALL_SETTLED, "settled") /* of a finished step, or found out otherwise: never asked again */ \
    X(CALL_SUPERSEDED, "superseded") /* by an edit, or the undoing of its saga: no key of now */

enum call_note_state {
#define X(state, name) state,
    CALL_NOTE_STATE_LIST(X)
#undef X
        CALL_NOTE_STATE_COUNT
};

struct call_note {
    struct slice key;   /* Idempotency-Key or Message-ID: names the note */
    struct slice label; /* "POST http://host/path" */
    enum call_note_state state;
    int64_t first_ms; /* when it was first asked; wall clock */
    uint32_t asks;
    uint32_t status; /* HTTP status or SMTP reply of the last answer; 0 = none */
};

/* "asked", "not sent"...; never NULL. */
const char *call_note_state_name(enum call_note_state state);
/* The next note, or false at the end; start with *at = 0. Slices point into `calls`. */
bool ledger_next(struct slice calls, size_t *at, struct call_note *out);
/* The note of that key. */
bool ledger_find(struct slice calls, struct slice key, struct call_note *out);
/* Writes the note, replacing one with the same key. Beyond CALLS_NOTED_MAX the oldest is dropped.
 * ERR_MEMORY changes nothing. */
int ledger_put(struct event *event, const struct call_note *note);
/* Marks the call of that key as settled, if there is a note of it. ERR_MEMORY changes nothing. */
int ledger_settle(struct event *event, struct slice key);
/* The payload was changed: calls that were answered are superseded, and the event's round goes up,
 * so that they get other keys; those of finished steps and those of unknown outcome keep theirs, as
 * do calls whose key does not begin with `own`. ERR_LIMIT: no more rounds; ERR_MEMORY. Then nothing
 * changed. */
int ledger_supersede_answered(struct event *event, struct slice own);
/* The event's saga was undone: every call of it is superseded. ERR_MEMORY changes nothing. */
int ledger_supersede_all(struct event *event);
/* The name that the keys of its calls begin with, before "-<id>": that under which its service made
 * the first of them, so that a service with another name goes on with the same keys. Of no call yet:
 * `now`. */
struct slice ledger_caller(const struct event *event, struct slice now);
/* Whether the peer may have done something for this call. */
bool ledger_may_have_acted(const struct call_note *note);
/* When the first call was made that may have done something and could be repeated; 0 = none.
 * `settled_too`: those of finished steps count. */
int64_t ledger_first_ms(const struct event *event, bool settled_too);

#endif

/*
 * edit.c - an operator changes the payload of a dead letter, which stays dead.
 *
 * What was computed from the payload is computed again: the key, which may be another one, so the
 * event's rows move to its lane; and the idempotency key. State, locks and signals belong to a key
 * and stay where they are. The old idempotency key stays known, too: a repetition of the message as
 * it came is still a duplicate.
 *
 * What the event has finished was done with the old payload and stays: the results of its steps.
 * Calls outside of them are made again. Those that were answered are other requests now and get
 * other Idempotency-Keys: under the old one a peer refuses another body, or repeats its refusal.
 * Those of unknown outcome keep theirs, because only by it the peer can tell whether it has acted.
 */
#include "engine/edit.h"

#include "engine/admit.h"
#include "engine/find.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/quota.h"
#include "engine/rank.h"
#include "engine/wake.h"
#include "event/ledger.h"
#include "journal/event.h"
#include "journal/step.h"

#include <stdio.h>

enum { NAMES_TOLD = 20 };

/* --- what is told --- */

/* A list of names within a sentence: "a, b and 3 more". */
struct names {
    struct buf *out;
    const char *before; /* the first */
    size_t count;
};

static void add_name(struct names *names, struct slice name) {
    if (names->count < NAMES_TOLD) {
        buf_add_str(names->out, names->count == 0 ? names->before : ", ");
        property_clean(name, names->out);
    }
    names->count++;
}

static void end_names(struct names *names) {
    if (names->count > NAMES_TOLD) {
        buf_printf(names->out, " and %zu more", names->count - NAMES_TOLD);
    }
    buf_add_str(names->out, names->count > 0 ? "\n" : "");
}

/* Once its saga is undone, a replay starts from the beginning: engine_renew_steps. */
static bool is_undone(const struct event *event) {
    return event->state == EVENT_DEAD && event->undo != UNDO_NONE;
}

static int tell_kept_steps(struct engine *e, const struct event *event, struct buf *out) {
    struct names names = {.out = out, .before = "the results of its finished steps stay: "};
    struct step step = {.name = {NULL, 0}};
    int code = event->durable ? 0 : ERR_NOTFOUND;
    while (code == 0 && (code = journal_step_next(e->journal, event, &step)) == 0) {
        bool has_result =
            step.kind == STEP_PLAIN || step.kind == STEP_SAGA || step.kind == STEP_WAIT;
        if (has_result && step.state == STEP_DONE) {
            add_name(&names, step.name);
        }
    }
    end_names(&names);
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_tell_what_stays(struct engine *e, const struct event *event, struct command *c) {
    if (c->notes == NULL) {
        return 0;
    }
    if (is_undone(event)) {
        buf_add_str(c->notes, "its saga was undone: it starts from the beginning, under new "
                              "Idempotency-Keys\n");
        return 0;
    }
    return tell_kept_steps(e, event, c->notes);
}

/* The calls that changed with the edit, or those whose outcome is unknown. */
static void tell_calls(const struct event *before, const struct event *edited, bool unknown,
                       struct buf *out) {
    struct names names = {.out = out,
                          .before = unknown
                                        ? "calls of unknown outcome keep their Idempotency-Keys: "
                                        : "calls that were answered get new Idempotency-Keys: "};
    struct call_note note;
    struct call_note old;
    for (size_t at = 0; ledger_next(edited->calls, &at, &note);) {
        bool is_unknown = note.state == CALL_ASKED || note.state == CALL_UNKNOWN;
        bool is_new = note.state == CALL_SUPERSEDED && ledger_find(before->calls, note.key, &old) &&
                      old.state != note.state;
        if (unknown ? is_unknown : is_new) {
            add_name(&names, note.label);
        }
    }
    end_names(&names);
}

static int tell(struct engine *e, const struct event *before, const struct event *edited,
                bool identified, struct command *c) {
    if (c->notes == NULL) {
        return 0;
    }
    if (!slice_equal(before->key, edited->key)) {
        buf_add_str(c->notes, "its key is now \"");
        property_clean(edited->key, c->notes);
        buf_add_str(c->notes, "\", no longer \"");
        property_clean(before->key, c->notes);
        buf_add_str(c->notes, "\": it runs in that key's order and with its state\n");
    }
    if (before->rank != edited->rank) {
        buf_printf(c->notes, "its priority is now %u, no longer %u\n", rank_priority(edited->rank),
                   rank_priority(before->rank));
    }
    if (identified) {
        buf_add_str(c->notes, "its idempotency key is computed from the new payload\n");
    }
    if (!is_undone(edited)) {
        tell_calls(before, edited, false, c->notes);
        tell_calls(before, edited, true, c->notes);
    }
    return engine_tell_what_stays(e, edited, c);
}

/* --- the change --- */

/* Its rows move to the place of its key; a parked one lets its old key go on. */
static int move(struct engine *e, struct engine_service *s, struct event *old,
                struct event *edited) {
    if (old->lane == edited->lane) {
        return old->parked ? engine_rank_row(e, edited) : 0;
    }
    int code = 0;
    if (old->parked) {
        edited->parked = false;
        code = engine_unpark(e, s, old);
    }
    if (code != 0 || old->partition == edited->partition) {
        return code;
    }
    return engine_move_event(e, old, edited);
}

static int supersede_calls(const struct engine_service *s, struct event *edited,
                           struct command *c) {
    char own[NAME_BYTES_MAX + UUID_TEXT_BYTES + 2];
    char id[UUID_TEXT_BYTES + 1];
    struct slice caller = ledger_caller(edited, s->name);
    (void)snprintf(own, sizeof own, "%.*s-%s", (int)caller.len, caller.data,
                   uuid_text(&edited->id, id));
    int code = ledger_supersede_answered(edited, slice_of(own));
    return code != ERR_LIMIT
               ? code
               : report(&c->report, ERR_INVALID,
                        "it has been edited too often: publish the payload again and discard it");
}

static int edit(struct engine *e, struct engine_service *s, struct event *old, struct event *edited,
                struct command *c) {
    bool identified = false;
    int code = supersede_calls(s, edited, c);
    code = code == 0 ? engine_readdress(e, s, old, edited, &identified, &c->report) : code;
    if (code == ERR_INVALID || code == ERR_EXISTS) {
        c->code = code;
        return 0;
    }
    code = code == 0 ? engine_note_by_hand(e, old, ATTEMPT_EDIT, old->payload) : code;
    const struct event before = *old;
    code = code == 0 ? move(e, s, old, edited) : code;
    code = code == 0 ? journal_event_put(e->journal, edited) : code;
    code = code == 0 ? engine_letter_move(e, s, &before, edited) : code;
    return code == 0 ? tell(e, old, edited, identified, c) : code;
}

int engine_edit(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, event_state_dead, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? engine_no_dead(c) : code;
    }
    struct event *edited = event_with_payload(event, c->payload);
    code = edited == NULL ? ERR_MEMORY : edit(e, s, event, edited, c);
    event_free(edited);
    event_free(event);
    return code;
}

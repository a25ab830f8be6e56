/*
 * rerun.c - runs an ended event again at a person's request: a dead letter, or one that was done or
 * discarded.
 *
 * It keeps its id, and with it the Idempotency-Keys of its calls and its history: every round is in
 * its history and among its publishes. It was accepted before, so duplicates are not looked for. It
 * joins its lane behind the events that wait there.
 */
#include "engine/rerun.h"

#include "engine/admit.h"
#include "engine/cut.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/place.h"
#include "engine/saga.h"
#include "engine/services.h"
#include "engine/space.h"
#include "event/ledger.h"
#include "journal/event.h"

int engine_revive(struct engine *e, struct event *event, bool forced) {
    int code = engine_note_by_hand(e, event, ATTEMPT_REPLAY, slice_of("replayed by an operator"));
    if (code == 0) {
        code = engine_renew_steps(e, event);
    }
    event->forced = forced;
    event->continues = false;
    event->alone = false;
    event->batch_events = 0;
    event->state = EVENT_READY;
    event->replayed = true;
    event->attempts = 0; /* of this round */
    event->errors = 0;
    event->timeouts = 0;
    event->crashes = 0;
    event->ended_ms = 0;
    return code == 0 ? event_set_reason(event, (struct slice){"", 0}) : code;
}

/* When the first of the calls that would be made again was made; 0 = never. A dead letter continues
 * after its finished steps, and one whose saga was undone uses new keys. */
static int64_t first_call_ms(const struct event *event) {
    bool anew = !event_state_dead((enum event_state)event->state);
    bool undone = event->state == EVENT_DEAD && event->undo != UNDO_NONE;
    return undone ? 0 : ledger_first_ms(event, anew);
}

/* True if the peer may have forgotten the Idempotency-Keys of its calls, judging by the first one
 * that would be made again; false when there is none. */
static bool keys_forgotten(struct engine *e, const struct engine_service *s,
                           const struct event *event) {
    int64_t first_ms = first_call_ms(event);
    int64_t now_ms = engine_now_ms(e);
    return first_ms != 0 && first_ms + s->conf->idempotency_window_ms < now_ms;
}

bool engine_needs_force(struct engine *e, const struct event *event) {
    const struct engine_service *s = engine_service_of(e, event->service);
    return s != NULL && keys_forgotten(e, s, event);
}

bool engine_refuse_forgotten(struct engine *e, const struct engine_service *s,
                             const struct event *event, struct command *c) {
    char age[32];
    char window[32];
    if (c->force || !keys_forgotten(e, s, event)) {
        return false;
    }
    int64_t age_ms = engine_now_ms(e) - first_call_ms(event);
    c->code = report(&c->report, ERR_INVALID,
                     "it made its first call %s ago, but servers remember an "
                     "Idempotency-Key for %s (idempotency_window): its calls and mails would be "
                     "made a second time. --force (force=1) runs it nevertheless",
                     conf_duration_text(age_ms, age),
                     conf_duration_text(s->conf->idempotency_window_ms, window));
    return true;
}

/* The reason why the event cannot run again, or 0. */
static int check(const struct event *event, struct command *c) {
    switch ((enum event_state)event->state) {
    case EVENT_DONE:
    case EVENT_DISCARDED:
        break;
    case EVENT_DEAD:
    case EVENT_NEEDS_PERSON:
        return report(&c->report, ERR_INVALID,
                      "it is a dead letter: `zingq dlq replay` runs it again");
    case EVENT_EXPIRED:
        return report(&c->report, ERR_INVALID,
                      "it was a dead letter that a quota took: its payload was not kept");
    default:
        return report(&c->report, ERR_EXISTS, "it is already waiting: it is %s",
                      event_state_name((enum event_state)event->state));
    }
    if (c->ended_by_ms != 0 && event->ended_ms > c->ended_by_ms) {
        return report(&c->report, ERR_EXISTS, "it has been replayed in the meantime");
    }
    if (event->kind == EVENT_LOCK_EXPIRED) {
        return report(&c->report, ERR_INVALID,
                      "it is the expiry of a lock: replay the event that took it");
    }
    return 0;
}

int engine_wait_again(struct engine *e, struct engine_service *s, struct event *event,
                      bool forced) {
    int code = engine_revive(e, event, forced);
    event->seq = journal_next_seq(e->journal, e->now_ms);
    /* Stored immediately: another command of this turn must see that it waits. */
    code = code == 0 ? journal_event_put(e->journal, event) : code;
    if (code != 0) {
        event_free(event);
        return code;
    }
    return engine_place(e, s, event);
}

/* The books count it as accepted once more; its earlier end stays counted. */
static int run_again(struct engine *e, struct engine_service *s, struct event *event, bool forced) {
    engine_count(e, s, BOOK_ACCEPTED, 1);
    engine_take_room(e, event);
    return engine_wait_again(e, s, event, forced);
}

int engine_rerun(struct engine *e, struct engine_service *s, struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    struct event *event = NULL;
    int code = c->partition < PARTITIONS
                   ? journal_event_get(e->journal, c->partition, &c->id, s->number, &event)
                   : ERR_NOTFOUND;
    if (code == ERR_NOTFOUND) {
        c->code = report(&c->report, code, "no event %s in service \"%s\"", uuid_text(&c->id, id),
                         s->conf->name);
        return 0;
    }
    if (code != 0) {
        return code;
    }
    c->code = check(event, c);
    if (c->code == 0 && engine_is_signal_letter(event)) {
        c->code = report(&c->report, ERR_INVALID, "it is a signal, which no handler runs");
    }
    bool refused = c->code != 0 || engine_refuse_forgotten(e, s, event, c);
    /* An event that was discarded before it ever ran may have no key. */
    bool had_no_key = event->attempts == 0 && event->kind == EVENT_MESSAGE;
    if (!refused && event->state == EVENT_DISCARDED && had_no_key) {
        code = engine_rekey(e, s, event, &c->report);
        c->code = code == ERR_INVALID ? code : 0;
        refused = c->code != 0;
    }
    if (refused || code != 0) {
        event_free(event);
        return refused ? 0 : code;
    }
    return run_again(e, s, event, c->force);
}

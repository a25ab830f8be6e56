/*
 * letters.c - commands about dead letters and parked keys: replay, discard; resume, skip.
 */
#include "engine/letters.h"

#include "engine/admit.h"
#include "engine/cut.h"
#include "engine/edit.h"
#include "engine/find.h"
#include "engine/forward.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/space.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/quota.h"
#include "engine/removed.h"
#include "engine/rerun.h"
#include "engine/retention.h"
#include "engine/services.h"
#include "engine/signal_message.h"
#include "engine/wake.h"
#include "journal/event.h"

#include <stdio.h>

/* A parked event runs again at its place, the head of its lane. */
static int revive_parked(struct engine *e, struct engine_service *s, struct event *event,
                         bool forced) {
    struct row row = engine_row(event);
    row.flags = LANE_PARKED;
    int code = engine_letter_del(e, s, event);
    event->parked = false;
    if (code == 0) {
        code = engine_revive(e, event, forced);
    }
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    event_free(event);
    return code == 0 ? engine_lane_wake(e, s, &row) : code;
}

/* No handler runs a dead signal: replaying it sends it again, which ends it. */
static int replay_signal(struct engine *e, struct engine_service *s, struct event *event,
                         struct command *c) {
    int code = engine_send_letter(e, s, event, &c->report);
    if (code == ERR_INVALID) {
        c->code = code;
        return 0;
    }
    if (code == 0) {
        code = engine_note_by_hand(e, event, ATTEMPT_REPLAY, slice_of("sent again by an operator"));
    }
    if (code == 0) {
        code = engine_letter_del(e, s, event);
    }
    event->state = EVENT_DONE;
    event->replayed = true;
    event->ended_ms = e->now_ms;
    engine_count(e, s, BOOK_DONE, 1);
    return code == 0 ? journal_event_put(e->journal, event) : code;
}

/* After its payload was edited it has a key, and that belongs to another host. */
static int send_on(struct engine *e, struct engine_service *s, struct event *event) {
    char text[64];
    uint16_t host = division_owner(&e->conf->hosts.share, event->partition);
    (void)snprintf(text, sizeof text, "sent on to host %u, whose key it is", (unsigned)host);
    int code = engine_note_by_hand(e, event, ATTEMPT_REPLAY, slice_of(text));
    event->state = EVENT_DONE;
    event->replayed = true;
    event->ended_ms = e->now_ms;
    engine_count(e, s, BOOK_DONE, 1);
    code = code == 0 ? journal_event_put(e->journal, event) : code;
    if (code != 0) {
        event_free(event);
        return code;
    }
    return engine_forward_event(e, s, event, event->partition);
}

int engine_replay(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, event_state_dead, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? engine_no_dead(c) : code;
    }
    if (engine_refuse_removed(s, c) || engine_refuse_forgotten(e, s, event, c)) {
        event_free(event);
        return 0;
    }
    if (engine_is_signal_letter(event)) {
        code = replay_signal(e, s, event, c);
        event_free(event);
        return code;
    }
    code = engine_tell_what_stays(e, event, c);
    if (code != 0) {
        event_free(event);
        return code;
    }
    if (event->parked) {
        return revive_parked(e, s, event, c->force);
    }
    bool had_no_key = event->attempts == 0 && event->kind == EVENT_MESSAGE;
    struct event dead = *event;
    code = had_no_key ? engine_rekey(e, s, event, &c->report) : 0;
    if (code == ERR_INVALID) {
        c->code = code;
        event_free(event);
        return 0;
    }
    code = code == 0 ? engine_letter_del(e, s, &dead) : code;
    if (code == 0 && engine_is_elsewhere(e, s, event->key, event->partition)) {
        return send_on(e, s, event);
    }
    if (code != 0) {
        event_free(event);
        return code;
    }
    return engine_wait_again(e, s, event, c->force);
}

/* It is kept for store.keep_done like everything that ended, unless the store is short of room:
 * then room is why it is discarded. */
static int end_discarded(struct engine *e, struct engine_service *s, struct event *event) {
    event->state = EVENT_DISCARDED;
    event->ended_ms = e->now_ms;
    engine_count(e, s, BOOK_DISCARDED, 1);
    return engine_is_low(e) ? engine_let_go(e, event) : journal_event_put(e->journal, event);
}

int engine_discard(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, event_state_dead, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? engine_no_dead(c) : code;
    }
    if (event->state == EVENT_NEEDS_PERSON && !c->without_compensation) {
        event_free(event);
        return engine_refuse(
            c, ERR_INVALID,
            "its saga is only partly undone, see `zingq dlq show`: `zingq dlq replay` continues "
            "the compensation, --without-compensation (without_compensation=1) "
            "discards it as it is");
    }
    code = engine_letter_del(e, s, event);
    if (code == 0 && event->parked) {
        code = engine_unpark(e, s, event);
    }
    if (code == 0) {
        code = end_discarded(e, s, event);
    }
    event_free(event);
    return code;
}

/* --- keys --- */

/* The parked event at the head of the key's lane. ERR_NOTFOUND when it is not parked. */
static int find_parked(struct engine *e, struct engine_service *s, struct slice key,
                       struct event **out) {
    struct row row = {.service = s->number};
    row.lane = journal_lane(s->origin, key);
    row.partition = journal_partition(row.lane);
    int code = journal_lane_next(e->journal, &row);
    if (code != 0 || row.flags != LANE_PARKED) {
        return code == 0 ? ERR_NOTFOUND : code;
    }
    return journal_event_get(e->journal, row.partition, &row.id, row.service, out);
}

static int with_parked(struct engine *e, struct command *c, struct engine_service **s,
                       struct event **event) {
    *s = engine_service_known(e, c->service);
    if (*s == NULL) {
        (void)engine_no_service(c);
        return ERR_NOTFOUND;
    }
    if (c->key.len > KEY_BYTES_MAX) {
        (void)engine_refuse(c, ERR_INVALID, "the key is longer than any key can be");
        return ERR_NOTFOUND;
    }
    int code = find_parked(e, *s, c->key, event);
    if (code == ERR_NOTFOUND) {
        (void)engine_refuse(c, ERR_NOTFOUND, "the key is not parked");
    }
    return code;
}

int engine_key_resume(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = with_parked(e, c, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (engine_refuse_removed(s, c) || engine_refuse_forgotten(e, s, event, c)) {
        event_free(event);
        return 0;
    }
    return revive_parked(e, s, event, c->force);
}

int engine_key_skip(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = with_parked(e, c, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    const struct event parked = *event;
    code = engine_unpark(e, s, event);
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    if (code == 0) {
        code = engine_letter_move(e, s, &parked, event);
    }
    event_free(event);
    return code;
}

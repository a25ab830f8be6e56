/*
 * engine.c - the pipeline. Read this file first.
 *
 *   collect   engine_offer, engine_call_done, engine_published, engine_submit: only recorded
 *   decide    one store transaction: settle what the broker acknowledged, carry out commands, admit
 *             messages, resume what waited, fire timers, run lanes until the budget is used up
 *   commit    new events get their rows, the books are written, one fsync for everything
 *   act       publishes leave, calls start, commands are answered; the caller lets PUBACKs go
 *
 * A turn that fails (no room, disk error) is dropped whole: the engine forgets everything in memory
 * and loads what the store holds, as after a crash.
 */
#include "base/log.h"
#include "engine/admit.h"
#include "engine/append.h"
#include "engine/attempt.h"
#include "engine/backlog.h"
#include "engine/bury.h"
#include "engine/clock.h"
#include "engine/command.h"
#include "engine/crash.h"
#include "engine/death.h"
#include "engine/fire.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/kept.h"
#include "engine/input.h"
#include "engine/lane.h"
#include "engine/load.h"
#include "engine/memory.h"
#include "engine/mend.h"
#include "engine/move.h"
#include "engine/metrics.h"
#include "engine/outbox.h"
#include "engine/outcome.h"
#include "engine/place.h"
#include "engine/quota.h"
#include "engine/receive.h"
#include "engine/retention.h"
#include "engine/schedule.h"
#include "engine/services.h"
#include "engine/share.h"
#include "engine/signal_message.h"
#include "engine/space.h"
#include "engine/spans.h"
#include "engine/start.h"
#include "engine/timers.h"
#include "journal/kept.h"
#include "journal/later.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- decide --- */

/* After each step of a turn: settles the deaths it caused. */
static int settled(struct engine *e, int code) {
    return code == 0 ? engine_settle_deaths(e) : code;
}

static int carry_out_commands(struct engine *e) {
    struct command *command;
    int code = 0;
    while (code == 0 && (command = engine_next_command(e)) != NULL) {
        code = settled(e, engine_carry_out(e, command));
        if (code == 0) {
            engine_command_done(e);
        }
    }
    return code;
}

static int admit(struct engine *e, struct event *event, size_t *count) {
    bool duplicate;
    if (event->kind == EVENT_FORWARD) {
        return engine_admit_forward(e, event, count);
    }
    struct engine_service *s = &e->services[event->service];
    s = s->heir == NULL ? s : s->heir;
    event->service = (uint16_t)s->index;
    ++*count;
    culprit_run(e->culprit, s->number, event->partition, &event->id);
    culprit_enter(e->culprit, CULPRIT_ADMIT);
    return event->kind == EVENT_SIGNAL ? engine_admit_signal(e, event)
                                       : engine_admit(e, s, event, ADMIT_MESSAGE, &duplicate);
}

static int admit_messages(struct engine *e) {
    size_t count = 0;
    struct event *event;
    int code = 0;
    if (!engine_has_messages(e)) {
        return 0;
    }
    engine_watch_clock(e);
    lanes_arrived(e->lanes, e->now_ms);
    while (code == 0 && (event = engine_next_message(e)) != NULL) {
        code = settled(e, admit(e, event, &count));
    }
    if (code == 0) {
        culprit_enter(e->culprit, CULPRIT_IDLE);
        engine_note_admitted(e, count);
        phases_count(&e->phases, COUNT_MESSAGES, count);
    }
    return code;
}

/* At most half a turn of them; the others follow in the next turn. */
static int resume_ended_calls(struct engine *e) {
    engine_watch_clock(e);
    int64_t end_us = engine_seen_us(e) + TURN_MS_MAX * 1000 / 2;
    struct call_end *end;
    int code = 0;
    while (code == 0 && engine_seen_us(e) < end_us && (end = engine_next_ended(e)) != NULL) {
        code = engine_resume(e, end);
        engine_free_ended(e, end);
    }
    return code;
}

/* Runs the head of the lane, perhaps in a batch; *started: the number of events. */
static int run_lane(struct engine *e, struct lane *lane, size_t *started) {
    size_t service = lane->service;
    uint64_t payer = lane->payer;
    int code = settled(e, engine_start_lane(e, lane, started));
    if (code == 0) {
        engine_charge(e, service, payer, *started <= 1);
        engine_note_proven(e, *started == 0 ? 1 : *started);
        phases_count(&e->phases, COUNT_EVENTS, *started);
    }
    /* It ended without running, perhaps because of its crashes: store that before another event
     * runs. */
    *started = *started == 0 ? TURN_EVENTS_MAX : *started;
    culprit_enter(e->culprit, CULPRIT_IDLE);
    return code;
}

/* Tenants whose events in memory are used up, while there are others on disk, must not miss turns. */
static int feed_tenants(struct engine *e) {
    if (!lanes_want_rows(e->lanes)) {
        return 0;
    }
    int code = engine_feed_tenants(e);
    engine_watch_clock(e); /* nobody's run */
    return code;
}

/* Runs lanes for at least as long as everything before them took, so that neither messages nor
 * ended calls starve them. A longer run ends the turn, so that finished work can leave. */
static int run_lanes(struct engine *e) {
    if (engine_is_low(e) && engine_has_answers(e)) {
        return 0; /* an operator's commands must not fail because events took the room */
    }
    engine_watch_clock(e);
    int64_t end_us = engine_seen_us(e) + engine_turn_length_us(e);
    size_t most = e->draining ? 0 : engine_space_share(e, TURN_EVENTS_MAX);
    if (engine_is_careful(e)) { /* run only stored events: see engine/crash.c */
        most = engine_first_new(e) != NULL || most == 0 ? 0 : 1;
    }
    size_t started = 0;
    engine_feed_services(e);
    engine_hold_back(e);
    for (size_t events = 0; events < most && engine_seen_us(e) < end_us; events += started) {
        int code = feed_tenants(e);
        struct lane *lane = code == 0 ? engine_next_lane(e) : NULL;
        code = lane == NULL ? code : run_lane(e, lane, &started);
        if (lane == NULL || code != 0) {
            return code;
        }
    }
    return 0;
}

static int decide(struct engine *e) {
    static int (*const work[])(struct engine *) = {
        engine_look_at_space,
        carry_out_commands,
        engine_take_own_forwards,
        admit_messages,
        resume_ended_calls,
        engine_expire_waits,
        engine_fire_timers,
        engine_fire_schedules,
        engine_refill,
        engine_deal,
        run_lanes,
        engine_move_rows,
        engine_expire_letters,
        engine_trim,
        engine_build_forwards,
    };
    /* A full store is only tidied: the room that is left must not be used up. */
    static int (*const tidying[])(struct engine *) = {engine_look_at_space, carry_out_commands,
                                                      engine_expire_letters, engine_trim,
                                                      engine_build_forwards};
    int (*const *steps)(struct engine *) = engine_is_full(e) ? tidying : work;
    size_t count =
        engine_is_full(e) ? sizeof tidying / sizeof *tidying : sizeof work / sizeof *work;
    int code = outbox_settle(e->outbox);
    if (code == 0) {
        code = append_settle(e->append, e->now_ms);
    }
    if (code == 0) {
        code = forwards_settle(e->forwards);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = settled(e, steps[i](e));
    }
    return code;
}

/* --- commit --- */

static int write_books(struct engine *e) {
    int code = engine_write_books(e);
    code = code == 0 ? engine_write_paces(e) : code;
    return code == 0 ? journal_kept_write(e->journal) : code;
}

/* A turn that has only looked does not go to the disk. But pages that a commit has freed can be used
 * after the next one: where room is short, there is one. */
static int write_marks(struct engine *e, bool *changed) {
    *changed =
        store_changed(journal_store(e->journal)) || engine_clock_mark_is_old(e) || engine_is_low(e);
    if (!*changed) {
        return 0;
    }
    int code = journal_mark_seq(e->journal);
    return code == 0 ? engine_mark_clock(e) : code;
}

static void count_commit(struct engine *e, bool changed, int64_t us) {
    if (!changed) {
        return;
    }
    e->status.commit_us_last = us;
    if (us > e->status.commit_us_max) {
        e->status.commit_us_max = us;
    }
    histogram_add(&e->status.commit, us);
    engine_note_committed(e, us);
    e->status.commits++;
}

static int commit(struct engine *e) {
    culprit_enter(e->culprit, CULPRIT_COMMIT);
    int code = engine_seal_new(e);
    if (code == 0) {
        code = write_books(e);
    }
    if (code == 0) {
        code = engine_write_cursors(e);
    }
    bool places = false;
    if (code == 0) {
        code = engine_clear_lost(e);
    }
    if (code == 0) {
        code = journal_set_aside(e->journal, &places);
        engine_letters_set_aside(e);
    }
    if (code == 0 && places) {
        return ERR_CORRUPT; /* the records of where events wait are rebuilt: engine/mend.c */
    }
    if (code == 0) {
        code = journal_count_kept(e->journal);
    }
    bool changed = false;
    if (code == 0) {
        code = write_marks(e, &changed);
    }
    if (code != 0) {
        return code;
    }
    /* INV-ENGINE-1 */
    assert(engine_first_new(e) == NULL && !engine_decides(e) && !engine_has_deaths(e));
    int64_t before_us = engine_enter(e, PHASE_COMMIT);
    code = store_commit(journal_store(e->journal));
    count_commit(e, changed, engine_enter(e, PHASE_SEND) - before_us);
    if (code == 0) {
        journal_forget_broken(e->journal);
    }
    if (code == 0 && changed) {
        engine_clock_stored(e);
    }
    return code;
}

/* --- act --- */

/* Those that do not fit the budget of memory stay for another time. */
static void start_calls(struct engine *e) {
    struct invocation *inv;
    engine_begin_starts(e);
    while ((inv = engine_next_to_start(e)) != NULL) {
        struct call_result result = {.code = 0};
        if (inv->run->outcome != OUTCOME_CALL) { /* it waited only for the commit, now done */
            engine_call_done(e, inv->call_id, &result);
            continue;
        }
        result.code = e->doors.call_start(e->doors.ctx, inv->call_id, inv->run->request);
        if (result.code != 0) {
            strncat(result.error, error_text(result.code), sizeof result.error - 1);
            engine_call_done(e, inv->call_id, &result);
        }
    }
}

static void act(struct engine *e) {
    assert(!store_active(journal_store(e->journal))); /* INV-ENGINE-2 */
    outbox_committed(e->outbox);
    if (append_wants_write(e->append)) {
        append_write(e->append, e->now_ms);
    }
    (void)engine_send(e); /* a packet id clash is reported to the host at its next send */
    engine_send_forwards(e);
    engine_send_receipts(e);
    engine_send_spans(e);
    culprit_enter(e->culprit, CULPRIT_ANSWER);
    start_calls(e);
    engine_answer_commands(e);
    culprit_enter(e->culprit, CULPRIT_IDLE);
    phases_queue(&e->phases, QUEUE_WAITING, e->waiting);
    phases_queue(&e->phases, QUEUE_OUTBOX, outbox_rows(e->outbox));
}

/* --- the turn --- */

static void tell_dropped(int code) {
    log_error("engine", "a turn was dropped, %s: %s",
              code == ERR_DOUBT ? "and may be stored" : "nothing of it is stored",
              error_text(code));
}

int engine_turn(struct engine *e) {
    bool turned_away = false;
    int ready = engine_make_ready(e, &turned_away);
    if (ready != 0) {
        return ready;
    }
    int answer = turned_away ? ERR_FULL : 0;
    /* Committed publishes can be sent without a turn. */
    (void)engine_enter(e, PHASE_SEND);
    (void)engine_send(e); /* a packet id clash is reported to the host at its next send */
    engine_send_forwards(e);
    start_calls(e);
    if (!engine_due(e)) {
        return answer;
    }
    struct store *store = journal_store(e->journal);
    engine_look_at_clock(e);
    e->turn_us = engine_enter(e, PHASE_DECIDE);
    e->status.turns++;
    phases_count(&e->phases, COUNT_TURNS, 1);
    bool least = engine_space_share(e, TURN_EVENTS_MAX) == 1;
    int code = store_begin(store);
    if (code == 0) {
        code = decide(e);
    }
    if (code == 0) {
        code = commit(e);
    }
    culprit_enter(e->culprit, CULPRIT_IDLE);
    if (code == 0 || code == ERR_FULL) {
        engine_turn_found_room(e, code == 0);
    }
    if (code != 0) {
        if (store_active(store)) {
            store_abort(store);
        }
        (void)engine_enter(e, PHASE_SEND);
        tell_dropped(code);
        engine_start_over(e, code, least);
        return code;
    }
    act(e);
    return answer;
}

static bool starts_events(const struct engine *e) {
    return !e->draining && !engine_is_full(e);
}

bool engine_due(struct engine *e) {
    int64_t now_ms = engine_now_ms(e);
    int64_t wake_ms = INT64_MAX;
    return e->lost || engine_clock_stepped(e) || engine_has_inputs(e) ||
           (starts_events(e) && lanes_runnable(e->lanes, now_ms, &wake_ms)) ||
           (!engine_is_full(e) &&
            (engine_wants_refill(e) || engine_wants_deal(e) || engine_wants_move(e))) ||
           outbox_wants_settle(e->outbox) || append_wants_settle(e->append) ||
           forwards_want_turn(e->forwards, now_ms) ||
           (!engine_is_full(e) && forwards_own(e->forwards) > 0) ||
           outbox_acked(e->outbox) >= OUTBOX_WINDOW_MAX / 4 || engine_next_ms(e) <= now_ms;
}

/* The earliest timer by the wall clock (`at` and schedules), converted to engine time. */
static int64_t earliest_by_wall(struct engine *e) {
    int64_t timer = engine_earliest_wall_timer(e);
    int64_t tick = engine_next_tick_ms(e);
    int64_t found = tick < timer ? tick : timer;
    return found == INT64_MAX ? found : found - engine_wall_ahead_ms(e);
}

/* When work that waits only for time is due. */
static int64_t next_work_ms(struct engine *e) {
    int64_t next = engine_earliest_timer(e);
    int64_t deadline = engine_earliest_deadline(e);
    int64_t room = engine_earliest_room(e);
    next = deadline < next ? deadline : next;
    next = room < next ? room : next;
    int64_t memory = engine_next_memory_ms(e);
    next = memory < next ? memory : next;
    int64_t by_wall = earliest_by_wall(e);
    next = by_wall < next ? by_wall : next;
    if (starts_events(e)) {
        (void)lanes_runnable(e->lanes, engine_now_ms(e), &next);
    }
    return next;
}

int64_t engine_next_ms(struct engine *e) {
    int64_t next = engine_is_full(e) ? INT64_MAX : next_work_ms(e);
    int64_t send_ms = engine_next_send_ms(e);
    next = send_ms < next ? send_ms : next;
    int64_t write_ms = append_next_ms(e->append);
    next = write_ms < next ? write_ms : next;
    int64_t forward_ms = forwards_next_ms(e->forwards);
    next = forward_ms < next ? forward_ms : next;
    /* Retention and the check of the store's space need a turn of their own when nothing else
     * happens. */
    int64_t check_ms = engine_next_trim_ms(e);
    int64_t look_ms = engine_next_look_ms(e);
    int64_t expiry_ms = engine_next_expiry_ms(e);
    check_ms = look_ms < check_ms ? look_ms : check_ms;
    check_ms = expiry_ms < check_ms ? expiry_ms : check_ms;
    return check_ms < next ? check_ms : next;
}

void engine_rest(struct engine *e, int64_t most_ms) {
    e->draining = true;
    e->drain_most_ms = most_ms;
    e->drain_us = e->doors.monotonic_us(e->doors.ctx);
}

void engine_go_on(struct engine *e) {
    e->draining = false;
}

void engine_drain(struct engine *e) {
    engine_rest(e, INT64_MAX);
    e->stopping = true;
}

int engine_stop(struct engine *e) {
    int code = e->lost ? engine_recover(e) : 0;
    if (code == 0) {
        code = store_begin(journal_store(e->journal));
    }
    if (code != 0) {
        return code;
    }
    code = engine_mark_ready(e);
    code = code == 0 ? outbox_settle(e->outbox) : code;
    code = code == 0 ? engine_note_stopped(e) : code;
    code = code == 0 ? write_books(e) : code;
    code = code == 0 ? store_commit(journal_store(e->journal)) : code;
    if (code != 0) {
        if (store_active(journal_store(e->journal))) {
            store_abort(journal_store(e->journal));
        }
        engine_start_over(e, code, false);
    }
    return code;
}

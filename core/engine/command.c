/*
 * command.c - what an operator asks for, carried out inside a turn.
 *
 * A command that cannot be carried out says why and changes nothing; only an error of the store
 * fails the turn.
 */
#include "engine/impl.h"

#include "base/log.h"
#include "journal/owner.h"
#include "journal/event.h"
#include "journal/outbox.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static int refuse(struct command *c, int code, const char *text) {
    c->code = report(&c->report, code, "%s", text);
    return 0;
}

static int no_service(struct command *c) {
    c->code = report(&c->report, ERR_NOTFOUND, "no service \"%.*s\" in topics.conf",
                     (int)c->service.len, c->service.data);
    return 0;
}

static int no_dead(struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    c->code = report(&c->report, ERR_NOTFOUND, "no dead letter %s%s%.*s", uuid_text(&c->id, id),
                     c->service.len > 0 ? " in service " : "", (int)c->service.len,
                     c->service.data == NULL ? "" : c->service.data);
    return 0;
}

/* --- publish --- */

/* What no broker carries would be refused at every connect and stay in the outbox for good. */
static int check_publish(struct command *c) {
    int code = topic_check(c->topic.data, &c->report);
    if (code == 0) {
        code = property_check(c->content_type, "the content type", &c->report);
    }
    size_t at = 0;
    struct slice name;
    struct slice value;
    while (code == 0 && property_next(c->properties, &at, &name, &value)) {
        code = property_check(name, "a property's name", &c->report);
        code = code == 0 ? property_check(value, "a property", &c->report) : code;
    }
    return code;
}

static int command_publish(struct engine *e, struct command *c) {
    c->code = check_publish(c);
    if (c->code != 0) {
        return 0;
    }
    struct publication p = {.id = uuid_next(&e->ids, e->now_ms),
                            .qos = c->qos,
                            .retain = c->retain,
                            .topic = c->topic,
                            .payload = c->payload,
                            .content_type = c->content_type,
                            .properties = c->properties};
    c->made = p.id;
    uint8_t partition = owner_partition_of_publish();
    if (c->once.len > 0) {
        bool before = false;
        int code = engine_asked_before(e, c, partition, c->topic, &before);
        if (code != 0 || before) {
            return code;
        }
    }
    int64_t due_ms = c->after_ms > 0 ? e->now_ms + c->after_ms : 0;
    int code = engine_note_publish(e, &c->made, due_ms);
    if (code != 0) {
        return code;
    }
    return due_ms > 0 ? engine_publish_later(e, partition, &p, due_ms, false)
                      : engine_publish(e, &p);
}

static int command_cancel(struct engine *e, struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    bool found = false;
    int code = engine_cancel_publish(e, &c->id);
    if (code != ERR_NOTFOUND) {
        return code;
    }
    code = c->publish_only ? 0 : engine_cancel_event(e, c, &found);
    if (code == 0 && !found) {
        c->code =
            report(&c->report, ERR_NOTFOUND,
                   "nothing waits under the id %s: a publish has left, was cancelled or never "
                   "was delayed; an event has ended or never was",
                   uuid_text(&c->id, id));
    }
    return code;
}

static int command_signal(struct engine *e, struct command *c) {
    struct engine_service *s = engine_service_named(e, c->service);
    struct buf value;
    if (s == NULL) {
        return no_service(c);
    }
    buf_init(&value, c->payload.len + 64);
    engine_signal_value(c->payload, &value);
    const struct signal signal = {.key = c->key,
                                  .name = c->name,
                                  .value = buf_slice(&value),
                                  .once = c->once,
                                  .said = c->payload};
    int code = ERR_MEMORY;
    if (!value.failed) {
        code = c->once.len > 0 ? engine_signal_once(e, s, &signal, &c->report)
                               : engine_signal(e, s, &signal, &c->report);
    }
    buf_clear(&value);
    if (code == ERR_INVALID || code == ERR_EXISTS) {
        c->code = code;
        return 0;
    }
    return code;
}

/* --- dead letters --- */

int engine_find_event(struct engine *e, const struct command *c,
                      bool (*wanted)(enum event_state state), struct engine_service **s,
                      struct event **out) {
    for (size_t i = 0; i < e->service_count; i++) {
        *s = &e->services[i];
        if (c->service.len > 0 && !slice_equal((*s)->name, c->service)) {
            continue;
        }
        for (uint8_t p = 0; p < PARTITIONS; p++) {
            int code = journal_event_get(e->journal, p, &c->id, (*s)->number, out);
            if (code == 0 && wanted((enum event_state)(*out)->state)) {
                return 0;
            }
            if (code == 0) {
                event_free(*out);
            } else if (code != ERR_NOTFOUND) {
                return code;
            }
        }
    }
    return ERR_NOTFOUND;
}

static int forget_dead_row(struct engine *e, struct engine_service *s, const struct event *event) {
    struct dead_row row = {
        .partition = event->partition, .service = event->service, .id = event->id};
    bool person = event->state == EVENT_NEEDS_PERSON;
    assert(s->books.dead > 0 && (!person || s->books.needs_person > 0));
    s->books.dead--;
    s->books.needs_person -= person ? 1 : 0;
    s->books_dirty = true;
    return journal_dead_del(e->journal, &row);
}

static struct row parked_row(const struct event *event) {
    struct row row = engine_row(event);
    row.flags = LANE_PARKED;
    return row;
}

/* A parked event runs again where it stands, at the head of its lane. */
static int revive_parked(struct engine *e, struct engine_service *s, struct event *event,
                         bool forced) {
    struct row row = parked_row(event);
    event->parked = false;
    int code = forget_dead_row(e, s, event);
    if (code == 0) {
        code = engine_revive(e, event, forced);
    }
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    event_free(event);
    return code == 0 ? engine_lane_wake(e, s, &row) : code;
}

/* A dead signal is no work for a handler: it is sent again, and that is its end. */
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
        code = forget_dead_row(e, s, event);
    }
    event->state = EVENT_DONE;
    event->replayed = true;
    event->ended_ms = e->now_ms;
    s->books.done++;
    return code == 0 ? journal_event_put(e->journal, event) : code;
}

/* With its payload mended it has a key, and that is another host's. */
static int send_on(struct engine *e, struct engine_service *s, struct event *event) {
    char text[64];
    uint16_t host = division_owner(&e->conf->hosts.share, event->partition);
    (void)snprintf(text, sizeof text, "sent on to host %u, whose key it is", (unsigned)host);
    int code = engine_note_by_hand(e, event, ATTEMPT_REPLAY, slice_of(text));
    event->state = EVENT_DONE;
    event->replayed = true;
    event->ended_ms = e->now_ms;
    s->books.done++;
    code = code == 0 ? journal_event_put(e->journal, event) : code;
    if (code != 0) {
        event_free(event);
        return code;
    }
    return engine_forward_event(e, s, event, event->partition);
}

static int command_replay(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, event_state_dead, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? no_dead(c) : code;
    }
    if (engine_refuse_forgotten(e, s, event, c)) {
        event_free(event);
        return 0;
    }
    if (engine_is_signal_letter(event)) {
        code = replay_signal(e, s, event, c);
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
    code = code == 0 ? forget_dead_row(e, s, &dead) : code;
    if (code == 0 && engine_is_elsewhere(e, s, event->key, event->partition)) {
        return send_on(e, s, event);
    }
    code = code == 0 ? engine_revive(e, event, c->force) : code;
    event->seq = journal_next_seq(e->journal, e->now_ms);
    /* Stored at once: a second order of this turn must see that it is dead no more. */
    code = code == 0 ? journal_event_put(e->journal, event) : code;
    if (code != 0) {
        event_free(event);
        return code;
    }
    return engine_place(e, s, event);
}

static int unpark(struct engine *e, struct engine_service *s, struct event *event) {
    struct row row = parked_row(event);
    event->parked = false;
    return engine_lane_drop_head(e, s, &row);
}

/* It is kept for store.keep_done like all that ended, but for the want of room: then whoever
 * discards wants just that. */
static int end_discarded(struct engine *e, struct engine_service *s, struct event *event) {
    event->state = EVENT_DISCARDED;
    event->ended_ms = e->now_ms;
    s->books.discarded++;
    return e->store_low ? engine_let_go(e, event) : journal_event_put(e->journal, event);
}

static int command_discard(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, event_state_dead, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? no_dead(c) : code;
    }
    if (event->state == EVENT_NEEDS_PERSON && !c->without_compensation) {
        event_free(event);
        return refuse(c, ERR_INVALID,
                      "its saga is half undone, see `zingq dlq show`: `zingq dlq replay` goes on "
                      "with the compensations, --without-compensation (without_compensation=1) "
                      "lets it go as it is");
    }
    code = forget_dead_row(e, s, event);
    if (code == 0 && event->parked) {
        code = unpark(e, s, event);
    }
    if (code == 0) {
        code = end_discarded(e, s, event);
    }
    event_free(event);
    return code;
}

static int command_edit(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = engine_find_event(e, c, event_state_dead, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? no_dead(c) : code;
    }
    struct event *edited = event_with_payload(event, c->payload);
    code =
        edited == NULL ? ERR_MEMORY : engine_note_by_hand(e, event, ATTEMPT_EDIT, event->payload);
    if (code == 0) {
        code = journal_event_put(e->journal, edited);
    }
    event_free(edited);
    event_free(event);
    return code;
}

static int command_rerun(struct engine *e, struct command *c) {
    struct engine_service *s = engine_service_named(e, c->service);
    return s == NULL ? no_service(c) : engine_rerun(e, s, c);
}

/* --- services and keys --- */

void engine_hold(struct engine *e, const struct engine_service *s) {
    lanes_pause(e->lanes, s->index,
                s->paused || s->held || !s->active || !script_runs(e->scripts, s->index));
}

void engine_hold_service(struct engine *e, size_t service, bool held) {
    assert(service < e->service_count);
    e->services[service].held = held;
    engine_hold(e, &e->services[service]);
}

void engine_scripts_changed(struct engine *e) {
    for (size_t i = 0; i < e->service_count; i++) {
        engine_hold(e, &e->services[i]);
    }
}

static int set_paused(struct engine *e, struct command *c, bool paused) {
    struct engine_service *s = engine_service_named(e, c->service);
    if (s == NULL) {
        return no_service(c);
    }
    char flag[sizeof "paused/" + NAME_BYTES_MAX];
    (void)snprintf(flag, sizeof flag, "paused/%s", s->conf->name);
    s->paused = paused;
    engine_hold(e, s);
    log_info("engine", "service \"%s\" %s by an operator", s->conf->name,
             paused ? "paused" : "resumed");
    return journal_flag_put(e->journal, flag, paused ? 1 : 0);
}

static int command_pause(struct engine *e, struct command *c) {
    return set_paused(e, c, true);
}

static int command_resume(struct engine *e, struct command *c) {
    return set_paused(e, c, false);
}

/* The parked event at the head of the key's lane. ERR_NOTFOUND when it is not parked. */
static int find_parked(struct engine *e, struct engine_service *s, struct slice key,
                       struct event **out) {
    struct row row = {.service = s->number};
    row.lane = journal_lane(s->name, key);
    row.partition = journal_partition(row.lane);
    int code = journal_lane_next(e->journal, &row);
    if (code != 0 || row.flags != LANE_PARKED) {
        return code == 0 ? ERR_NOTFOUND : code;
    }
    return journal_event_get(e->journal, row.partition, &row.id, row.service, out);
}

static int with_parked(struct engine *e, struct command *c, struct engine_service **s,
                       struct event **event) {
    *s = engine_service_named(e, c->service);
    if (*s == NULL) {
        (void)no_service(c);
        return ERR_NOTFOUND;
    }
    if (c->key.len > KEY_BYTES_MAX) {
        (void)refuse(c, ERR_INVALID, "the key is longer than any key can be");
        return ERR_NOTFOUND;
    }
    int code = find_parked(e, *s, c->key, event);
    if (code == ERR_NOTFOUND) {
        (void)refuse(c, ERR_NOTFOUND, "the key is not parked");
    }
    return code;
}

static int command_key_resume(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = with_parked(e, c, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (engine_refuse_forgotten(e, s, event, c)) {
        event_free(event);
        return 0;
    }
    return revive_parked(e, s, event, c->force);
}

static int command_key_skip(struct engine *e, struct command *c) {
    struct engine_service *s;
    struct event *event = NULL;
    int code = with_parked(e, c, &s, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    code = unpark(e, s, event);
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    event_free(event);
    return code;
}

/* --- the outbox --- */

static int no_refused(struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    c->code = report(&c->report, ERR_NOTFOUND,
                     "no publish that the broker refuses has the id %s: it has left, was discarded "
                     "or never was refused",
                     uuid_text(&c->id, id));
    return 0;
}

static int command_outbox_retry(struct engine *e, struct command *c) {
    bool all = uuid_is_zero(&c->id);
    size_t found = outbox_retry(e->outbox, e->now_ms, all ? NULL : &c->id);
    return found == 0 && !all ? no_refused(c) : 0;
}

static int command_outbox_discard(struct engine *e, struct command *c) {
    char id[UUID_TEXT_BYTES + 1];
    int code = outbox_discard(e->outbox, &c->id);
    if (code == ERR_NOTFOUND) {
        return no_refused(c);
    }
    if (code == ERR_BUSY) {
        c->code = report(&c->report, ERR_EXISTS,
                         "%s is on its way to the broker at this moment: try again in a second",
                         uuid_text(&c->id, id));
        return 0;
    }
    if (code == 0) {
        log_warn("engine", "a publish was discarded by command id=%s", uuid_text(&c->id, id));
    }
    return code;
}

int engine_carry_out(struct engine *e, struct command *command) {
    static int (*const carry_out[])(struct engine *, struct command *) = {
        [COMMAND_PUBLISH] = command_publish,
        [COMMAND_REPLAY] = command_replay,
        [COMMAND_DISCARD] = command_discard,
        [COMMAND_EDIT] = command_edit,
        [COMMAND_PAUSE] = command_pause,
        [COMMAND_RESUME] = command_resume,
        [COMMAND_KEY_RESUME] = command_key_resume,
        [COMMAND_KEY_SKIP] = command_key_skip,
        [COMMAND_RERUN] = command_rerun,
        [COMMAND_CANCEL] = command_cancel,
        [COMMAND_SIGNAL] = command_signal,
        [COMMAND_OUTBOX_RETRY] = command_outbox_retry,
        [COMMAND_OUTBOX_DISCARD] = command_outbox_discard,
    };
    assert((size_t)command->kind < sizeof carry_out / sizeof *carry_out);
    command->code = 0;
    bool accepts = command->kind == COMMAND_PUBLISH || command->kind == COMMAND_RERUN ||
                   command->kind == COMMAND_SIGNAL;
    if (e->full && accepts) {
        return refuse(command, ERR_FULL,
                      "the store is full: nothing is accepted until there is room");
    }
    return carry_out[command->kind](e, command);
}

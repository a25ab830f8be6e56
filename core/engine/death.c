/*
 * death.c - the consequences of a death: the policies of the service, a row among the dead letters,
 * an announcement. Then the lane continues, or is blocked.
 *
 * The turn settles deaths after each of its steps, in the same transaction. Policies may publish
 * something that dies at its admission: that death is appended with a generation one higher, and a
 * death of the last generation gets no policies.
 */
#include "engine/death.h"

#include "base/log.h"
#include "engine/apply.h"
#include "engine/bury.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/letter_log.h"
#include "engine/services.h"
#include "engine/crash.h"
#include "engine/locks.h"
#include "engine/mark.h"
#include "engine/memory.h"
#include "engine/place.h"
#include "engine/publish.h"
#include "engine/quota.h"
#include "engine/spans.h"
#include "engine/waiters.h"
#include "engine/watch.h"
#include "journal/event.h"

#include <stdio.h>
#include <string.h>

enum { GENERATIONS_MAX = 3 };

/* --- policies --- */

/* The policies look at the dead event and may publish, write state, or discard it. A policy that
 * fails is logged and changes nothing, unless what it lacked may be there in a later turn. */
static int try_policy(struct engine *e, struct engine_service *s, enum run_entry entry,
                      struct event *event, const char *reason, bool *discard) {
    struct run *run = NULL;
    int code = run_start(&run, e->scripts, s->index, entry, event, reason, &e->view);
    if (code != 0) {
        return code;
    }
    char id[UUID_TEXT_BYTES + 1];
    if (run->outcome == OUTCOME_DONE || run->outcome == OUTCOME_DISCARD) {
        *discard = *discard || run->outcome == OUTCOME_DISCARD;
        code = engine_apply(e, s, event, &run->effects);
    } else if ((code = engine_need(e, s, run->lacks)) == 0) {
        log_error("engine", "%s of service \"%s\" failed event=%s error=\"%s\"",
                  entry == RUN_ON_DEAD ? "on_dead" : "the dead_letter policy", s->conf->name,
                  uuid_text(&event->id, id),
                  run->outcome == OUTCOME_CALL ? "it must not wait for a call"
                                               : buf_str(&run->error));
    }
    run_free(run);
    return code;
}

static int run_policy(struct engine *e, struct engine_service *s, enum run_entry entry,
                      struct event *event, const char *reason, bool *discard) {
    struct culprit_record within;
    culprit_policy(e->culprit, s->number, event->partition, &event->id, &within);
    int code = try_policy(e, s, entry, event, reason, discard);
    culprit_leave(e->culprit, &within);
    return code;
}

/* True if a policy crashed the host with this event, or with another one that was not stored
 * either. The last crash of an event beyond its `crashes` happened in the policy, when it was
 * buried for them. */
static bool policy_is_suspect(const struct engine *e, const struct engine_service *s,
                              const struct event *event) {
    bool ran = event->attempts > 0 || event->crashes > 0;
    bool past = s->conf->crashes > 0 && event->crashes > s->conf->crashes;
    return past || (!ran && engine_suspects_policies(e));
}

static int run_policies(struct engine *e, struct engine_service *s, struct event *event,
                        const char *reason, bool *discard) {
    bool on_dead = engine_service_has(e, s, "on_dead");
    char id[UUID_TEXT_BYTES + 1];
    if ((on_dead || s->conf->dead_letter != NULL) && policy_is_suspect(e, s, event)) {
        log_error("engine", "the policies of service \"%s\" took the host down: not run event=%s",
                  s->conf->name, uuid_text(&event->id, id));
        return 0;
    }
    int code = 0;
    if (on_dead) {
        code = run_policy(e, s, RUN_ON_DEAD, event, reason, discard);
    }
    if (code == 0 && s->conf->dead_letter != NULL) {
        code = run_policy(e, s, RUN_DEAD_POLICY, event, reason, discard);
    }
    return code;
}

/* --- the announcement --- */

/* The announcement gives the error message; the traceback stays with the dead letter. */
static struct slice without_traceback(struct slice reason) {
    static const char traceback[] = "\nstack traceback:";
    const char *at =
        reason.len == 0 ? NULL : memmem(reason.data, reason.len, traceback, sizeof traceback - 1);
    return (struct slice){reason.data, at == NULL ? reason.len : (size_t)(at - reason.data)};
}

/* Events that could not be handled and are announcements themselves are not announced: two services
 * that listen to everything would produce them without end. */
static bool is_announced(const struct engine_service *s, const struct event *event) {
    struct slice reason;
    return s->conf->dead_topic[0] != '\0' &&
           !property_find(event->properties, "zingq-reason", &reason);
}

static void add_circumstances(struct buf *properties, const struct event *event) {
    char number[16];
    struct slice cut;
    struct buf why;
    buf_init(&why, ERROR_BYTES_MAX);
    property_clean(without_traceback(event->reason), &why);
    property_add(properties, slice_of("zingq-reason"), buf_slice(&why));
    properties->failed |= why.failed;
    buf_clear(&why);
    (void)snprintf(number, sizeof number, "%u", event->attempts);
    property_add(properties, slice_of("zingq-attempts"), slice_of(number));
    property_add(properties, slice_of("zingq-topic"), event->topic);
    if (property_find(event->properties, "zingq-cut", &cut)) {
        property_add(properties, slice_of("zingq-cut"), cut);
    }
    if (event->state == EVENT_NEEDS_PERSON) {
        property_add(properties, slice_of("zingq-needs-person"), slice_of("true"));
    }
}

static int announce(struct engine *e, struct engine_service *s, const struct event *event) {
    if (!is_announced(s, event)) {
        return 0;
    }
    char once[UUID_TEXT_BYTES + 24];
    char id[UUID_TEXT_BYTES + 1];
    struct buf properties;
    buf_init(&properties, 1 << 20);
    add_circumstances(&properties, event);
    engine_trace_on(e, event, &properties);
    /* The event may die again after a replay: that is another announcement. */
    (void)snprintf(once, sizeof once, "%s-%lld", uuid_text(&event->id, id),
                   (long long)event->ended_ms);
    engine_add_marked(e, slice_of(s->conf->dead_topic), &event->id, "idempotency-key",
                      slice_of(once), &properties);
    struct publication p = {.id = event->id,
                            .service = s->number,
                            .cause = event->cause,
                            .hops = (uint16_t)(event->hops + 1),
                            .qos = 1,
                            .topic = slice_of(s->conf->dead_topic),
                            .payload = event->payload,
                            .content_type = event->content_type,
                            .properties = buf_slice(&properties)};
    int code = properties.failed ? ERR_MEMORY : engine_publish(e, &p);
    buf_clear(&properties);
    return code;
}

/* --- settling --- */

/* Runs policies and makes the announcement, except for an event that ended a loop: they would make
 * it endless. What they publish may die at its admission and have policies in turn, up to a
 * limit. */
static int run_death(struct engine *e, const struct death *d, bool *discard) {
    struct event *event = d->event;
    if (event->hops > HOPS_MAX || d->generation == GENERATIONS_MAX) {
        return 0;
    }
    engine_begin_effects(e, event);
    int code = run_policies(e, d->service, event, d->reason, discard);
    if (code == 0) {
        code = engine_end_effects(e, event);
    }
    return code == 0 && !*discard ? announce(e, d->service, event) : code;
}

/* Records its end, and forgets its waits. */
static int note_end(struct engine *e, const struct death *d) {
    struct slice why = slice_of(d->reason);
    why.len = why.len > ERROR_BYTES_MAX ? ERROR_BYTES_MAX : why.len;
    engine_end_event(e, d->event, d->state);
    int code = event_set_reason(d->event, why);
    if (code == 0) {
        code = engine_free_expired_lock(e, d->event);
    }
    return code == 0 ? engine_forget_waits(e, d->event) : code;
}

static int note_dead(struct engine *e, struct engine_service *s, struct event *event) {
    bool person = event->state == EVENT_NEEDS_PERSON;
    engine_count(e, s, BOOK_DEAD, 1);
    engine_count(e, s, BOOK_DIED, 1);
    engine_count(e, s, BOOK_NEEDS_PERSON, person ? 1 : 0);
    engine_log_letter(e, s, event);
    return engine_letter_put(e, s, event);
}

/* The lane of a dead event continues, or is blocked. */
static int leave_lane(struct engine *e, struct death *d) {
    struct lane_item *item = d->item;
    bool parked = d->event->parked;
    d->item = NULL; /* freed here, with its event */
    d->event = NULL;
    return parked ? engine_lane_block(e, item, LANE_PARKED) : engine_leave_lane(e, item);
}

static int settle(struct engine *e, struct death *d) {
    struct engine_service *s = d->service;
    struct event *event = d->event;
    /* The policies are called for a cancelled event, too, but it does not become a dead letter. */
    bool discard =
        d->state == EVENT_DISCARDED || (d->state == EVENT_DEAD && event->undo == UNDO_THEN_DISCARD);
    int code = note_end(e, d);
    if (code == 0) {
        code = run_death(e, d, &discard);
    }
    /* A policy may not discard an event whose saga is only partly undone. */
    discard = discard && d->state != EVENT_NEEDS_PERSON;
    /* An event that never ran has no lane to block. One that crashed the host each time did run,
     * although its attempts were never stored. */
    bool ran = event->attempts > 0 || event->crashes > 0;
    event->parked = !discard && s->conf->on_dead == ON_DEAD_PARK && ran;
    if (code == 0 && discard) {
        event->state = EVENT_DISCARDED;
        engine_count(e, s, BOOK_DISCARDED, 1);
    } else if (code == 0) {
        code = note_dead(e, s, event);
    }
    engine_show_ending(e, s, event, event->state, event->reason);
    if (e->traces) {
        engine_trace_end(e, s, event);
    }
    if (code == 0) {
        code = journal_event_put(e->journal, event);
    }
    return code == 0 && d->item != NULL ? leave_lane(e, d) : code;
}

int engine_settle_deaths(struct engine *e) {
    struct death *d;
    int code = 0;
    while (code == 0 && (d = engine_next_death(e)) != NULL) {
        code = settle(e, d);
        engine_free_death(d);
    }
    return code;
}

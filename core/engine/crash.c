/*
 * crash.c - which event crashed the host, and what follows from that.
 *
 * The crash page (base/culprit.h) names an event from the first line of its handler until its
 * effects are applied. When the store is loaded, that event is charged with the crash, in the same
 * transaction. Only that event: others that were waiting for a call are innocent. In a batch nobody
 * knows which event it was: from then on each of them runs alone.
 *
 * An event that was accepted and run in one turn is not on disk when it crashes the host, and comes
 * again under another id. So after a crash whose event is not in the store, or after two in a row
 * that named none, a turn runs only one event, which an earlier turn has stored. So does a host that
 * has the log of another one that did not stop, whose page it cannot see: an event may have taken that
 * one's machine down, or be about to take down this one.
 *
 * The charged event is put off by the delay of its service, as after a failed attempt: otherwise a
 * host that crashes immediately after each start would never get to anything else.
 *
 * A run that the watchdog had to end by aborting the process is certain to be the script's fault.
 * So a service whose runs do that again and again, each time with another event, is paused: the
 * others have the host for themselves.
 *
 * Crashes in the policies for a dead event are charged to that event. If it was buried for its
 * crashes and then crashes its policy, it is buried without the policy. If it died before it was
 * stored, it would come again for ever, so such events get no policies while the host is careful.
 */
#include "engine/crash.h"

#include "base/log.h"
#include "engine/attempt.h"
#include "engine/debt.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/lane.h"
#include "engine/outbox.h"
#include "engine/services.h"
#include "engine/spans.h"
#include "journal/event.h"
#include "journal/flags.h"
#include "store/log.h"

#include <stdlib.h>

/* What to be careful about because of crashes before this start. */
struct suspects {
    bool careful;    /* one event per turn, stored by an earlier one */
    bool policies;   /* and no policies for events that never ran: one of those crashed the host */
    size_t unproven; /* events still to run before earlier crashes count as past */
    struct uuid charged; /* the event that crashed the host, until it is put off */
    bool loaded;         /* not for the first time */
};

/* In the store from engine_stop until it is loaded again: whoever had its log has not gone down. */
static const char stopped[] = "stopped";

static const char *const alone_text = "the host went down while this attempt ran";
static const char *const batch_text = "the host went down while a batch with it ran";

static int charge_event(struct engine *e, struct engine_service *s, struct event *event,
                        bool shared) {
    event->duration_us = 0;
    event->batch_events = 0;
    if (shared) {
        event->alone = true;
    } else {
        event->crashes++;
    }
    engine_count(e, s, BOOK_CRASHES, 1);
    int code = engine_write_books(e);
    if (code == 0) {
        code = engine_note_attempt(e, event, ATTEMPT_CRASH, shared ? batch_text : alone_text);
    }
    if (e->traces) {
        engine_trace_crash(e, s, event, shared ? batch_text : alone_text);
    }
    return code == 0 ? journal_event_put(e->journal, event) : code;
}

/* *found: the store knows the event, or topics.conf has no such service. `again`: it has been charged
 * already. */
static int charge(struct engine *e, const struct culprit_event *who, bool shared, bool again,
                  bool *found) {
    struct engine_service *s = engine_service_of(e, who->service);
    struct event *event = NULL;
    *found = true;
    if (s == NULL) {
        return 0;
    }
    int code = journal_event_get(e->journal, who->partition, &who->id, who->service, &event);
    if (code == ERR_NOTFOUND) {
        *found = false;
        return 0;
    }
    if (code != 0) {
        return code;
    }
    if (!event_state_ended(event->state)) {
        char id[UUID_TEXT_BYTES + 1];
        log_warn("engine", "the host went down while %s ran service=%s id=%s",
                 shared ? "a batch with this event" : "this event", s->conf->name,
                 uuid_text(&event->id, id));
        e->suspects->charged = shared ? e->suspects->charged : event->id;
        code = again ? 0 : charge_event(e, s, event, shared);
    }
    event_free(event);
    return code;
}

/* A publish that the broker has acknowledged in the meantime needs nothing. */
static int charge_publish(struct engine *e, const struct uuid *id) {
    int code = outbox_charge_crash(e->outbox, e->now_ms, id);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The flag has how often, and since which hour. */
static int charge_hang(struct engine *e, uint16_t number) {
    enum { HOUR_MS = 3600000, COUNT_BITS = 8 };
    struct engine_service *s = engine_service_of(e, number);
    uint64_t hour = (uint64_t)e->now_ms / HOUR_MS;
    uint64_t saved = 0;
    if (s == NULL) {
        return 0;
    }
    int code = flags_get(e->journal, FLAG_HANGS, s->conf->name, &saved);
    uint64_t since = saved >> COUNT_BITS;
    uint64_t count = saved & ((1u << COUNT_BITS) - 1);
    if (code == ERR_NOTFOUND || hour > since + 1) {
        since = hour;
        count = 0;
        code = 0;
    }
    if (code == 0 && ++count == HANGS_MAX) {
        log_error(
            "engine",
            "service \"%s\" is paused: its scripts have hung in C, so that the host had to be "
            "aborted, %d times within two hours; mend them, then zingq resume %s",
            s->conf->name, HANGS_MAX, s->conf->name);
        code = engine_set_paused(e, s, true);
        count = 0;
    }
    return code == 0 ? flags_put(e->journal, FLAG_HANGS, s->conf->name, since << COUNT_BITS | count)
                     : code;
}

/* Whether an earlier start has stored this charge, and went down before it could note that in the
 * page; from now on it is stored. */
static int store_charge(struct engine *e, bool *again) {
    static const char flag[] = "crash";
    uint64_t number = culprit_debt_number(e->culprit), stored = 0;
    int code = journal_flag_get(e->journal, flag, &stored);
    *again = code == 0 && stored == number;
    return code == 0 || code == ERR_NOTFOUND ? journal_flag_put(e->journal, flag, number) : code;
}

/* *all: the store knows each event. */
static int charge_run(struct engine *e, const struct culprit_record *debt, bool *all) {
    bool again;
    int code = store_charge(e, &again);
    if (code == 0 && debt->phase == CULPRIT_SEND) {
        return again ? 0 : charge_publish(e, &debt->events[0].id);
    }
    for (uint32_t i = 0; code == 0 && i < debt->count; i++) {
        bool found;
        code = charge(e, &debt->events[i], debt->count > 1, again, &found);
        *all = *all && found;
    }
    if (code == 0 && debt->hung != 0 && !again) {
        code = charge_hang(e, debt->events[0].service);
    }
    e->suspects->policies = e->suspects->policies || (!*all && debt->phase == CULPRIT_POLICY);
    return code;
}

int engine_note_stopped(struct engine *e) {
    return journal_flag_put(e->journal, stopped, 1);
}

/* *taken: another process had the log, and did not stop. */
static int look_who_had_it(struct engine *e, bool *taken) {
    uint64_t value;
    int code = journal_flag_get(e->journal, stopped, &value);
    *taken =
        code == ERR_NOTFOUND && !e->suspects->loaded && store_is_taken(journal_store(e->journal));
    e->suspects->loaded = true;
    return code == 0 ? journal_flag_del(e->journal, stopped) : code == ERR_NOTFOUND ? 0 : code;
}

int engine_charge_crash(struct engine *e) {
    const struct culprit_record *debt = culprit_debt(e->culprit);
    bool all = true;
    bool taken = false;
    int code = debt->count == 0 ? 0 : charge_run(e, debt, &all);
    code = code == 0 ? look_who_had_it(e, &taken) : code;
    if (code == 0 && !e->suspects->careful && (!all || culprit_unknown(e->culprit) || taken)) {
        e->suspects->careful = true;
        log_warn("engine", "%s: the first %d events run one by one, after they are stored",
                 !all    ? "the host went down and the event that ran was not stored yet"
                 : taken ? "another process had the log, and may have gone down by an event"
                         : "the host went down and the cause is unknown",
                 CAREFUL_EVENTS);
    }
    return code;
}

bool engine_must_put_off(struct engine *e, const struct lane_item *item) {
    bool charged = uuid_equal(&e->suspects->charged, &item->id) && item->event->crashes > 0;
    if (charged) {
        e->suspects->charged = (struct uuid){{0}};
    }
    return charged;
}

void engine_note_proven(struct engine *e, size_t events) {
    if (e->suspects->unproven == 0) {
        return;
    }
    e->suspects->unproven -= events < e->suspects->unproven ? events : e->suspects->unproven;
    if (e->suspects->unproven == 0) {
        e->suspects->careful = false;
        e->suspects->policies = false;
        culprit_trust(e->culprit);
    }
}

void engine_name_culprit(struct engine *e, struct invocation *inv) {
    size_t count;
    struct lane_item **items = engine_items(inv, &count);
    for (size_t i = 0; i < count; i++) {
        const struct event *event = items[i]->event;
        uint16_t service = inv->service->number;
        if (i == 0) {
            culprit_run(e->culprit, service, event->partition, &event->id);
        } else {
            culprit_join(e->culprit, service, event->partition, &event->id);
        }
    }
}

int engine_make_suspects(struct engine *e) {
    e->suspects = calloc(1, sizeof *e->suspects);
    if (e->suspects == NULL) {
        return ERR_MEMORY;
    }
    e->suspects->unproven = CAREFUL_EVENTS;
    return 0;
}

void engine_free_suspects(struct engine *e) {
    free(e->suspects);
}

bool engine_is_careful(const struct engine *e) {
    return e->suspects->careful;
}

bool engine_suspects_policies(const struct engine *e) {
    return e->suspects->policies;
}

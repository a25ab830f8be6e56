/*
 * apply.c - the effects of an attempt that succeeded, one function per kind.
 */
#include "engine/apply.h"

#include "base/log.h"
#include "engine/append.h"
#include "engine/append_owner.h"
#include "engine/bury.h"
#include "engine/files.h"
#include "engine/impl.h"
#include "engine/locks.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/delayed.h"
#include "engine/publish.h"
#include "engine/services.h"
#include "engine/signal.h"
#include "engine/signal_message.h"
#include "engine/spans.h"
#include "engine/timers.h"
#include "event/value.h"
#include "journal/keyed.h"
#include "journal/later.h"

#include <assert.h>
#include <stdlib.h>

struct applying {
    struct buf publishes; /* of the event whose effects are applied; reused */
};

static int cell_timer(struct engine *e, const struct cell *cell, enum timer_kind kind,
                      int64_t due_ms) {
    struct timer timer = engine_cell_timer(kind, cell, due_ms, 0);
    return due_ms == 0 ? 0 : engine_timer_put(e, &timer);
}

/* --- state --- */

struct apply {
    struct engine *e;
    struct engine_service *s;
    struct event *event;
};

static int apply_state_set(const struct apply *a, const struct effect *effect) {
    struct cell cell = engine_cell(a->event, effect->name);
    int code = journal_state_put(a->e->journal, &cell, effect->value, effect->due_ms);
    return code == 0 ? cell_timer(a->e, &cell, TIMER_STATE, effect->due_ms) : code;
}

static int apply_state_delete(const struct apply *a, const struct effect *effect) {
    struct cell cell = engine_cell(a->event, effect->name);
    int code = journal_state_del(a->e->journal, &cell);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int apply_state_incr(const struct apply *a, const struct effect *effect) {
    struct cell cell = engine_cell(a->event, effect->name);
    struct slice value = {NULL, 0};
    int64_t expires_ms = 0;
    int code = journal_state_get(a->e->journal, &cell, a->e->now_ms, &value, &expires_ms);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    if (code == ERR_NOTFOUND) {
        value = (struct slice){NULL, 0};
        expires_ms = 0;
    }
    struct buf sum;
    buf_init(&sum, 64);
    code = value_add(value, effect->delta_is_int, effect->delta_int, effect->delta, &sum);
    if (code == 0) {
        code = journal_state_put(a->e->journal, &cell, buf_slice(&sum), expires_ms);
    }
    buf_clear(&sum);
    /* The API refuses to add to a value that is not a number. If another invocation of an unordered
     * service has stored one since, the increment is lost with the number it was for. */
    return code == ERR_INVALID ? 0 : code;
}

/* --- locks --- */

static int apply_lock(const struct apply *a, const struct effect *effect) {
    struct cell cell = engine_cell(a->event, effect->name);
    struct lock lock = {.owner = effect->owner,
                        .data = effect->value,
                        .topic = a->event->topic,
                        .expires_ms = effect->due_ms};
    int code = journal_lock_put(a->e->journal, &cell, &lock);
    return code == 0 ? cell_timer(a->e, &cell, TIMER_LOCK, effect->due_ms) : code;
}

static int apply_unlock(const struct apply *a, const struct effect *effect) {
    struct cell cell = engine_cell(a->event, effect->name);
    int code = journal_lock_del(a->e->journal, &cell);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int lock_conflicts(struct engine *e, const struct event *event, const struct effect *effect,
                          bool *found) {
    struct cell cell = engine_cell(event, effect->name);
    struct lock held;
    int code = journal_lock_get(e->journal, &cell, &held);
    if (code == 0) {
        bool live = held.expires_ms == 0 || held.expires_ms > e->now_ms;
        *found = live && !slice_equal(held.owner, effect->owner);
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static int cancel_conflicts(struct engine *e, const struct effect *effect, bool *found) {
    struct delayed delayed;
    int code = journal_delayed_get(e->journal, &effect->id, &delayed);
    *found = code == ERR_NOTFOUND;
    return code == ERR_NOTFOUND ? 0 : code;
}

static int find_conflict(struct engine *e, struct engine_service *s, const struct event *event,
                         const struct effects *effects, struct buf *why, bool *found) {
    int code = 0;
    *found = false;
    buf_reset(why);
    for (size_t i = 0; code == 0 && !*found && i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        bool cancels = effect->kind == EFFECT_CANCEL;
        if (effect->kind == EFFECT_LOCK && !s->conf->ordered) {
            code = lock_conflicts(e, event, effect, found);
        } else if (cancels) {
            code = cancel_conflicts(e, effect, found);
        }
        if (*found) {
            buf_printf(why, "%s %.*s%s", cancels ? "the publish" : "the lock",
                       (int)effect->name.len, effect->name.data,
                       cancels ? ", cancelled here, was sent or cancelled in the meantime"
                               : " was taken by another event in the meantime");
        }
    }
    return code;
}

/* --- publishing --- */

/* Now, or when it is due. */
static int publish_at(const struct apply *a, const struct publication *p, int64_t due_ms,
                      bool by_wall) {
    struct engine *e = a->e;
    if (due_ms <= (by_wall ? e->wall_ms : e->now_ms)) {
        struct publication sent = *p;
        sent.handle = (struct uuid){{0}};
        return engine_publish(e, &sent);
    }
    int code = engine_delay_publish(e, a->event->partition, p, due_ms, by_wall);
    if (code == 0 && division_is_divided(&e->conf->hosts.share)) {
        /* so that zing.cancel need not ask other hosts about it after it has left */
        code = engine_note_publish(e, publication_delayed_id(p), due_ms);
    }
    return code;
}

static int apply_publish(const struct apply *a, const struct effect *effect) {
    struct engine *e = a->e;
    int64_t due_ms = effect->due_ms;
    struct buf properties;
    buf_init(&properties, EFFECTS_BYTES_MAX);
    buf_add_slice(&properties, effect->properties);
    engine_trace_publish(e, a->event, effect, &properties);
    struct publication p = {.id = effect->id,
                            .service = a->s->number,
                            .owner = a->event->lane,
                            .cause = a->event->id,
                            .hops = (uint16_t)(a->event->hops + 1),
                            .qos = effect->qos,
                            .retain = effect->retain,
                            .topic = effect->name,
                            .payload = effect->value,
                            .key = effect->key,
                            .content_type = effect->content_type,
                            .response_topic = effect->response_topic,
                            .correlation = effect->correlation,
                            .properties = buf_slice(&properties)};
    int code = properties.failed ? ERR_MEMORY : 0;
    if (code == 0 && effect->owner.data != NULL) {
        p.id = uuid_next(&e->ids, e->now_ms);
        p.handle = effect->id;
        code = engine_replace_publish(e, &p, effect->max_wait_ms, &due_ms);
    }
    buf_add_fixed(&e->applying->publishes, p.id.bytes, UUID_BYTES);
    buf_add_lv(&e->applying->publishes, effect->name);
    code = code == 0 ? publish_at(a, &p, due_ms, effect->by_wall) : code;
    buf_clear(&properties);
    return code;
}

/* find_conflict has already found publishes that left in the meantime. Only policies of dead
 * letters come here without that check. */
static int apply_cancel(const struct apply *a, const struct effect *effect) {
    int code = engine_cancel_publish(a->e, &effect->id);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- the rest --- */

/* The topic a replay would run: for an expired lock, that of the event which took the lock. */
static struct slice dead_letter_topic(const struct event *event) {
    struct slice topic;
    if (event->kind == EVENT_LOCK_EXPIRED &&
        property_find(event->properties, "zingq-lock-topic", &topic) && topic.len > 0) {
        return topic;
    }
    return event->topic;
}

static int apply_dead_letter(const struct apply *a, const struct effect *effect) {
    struct engine *e = a->e;
    struct event_bytes bytes = {.topic = dead_letter_topic(a->event),
                                .key = a->event->key,
                                .payload = effect->value,
                                .content_type = a->event->content_type};
    struct buf properties;
    buf_init(&properties, MQTT_PROPERTY_BYTES_MAX);
    engine_trace_on(e, a->event, &properties);
    bytes.properties = buf_slice(&properties);
    struct event *event = properties.failed ? NULL : event_new(&bytes);
    buf_clear(&properties);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    event->id = effect->id;
    event->cause = a->event->id;
    event->hops = a->event->hops;
    event->service = a->event->service;
    event->partition = a->event->partition;
    event->lane = a->event->lane;
    event->kind = EVENT_DEAD_LETTER;
    event->state = EVENT_READY;
    event->seq = journal_next_seq(e->journal, e->now_ms);
    event->accepted_ms = e->now_ms;
    engine_count(e, a->s, BOOK_ACCEPTED, 1);
    return engine_bury(e, a->s, event, EVENT_DEAD, effect->owner.data);
}

static int apply_append(const struct apply *a, const struct effect *effect) {
    int code = append_claim(a->e->journal, effect->name, a->s->number);
    engine_take_file_bytes(a->e, a->s, effect->value.len + 1);
    return code != 0 ? code
                     : append_add(a->e->append, a->event->partition, a->e->now_ms, effect->name,
                                  effect->value);
}

/* A signal that cannot be kept becomes a dead letter of the service it was for. */
static int apply_signal(const struct apply *a, const struct effect *effect) {
    struct engine_service *s = engine_service_named(a->e, effect->owner);
    struct report r = {""};
    if (s == NULL) { /* the API checks that it is in topics.conf */
        log_error("engine",
                  "a signal for service \"%.*s\" is lost: topics.conf has none of that name",
                  (int)effect->owner.len, effect->owner.data);
        return 0;
    }
    const struct signal signal = {.key = effect->key, .name = effect->name, .value = effect->value};
    int code = engine_signal(a->e, s, &signal, &r);
    return code == ERR_INVALID ? engine_refuse_signal(a->e, s, a->event, effect, r.text) : code;
}

int engine_apply(struct engine *e, struct engine_service *s, struct event *event,
                 const struct effects *effects) {
    static int (*const apply_one[])(const struct apply *, const struct effect *) = {
        [EFFECT_PUBLISH] = apply_publish,
        [EFFECT_STATE_SET] = apply_state_set,
        [EFFECT_STATE_DELETE] = apply_state_delete,
        [EFFECT_STATE_INCR] = apply_state_incr,
        [EFFECT_LOCK] = apply_lock,
        [EFFECT_UNLOCK] = apply_unlock,
        [EFFECT_DEAD_LETTER] = apply_dead_letter,
        [EFFECT_APPEND] = apply_append,
        [EFFECT_SIGNAL] = apply_signal,
        [EFFECT_CANCEL] = apply_cancel,
    };
    struct apply a = {e, s, event};
    for (size_t i = 0; i < effects->count; i++) {
        const struct effect *effect = &effects->items[i];
        assert((size_t)effect->kind < sizeof apply_one / sizeof *apply_one);
        int code = apply_one[effect->kind](&a, effect);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

void engine_begin_effects(struct engine *e, const struct event *event) {
    bool earlier =
        event->replayed || event->durable; /* earlier rounds, or earlier steps of this one */
    buf_reset(&e->applying->publishes);
    if (earlier && event->publishes.len <= ROUNDS_BYTES_MAX) {
        buf_add_slice(&e->applying->publishes, event->publishes);
    }
}

int engine_end_effects(struct engine *e, struct event *event) {
    struct slice publishes = buf_slice(&e->applying->publishes);
    if (e->applying->publishes.failed) {
        return ERR_MEMORY;
    }
    return publishes.len > 0 ? event_set_publishes(event, publishes) : 0;
}

int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects, struct buf *why, bool *conflict) {
    int code = find_conflict(e, s, event, effects, why, conflict);
    if (code != 0 || *conflict) {
        return code;
    }
    code = engine_free_expired_lock(e, event); /* a lock taken from now on is the event's own */
    engine_begin_effects(e, event);
    if (code == 0) {
        code = engine_apply(e, s, event, effects);
    }
    return code == 0 ? engine_end_effects(e, event) : code;
}

int engine_make_applying(struct engine *e) {
    e->applying = calloc(1, sizeof *e->applying);
    if (e->applying == NULL) {
        return ERR_MEMORY;
    }
    buf_init(&e->applying->publishes, ROUNDS_BYTES_MAX + 2 * (size_t)EFFECTS_BYTES_MAX);
    return 0;
}

void engine_free_applying(struct engine *e) {
    if (e->applying != NULL) {
        buf_clear(&e->applying->publishes);
        free(e->applying);
    }
}

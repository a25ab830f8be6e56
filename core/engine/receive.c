/*
 * receive.c - takes what other hosts forward to this one, once and in order.
 *
 * The cursors for what a turn took are written with it; the receipts leave after its commit. An
 * entry that comes too early (an earlier one of its partition is missing) or again is not taken,
 * and the receipt says how far the partition is.
 */
#include "engine/receive.h"

#include "base/log.h"
#include "engine/admit.h"
#include "engine/forward.h"
#include "engine/forwards.h"
#include "engine/impl.h"
#include "engine/input.h"
#include "engine/once.h"
#include "engine/outbox.h"
#include "engine/services.h"
#include "engine/signal.h"
#include "engine/signal_message.h"
#include "engine/space.h"
#include "journal/forward.h"

#include <assert.h>
#include <stdlib.h>

/* How far the forwards of one source have been taken, in the partitions that a turn touched. */
struct forward_source {
    struct forward_sender sender; /* `from` is its number; the rest as it was in its last message */
    bool touched[PARTITIONS];     /* known, and due for a receipt */
    bool moved[PARTITIONS];       /* of these: not stored yet */
    uint64_t cursor[PARTITIONS];
    bool any;
};

struct sources {
    int64_t useless_told_ms;    /* when an unreadable message was last logged */
    int64_t kept_told_ms;       /* when a message for an unknown service was last logged */
    struct forward_source of[]; /* the hosts, by number */
};

enum { TELL_MS = 60000 };

static const char ONCE[] = "idempotency-key"; /* how a signal's idempotency key travels */

/* --- taking --- */

static struct event *event_of(const struct forward *forward, struct slice reason) {
    struct event_bytes bytes = {.topic = forward->topic,
                                .key = forward->key,
                                .payload = forward->payload,
                                .content_type = forward->content_type,
                                .response_topic = forward->response_topic,
                                .correlation = forward->correlation,
                                .properties = forward->properties,
                                .reason = reason};
    struct event *event = event_new(&bytes);
    if (event != NULL) {
        event->qos = forward->qos;
        event->retained = forward->retained;
    }
    return event;
}

static int take_message(struct engine *e, struct engine_service *s, const struct forward *forward,
                        const char *reason) {
    bool duplicate;
    struct event *event = event_of(forward, slice_of(reason));
    return event == NULL ? ERR_MEMORY : engine_admit(e, s, event, ADMIT_FORWARDED, &duplicate);
}

static int refuse_signal(struct engine *e, struct engine_service *s, const struct forward *forward,
                         const char *reason) {
    const struct event from = {.hops = 0};
    const struct effect effect = {
        .key = forward->key, .name = forward->name, .value = forward->payload};
    return engine_refuse_signal(e, s, &from, &effect, reason);
}

/* A signal that comes again under its key is a repetition, whatever its value. One with a topic was
 * a message for us, taken by a host that stood in; some of those we may have received from the
 * broker as well. */
static int take_signal(struct engine *e, struct engine_service *s, uint8_t partition,
                       const struct forward *forward) {
    struct report r = {""};
    struct signal signal = {.key = forward->key,
                            .name = forward->name,
                            .value = forward->payload,
                            .said = forward->correlation};
    bool message = forward->topic.len > 0;
    bool once = !message && property_find(forward->properties, ONCE, &signal.once);
    bool repeated = false;
    int code = message ? engine_signal_repeated(e, s, forward->topic, forward->properties,
                                                partition, &repeated)
                       : 0;
    if (code != 0 || repeated) {
        return code;
    }
    code = once ? engine_signal_once(e, s, &signal, &r) : engine_signal(e, s, &signal, &r);
    if (code == ERR_EXISTS) {
        return 0;
    }
    return code == ERR_INVALID ? refuse_signal(e, s, forward, r.text) : code;
}

/* NULL when there is no such service, which is logged: the event is lost. */
static struct engine_service *service_of(struct engine *e, const struct forward *forward) {
    struct engine_service *s = engine_service_known(e, forward->service);
    if (s == NULL) {
        log_error("engine",
                  "an event that waited for its host is dropped: service \"%.*s\" is no longer in "
                  "topics.conf",
                  (int)forward->service.len, forward->service.data);
    }
    return s;
}

/* It does not fit into any message between hosts. */
static int end_too_large(void *ctx, const struct forward *forward) {
    static const char reason[] = "it is too large for a message to the host that owns its key: see "
                                 "limits.payload and the broker's largest packet";
    struct engine *e = ctx;
    struct engine_service *s = service_of(e, forward);
    if (s == NULL) {
        return 0;
    }
    return forward->kind == FORWARD_SIGNAL ? refuse_signal(e, s, forward, reason)
                                           : take_message(e, s, forward, reason);
}

/* A full store has no room for dead letters. */
int engine_build_forwards(struct engine *e) {
    return forwards_build(e->forwards, e, engine_is_full(e) ? NULL : end_too_large);
}

/* --- from others --- */

int engine_offer_forward(struct engine *e, struct slice message) {
    const struct event_bytes bytes = {.payload = message};
    size_t noted = engine_forward_bytes(e);
    bool fits = noted == 0 || noted + message.len <= TURN_BYTES_MAX;
    if (!engine_has_room(e) || !fits) {
        return 0; /* it gets no receipt, and comes again */
    }
    struct event *event = event_new(&bytes);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    event->kind = EVENT_FORWARD;
    engine_add_input(e, event);
    return 0;
}

void engine_offer_receipt(struct engine *e, struct slice receipt) {
    forwards_receipt(e->forwards, engine_now_ms(e), receipt);
}

static void tell_useless(struct engine *e, const char *what) {
    e->status.forwards_refused++;
    if (e->now_ms >= e->sources->useless_told_ms + TELL_MS) {
        e->sources->useless_told_ms = e->now_ms;
        log_warn("engine", "a message from another host was not taken: %s (logged once a minute)",
                 what);
    }
}

void engine_refuse_message(struct engine *e) {
    tell_useless(e, "it has no mark made with a hosts.secret of this host");
}

/* True if the message is for this host, from a host of the same division. */
static bool is_for_us(struct engine *e, const struct forward_sender *sender) {
    const struct division *d = &e->conf->hosts.share;
    if (sender->count == d->count && sender->to == d->place && sender->from != d->place) {
        return true;
    }
    tell_useless(e, "it is of another division; hosts.count must be the same everywhere");
    return false;
}

/* Stores how far the source is in the partitions that have moved. */
static int write_cursors(struct engine *e, struct forward_source *source) {
    int code = 0;
    for (uint8_t p = 0; code == 0 && source->any && p < PARTITIONS; p++) {
        if (source->moved[p]) {
            code = journal_cursor_put(e->journal, p, &source->sender.source, source->cursor[p]);
            source->moved[p] = false;
        }
    }
    return code;
}

static void forget_source(struct forward_source *source) {
    for (size_t p = 0; source->any && p < PARTITIONS; p++) {
        source->touched[p] = source->moved[p] = false;
    }
    source->any = false;
}

static int find_source(struct engine *e, const struct forward_sender *sender,
                       struct forward_source **out) {
    struct forward_source *source = &e->sources->of[sender->from - 1];
    int code = 0;
    if (!uuid_equal(&source->sender.source,
                    &sender->source)) { /* the data folder of that host was replaced */
        code = write_cursors(e, source);
        forget_source(source);
    }
    source->sender = *sender;
    *out = source;
    return code;
}

static int find_cursor(struct engine *e, struct forward_source *source, uint8_t p) {
    int code = source->touched[p]
                   ? 0
                   : journal_cursor_get(e->journal, p, &source->sender.source, &source->cursor[p]);
    source->touched[p] = code == 0;
    source->any = true;
    return code;
}

static void tell_kept(struct engine *e, struct slice service) {
    if (e->now_ms >= e->sources->kept_told_ms + TELL_MS) {
        e->sources->kept_told_ms = e->now_ms;
        log_warn("engine",
                 "an event from another host is for service \"%.*s\", which is not in this "
                 "topics.conf: such events are kept until it is (logged once a minute)",
                 (int)service.len, service.data);
    }
}

/* Keeps it as a row of our own until its service exists: nobody else waits for it. */
static int keep(struct engine *e, uint8_t partition, const struct forward *forward) {
    tell_kept(e, forward->service);
    return engine_forward(e, partition, forward, forward->payload.len + forward->properties.len);
}

static int take(struct engine *e, uint8_t partition, const struct forward *forward) {
    struct engine_service *s = engine_service_known(e, forward->service);
    if (s == NULL) {
        return keep(e, partition, forward);
    }
    culprit_run(e->culprit, s->number, partition, &(struct uuid){{0}});
    culprit_enter(e->culprit, CULPRIT_ADMIT);
    return forward->kind == FORWARD_SIGNAL ? take_signal(e, s, partition, forward)
                                           : take_message(e, s, forward, NULL);
}

static int take_entry(struct engine *e, struct forward_source *source,
                      const struct forward_entry *entry, const struct forward *forward) {
    uint8_t p = entry->partition;
    if (!division_owns(&e->conf->hosts.share, p)) {
        tell_useless(e, "its key is not this host's");
        return 0;
    }
    int code = find_cursor(e, source, p);
    uint64_t cursor = source->cursor[p];
    if (code != 0 || entry->seq <= cursor || entry->previous > cursor) {
        e->status.forwards_repeated += code == 0 ? 1 : 0;
        return code;
    }
    code = take(e, p, forward);
    source->cursor[p] = entry->seq;
    source->moved[p] = true;
    e->status.forwards_taken++;
    return code;
}

int engine_admit_forward(struct engine *e, struct event *event, size_t *count) {
    struct forward_sender sender;
    struct forward_entry entry;
    struct forward forward;
    size_t at = 0;
    int code = forward_message_read(event->payload, &sender, &at);
    if (code == 0 && is_for_us(e, &sender)) {
        struct forward_source *source;
        code = find_source(e, &sender, &source);
        while (code == 0 &&
               (code = forward_message_next(event->payload, &at, &entry, &forward)) == 0) {
            code = take_entry(e, source, &entry, &forward);
            ++*count;
        }
    }
    if (code == ERR_CORRUPT) {
        tell_useless(e, "its bytes mean nothing");
    }
    event_free(event);
    return code == ERR_NOTFOUND || code == ERR_CORRUPT ? 0 : code;
}

/* Rows of partitions that belong to this host: after a change of the division, or kept for a
 * service that had to be added (again) first. */
int engine_take_own_forwards(struct engine *e) {
    struct buf record;
    int code = 0;
    buf_init(&record, (size_t)1 << 30);
    for (size_t i = 0; code == 0 && i < TURN_EVENTS_MAX; i++) {
        struct forward forward;
        uint8_t p;
        uint64_t seq;
        buf_reset(&record);
        code = forwards_next_own(e->forwards, &p, &seq, &record);
        code = code == 0 ? forward_decode(buf_slice(&record), &forward) : code;
        if (code == 0 && engine_service_known(e, forward.service) == NULL) {
            tell_kept(e, forward.service);
        } else if (code == 0) {
            code = journal_forward_del(e->journal, p, seq);
            code = code == 0 ? take(e, p, &forward) : code;
        }
    }
    buf_clear(&record);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- receipts --- */

int engine_write_cursors(struct engine *e) {
    int code = 0;
    for (size_t n = 0; code == 0 && n < e->conf->hosts.share.count; n++) {
        code = write_cursors(e, &e->sources->of[n]);
    }
    return code;
}

void engine_forget_receipts(struct engine *e) {
    for (size_t n = 0; n < e->conf->hosts.share.count; n++) {
        forget_source(&e->sources->of[n]);
    }
}

/* After the commit. A lost receipt comes with the next one, or when its message is repeated. */
void engine_send_receipts(struct engine *e) {
    for (size_t n = 0; n < e->conf->hosts.share.count; n++) {
        struct forward_source *source = &e->sources->of[n];
        if (!source->any) {
            continue;
        }
        buf_reset(&e->scratch);
        forward_receipt_begin(&e->scratch, &source->sender);
        for (uint8_t p = 0; p < PARTITIONS; p++) {
            assert(!source->moved[p]);
            if (source->touched[p]) {
                forward_receipt_add(&e->scratch, p, source->cursor[p]);
                source->touched[p] = false;
            }
        }
        source->any = false;
        /* A lost receipt only makes the other host repeat. */
        if (!e->scratch.failed &&
            e->doors.receipt(e->doors.ctx, source->sender.from, buf_slice(&e->scratch)) == 0) {
            outbox_beside(e->outbox);
        }
    }
}

int engine_make_sources(struct engine *e) {
    size_t hosts = e->conf->hosts.share.count;
    e->sources = calloc(1, sizeof *e->sources + hosts * sizeof *e->sources->of);
    return e->sources == NULL ? ERR_MEMORY : 0;
}

void engine_free_sources(struct engine *e) {
    free(e->sources);
}

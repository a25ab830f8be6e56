/*
 * quota.c - how many dead letters a service keeps.
 *
 * What never reached a handler (malformed, too large, without a key) is not worth a full store:
 * whoever may publish could fill it. Such letters of a service take at most a tenth of the store,
 * and those of all services together half of it. Where three quarters of that are used new ones
 * keep only their heads, so that many can be counted and looked at; past it the oldest go. While
 * the store is nearly full half of them goes at each look, until there is room.
 *
 * What ran stays until somebody decides, unless the service sets keep_dead or max_dead. Of those
 * that go then the event stays behind without its payload, to be traced, for store.keep_done.
 *
 * A letter that holds its key (on_dead = "park") or needs a person goes by nobody's quota.
 */
#include "engine/quota.h"

#include "base/log.h"
#include "engine/cut.h"
#include "engine/impl.h"
#include "engine/letter_log.h"
#include "engine/retention.h"
#include "engine/space.h"
#include "engine/watch.h"
#include "journal/kept.h"
#include "journal/letter.h"
#include "journal/step.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    GIVE_WAY_MS = 1000, /* between two looks at a store that is nearly full */
    TELL_MS = 60000     /* between two log lines about a service */
};

/* Of one service. */
struct letters {
    uint64_t give_way_bytes; /* limit for refused ones; UINT64_MAX = the store has room */
    int64_t due_ms;          /* when a letter may first be past keep_dead; INT64_MAX = never */
    uint64_t untold;         /* expired since the last log line */
    int64_t told_ms;
};

struct quotas {
    struct dead_row at; /* where the indexing of letters without a row stands */
    bool indexed;
    bool more; /* the turn could not expire every letter beyond its quota */
    int64_t gave_way_ms;
    struct letters of[]; /* by the service's index */
};

int engine_make_quotas(struct engine *e) {
    e->quotas = calloc(1, sizeof *e->quotas + e->service_count * sizeof *e->quotas->of);
    return e->quotas == NULL ? ERR_MEMORY : 0;
}

void engine_free_quotas(struct engine *e) {
    free(e->quotas);
    e->quotas = NULL;
}

static struct letters *letters_of(const struct engine *e, const struct engine_service *s) {
    return &e->quotas->of[s->index];
}

/* --- rows --- */

static bool is_made(const struct event *event) {
    return event->kind == EVENT_DEAD_LETTER && !engine_is_signal_letter(event);
}

static bool is_held(const struct event *event) {
    return event->state != EVENT_DEAD || event->parked;
}

/* Refused: it never ran, was not replayed, and does not come from zing.dead_letter. */
static enum letter_kind kind_of(const struct event *event) {
    if (is_held(event)) {
        return LETTER_HELD;
    }
    bool ran = event->attempts > 0 || event->crashes > 0 || event->replayed;
    return ran || is_made(event) ? LETTER_RAN : LETTER_REFUSED;
}

/* The id's moment for an event that is damaged, and says one that no row can have. */
static int64_t died_ms(const struct event *event) {
    return journal_letter_time(event->ended_ms) ? event->ended_ms : uuid_ms(&event->id);
}

static struct letter_row row_of(const struct event *event) {
    size_t bytes = event->topic.len + event->key.len + event->payload.len +
                   event->content_type.len + event->response_topic.len + event->correlation.len +
                   event->properties.len + event->reason.len + event->publishes.len +
                   event->calls.len;
    return (struct letter_row){.partition = event->partition,
                               .service = event->service,
                               .kind = (uint8_t)kind_of(event),
                               .dead_ms = died_ms(event),
                               .id = event->id,
                               .bytes = engine_bytes_stored(bytes),
                               .made = is_made(event),
                               .fingerprint = journal_fingerprint(event->reason)};
}

static int drop_row(struct engine *e, const struct letter_row *row) {
    struct letter_row stored = *row;
    int code = journal_letter_del(e->journal, &stored);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* `s` NULL: a service that is no longer in topics.conf. */
static int put_row(struct engine *e, const struct engine_service *s, const struct event *event) {
    struct letter_row row = row_of(event);
    int code = journal_letter_put(e->journal, &row);
    if (code == 0 && s != NULL) {
        struct letters *l = letters_of(e, s);
        int64_t past_ms = row.dead_ms + s->conf->keep_dead_ms;
        bool sooner = row.kind == LETTER_RAN && s->conf->keep_dead_ms > 0 && past_ms < l->due_ms;
        l->due_ms = sooner ? past_ms : l->due_ms;
    }
    return code;
}

int engine_letter_put(struct engine *e, struct engine_service *s, const struct event *event) {
    struct dead_row row = {.partition = event->partition,
                           .service = event->service,
                           .id = event->id,
                           .dead_ms = died_ms(event),
                           .fingerprint = journal_fingerprint(event->reason)};
    assert(event_state_dead((enum event_state)event->state));
    int code = journal_dead_put(e->journal, &row);
    return code == 0 ? put_row(e, s, event) : code;
}

int engine_letter_move(struct engine *e, struct engine_service *s, const struct event *from,
                       const struct event *to) {
    const struct dead_row row = {
        .partition = from->partition, .service = from->service, .id = from->id};
    const struct letter_row letter = row_of(from);
    int code = journal_dead_del(e->journal, &row);
    code = code == 0 || code == ERR_NOTFOUND ? drop_row(e, &letter) : code;
    return code == 0 ? engine_letter_put(e, s, to) : code;
}

void engine_uncount_letter(struct engine *e, struct engine_service *s, bool person) {
    const struct books *b = &s->books;
    engine_count(e, s, BOOK_NEEDS_PERSON, person && b->needs_person > 0 ? -1 : 0);
    engine_count(e, s, b->dead > 0 ? BOOK_DEAD : BOOK_ACCEPTED, b->dead > 0 ? -1 : 1);
    engine_count(e, s, BOOK_NEEDS_PERSON, b->needs_person > b->dead ? -1 : 0);
}

int engine_letter_del(struct engine *e, struct engine_service *s, const struct event *event) {
    struct dead_row row = {
        .partition = event->partition, .service = event->service, .id = event->id};
    struct letter_row letter = row_of(event);
    engine_uncount_letter(e, s, event->state == EVENT_NEEDS_PERSON);
    int code = journal_dead_del(e->journal, &row);
    code = code == ERR_NOTFOUND ? 0 : code; /* it could not be read */
    return code == 0 ? drop_row(e, &letter) : code;
}

int engine_letter_give(struct engine *e, const struct event *event) {
    struct dead_row row = {
        .partition = event->partition, .service = event->service, .id = event->id};
    struct letter_row letter = row_of(event);
    int code = journal_dead_del(e->journal, &row);
    return code == 0 || code == ERR_NOTFOUND ? drop_row(e, &letter) : code;
}

int engine_letter_lost(struct engine *e, const struct dead_row *dead) {
    int code = 0;
    for (uint8_t kind = 0; code == 0 && kind < LETTER_KINDS; kind++) {
        const struct letter_row row = {.partition = dead->partition,
                                       .service = dead->service,
                                       .kind = kind,
                                       .dead_ms = dead->dead_ms,
                                       .id = dead->id};
        code = drop_row(e, &row);
    }
    return code == 0 ? journal_dead_del(e->journal, dead) : code;
}

/* --- loading --- */

int engine_load_quotas(struct engine *e) {
    int code = journal_letters_all(e->journal, &e->quotas->indexed);
    if (code != 0) {
        return code;
    }
    e->quotas->at = (struct dead_row){0};
    for (size_t i = 0; i < e->service_count; i++) {
        struct letters *l = &e->quotas->of[i];
        *l = (struct letters){.give_way_bytes = UINT64_MAX, .told_ms = l->told_ms};
    }
    return 0;
}

void engine_letters_set_aside(struct engine *e) {
    if (journal_has_broken(e->journal, TABLE_LETTER)) {
        e->quotas->at = (struct dead_row){0};
        e->quotas->indexed = false;
        e->quotas->more = true;
    }
}

/* Of the row's event, unless that is damaged, and no letter. */
static int index_letter(struct engine *e, const struct dead_row *at) {
    struct event *event = NULL;
    int code = journal_event_get(e->journal, at->partition, &at->id, at->service, &event);
    if (code == 0 && event_state_dead((enum event_state)event->state)) {
        code = put_row(e, engine_service_of(e, event->service), event);
    }
    event_free(event);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Writes the rows of letters that have none yet, a few per turn. */
static int index_letters(struct engine *e, size_t most) {
    int code = 0;
    for (size_t i = 0; i < most && code == 0; i++) {
        code = journal_dead_next(e->journal, &e->quotas->at);
        if (code == ERR_NOTFOUND) {
            e->quotas->indexed = true;
            return journal_letters_have_all(e->journal);
        }
        code = code == 0 ? index_letter(e, &e->quotas->at) : code;
    }
    e->quotas->more = true;
    return code;
}

/* --- quotas --- */

static uint64_t kept_bytes(const struct engine *e, const struct engine_service *s,
                           enum letter_kind kind) {
    return journal_kept(e->journal, s->number, kind == LETTER_RAN ? KEPT_RAN : KEPT_REFUSED);
}

static uint64_t allowed_bytes(const struct engine *e, const struct engine_service *s) {
    uint64_t each = e->status.store_max / REFUSED_PARTS;
    uint64_t shared = engine_share_of(e, e->status.store_max / 2);
    uint64_t quota = each < shared ? each : shared;
    return quota < letters_of(e, s)->give_way_bytes ? quota : letters_of(e, s)->give_way_bytes;
}

bool engine_letters_full(const struct engine *e, const struct engine_service *s) {
    uint64_t allowed = allowed_bytes(e, s);
    uint64_t bytes = kept_bytes(e, s, LETTER_REFUSED);
    return bytes > allowed / 4 * 3 || bytes + DEAD_PAYLOAD_BYTES_MAX > allowed;
}

/* True if there are more than allowed, whatever their age. */
static bool are_too_many(const struct engine *e, const struct engine_service *s,
                         enum letter_kind kind) {
    const struct service_conf *conf = s->conf;
    uint64_t bytes = kept_bytes(e, s, kind);
    if (kind == LETTER_REFUSED) {
        return bytes > allowed_bytes(e, s);
    }
    uint64_t count = journal_kept(e->journal, s->number, KEPT_RAN_LETTERS);
    return (conf->max_dead.count > 0 && count > conf->max_dead.count) ||
           (conf->max_dead.bytes > 0 && bytes > conf->max_dead.bytes);
}

static bool is_past(const struct engine *e, const struct engine_service *s,
                    const struct letter_row *row) {
    int64_t keep_ms = s->conf->keep_dead_ms;
    return are_too_many(e, s, (enum letter_kind)row->kind) ||
           (row->kind == LETTER_RAN && keep_ms > 0 && row->dead_ms + keep_ms <= e->now_ms);
}

/* --- expiring --- */

static void tell(struct engine *e, const struct engine_service *s, const struct event *event,
                 enum letter_kind kind) {
    struct letters *l = letters_of(e, s);
    char id[UUID_TEXT_BYTES + 1];
    engine_show_ending(e, s, event, EVENT_EXPIRED, event->reason);
    l->untold++;
    if (l->told_ms != 0 && e->now_ms < l->told_ms + TELL_MS) {
        return;
    }
    log_warn("engine",
             "dead letters of service \"%s\" expired: %llu, %s; the last one: event=%s topic=%s",
             s->conf->name, (unsigned long long)l->untold,
             kind == LETTER_RAN
                 ? "past its keep_dead or max_dead"
                 : "which never reached a handler and filled their part of the store",
             uuid_text(&event->id, id), event->topic.data);
    l->told_ms = e->now_ms;
    l->untold = 0;
}

/* Reduces the event to what can still be traced. */
static int strip(struct engine *e, struct event *event) {
    int code = journal_history_clear(e->journal, event);
    if (code == 0) {
        code = journal_step_clear(e->journal, event);
    }
    struct event_bytes bytes = {.topic = event->topic,
                                .key = event->key,
                                .reason = event->reason,
                                .publishes = event->publishes};
    struct event *left = code == 0 ? event_new(&bytes) : NULL;
    if (left == NULL) {
        return code == 0 ? ERR_MEMORY : code;
    }
    event_take_numbers(left, event);
    left->state = EVENT_EXPIRED;
    left->durable = false;
    left->ended_ms = e->now_ms;
    code = journal_event_put(e->journal, left);
    event_free(left);
    return code;
}

static int expire(struct engine *e, struct engine_service *s, const struct letter_row *row) {
    struct event *event = NULL;
    int code = journal_event_get(e->journal, row->partition, &row->id, row->service, &event);
    if (code != 0) {
        return code == ERR_NOTFOUND ? drop_row(e, row) : code;
    }
    if (is_held(event)) { /* the row is damaged */
        event_free(event);
        return drop_row(e, row);
    }
    code = engine_letter_del(e, s, event);
    if (code == 0) {
        engine_count(e, s, BOOK_EXPIRED, 1);
        tell(e, s, event, (enum letter_kind)row->kind);
        code = row->kind == LETTER_RAN ? strip(e, event) : engine_let_go(e, event);
    }
    event_free(event);
    return code;
}

/* The oldest letter of each partition. */
struct oldest {
    struct letter_row rows[PARTITIONS];
    bool there[PARTITIONS];
};

static int look_behind(struct engine *e, struct oldest *o, uint8_t partition) {
    int code = journal_letter_next(e->journal, &o->rows[partition]);
    o->there[partition] = code == 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

static const struct letter_row *first_of(const struct oldest *o) {
    const struct letter_row *first = NULL;
    for (size_t p = 0; p < PARTITIONS; p++) {
        if (o->there[p] && (first == NULL || o->rows[p].dead_ms < first->dead_ms)) {
            first = &o->rows[p];
        }
    }
    return first;
}

static void count_none(struct engine *e, const struct engine_service *s, enum letter_kind kind) {
    if (kind == LETTER_REFUSED) {
        journal_kept_none(e->journal, s->number, KEPT_REFUSED);
        return;
    }
    journal_kept_none(e->journal, s->number, KEPT_RAN);
    journal_kept_none(e->journal, s->number, KEPT_MADE);
    journal_kept_none(e->journal, s->number, KEPT_RAN_LETTERS);
}

/* *most: how many letters may still expire in this turn. */
static int expire_kind(struct engine *e, struct engine_service *s, enum letter_kind kind,
                       size_t *most) {
    struct letters *l = letters_of(e, s);
    struct oldest o;
    const struct letter_row *row = NULL;
    int code = 0;
    for (uint8_t p = 0; code == 0 && p < PARTITIONS; p++) {
        o.rows[p] =
            (struct letter_row){.partition = p, .service = s->number, .kind = (uint8_t)kind};
        code = look_behind(e, &o, p);
    }
    while (code == 0 && (row = first_of(&o)) != NULL && is_past(e, s, row) && *most > 0) {
        uint8_t partition = row->partition;
        code = expire(e, s, row);
        code = code == 0 ? look_behind(e, &o, partition) : code;
        --*most;
    }
    if (code == 0 && row == NULL) { /* if anything is counted, rows could not be read */
        count_none(e, s, kind);
    }
    if (kind == LETTER_RAN && s->conf->keep_dead_ms > 0) {
        l->due_ms = row == NULL ? INT64_MAX : row->dead_ms + s->conf->keep_dead_ms;
    }
    return code;
}

static void give_way(struct engine *e) {
    bool low = engine_is_low(e);
    if (low && e->now_ms < e->quotas->gave_way_ms + GIVE_WAY_MS) {
        return;
    }
    e->quotas->gave_way_ms = low ? e->now_ms : 0;
    for (size_t i = 0; i < e->service_count; i++) {
        struct letters *l = &e->quotas->of[i];
        uint64_t bytes = kept_bytes(e, &e->services[i], LETTER_REFUSED);
        l->give_way_bytes = low ? bytes / 2 : UINT64_MAX;
    }
}

static bool wants_look(const struct engine *e, const struct engine_service *s,
                       enum letter_kind kind) {
    bool aged =
        kind == LETTER_RAN && s->conf->keep_dead_ms > 0 && letters_of(e, s)->due_ms <= e->now_ms;
    return are_too_many(e, s, kind) || aged;
}

int engine_expire_letters(struct engine *e) {
    size_t most = engine_space_share(e, TRIM_ROWS_PER_TURN);
    int code = 0;
    e->quotas->more = false;
    give_way(e);
    engine_log_left_out(e);
    for (size_t i = 0; code == 0 && i < e->service_count; i++) {
        for (unsigned kind = 0; code == 0 && most > 0 && kind < LETTER_HELD; kind++) {
            bool wants = wants_look(e, &e->services[i], (enum letter_kind)kind);
            code = wants ? expire_kind(e, &e->services[i], (enum letter_kind)kind, &most) : 0;
        }
    }
    e->quotas->more = most == 0;
    return code == 0 && !e->quotas->indexed && !engine_is_low(e) ? index_letters(e, most) : code;
}

int64_t engine_next_expiry_ms(const struct engine *e) {
    int64_t next_ms = e->quotas->more ? 0 : INT64_MAX;
    for (size_t i = 0; i < e->service_count; i++) {
        int64_t due_ms =
            e->services[i].conf->keep_dead_ms > 0 ? e->quotas->of[i].due_ms : INT64_MAX;
        next_ms = due_ms < next_ms ? due_ms : next_ms;
    }
    return next_ms;
}

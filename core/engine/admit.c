/*
 * admit.c - turns a message into an event of one service: its id, its key, its lane. Duplicates are
 * found and recorded in the transaction that stores the event, so two quick ones cannot both pass.
 *
 * Properties of a message that ZingQueue reads:
 *
 *   zingq-id         a UUIDv7 names the event; anything else only serves to find duplicates
 *   idempotency-key  makes duplicates known where the service has no rule; and with our mark, also
 *                    where it has one: ticks of a schedule and announcements of dead letters repeat
 *                    what the rule reads
 *   zingq-key        replaces the service's key rule (zing.publish with key=)
 *   zingq-priority   replaces the service's priority rule: engine/rank.c
 *   zingq-cause      the event whose handler published this one
 *   zingq-hops       how many events led to this one; beyond HOPS_MAX it is a loop
 *   zingq-cut        ours: the original size of a payload that was cut
 */
#include "engine/admit.h"

#include "engine/bury.h"
#include "engine/cut.h"
#include "engine/forward.h"
#include "engine/history.h"
#include "engine/impl.h"
#include "engine/item.h"
#include "engine/lane.h"
#include "engine/mark.h"
#include "engine/place.h"
#include "engine/quota.h"
#include "engine/rank.h"
#include "engine/services.h"
#include "engine/space.h"
#include "journal/dedupe.h"
#include "journal/event.h"
#include "journal/step.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static void read_cause(struct event *event) {
    struct slice value;
    if (property_find(event->properties, "zingq-cause", &value)) {
        (void)uuid_parse(value, &event->cause);
    }
    if (property_find(event->properties, "zingq-hops", &value) && value.len > 0 && value.len < 6) {
        unsigned hops = 0;
        for (size_t i = 0; i < value.len; i++) {
            if (value.data[i] < '0' || value.data[i] > '9') {
                return;
            }
            hops = hops * 10 + (unsigned)(value.data[i] - '0');
        }
        event->hops = (uint16_t)(hops > UINT16_MAX ? UINT16_MAX : hops);
    }
}

/* The key by property or by rule, into scratch. */
static int find_key(struct engine *e, const struct engine_service *s, struct event *event,
                    struct report *r) {
    struct slice key;
    buf_reset(&e->scratch);
    if (!property_find(event->properties, "zingq-key", &key)) {
        return rule_extract(&s->conf->key, event, &e->scratch, r);
    }
    if (key.len > KEY_BYTES_MAX) {
        return report(r, ERR_INVALID, "the key in zingq-key has %zu bytes, %d is the limit",
                      key.len, KEY_BYTES_MAX);
    }
    buf_add_slice(&e->scratch, key);
    return e->scratch.failed ? ERR_MEMORY : 0;
}

/* True for an idempotency key that a host made: there is one for each tick and each death. */
static bool is_own_key(const struct engine *e, const struct event *event, struct slice key) {
    struct slice value;
    bool may_be = property_find(event->properties, "zingq-schedule", &value) ||
                  property_find(event->properties, "zingq-reason", &value);
    return may_be && engine_believes(e, event->topic, event->properties, "idempotency-key", key);
}

/* What makes two messages the same: (scope, key) within the service. The rule is the operator's: a
 * publisher's property does not undo it. ERR_NOTFOUND: it has no such identity. */
static int find_identity(struct engine *e, const struct engine_service *s, struct event *event,
                         struct slice *scope, struct slice *key, struct report *r) {
    *scope = event->topic;
    if (event->kind != EVENT_MESSAGE) {
        return ERR_NOTFOUND; /* made by the engine once; the rule is for messages from outside */
    }
    bool has_rule = s->conf->idempotency.kind != RULE_NONE;
    if (property_find(event->properties, "idempotency-key", key) &&
        (!has_rule || is_own_key(e, event, *key))) {
        return 0;
    }
    if (has_rule) {
        buf_reset(&e->scratch);
        int code = rule_extract(&s->conf->idempotency, event, &e->scratch, r);
        *key = buf_slice(&e->scratch);
        return code;
    }
    *scope = (struct slice){"", 0};
    return property_find(event->properties, "zingq-id", key) ? 0 : ERR_NOTFOUND;
}

/* A UUIDv7 that came with the message becomes the event's id, unless an event has it already or its
 * time is so far ahead that retention, which goes by it, would never get there. The announcement of
 * a dead letter carries the id of the dead event but is an event of its own. */
static int find_id(struct engine *e, const struct engine_service *s, struct event *event) {
    struct slice text;
    struct slice reason;
    struct uuid id = {{0}};
    int code = 0;
    if (!property_find(event->properties, "zingq-reason", &reason) &&
        property_find(event->properties, "zingq-id", &text) && uuid_parse(text, &id) &&
        uuid_is_v7(&id) && uuid_ms(&id) < e->now_ms + DAY_MS &&
        !engine_is_dying(e, s, event->partition, &id)) {
        code = engine_find_id(e, s, event->partition, &id);
    }
    event->id = code == ERR_NOTFOUND ? id : uuid_next(&e->ids, e->now_ms);
    return code == ERR_NOTFOUND ? 0 : code;
}

static int give_key(struct event *event, struct slice key) {
    event->key_own = slice_dup(key);
    if (event->key_own == NULL) {
        return ERR_MEMORY;
    }
    event->key = (struct slice){event->key_own, key.len};
    return 0;
}

static void find_lane(const struct engine_service *s, struct event *event) {
    event->lane = journal_lane(s->origin, event->key);
    event->partition = journal_partition(event->lane);
}

/* Each unordered event has a lane of its own, within the partition of its key. Like any lane it
 * includes its partition, so events of two partitions never share one, whatever ids their
 * publishers chose. */
static void assign_lane(const struct engine_service *s, struct event *event) {
    if (!s->conf->ordered) {
        struct reader r = reader_of(event->id.bytes, UUID_BYTES);
        uint64_t lane = read_u64(&r) ^ read_u64(&r) * 0x9e3779b97f4a7c15u;
        event->lane = lane - lane % PARTITIONS + event->partition;
    }
    assert(journal_partition(event->lane) == event->partition); /* INV-JOURNAL-1 */
}

void engine_relocate(const struct engine_service *s, struct event *event) {
    event->service = s->number;
    find_lane(s, event);
    assign_lane(s, event);
}

static void enter_books(struct engine *e, struct engine_service *s, struct event *event) {
    assign_lane(s, event);
    event->seq = journal_next_seq(e->journal, e->now_ms);
    event->accepted_ms = e->now_ms;
    engine_count(e, s, BOOK_ACCEPTED, 1);
    engine_take_room(e, event);
}

static bool is_too_large(const struct engine *e, const struct event *event) {
    return event->kind == EVENT_MESSAGE && event->payload.len > e->conf->payload_bytes_max;
}

static int check_message(const struct engine *e, const struct event *event, struct report *r) {
    if (is_too_large(e, event)) {
        return report(r, ERR_INVALID, "the payload has %zu bytes, limits.payload is %llu",
                      event->payload.len, (unsigned long long)e->conf->payload_bytes_max);
    }
    if (event->hops > HOPS_MAX) {
        return report(r, ERR_INVALID,
                      "a loop: %u events in a row caused one another (the limit is %d)",
                      (unsigned)event->hops, HOPS_MAX);
    }
    return 0;
}

/* Key, lane and partition by its payload. ERR_INVALID (r): nothing has changed. */
static int find_address(struct engine *e, struct engine_service *s, struct event *event,
                        struct report *r) {
    uint8_t partition = event->partition;
    int code = find_key(e, s, event, r);
    if (code != 0) {
        return code;
    }
    free(event->key_own);
    event->key_own = NULL;
    code = give_key(event, buf_slice(&e->scratch));
    if (code != 0) {
        return code;
    }
    find_lane(s, event);
    assign_lane(s, event);
    code = event->partition == partition ? ERR_NOTFOUND
                                         : engine_find_id(e, s, event->partition, &event->id);
    if (code == 0) {
        return report(r, ERR_INVALID,
                      "under its new key another event has the same id: publish the payload again "
                      "and discard this one");
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

int engine_move_event(struct engine *e, const struct event *from, const struct event *to) {
    if (from->partition == to->partition) {
        return 0;
    }
    int code = engine_move_history(e, from, to);
    code = code == 0 ? journal_step_move(e->journal, from, to) : code;
    return code == 0 ? journal_event_del(e->journal, from->partition, &from->id, from->service)
                     : code;
}

/* An event may be dead because it had no key, and so never ran. After its payload was edited it may
 * have a key, and with it another lane and partition. Moves its record and history there. */
int engine_rekey(struct engine *e, struct engine_service *s, struct event *event,
                 struct report *r) {
    const struct event old = *event;
    int code = engine_check_whole(event, r);
    code = code == 0 ? check_message(e, event, r) : code;
    code = code == 0 ? find_address(e, s, event, r) : code;
    code = code == 0 ? engine_find_rank(e, s, event) : code;
    return code == 0 ? engine_move_event(e, &old, event) : code;
}

/* The key is part of the identity: duplicates are searched only in one partition, which the key
 * decides. */
static struct dedupe_hash hash_of(const struct engine *e, size_t secret,
                                  const struct engine_service *s, const struct event *event,
                                  struct slice scope, struct slice key) {
    struct dedupe_hash hash =
        journal_dedupe_hash_with(e->journal, secret, s->origin, scope, event->key);
    struct slice hashed = {(const char *)hash.bytes, sizeof hash.bytes};
    return journal_dedupe_hash_with(e->journal, secret, hashed, (struct slice){"", 0}, key);
}

/* Searches the hashes made with secrets of other stores; for a service that every host runs for
 * itself, also those of older versions, which did not keep hosts apart. */
static int find_elsewhere(struct engine *e, const struct engine_service *s,
                          const struct event *event, struct slice scope, struct slice key,
                          struct dedupe_note *note) {
    for (size_t i = s->conf->share ? 1 : 0; i < journal_secret_count(e->journal); i++) {
        struct dedupe_hash hash = hash_of(e, i, s, event, scope, key);
        int code =
            journal_dedupe_find(e->journal, engine_keys_time(e, s), event->partition, &hash, note);
        if (code != ERR_NOTFOUND) {
            return code;
        }
    }
    return ERR_NOTFOUND;
}

/* The same among the keys of services that this one has taken over: engine/move.c. */
static int find_inherited(struct engine *e, const struct engine_service *s,
                          const struct event *event, struct slice scope, struct slice key,
                          struct dedupe_note *note) {
    int code = ERR_NOTFOUND;
    for (size_t n = 0; code == ERR_NOTFOUND && n < e->service_count; n++) {
        const struct engine_service *from = &e->services[n];
        if (from->heir != s) {
            continue;
        }
        uint8_t shelf = journal_partition(journal_lane(from->origin, event->key));
        shelf |= s->conf->share ? 0 : DEDUPE_OWN;
        for (size_t i = 0; code == ERR_NOTFOUND && i < journal_secret_count(e->journal); i++) {
            struct dedupe_hash hash = hash_of(e, i, from, event, scope, key);
            code = journal_dedupe_find(e->journal, engine_keys_time(e, s), shelf, &hash, note);
        }
    }
    return code;
}

static int dedupe(struct engine *e, struct engine_service *s, struct event *event,
                  struct slice scope, struct slice key, bool *duplicate) {
    struct uuid id = event->id;
    struct uuid earlier;
    struct dedupe_note note;
    uint8_t shelf = s->conf->share ? event->partition : event->partition | DEDUPE_OWN;
    int code = find_elsewhere(e, s, event, scope, key, &note);
    code = code == ERR_NOTFOUND ? find_inherited(e, s, event, scope, key, &note) : code;
    *duplicate = code == 0;
    if (code == ERR_NOTFOUND) {
        struct dedupe_hash hash = hash_of(e, 0, s, event, scope, key);
        code = journal_dedupe(e->journal, engine_keys_time(e, s), shelf, &hash, &id, &earlier);
        *duplicate = code == ERR_EXISTS;
    }
    return *duplicate ? 0 : code;
}

/* --- a payload that was changed --- */

/* What makes the event the same as another one is noted. ERR_EXISTS (r): another event has it. */
static int claim(struct engine *e, struct engine_service *s, const struct event *event,
                 struct slice scope, struct slice key, struct report *r) {
    char id[UUID_TEXT_BYTES + 1];
    struct dedupe_note note;
    struct dedupe_hash hash = hash_of(e, 0, s, event, scope, key);
    uint8_t shelf = s->conf->share ? event->partition : event->partition | DEDUPE_OWN;
    int code = find_elsewhere(e, s, event, scope, key, &note);
    code = code == ERR_NOTFOUND ? find_inherited(e, s, event, scope, key, &note) : code;
    if (code == ERR_NOTFOUND) {
        code =
            journal_dedupe(e->journal, engine_keys_time(e, s), shelf, &hash, &event->id, &note.id);
    } else if (code == 0) {
        code = ERR_EXISTS;
    }
    if (code != ERR_EXISTS || uuid_equal(&note.id, &event->id)) {
        return code == ERR_EXISTS ? 0 : code;
    }
    return report(r, ERR_EXISTS,
                  "with the new payload it is a duplicate of the event %s, which has the same key "
                  "and idempotency key: discard this one",
                  uuid_text(&note.id, id));
}

static bool is_same(struct dedupe_hash a, struct dedupe_hash b) {
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

/* Its idempotency key by the new payload, once its key is known. */
static int reidentify(struct engine *e, struct engine_service *s, struct event *old,
                      struct event *edited, bool *changed, struct report *r) {
    struct slice scope;
    struct slice key;
    struct report ignored;
    struct dedupe_hash before = {{0}};
    int code = find_identity(e, s, old, &scope, &key, &ignored);
    bool had = code == 0 && old->attempts > 0;
    if (code == 0) {
        before = hash_of(e, 0, s, old, scope, key);
    } else if (code != ERR_INVALID && code != ERR_NOTFOUND) {
        return code;
    }
    code = find_identity(e, s, edited, &scope, &key, r);
    if (code != 0) {
        return code == ERR_NOTFOUND || (code == ERR_INVALID && old->attempts == 0) ? 0 : code;
    }
    if (had && is_same(before, hash_of(e, 0, s, edited, scope, key))) {
        return 0;
    }
    *changed = scope.len > 0; /* by a rule or a property, not by the message's id */
    return claim(e, s, edited, scope, key, r);
}

/* Whether the rule gives both payloads the same key; it may be another one than when the event was
 * accepted, so that a change of topics.conf alone moves nothing. ERR_INVALID (r): the new one has
 * none. */
static int has_same_key(struct engine *e, struct engine_service *s, struct event *old,
                        struct event *edited, bool *same, struct report *r) {
    struct report ignored;
    struct buf key;
    int code = find_key(e, s, edited, r);
    if (code != 0) {
        return code;
    }
    buf_init(&key, KEY_BYTES_MAX);
    buf_add_slice(&key, buf_slice(&e->scratch));
    code = key.failed ? ERR_MEMORY : find_key(e, s, old, &ignored);
    *same = slice_equal(buf_slice(&key), old->key) ||
            (code == 0 && slice_equal(buf_slice(&key), buf_slice(&e->scratch)));
    buf_clear(&key);
    return code == ERR_INVALID ? 0 : code;
}

/* The new key, unless it is another host's or its place is taken: then it has its old one still. */
static int try_address(struct engine *e, struct engine_service *s, const struct event *old,
                       struct event *edited, struct report *r) {
    struct slice key = edited->key;
    int code = find_address(e, s, edited, r);
    if (code == 0 && engine_is_elsewhere(e, s, edited->key, edited->partition)) {
        code = report(r, ERR_INVALID,
                      "its new key \"%.*s\" belongs to another host: publish the payload again and "
                      "discard this one",
                      (int)edited->key.len, edited->key.data);
    }
    if (code == ERR_INVALID) {
        free(edited->key_own);
        edited->key_own = NULL;
        edited->key = key;
        edited->lane = old->lane;
        edited->partition = old->partition;
    }
    return code;
}

int engine_readdress(struct engine *e, struct engine_service *s, struct event *old,
                     struct event *edited, bool *identified, struct report *r) {
    bool same = true;
    *identified = false;
    if (old->kind != EVENT_MESSAGE) {
        return 0;
    }
    int code = has_same_key(e, s, old, edited, &same, r);
    if (code == 0 && !same) {
        code = try_address(e, s, old, edited, r);
    }
    if (code == ERR_INVALID && old->attempts == 0) {
        return 0; /* it never ran because it had no key: a replay looks for one */
    }
    code = code == 0 ? engine_find_rank(e, s, edited) : code;
    return code == 0 ? reidentify(e, s, old, edited, identified, r) : code;
}

/* --- messages that are refused --- */

/* True if the broker delivers a refused message again. Only `zingq-id` can tell: other identities
 * may be in the unreadable part. Refused messages are recorded apart from accepted ones, so that
 * the publisher can send a corrected one. */
static int dedupe_refused(struct engine *e, struct engine_service *s, struct event *event,
                          bool *duplicate) {
    struct slice id;
    struct slice reason;
    *duplicate = false;
    if (event->kind != EVENT_MESSAGE || !property_find(event->properties, "zingq-id", &id) ||
        property_find(event->properties, "zingq-reason", &reason)) {
        return 0;
    }
    return dedupe(e, s, event, slice_of("refused"), id, duplicate);
}

static void count_duplicate(struct engine *e, struct engine_service *s, bool is_one) {
    engine_count(e, s, BOOK_ACCEPTED, is_one ? 1 : 0);
    engine_count(e, s, BOOK_DUPLICATES, is_one ? 1 : 0);
}

/* It is stored under the empty key: its beginning, or, if a service has many such letters, its
 * head. */
int engine_admit_dead(struct engine *e, struct engine_service *s, struct event *event,
                      const char *reason) {
    if (event->key.data == NULL) {
        event->key = (struct slice){"", 0};
    }
    find_lane(s, event);
    bool duplicate = false;
    int code = find_id(e, s, event);
    code = code == 0 ? dedupe_refused(e, s, event, &duplicate) : code;
    if (code != 0 || duplicate) {
        count_duplicate(e, s, duplicate);
        event_free(event);
        return code;
    }
    event = engine_cut(event, engine_letters_full(e, s) ? 0 : DEAD_PAYLOAD_BYTES_MAX);
    if (event == NULL) {
        return ERR_MEMORY;
    }
    enter_books(e, s, event);
    return engine_bury(e, s, event, EVENT_DEAD, reason);
}

/* If every host has a copy and nothing else decides whose event it is, the payload does. */
static uint8_t partition_of_payload(const struct engine_service *s, const struct event *event) {
    return journal_partition(journal_lane(s->origin, event->payload));
}

/* The partition whose owner is responsible. ERR_NOTFOUND: any host that has the event. */
static int find_owner(struct engine *e, const struct engine_service *s, struct event *event,
                      enum admit from, uint8_t *partition, struct report *r) {
    struct slice scope;
    struct slice identity;
    if (event->key.len > 0 || s->conf->ordered) {
        *partition = event->partition;
        return 0;
    }
    int code = find_identity(e, s, event, &scope, &identity, r);
    if (code == ERR_NOTFOUND && event->everywhere) {
        *partition = partition_of_payload(s, event);
        return 0;
    }
    if (code != 0 || (from == ADMIT_PUBLISH && scope.len == 0)) {
        return code == 0 ? ERR_NOTFOUND : code;
    }
    *partition = journal_partition(journal_lane(s->origin, identity));
    return 0;
}

/* *passed: the event goes to another host, and has been taken over. */
static int pass_on(struct engine *e, const struct engine_service *s, struct event *event,
                   enum admit from, bool *passed, struct report *r) {
    uint8_t partition = 0;
    *passed = event->for_host != 0 && !s->conf->share;
    if (*passed) { /* copies belong to their host: any of its partitions leads there */
        return engine_forward_event(e, s, event, (uint8_t)(event->for_host - 1));
    }
    if (!engine_is_divided(e, s) || from == ADMIT_FORWARDED || from == ADMIT_OWN) {
        return 0;
    }
    int code = find_owner(e, s, event, from, &partition, r);
    if (code != 0 || division_owns(&e->conf->hosts.share, partition)) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    *passed = true;
    if (event->everywhere) {
        event_free(event); /* its owner has a copy */
        return 0;
    }
    return engine_forward_event(e, s, event, partition);
}

/* A message from outside that cannot become work. */
static int admit_refused(struct engine *e, struct engine_service *s, struct event *event,
                         const char *reason) {
    if (event->everywhere && engine_is_divided(e, s) &&
        !division_owns(&e->conf->hosts.share, partition_of_payload(s, event))) {
        event_free(event);
        return 0;
    }
    return engine_admit_dead(e, s, event, reason);
}

/* Finds its key, lane and partition. ERR_INVALID (r): it cannot become work. */
static int prepare(struct engine *e, struct engine_service *s, struct event *event,
                   struct report *r) {
    event->service = s->number;
    event->state = EVENT_READY;
    read_cause(event);
    int code = check_message(e, event, r);
    if (event->reason.len > 0) { /* the door found it malformed */
        code = report(r, ERR_INVALID, "%.*s", (int)event->reason.len, event->reason.data);
    }
    if (code == 0 && event->key.data == NULL) {
        code = find_key(e, s, event, r);
        code = code == 0 ? give_key(event, buf_slice(&e->scratch)) : code;
    }
    if (code == 0) {
        find_lane(s, event);
        code = engine_find_rank(e, s, event);
    }
    return code;
}

/* Finds its id, and whether it is a duplicate. ERR_INVALID (r): it cannot become work. */
static int identify(struct engine *e, struct engine_service *s, struct event *event,
                    bool *duplicate, struct report *r) {
    struct slice scope;
    struct slice identity;
    int code = find_id(e, s, event);
    if (code != 0) {
        return code;
    }
    code = find_identity(e, s, event, &scope, &identity, r);
    if (code == ERR_NOTFOUND) {
        return 0;
    }
    return code == 0 ? dedupe(e, s, event, scope, identity, duplicate) : code;
}

int engine_admit(struct engine *e, struct engine_service *s, struct event *event, enum admit from,
                 bool *duplicate) {
    struct report r = {""};
    bool passed = false;
    *duplicate = false;
    int code = prepare(e, s, event, &r);
    if (code == ERR_INVALID) {
        return admit_refused(e, s, event, r.text);
    }
    if (code == 0) {
        code = pass_on(e, s, event, from, &passed, &r);
    }
    if (passed) {
        return code;
    }
    if (code == 0) {
        code = identify(e, s, event, duplicate, &r);
    }
    if (code == ERR_INVALID) {
        return admit_refused(e, s, event, r.text);
    }
    if (code == 0 && !*duplicate) {
        enter_books(e, s, event);
        return engine_place(e, s, event);
    }
    count_duplicate(e, s, *duplicate);
    event_free(event);
    return code;
}

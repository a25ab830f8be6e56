/*
 * route.c - where a row goes: a pure function of the old stores, evaluated again in every pass over
 * them. reshard/reshard.h has the table.
 */
#include "reshard/impl.h"

#include "journal/dedupe.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/forward.h"

#include <string.h>

/* Distinguishes the state and locks of a key from its events. */
static const uint64_t OF_CELLS = 0x9e3779b97f4a7c00;

/* --- rows of a service --- */

static bool is_of_event(enum store_table t, const struct row_sight *sight) {
    switch (t) {
    case TABLE_EVENT:
    case TABLE_READY:
    case TABLE_LANE:
    case TABLE_TENANT:
    case TABLE_HISTORY:
    case TABLE_DEAD:
    case TABLE_LETTER:
    case TABLE_STEP:
    case TABLE_WAITER:
        return true;
    case TABLE_TIMER:
        return sight->timer == TIMER_EVENT;
    default:
        return false;
    }
}

/* Reads the event that the row belongs to. ERR_NOTFOUND, ERR_CORRUPT. */
static int look_at_event(const struct folder *f, const struct row_sight *sight,
                         struct event_sight *out) {
    struct slice record;
    int code =
        journal_event_record(f->journal, sight->partition, &sight->id, sight->service, &record);
    return code == 0 ? journal_event_look(record, out) : code;
}

bool reshard_key_of(const struct reshard *re, size_t from, enum store_table t,
                    const struct row_sight *sight, uint64_t *hash) {
    const struct folder *f = &re->folders[from];
    struct event_sight event;
    if (is_of_event(t, sight)) {
        bool known = f->rules[sight->service].ordered && look_at_event(f, sight, &event) == 0;
        *hash = known ? event.lane : 0;
        return known;
    }
    bool is_cell = t == TABLE_STATE || t == TABLE_LOCK || sight->timer == TIMER_STATE ||
                   sight->timer == TIMER_LOCK;
    if (is_cell) {
        const char *name = journal_service_name(f->journal, sight->service);
        *hash = journal_lane_of(f->journal, slice_of(name), sight->key) ^ OF_CELLS;
    }
    return is_cell;
}

static bool find_service(const struct journal *j, const char *name, uint16_t *number) {
    for (*number = 0; *number < journal_service_count(j); ++*number) {
        const char *other = journal_service_name(j, *number);
        if (other != NULL && strcmp(other, name) == 0) {
            return true;
        }
    }
    return false;
}

/* True if another folder has an event of that id and service in the partition. */
static int find_twin(struct reshard *re, size_t from, const struct row_sight *sight, bool *found) {
    const char *name = journal_service_name(re->folders[from].journal, sight->service);
    for (size_t i = 0; i < re->folder_count && !*found; i++) {
        const struct folder *f = &re->folders[i];
        uint16_t number;
        if (i == from || f->store == NULL || !find_service(f->journal, name, &number)) {
            continue;
        }
        struct slice record;
        int code = journal_event_record(f->journal, sight->partition, &sight->id, number, &record);
        if (code != 0 && code != ERR_NOTFOUND) {
            return code;
        }
        *found = code == 0;
    }
    return 0;
}

static int is_disputed(struct reshard *re, size_t from, enum store_table t,
                       const struct row_sight *sight, bool *disputed) {
    uint64_t hash;
    *disputed = re->disputed_keys.count > 0 && reshard_key_of(re, from, t, sight, &hash) &&
                numbers_have(&re->disputed_keys, hash / PARTITIONS);
    return *disputed || !is_of_event(t, sight) ? 0 : find_twin(re, from, sight, disputed);
}

/* For a service whose keys are divided and that also has events without a key. */
static int has_key(const struct folder *f, enum store_table t, const struct row_sight *sight,
                   bool *keyed) {
    struct event_sight event;
    if (!is_of_event(t, sight)) {
        *keyed = sight->key.len > 0;
        return 0;
    }
    int code = look_at_event(f, sight, &event);
    *keyed = code == 0 && event.key.len > 0;
    return code == ERR_NOTFOUND ? 0 : code;
}

static int route_by_service(struct reshard *re, size_t from, enum store_table t,
                            const struct row_sight *sight, struct route *out) {
    const struct folder *f = &re->folders[from];
    if (sight->service >= journal_service_count(f->journal) ||
        journal_service_name(f->journal, sight->service) == NULL) {
        return ERR_CORRUPT;
    }
    const struct service_rule *rule = &f->rules[sight->service];
    uint8_t p = sight->partition;
    bool mixed = rule->keeping == BY_CHANCE && p == rule->keyless;
    bool keyed = rule->keeping == BY_KEY || rule->keeping == BY_CHANCE;
    int code = mixed ? has_key(f, t, sight, &keyed) : 0;
    if (rule->keeping == OWN || (!keyed && remains(re, from))) {
        return code;
    }
    out->to = new_owner(re, p);
    out->stray = !keyed || from != old_owner(re, p) || (mixed && out->to != from);
    bool contested = out->to != from && (out->stray || re->misplaced);
    if (code == 0 && contested) {
        code = is_disputed(re, from, t, sight, &out->disputed);
    }
    if (out->disputed) {
        out->to = from;
        out->stray = false;
    }
    return code;
}

/* --- rows without a service --- */

/* True if the event that requested the publish belongs to a service whose events stay here. */
static bool is_of_here(const struct folder *f, const struct publication *p) {
    for (uint16_t n = 0; n < journal_service_count(f->journal); n++) {
        enum keeping keeping = f->rules[n].keeping;
        struct slice record;
        struct event_sight event;
        if (keeping != BY_KEY &&
            journal_event_record(f->journal, journal_partition(p->owner), &p->cause, n, &record) ==
                0 &&
            journal_event_look(record, &event) == 0 && event.lane == p->owner) {
            return keeping != BY_CHANCE || event.key.len == 0;
        }
    }
    return false;
}

/* The publish of an event must stay behind the others of its key, and must not be overtaken by
 * publishes of the key's next host. */
static int route_outbox(struct reshard *re, size_t from, struct slice value, struct route *out) {
    struct publication p;
    int code = publication_decode(value, &p);
    uint8_t partition = journal_partition(p.owner);
    bool owned = code == 0 && p.owner != 0 && old_owner(re, partition) == from &&
                 !is_of_here(&re->folders[from], &p);
    out->to = owned || (p.owner != 0 && !remains(re, from)) ? new_owner(re, partition)
                                                            : heir_of(re, from);
    out->stray = out->to != from;
    return code;
}

static int route_forward(struct reshard *re, size_t from, const struct row_sight *sight,
                         struct route *out) {
    const struct folder *f = &re->folders[from];
    const struct folder *owner = &re->folders[old_owner(re, sight->partition)];
    uint64_t taken = 0;
    int code = journal_cursor_get(owner->journal, sight->partition, &f->host, &taken);
    size_t to = new_owner(re, sight->partition);
    out->gone = code == 0 && sight->seq <= taken;
    if (to == from || !remains(re, from)) {
        out->to = to;
        out->stray = true; /* what is under way with the old number is no longer accepted */
    }
    return code;
}

int reshard_route(struct reshard *re, size_t from, enum store_table t, struct slice key,
                  struct slice value, struct row_sight *sight, struct route *out) {
    *out = (struct route){.to = from};
    if (t == TABLE_ASIDE) {
        return 0;
    }
    int code = journal_row_look(t, key, value, sight);
    if (code != 0) {
        return code;
    }
    switch (t) {
    case TABLE_APPEND:
        return 0;
    case TABLE_OUTBOX:
        return route_outbox(re, from, value, out);
    case TABLE_FORWARD:
        return route_forward(re, from, sight, out);
    case TABLE_CURSOR:
        out->to = new_owner(re, sight->partition);
        return 0;
    default:
        break;
    }
    if (sight->has_service) {
        return route_by_service(re, from, t, sight, out);
    }
    out->to = new_owner(re, sight->partition); /* a delayed publish */
    out->stray = from != old_owner(re, sight->partition);
    return 0;
}

/* --- idempotency keys --- */

/* The note about a publish goes where the publish waits. */
static int find_publish(struct reshard *re, size_t from, const struct row_sight *sight, size_t *to,
                        bool *renumbered) {
    struct folder *f = &re->folders[from];
    struct delayed delayed;
    int code = journal_delayed_get(f->journal, &sight->id, &delayed);
    *to = heir_of(re, from);
    if (code == 0) {
        *to = new_owner(re, delayed.partition);
    }
    if (code != ERR_NOTFOUND) {
        return code;
    }
    struct slice record;
    uint64_t before = sight->seq - 1;
    struct route route;
    code = sight->seq == 0 ? ERR_NOTFOUND : journal_outbox_next(f->journal, &before, &record);
    if (code == 0 && before == sight->seq) {
        code = route_outbox(re, from, record, &route);
        *to = code == 0 ? route.to : *to;
        *renumbered = code == 0 && route.stray;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

/* The first bytes of the hash decide. */
static uint64_t hash_of_note(struct slice key) {
    struct reader r = reader_of(key.data + 1, key.len - 1);
    return read_u64(&r);
}

/* The same hash as in engine/once.c. */
static struct dedupe_hash signal_hash(const struct journal *j, size_t secret,
                                      const struct forward *f, struct slice once,
                                      struct buf *about) {
    static const struct slice scope = {"\001publish", sizeof "\001publish" - 1};
    buf_reset(about);
    buf_add_lv(about, f->service);
    buf_add_lv(about, f->key);
    buf_add_lv(about, f->name);
    return journal_dedupe_hash_with(j, secret, scope, buf_slice(about), once);
}

int reshard_note_pending(struct reshard *re, size_t from, struct slice record) {
    struct folder *f = &re->folders[from];
    struct forward forward;
    struct slice once;
    int code = forward_decode(record, &forward);
    if (code != 0 || forward.kind != FORWARD_SIGNAL ||
        !property_find(forward.properties, "idempotency-key", &once)) {
        return code;
    }
    for (size_t n = 0; code == 0 && n < journal_secret_count(f->journal); n++) {
        struct dedupe_hash hash = signal_hash(f->journal, n, &forward, once, &re->value);
        struct reader r = reader_of(hash.bytes, sizeof hash.bytes);
        code = re->value.failed ? ERR_MEMORY : numbers_add(&f->pending, read_u64(&r));
    }
    return code;
}

int reshard_note_targets(struct reshard *re, size_t from, struct slice key,
                         const struct row_sight *sight, struct targets *out) {
    uint64_t here = (uint64_t)1 << from;
    *out = (struct targets){.folders = here};
    if (sight->has_id) {
        size_t to = from;
        int code = find_publish(re, from, sight, &to, &out->renumbered);
        out->folders = (uint64_t)1 << to;
        return code;
    }
    if (sight->partition >= PARTITIONS) { /* DEDUPE_OWN */
        return 0;
    }
    size_t owner = new_owner(re, sight->partition);
    if (numbers_have(&re->folders[from].pending, hash_of_note(key))) {
        out->folders = remains(re, from) && owner != from ? here : 0;
        return 0;
    }
    bool stays = remains(re, from) && re->independents;
    out->folders = (stays ? here : 0) | (uint64_t)1 << owner;
    if (re->to_all[sight->partition]) {
        for (size_t i = 0; i < re->to_count; i++) {
            out->folders |= (uint64_t)1 << i;
        }
    }
    return 0;
}

/* A key noted lately goes where its bucket goes: the one being filled. They are walked last, so
 * that the later note of a key stays. */
static int visit_recent(struct reshard *re, size_t from, struct slice key, struct slice value,
                        const struct row_visitor *visitor) {
    const int64_t *buckets = re->folders[from].buckets;
    size_t filling = 0;
    for (size_t i = 1; i < DEDUPE_BUCKETS; i++) {
        filling = buckets[i] > buckets[filling] ? i : filling;
    }
    return visitor->note(re, from, TABLE_DEDUPE + filling, journal_recent_key(key), value);
}

int reshard_visit_row(struct reshard *re, size_t from, enum store_table t, struct slice key,
                      struct slice value, const struct row_visitor *visitor) {
    if (t == TABLE_META) {
        return 0;
    }
    if (t >= TABLE_RECENT) {
        return visit_recent(re, from, key, value, visitor);
    }
    if (t >= TABLE_DEDUPE) {
        return visitor->note(re, from, t, key, value);
    }
    struct routed_row row = {.from = from, .table = t, .key = key, .value = value};
    int code = reshard_route(re, from, t, key, value, &row.sight, &row.route);
    if (code != 0 || row.route.gone) {
        return code;
    }
    struct folder *to = &re->folders[row.route.to];
    if (t == TABLE_ASIDE) {
        return visitor->aside(to, t, key, value);
    }
    return t == TABLE_CURSOR ? visitor->cursor(to, &row.sight, value) : visitor->row(re, &row);
}

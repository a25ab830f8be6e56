/*
 * members.c - the table of other hosts, and which host yields to which.
 *
 * A member is identified by group, name and data folder: two hosts with one name (the same client
 * id, or ids that look the same in a topic) are two members, although the broker retains only one
 * presence.
 */
#include "peers/members.h"

#include "base/limits.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 3 }; /* services named in a sentence; further ones are only counted */

struct member {
    struct presence *said; /* owned */
    int64_t heard_ms;      /* when it last sent its presence; 0 = we only have the retained copy */
    int64_t gone_ms;       /* since when it has been known to be gone, if it is */
    bool stale;            /* from before the current connection */
};

struct members {
    struct presence *self; /* owned */
    struct member list[MEMBERS_MAX];
    size_t count;
    size_t bytes;
    int64_t asked_ms; /* our last hello; 0 = none yet */
};

/* --- life --- */

int members_new(struct members **out, struct presence *self) {
    struct members *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return ERR_MEMORY;
    }
    m->self = self;
    *out = m;
    return 0;
}

void members_free(struct members *m) {
    if (m != NULL) {
        for (size_t i = 0; i < m->count; i++) {
            presence_free(m->list[i].said);
        }
        presence_free(m->self);
        free(m);
    }
}

const struct presence *members_self(const struct members *m) {
    return m->self;
}

void members_describe(struct members *m, struct presence *self) {
    self->state = m->self->state;
    self->hello = m->self->hello;
    self->since_ms = m->self->since_ms;
    self->stands_in_for = m->self->stands_in_for;
    presence_free(m->self);
    m->self = self;
}

void members_say(struct members *m, enum presence_state state, bool hello) {
    m->self->state = state;
    m->self->hello = hello;
}

void members_hold(struct members *m, size_t service, bool held) {
    assert(service < m->self->service_count);
    m->self->services[service].held = held;
}

/* --- the state of a member --- */

static enum member_view view_of(const struct members *m, const struct member *member,
                                int64_t now_ms) {
    bool spoke = member->heard_ms > 0 && member->heard_ms >= m->asked_ms;
    if (member->said->state == PRESENCE_GONE) {
        return MEMBER_GONE;
    }
    if (!spoke && m->asked_ms > 0 && now_ms - m->asked_ms >= MEMBER_ANSWER_MS) {
        return MEMBER_SILENT;
    }
    if (member->heard_ms == 0) {
        return MEMBER_ASKED;
    }
    return member->said->state == PRESENCE_UP ? MEMBER_UP : MEMBER_JOINING;
}

static bool is_live(enum member_view view) {
    return view == MEMBER_UP || view == MEMBER_JOINING;
}

/* --- the table --- */

static int compare(const struct presence *a, const struct presence *b) {
    int order = strcmp(a->group, b->group);
    order = order == 0 ? strcmp(a->host, b->host) : order;
    return order == 0 ? strcmp(a->id, b->id) : order;
}

static void drop(struct members *m, size_t at) {
    assert(at < m->count && m->bytes >= m->list[at].said->bytes);
    m->bytes -= m->list[at].said->bytes;
    presence_free(m->list[at].said);
    m->count--;
    memmove(&m->list[at], &m->list[at + 1], (m->count - at) * sizeof *m->list);
}

/* Makes room by dropping members that are gone. */
static bool make_room(struct members *m, size_t bytes) {
    while (m->count == MEMBERS_MAX || m->bytes + bytes > MEMBERS_BYTES_MAX) {
        size_t at = 0;
        while (at < m->count && m->list[at].said->state != PRESENCE_GONE) {
            at++;
        }
        if (at == m->count) {
            return false;
        }
        drop(m, at);
    }
    return true;
}

/* The position of the presence, or where to insert it. */
static size_t place_of(const struct members *m, const struct presence *said, bool *there) {
    size_t at = 0;
    int order = 1;
    while (at < m->count && (order = compare(m->list[at].said, said)) < 0) {
        at++;
    }
    *there = at < m->count && order == 0;
    return at;
}

static unsigned insert(struct members *m, struct member member, struct report *r) {
    struct presence *said = member.said;
    bool there = false;
    if (!make_room(m, said->bytes)) {
        (void)report(r, ERR_LIMIT,
                     "host %s (group \"%s\") is left out: there are more than %d hosts, or what "
                     "they say is too long",
                     said->host, said->group, MEMBERS_MAX);
        presence_free(said);
        return MEMBERS_OVERFLOW;
    }
    size_t at = place_of(m, said, &there);
    assert(!there && m->count < MEMBERS_MAX);
    memmove(&m->list[at + 1], &m->list[at], (m->count - at) * sizeof *m->list);
    m->list[at] = member;
    m->count++;
    m->bytes += said->bytes;
    return MEMBERS_CHANGED;
}

/* Takes `said` over. If the broker's copy is of the same process, the member still counts as
 * heard. */
static unsigned put(struct members *m, struct presence *said, bool kept, int64_t now_ms,
                    struct report *r) {
    bool there = false;
    size_t at = place_of(m, said, &there);
    struct member member = {.said = said, .heard_ms = kept ? 0 : now_ms, .gone_ms = now_ms};
    if (there) {
        const struct member *old = &m->list[at];
        bool same = old->said->since_ms == said->since_ms;
        bool still = same && old->said->state == PRESENCE_GONE;
        member.heard_ms = kept && same ? old->heard_ms : member.heard_ms;
        member.gone_ms = still ? old->gone_ms : now_ms;
        drop(m, at);
    }
    return insert(m, member, r);
}

/* --- incoming presences --- */

static bool is_own_name(const struct members *m, struct slice group, struct slice host) {
    return slice_is(group, m->self->group) && slice_is(host, m->self->host);
}

/* Handles an empty payload. */
static unsigned forget(struct members *m, struct slice group, struct slice host, bool kept) {
    unsigned news = is_own_name(m, group, host) && !kept ? MEMBERS_OVERWRITTEN : 0;
    for (size_t i = m->count; i > 0; i--) {
        const struct presence *said = m->list[i - 1].said;
        if (slice_is(group, said->group) && slice_is(host, said->host)) {
            drop(m, i - 1);
            news |= MEMBERS_CHANGED;
        }
    }
    return news;
}

/* Our own presence: sent by us, by an earlier run, or as the will of a connection that we lost. */
static unsigned take_own(const struct members *m, const struct presence *said, bool kept) {
    if (kept) {
        return 0;
    }
    bool ours = said->since_ms == m->self->since_ms && said->state != PRESENCE_GONE;
    if (!ours) {
        return MEMBERS_OVERWRITTEN;
    }
    return said->state == m->self->state ? MEMBERS_ECHO : 0;
}

/* The broker now retains our presence under our name: it has replaced that of another folder. */
static unsigned forget_gone_twins(struct members *m) {
    unsigned news = 0;
    for (size_t i = m->count; i > 0; i--) {
        const struct presence *said = m->list[i - 1].said;
        if (said->state == PRESENCE_GONE &&
            is_own_name(m, slice_of(said->group), slice_of(said->host))) {
            drop(m, i - 1);
            news = MEMBERS_CHANGED;
        }
    }
    return news;
}

unsigned members_take(struct members *m, struct slice topic, struct slice payload, bool kept,
                      int64_t now_ms, struct report *r) {
    struct slice group;
    struct slice host;
    struct presence *said = NULL;
    assert(now_ms > 0);
    if (payload.len == 0 && presence_topic_split(topic, &group, &host)) {
        return forget(m, group, host, kept);
    }
    if (presence_read(&said, topic, payload, r) != 0) {
        return MEMBERS_UNREADABLE;
    }
    bool own_name = is_own_name(m, slice_of(said->group), slice_of(said->host));
    if (own_name && strcmp(said->id, m->self->id) == 0) {
        unsigned news = take_own(m, said, kept);
        presence_free(said);
        return (news & MEMBERS_ECHO) != 0 ? news | forget_gone_twins(m) : news;
    }
    unsigned news = own_name && !kept ? MEMBERS_OVERWRITTEN : 0;
    news |= said->hello && !kept ? MEMBERS_ASKED : 0;
    return news | put(m, said, kept, now_ms, r);
}

void members_begin(struct members *m) {
    for (size_t i = 0; i < m->count; i++) {
        m->list[i].stale = true;
    }
}

void members_settle(struct members *m) {
    for (size_t i = m->count; i > 0; i--) {
        if (m->list[i - 1].stale) {
            drop(m, i - 1);
        }
    }
}

void members_asked(struct members *m, int64_t now_ms) {
    assert(now_ms > 0);
    m->asked_ms = now_ms;
}

/* --- conflicts --- */

bool members_is_keyed(const struct presence_service *s) {
    return (s->ordered || strcmp(s->key, "none") != 0) && !s->independent;
}

static const char *yes_no(bool yes, const char *if_so, const char *if_not) {
    return yes ? if_so : if_not;
}

/* Why the two do not divide the service's keys; false if they do, or need not. */
static bool differ(const struct presence *self, const struct presence *other,
                   const struct presence_service *mine, const struct presence_service *theirs,
                   struct report *r) {
    const struct {
        const char *option, *here, *there;
    } rules[] = {
        {"several_hosts", yes_no(mine->independent, "independent", "divided"),
         yes_no(theirs->independent, "independent", "divided")},
        {"key", mine->key, theirs->key},
        {"idempotency", mine->idempotency, theirs->idempotency},
        {"order", yes_no(mine->ordered, "key", "none"), yes_no(theirs->ordered, "key", "none")},
    };
    if (!members_is_keyed(mine) && !members_is_keyed(theirs)) {
        return false;
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].here, rules[i].there) != 0) {
            (void)report(r, 0, "\"%s\" has %s = %s here and %s there", mine->name, rules[i].option,
                         rules[i].here, rules[i].there);
            return true;
        }
    }
    if (strcmp(self->group, other->group) != 0) {
        (void)report(r, 0, "this host is of the group \"%s\", that one of \"%s\"", self->group,
                     other->group);
    } else if (self->share.count != other->share.count) {
        (void)report(r, 0, "hosts.count is %u here and %u there", (unsigned)self->share.count,
                     (unsigned)other->share.count);
    } else if (self->share.count == 1) {
        (void)report(r, 0, "their keys are not divided");
    } else if (self->share.place == other->share.place) {
        (void)report(r, 0, "both are host %u of %u", (unsigned)self->share.place,
                     (unsigned)self->share.count);
    } else if (self->alone != other->alone) { /* events come from the broker and as forwards */
        (void)report(r, 0, "broker.alone is %s here and %s there, so that events come twice",
                     yes_no(self->alone, "yes", "no"), yes_no(other->alone, "yes", "no"));
    } else {
        return false;
    }
    return true;
}

/* In a conflict of the two: true if we are the one that takes no events. */
static bool yields(const struct presence *self, const struct presence *other) {
    if (self->proof != other->proof) {
        return other->proof;
    }
    if (self->state != other->state) {
        return self->state == PRESENCE_JOINING;
    }
    if (self->since_ms != other->since_ms) {
        return self->since_ms > other->since_ms;
    }
    int order = strcmp(self->host, other->host);
    return (order == 0 ? strcmp(self->id, other->id) : order) > 0;
}

/* The names of the services in conflict, and the first reason. Returns how many. */
static size_t conflicts(const struct members *m, const struct presence *other, struct buf *names,
                        struct report *reason) {
    size_t n = 0;
    for (size_t i = 0; i < m->self->service_count; i++) {
        const struct presence_service *mine = &m->self->services[i];
        const struct presence_service *theirs = presence_find(other, mine->name);
        if (theirs == NULL || !differ(m->self, other, mine, theirs, n == 0 ? reason : NULL)) {
            continue;
        }
        if (n++ < NAMED_MAX && names != NULL) {
            buf_printf(names, "%s\"%s\"", n == 1 ? "" : ", ", mine->name);
        }
    }
    if (n > NAMED_MAX && names != NULL) {
        buf_printf(names, " and %zu more", n - NAMED_MAX);
    }
    return n;
}

static void say_yield(const struct members *m, const struct presence *other, struct report *r) {
    struct buf names;
    struct report reason = {""};
    buf_init(&names, NAMED_MAX * (NAME_BYTES_MAX + 4) + 64);
    (void)conflicts(m, other, &names, &reason);
    uint16_t count = other->share.count > 1 ? other->share.count : 2;
    (void)report(r, 0,
                 "another host, %s, takes the events of %s, too, and %s: two hosts would run one "
                 "key at the same time. Divide the keys, hosts { count = %u  this = N } with "
                 "another N on each host; or, if they need no division, set several_hosts = "
                 "independent in these services on every host; or stop one of the two",
                 other->host, buf_str(&names), reason.text, (unsigned)count);
    buf_clear(&names);
}

enum members_verdict members_may_join(const struct members *m, int64_t now_ms, struct report *r) {
    assert(m->self->state == PRESENCE_JOINING);
    enum members_verdict verdict = MEMBERS_CLEAR;
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *other = m->list[i].said;
        enum member_view view = view_of(m, &m->list[i], now_ms);
        bool counts = is_live(view) || view == MEMBER_ASKED;
        if (!counts || conflicts(m, other, NULL, NULL) == 0) {
            continue;
        }
        if (is_live(view) && yields(m->self, other)) {
            say_yield(m, other, r);
            return MEMBERS_YIELD;
        }
        verdict = MEMBERS_WAIT; /* it answers, or yields to us */
    }
    return verdict;
}

bool members_must_hold(const struct members *m, size_t service, int64_t now_ms, struct report *r) {
    assert(service < m->self->service_count);
    const struct presence_service *mine = &m->self->services[service];
    struct report reason;
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *other = m->list[i].said;
        const struct presence_service *theirs = presence_find(other, mine->name);
        if (theirs == NULL || !is_live(view_of(m, &m->list[i], now_ms)) ||
            !differ(m->self, other, mine, theirs, &reason) || !yields(m->self, other)) {
            continue;
        }
        (void)report(r, 0,
                     "\"%s\" takes no events: another host, %s, does, and %s; it resumes when "
                     "that host is gone, or after both were reconfigured (docs/hosts.md)",
                     mine->name, other->host, reason.text);
        return true;
    }
    return false;
}

static bool is_of_our_division(const struct members *m, const struct presence *p) {
    return strcmp(p->group, m->self->group) == 0 && p->share.count == m->self->share.count;
}

bool members_place_is_up(const struct members *m, uint16_t place, int64_t now_ms) {
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *other = m->list[i].said;
        if (is_of_our_division(m, other) && other->share.place == place &&
            view_of(m, &m->list[i], now_ms) == MEMBER_UP) {
            return true;
        }
    }
    return false;
}

/* --- marks --- */

/* Of one that is gone only those see the services who may stand in for it. */
bool members_may_share(const struct members *m, const struct presence *other) {
    for (size_t i = 0; i < m->self->service_count; i++) {
        const char *name = m->self->services[i].name;
        if (presence_find(other, name) != NULL || presence_number_of(other, name) != NULL) {
            return true;
        }
    }
    return other->state == PRESENCE_GONE && other->number_count == 0 &&
           strcmp(other->group, m->self->group) == 0;
}

bool members_marks_agree(const struct members *m, struct report *r) {
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *other = m->list[i].said;
        if (strcmp(other->mark, m->self->mark) != 0 && members_may_share(m, other)) {
            (void)report(r, 0, "%s", other->host);
            return false;
        }
    }
    return true;
}

/* --- standing in --- */

/* When a member has been away for long enough; INT64_MAX: as far as is known, it is not away. */
static int64_t away_by_ms(const struct members *m, const struct member *member, int64_t now_ms) {
    switch (view_of(m, member, now_ms)) {
    case MEMBER_GONE:
        return member->gone_ms + STAND_IN_MS;
    case MEMBER_SILENT:
        return m->asked_ms + MEMBER_ANSWER_MS + STAND_IN_MS;
    default:
        return INT64_MAX;
    }
}

/* The absent host whose session waits: the last one that had this place. NULL: some host has it. */
static const struct presence *find_absent(const struct members *m, uint16_t place, int64_t now_ms) {
    const struct presence *absent = NULL;
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *p = m->list[i].said;
        if (!is_of_our_division(m, p) || p->share.place != place) {
            continue;
        }
        if (away_by_ms(m, &m->list[i], now_ms) > now_ms) {
            return NULL;
        }
        absent = absent == NULL || p->since_ms > absent->since_ms ? p : absent;
    }
    return absent;
}

/* True if this is the client id of one of p's two connections. */
static bool is_client_of(const struct presence *p, const char *client_id) {
    size_t len = p->client_id == NULL ? 0 : strlen(p->client_id);
    return len > 0 && strncmp(client_id, p->client_id, len) == 0 &&
           (client_id[len] == '\0' || strcmp(client_id + len, "-out") == 0);
}

/* Must not disconnect a host that is up under this client id, whatever another presence says. */
static bool is_in_use(const struct members *m, const char *client_id, int64_t now_ms) {
    bool in_use = is_client_of(m->self, client_id);
    for (size_t i = 0; !in_use && i < m->count; i++) {
        bool away = away_by_ms(m, &m->list[i], now_ms) != INT64_MAX;
        in_use = !away && is_client_of(m->list[i].said, client_id);
    }
    return in_use;
}

/* True if p, which is up, would take what the absent host would: it has its services, and holds
 * none. */
static bool can_stand_in(const struct presence *p, const struct presence *absent) {
    bool can = p->client_id != NULL && p->share.place != absent->share.place;
    for (size_t i = 0; can && i < p->service_count; i++) {
        can = !p->services[i].held;
    }
    for (size_t i = 0; can && i < absent->number_count; i++) {
        can = presence_number_of(p, absent->numbers[i].name) != NULL;
    }
    return can;
}

const struct presence *members_stood_in_for(const struct members *m, uint16_t place,
                                            int64_t now_ms) {
    const struct presence *absent = find_absent(m, place, now_ms);
    if (absent == NULL || absent->client_id == NULL || m->self->state != PRESENCE_UP ||
        !can_stand_in(m->self, absent) || is_in_use(m, absent->client_id, now_ms)) {
        return NULL;
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *p = m->list[i].said;
        if (is_of_our_division(m, p) && p->share.place < m->self->share.place &&
            view_of(m, &m->list[i], now_ms) == MEMBER_UP && can_stand_in(p, absent)) {
            return NULL;
        }
    }
    return absent;
}

void members_stand_in(struct members *m, uint16_t place, bool stands_in) {
    assert(place >= 1 && place <= m->self->share.count);
    uint64_t bit = (uint64_t)1 << (place - 1);
    m->self->stands_in_for &= ~bit;
    m->self->stands_in_for |= stands_in ? bit : 0;
}

uint16_t members_stood_in_by(const struct members *m, size_t member, int64_t now_ms) {
    assert(member < m->count);
    const struct presence *absent = m->list[member].said;
    uint64_t bit = (uint64_t)1 << (absent->share.place - 1);
    bool away = away_by_ms(m, &m->list[member], now_ms) != INT64_MAX;
    if (!away || !is_of_our_division(m, absent)) {
        return 0;
    }
    if ((m->self->stands_in_for & bit) != 0) {
        return m->self->share.place;
    }
    for (size_t i = 0; i < m->count; i++) {
        const struct presence *p = m->list[i].said;
        if (is_of_our_division(m, p) && (p->stands_in_for & bit) != 0 &&
            view_of(m, &m->list[i], now_ms) == MEMBER_UP) {
            return p->share.place;
        }
    }
    return 0;
}

/* --- time --- */

int64_t members_next_ms(const struct members *m, int64_t now_ms) {
    int64_t answer_ms = m->asked_ms + MEMBER_ANSWER_MS;
    bool asking = m->asked_ms > 0 && now_ms < answer_ms;
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < m->count; i++) {
        const struct member *member = &m->list[i];
        int64_t away_ms = member->said->client_id != NULL && is_of_our_division(m, member->said)
                              ? away_by_ms(m, member, now_ms)
                              : INT64_MAX;
        if (asking && member->said->state != PRESENCE_GONE && member->heard_ms < m->asked_ms) {
            next_ms = answer_ms < next_ms ? answer_ms : next_ms;
        }
        next_ms = away_ms > now_ms && away_ms < next_ms ? away_ms : next_ms;
    }
    return next_ms;
}

/* --- the list --- */

const char *member_view_name(enum member_view view) {
    static const char *const names[] = {[MEMBER_JOINING] = "joining",
                                        [MEMBER_UP] = "up",
                                        [MEMBER_ASKED] = "asked",
                                        [MEMBER_SILENT] = "silent",
                                        [MEMBER_GONE] = "gone"};
    return names[view];
}

size_t members_count(const struct members *m) {
    return m->count;
}

const struct presence *members_at(const struct members *m, size_t i) {
    assert(i < m->count);
    return m->list[i].said;
}

enum member_view members_view(const struct members *m, size_t i, int64_t now_ms) {
    assert(i < m->count);
    return view_of(m, &m->list[i], now_ms);
}

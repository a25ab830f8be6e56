/*
 * members.h - the hosts known by their presence, and what follows for this one.
 *
 * Two hosts conflict over a service if both take its events and its keys need a division, unless
 * the hosts divide them: the same group, count and rules, different places. Then one of them must
 * not take events. A host that has just started yields to one that is up; of two in the same state,
 * the one that started later yields. Both compare the same numbers, so they reach the same result.
 * But a host that believes proven presences only may not see one that cannot prove its own: the
 * latter yields to it.
 *
 * The broker retains a presence as long as the host lives, and longer if both die together. So a
 * retained one proves nothing until the host has spoken: hosts answer a hello, and a host that has
 * not answered for MEMBER_ANSWER_MS is silent, and counts as gone.
 *
 * Another host stands in for one that has been away for long (host/stand_in.c). All hosts choose
 * the same one, from the same presences; if they do not see the same, two may believe to be chosen.
 *
 * Pure: the caller gives the time (any clock that only goes forward, above 0), and nothing is sent.
 */
#ifndef ZINGQ_PEERS_MEMBERS_H
#define ZINGQ_PEERS_MEMBERS_H

#include "peers/presence.h"

struct members;

enum { MEMBER_ANSWER_MS = 10000 };

/* Takes `self` over. ERR_MEMORY. */
int members_new(struct members **out, struct presence *self);
void members_free(struct members *m);

/* This host, as given; members_say and members_hold change it. */
const struct presence *members_self(const struct members *m);
/* Describes this host anew, taken over; what it announces of itself from moment to moment stays. */
void members_describe(struct members *m, struct presence *self);
void members_say(struct members *m, enum presence_state state, bool hello);
/* `service` is an index in members_self. */
void members_hold(struct members *m, size_t service, bool held);

/* --- input --- */

/* The meaning of a message, as flags. */
enum members_news {
    MEMBERS_CHANGED = 1,     /* the list has changed */
    MEMBERS_ASKED = 2,       /* a hello: announce that we are here */
    MEMBERS_ECHO = 4,        /* our own presence came back: we are visible, and see others */
    MEMBERS_OVERWRITTEN = 8, /* the broker now retains something else under our name */
    MEMBERS_UNREADABLE = 16, /* garbage; the sentence in r */
    MEMBERS_OVERFLOW = 32,   /* there is no room for another host; the message is in r */
};

/* A message on zingq/hosts/+/+; an empty payload means that the host has left for good. `kept`: the
 * broker had retained it before we subscribed. */
unsigned members_take(struct members *m, struct slice topic, struct slice payload, bool kept,
                      int64_t now_ms, struct report *r);
/* A connection begins: hosts that do not appear on it again until members_settle are dropped. */
void members_begin(struct members *m);
void members_settle(struct members *m);
/* Our hello was sent: hosts that have not spoken since then count as asked. */
void members_asked(struct members *m, int64_t now_ms);

/* --- decisions --- */

enum members_verdict {
    MEMBERS_CLEAR, /* no host conflicts with us */
    MEMBERS_WAIT,  /* a host may conflict, and has not answered yet */
    MEMBERS_YIELD, /* a host conflicts and has precedence: the message is in r */
};

/* True if this host, which is joining, may take events. */
enum members_verdict members_may_join(const struct members *m, int64_t now_ms, struct report *r);
/* True if this host, which is up, must not take events of the service (an index in members_self)
 * because of another host; the reason in r. */
bool members_must_hold(const struct members *m, size_t service, int64_t now_ms, struct report *r);
/* True if a service must be divided when several hosts run it. */
bool members_is_keyed(const struct presence_service *s);
/* True if the member of our group, with our count, that has this place is up and has spoken. */
bool members_place_is_up(const struct members *m, uint16_t place, int64_t now_ms);
/* True if it may run services of ours, or may have run them. */
bool members_may_share(const struct members *m, const struct presence *other);
/* True if all hosts that may hand over events of our services sign them with our secret; otherwise
 * r names one that does not. */
bool members_marks_agree(const struct members *m, struct report *r);
/* When an answer may change by time alone; INT64_MAX = never. */
int64_t members_next_ms(const struct members *m, int64_t now_ms);

/* --- standing in for a host that is away --- */

/* The host of our division with this place, if it has been away for STAND_IN_MS and this host
 * should stand in for it: of the hosts that are up and have its services, the one with the lowest
 * number does. NULL: we should not. Borrowed until the next message. */
const struct presence *members_stood_in_for(const struct members *m, uint16_t place,
                                            int64_t now_ms);
/* Announces that this host stands in, or no longer does. */
void members_stand_in(struct members *m, uint16_t place, bool stands_in);
/* The place of the host that announces standing in for that host, which is down; 0 = none. */
uint16_t members_stood_in_by(const struct members *m, size_t member, int64_t now_ms);

/* --- the list --- */

/* The assessment of a member. */
enum member_view { MEMBER_JOINING, MEMBER_UP, MEMBER_ASKED, MEMBER_SILENT, MEMBER_GONE };

/* "joining", "up", "asked", "silent", "gone". */
const char *member_view_name(enum member_view view);

size_t members_count(const struct members *m);
/* The i-th of the others, in order of group and name; borrowed until the next message. */
const struct presence *members_at(const struct members *m, size_t i);
enum member_view members_view(const struct members *m, size_t i, int64_t now_ms);

#endif

/*
 * members.h - the hosts that are known by their presence, and what follows for this one.
 *
 * Two hosts conflict about a service that both take events of, and whose keys need a division,
 * unless they divide them: the same group, count and rules, different places. Then one of them must
 * not take events. Who has just started yields to who is up; of two that are alike, the one that
 * started later does. Both reckon with the same numbers, so they come to the same end.
 *
 * The broker keeps a presence for as long as the host lives, and longer if the two die together. So
 * one that is kept proves nothing before the host has spoken: whoever says hello is answered, and
 * who has not answered for MEMBER_ANSWER_MS is silent, and counts as gone.
 *
 * One that is away for long is stood in for by one other host (host/stand_in.c). All choose the same,
 * from the same presences; if they do not see the same, two may think that they are meant.
 *
 * Pure: time is given (any clock that goes forward, above 0), nothing is sent.
 */
#ifndef ZINGQ_PEERS_MEMBERS_H
#define ZINGQ_PEERS_MEMBERS_H

#include "peers/presence.h"

struct members;

enum { MEMBER_ANSWER_MS = 10000 };

/* Takes `self` over. ERR_MEMORY. */
int members_new(struct members **out, struct presence *self);
void members_free(struct members *m);

/* This host, as it was given; members_say and members_hold change it. */
const struct presence *members_self(const struct members *m);
void members_say(struct members *m, enum presence_state state, bool hello);
/* `service`: of members_self. */
void members_hold(struct members *m, size_t service, bool held);

/* --- input --- */

/* What a message meant; several at once. */
enum members_news {
    MEMBERS_CHANGED = 1,     /* the list is not as it was */
    MEMBERS_ASKED = 2,       /* a hello: say that we are here */
    MEMBERS_ECHO = 4,        /* our own presence came back: we can be seen, and see */
    MEMBERS_OVERWRITTEN = 8, /* the message retained under our name is not ours */
    MEMBERS_UNREADABLE = 16, /* garbage; the sentence in r */
    MEMBERS_OVERFLOW = 32,   /* there is no room for another host; the message is in r */
};

/* A message on zingq/hosts/+/+; without a payload the host has left for good. `kept`: it is the
 * broker's, from before we asked. */
unsigned members_take(struct members *m, struct slice topic, struct slice payload, bool kept,
                      int64_t now_ms, struct report *r);
/* A connection begins: who does not show up again on it by members_settle is forgotten. */
void members_begin(struct members *m);
void members_settle(struct members *m);
/* Our hello has been sent: hosts that have not spoken since are asked. */
void members_asked(struct members *m, int64_t now_ms);

/* --- what follows --- */

enum members_verdict {
    MEMBERS_CLEAR, /* no host conflicts with us */
    MEMBERS_WAIT,  /* a host may conflict, and has not answered yet */
    MEMBERS_YIELD, /* a host conflicts and has precedence: the message is in r */
};

/* Whether this host, which is joining, may take events. */
enum members_verdict members_may_join(const struct members *m, int64_t now_ms, struct report *r);
/* Whether this host, which is up, must not take events of the service (of members_self) because of
 * another. Why, in r. */
bool members_must_hold(const struct members *m, size_t service, int64_t now_ms, struct report *r);
/* Whether a service needs to be divided when several hosts run it. */
bool members_is_keyed(const struct presence_service *s);
/* Whether the member of our group, with our count, that has this place is up and has spoken. */
bool members_place_is_up(const struct members *m, uint16_t place, int64_t now_ms);
/* Whether all hosts that may hand over events of our services mark what they say of it with our
 * secret; the name of one that does not goes into r. */
bool members_marks_agree(const struct members *m, struct report *r);
/* When time alone changes an answer; INT64_MAX = never. */
int64_t members_next_ms(const struct members *m, int64_t now_ms);

/* --- standing in for one that is away --- */

/* The host of our division with this place, when it has been away for STAND_IN_MS and this host is
 * the one to stand in for it: of those that are up and have its services the one with the lowest
 * number. NULL: it is not to. Borrowed until the next message. */
const struct presence *members_stood_in_for(const struct members *m, uint16_t place,
                                            int64_t now_ms);
/* Says of this host that it does, or that it does not any more. */
void members_stand_in(struct members *m, uint16_t place, bool stands_in);
/* The place of the host that says it stands in for that host, which is down; 0 = none. */
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

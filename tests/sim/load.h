/*
 * load.h - what publishers say in the simulator, and what is heard of it.
 *
 * Everything that is said has a number of its own, and a kind: a service, or a chain of them, with
 * what its messages are like and what must come of each (kind_*.c, scripts beside). It is said on in/<kind>/<key>
 * as {"n": 17, "k": "k3", ...}; its handler says out/<kind>/<key> with "17 ..." when it is through.
 * An idempotency key makes of a second copy, and of a redelivery, a duplicate.
 *
 * Whoever listens to out/ knows a publish by its zingq-id: the same one twice is once.
 */
#ifndef ZINGQ_SIM_LOAD_H
#define ZINGQ_SIM_LOAD_H

#include "base/buf.h"
#include "node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim;

enum { KEYS = 12, HEARD_IDS = 1 << 16, TICK_SCHEDULES = 3, TICK_MINUTES = 8192 };

struct said {
    uint32_t number;
    uint8_t kind, key;
    uint8_t host;    /* that it was dealt to last, from 1; 0 = not dealt yet */
    uint8_t deals;   /* copies: of two that go to two hosts, nobody knows which counts */
    uint8_t flags;   /* the kind's own */
    uint16_t ends;   /* heard on out/ */
    uint16_t deaths; /* heard on the dead-letter topic */
    uint16_t buried; /* told of by on_dead */
    uint16_t kills;  /* hosts that went down while it alone was on the processor: see say_id */
    uint8_t replays, reruns, edits; /* that operators asked for, answered or not */
    bool gone;                      /* an operator discarded it, and was told so */
    bool known;                     /* its id is, and so its kills are */
    bool may_be_gone;               /* an operator wanted to */
    bool revived;                   /* an operator was told that it runs again */
    bool skipped;   /* or had its key go on without it: what came behind may overtake it */
    uint32_t value; /* the kind's own, as the next two */
    uint32_t other;
    int64_t moment_ms;
    unsigned boots;  /* leaps of engine time by then: see load_waited_ms */
    int64_t said_ms; /* physical time */
    int64_t ended_ms;
};

struct load_kind {
    const char *name;
    unsigned weight; /* among the kinds */
    bool ordered;    /* what one host was dealt of a key ends in that order */
    bool refused;    /* the broker may refuse what it says: then its order is not kept */
    bool mixed;      /* its publishes may be held up behind those of another key */
    bool mortal;     /* operators replay, discard, cancel and rerun it */
    bool named;      /* half of its messages bring an id of their own, so that it is known who is on
                        the processor */
    /* Adds to the payload, after {"n": 17, "k": "k3"; may be NULL. */
    void (*say)(struct sim *s, struct said *one, struct buf *payload);
    /* It is through; `text`: what stands behind the number. May be NULL. */
    void (*heard)(struct sim *s, struct said *one, const char *text);
    /* Whether that is no end, but something else that is said of it. May be NULL. */
    bool (*aside)(struct sim *s, struct said *one, const char *text);
    /* Publishers say something besides, when they say things; may be NULL. */
    void (*besides)(struct sim *s);
    /* The faults are over: what must be said yet is said; may be NULL. */
    void (*settle)(struct sim *s);
    /* A host has acknowledged a signal that names it; may be NULL. */
    void (*taken)(struct sim *s, struct said *one, const struct node *n);
    /* It is announced as dead. May be NULL. */
    void (*died)(struct sim *s, struct said *one, struct slice reason);
    /* Something without a number is said on out/<kind>/<about>. NULL: nothing of the kind is. */
    void (*overheard)(struct sim *s, const char *about, const char *text);
    /* Its handler has come to a place that it marks with zing.log.warn("mine <number>"): whether the
     * host goes down there. NULL: it has no such place. */
    bool (*mine)(struct sim *s, struct said *one);
    /* The host has had a turn that left it nothing to do. May be NULL. */
    void (*turned)(struct sim *s, struct node *n);
    /* Whether it is replayed in the end when it is dead then; NULL: it is not. */
    bool (*revives)(const struct said *one);
    /* Whether all is well with it in the end: sim_fail says what is not. NULL: it must have ended
     * once and not be dead. */
    void (*check)(struct sim *s, const struct said *one);
    /* What must be true of all of them in the end; may be NULL. */
    void (*check_all)(struct sim *s);
};

/* The kinds, in the order of load.c's list. */
extern const struct load_kind kind_batch;
extern const struct load_kind kind_book;
extern const struct load_kind kind_count;
extern const struct load_kind kind_chain;
extern const struct load_kind kind_die;
extern const struct load_kind kind_free;
extern const struct load_kind kind_guest;
extern const struct load_kind kind_hold;
extern const struct load_kind kind_late;
extern const struct load_kind kind_loop;
extern const struct load_kind kind_park;
extern const struct load_kind kind_sell;
extern const struct load_kind kind_tick;
extern const struct load_kind kind_steps;
extern const struct load_kind kind_wait;

enum { LOCKS = 3 }; /* of a key, in kind_hold.c */

/* Who has such a lock, numbers + 1; owner 0 = nobody. */
struct held {
    uint32_t owner;
    uint32_t last; /* the message that took it or extended it */
};

struct sim_load {
    struct said *said;
    size_t count, cap;
    uint32_t last[NODES_MAX][16][KEYS]; /* host, kind, key: number + 1 of what ended last */
    uint64_t ids[HEARD_IDS];            /* hashes of zingq-ids heard; 0 = free */
    size_t id_count;
    unsigned crowd;  /* how many of a crowd are said; 0 = there is none */
    unsigned crowds; /* so far */
    struct held held[KEYS][LOCKS];
    int64_t most_ahead_ms; /* a wall clock was so far ahead */
    struct {
        uint8_t ran[TICK_MINUTES / 8], must[TICK_MINUTES / 8]; /* a bit a minute */
        int64_t known_ms; /* when its host had first stored it; 0 = not yet */
    } ticks[TICK_SCHEDULES];
};

/* Publishers say a few things. */
void load_say(struct sim *s);
/* The next one, of a kind that operators may touch, for them to publish: its topic and payload. */
struct said *load_write(struct sim *s, char *topic, size_t topic_bytes, char *payload,
                        size_t payload_bytes);
/* The broker has taken a message. */
void load_heard(struct sim *s, const char *topic, const char *payload, struct slice properties);
/* Whether the broker may refuse what is published there. */
bool load_may_refuse(const char *topic);
/* It has dealt one to a host. */
void load_dealt(struct sim *s, const struct node *n, const char *topic, const char *payload);
/* The host has acknowledged a message. */
void load_taken(struct sim *s, const struct node *n, const char *topic, const char *payload);
/* What is still to be said, once the faults are over. */
void load_settle(struct sim *s);
/* How long a host that has it since has waited at most, in engine time (docs/time.md); INT64_MAX =
 * nobody knows, because a machine was started anew meanwhile. */
int64_t load_waited_ms(const struct sim *s, const struct said *one);
/* The one that a payload of in/<kind>/ names, whatever its kind; NULL when it names none. */
struct said *load_said(struct sim *s, const char *payload);
const struct load_kind *load_kind_of(const struct said *one);
/* A host goes down while this event, alone, is on the processor. */
void load_killed(struct sim *s, const struct uuid *id);
/* A handler has logged a warning: whether the host goes down there. */
bool load_mine(struct sim *s, const char *text);
/* After a turn that left the host nothing to do. */
void load_turned(struct sim *s, struct node *n);
/* What must be true in the end. */
void load_check(struct sim *s);
/* Publishes from outside, with an idempotency key. */
void load_publish(struct sim *s, const char *topic, const char *payload, const char *once);
/* Whether a handler failed because a call of its host was made to fail. */
bool load_is_fault(struct slice reason);
/* Whether it is of that kind. */
bool load_is(const struct said *one, const struct load_kind *kind);
void load_clear(struct sim *s);

#endif

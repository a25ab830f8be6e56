/*
 * outbox_impl.h - what outbox.c (the window on the rows) and outbox_blocked.c (what may not simply
 * go) share.
 */
#ifndef ZINGQ_OUTBOX_IMPL_H
#define ZINGQ_OUTBOX_IMPL_H

#include "limits.h"
#include "outbox.h"

enum item_state {
    ITEM_CLEAN,   /* not blocked */
    ITEM_SUSPECT, /* was in flight when a connection ended: goes with nothing but suspects */
    ITEM_REFUSED, /* goes alone, when due */
    ITEM_SOON,    /* the broker was short of something: goes when due, beside others */
    ITEM_HELD,    /* behind another of its owner */
};

struct outbox_item {
    uint64_t seq;
    struct publication publication; /* points into record */
    size_t bytes;                   /* of record */
    uint64_t topic;                 /* its hash */
    enum item_state state;
    bool out;         /* blocked, and in flight all the same */
    bool to_mark;     /* the row does not say yet that it is refused */
    unsigned strikes; /* connections that ended while it was the first unanswered */
    unsigned tries;   /* that ended in a refusal */
    int64_t due_ms;   /* REFUSED, SOON: INT64_MAX = with its topic */
    uint64_t sent;    /* in which order, on this connection */
    uint64_t beside;  /* things not ours that had been sent before it */
    struct outbox_item *next, *prev;
    struct outbox_item *owner_next; /* in by_owner, while blocked */
    char record[];
};

struct item_list {
    struct outbox_item *head, *tail;
    size_t count;
};

/* A topic that is refused: one of its rows is tried for all of them. */
struct refused_topic {
    uint64_t hash;
    unsigned tries;
    int64_t due_ms;
};

enum { OWNER_SLOTS = 1024 };

/* Rows that may not go with the others, by seq as far as they came by seq. */
struct blocked {
    struct outbox_item *head, *tail;
    size_t count, bytes, refused, suspects, held, out, to_mark;
    struct outbox_item *by_owner[OWNER_SLOTS];
    struct refused_topic topics[OUTBOX_TOPICS_MAX];
    size_t topic_count;
    int64_t due_ms; /* of the first REFUSED or SOON; valid unless stale */
    bool stale;
};

void item_list_add(struct item_list *list, struct outbox_item *item);

uint64_t blocked_topic_hash(struct slice topic);
void blocked_add(struct blocked *b, struct outbox_item *item, enum item_state state);
void blocked_move(struct blocked *b, struct outbox_item *item, enum item_state state);
void blocked_out(struct blocked *b, struct outbox_item *item, bool out);
void blocked_remove(struct blocked *b, struct outbox_item *item);
void blocked_clear(struct blocked *b);
/* An earlier row of the item's owner is blocked; with `out_passes` those in flight do not count. */
bool blocked_holds(const struct blocked *b, const struct outbox_item *item, bool out_passes);
/* The next row held behind `owner` that nothing holds any more; NULL = none. */
struct outbox_item *blocked_freed(const struct blocked *b, uint64_t owner);

/* The broker refused it: it is tried again at growing intervals, and its topic with it when
 * `by_topic`. */
void blocked_refuse(struct blocked *b, struct outbox_item *item, int64_t now_ms, bool by_topic);
/* Put off for a moment. */
void blocked_put_off(struct blocked *b, struct outbox_item *item, int64_t now_ms);
bool blocked_topic_refused(const struct blocked *b, uint64_t topic);
/* The broker took one of this topic: the others are tried at once. */
void blocked_topic_taken(struct blocked *b, uint64_t topic);
/* When the first REFUSED or SOON row is due; INT64_MAX = none. */
int64_t blocked_due_ms(struct blocked *b);
/* A REFUSED row, or a SOON one, that is due; NULL = none. */
struct outbox_item *blocked_due(struct blocked *b, enum item_state state, int64_t now_ms);
/* The last SUSPECT that is not in flight and that nothing holds; NULL = none. */
struct outbox_item *blocked_last_suspect(const struct blocked *b);
/* The first row in a state that is not in flight; NULL = none. */
struct outbox_item *blocked_first(const struct blocked *b, enum item_state state);

#endif

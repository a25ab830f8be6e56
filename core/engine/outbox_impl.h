/*
 * outbox_impl.h - what engine/outbox.c (what the broker answers), engine/outbox_rows.c (the rows on
 * disk), engine/outbox_send.c (what goes next), engine/outbox_blocked.c (what may not simply go)
 * and engine/outbox_queue.c (the lists) share.
 */
#ifndef ZINGQ_ENGINE_OUTBOX_IMPL_H
#define ZINGQ_ENGINE_OUTBOX_IMPL_H

#include "base/limits.h"
#include "engine/outbox.h"
#include "journal/outbox.h"

#include <sys/queue.h>

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
    bool out;                       /* blocked, and in flight all the same */
    bool to_mark;                   /* the row does not say yet that it is refused */
    unsigned strikes;               /* connections that ended while it was the first unanswered */
    unsigned tries;                 /* that ended in a refusal */
    uint64_t taken;                 /* SOON: how many the broker had taken at its first refusal */
    int64_t due_ms;                 /* REFUSED, SOON: INT64_MAX = with its topic */
    uint64_t sent;                  /* in which order, on this connection */
    uint64_t beside;                /* things not ours that had been sent before it */
    TAILQ_ENTRY(outbox_item) link;  /* in one of the lists, or among the blocked */
    struct outbox_item *owner_next; /* in by_owner, while blocked */
    char record[];
};

/* Publishes in the order in which they go. */
TAILQ_HEAD(outbox_items, outbox_item);

struct item_list {
    struct outbox_items items;
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
    struct outbox_items items;
    size_t count, bytes, refused, suspects, held, out, to_mark;
    struct outbox_item *by_owner[OWNER_SLOTS];
    struct refused_topic topics[OUTBOX_TOPICS_MAX];
    size_t topic_count;
    int64_t due_ms; /* of the first REFUSED or SOON; valid unless stale */
    bool stale;
};

enum {
    STRIKES_MAX = 2, /* connections that ended with one as the first unanswered */
    CLOSES_MS = 600000,
    FORGIVEN_MAX = 64,        /* losses put down to our publishes, since the broker took one */
    OTHERS_MS = 1000,         /* others go first for so long after a trial cost the connection */
    OVERDUE_MS = 1000,        /* a trial that waits so long for a quiet moment makes one */
    CRASH_PAUSE_MS = 500,     /* others go first for so long after a publish took the host down */
    PROBE_GAP_MS = 50,        /* between two refused ones tried */
    PROBE_GAP_LOST_MS = 2000, /* the same after one that cost the connection */
    SERIAL_MS = 60000,        /* one in flight an owner for so long after "quota exceeded" */
    PASSING_TRIES = 10,       /* 1 s growing to a minute: five minutes in all */
    PAUSE_MS = 20,            /* after a send that the connection would not take */
    LOADED_AT_ONCE = 2 * OUTBOX_QUEUE_MAX,
    MARKED_AT_ONCE = 512,
};

struct outbox {
    struct journal *journal;
    struct memory *memory; /* borrowed; NULL = no budget */
    struct item_list staged, queued, acked;
    struct blocked blocked;
    struct outbox_item *by_mid[MQTT_PACKET_IDS]; /* in flight */
    uint16_t owners_out[OWNER_SLOTS];            /* how many of them, by owner */
    size_t in_flight;
    size_t bytes;              /* of all items */
    uint64_t sent;             /* on this connection */
    uint64_t beside, harmless; /* sent by others on it, and how many surely cost nothing */
    bool refusals;             /* on this connection */
    bool answered;             /* a publish, on this connection */
    bool alone;                /* what is in flight is suspects, or one refused row */
    bool from_the_end;         /* the next suspect is the last */
    size_t trial_size;         /* suspects that go at once */
    int64_t suspects_due_ms;   /* before then others go first */
    int64_t probe_ms;          /* no refused row is tried before */
    int64_t serial_until_ms;   /* no owner has two in flight */
    int64_t pause_until_ms;    /* the connection would not take more */
    int64_t closes_until_ms;   /* the broker is known to refuse by closing */
    unsigned forgiven;
    uint64_t taken; /* by the broker, since the start */
    uint64_t discarded;
    uint64_t on_disk; /* rows not in memory */
    uint64_t *kept;   /* bytes of rows, by the number of the service whose they are */
    size_t kept_count;
    uint64_t kept_by_all;
    uint64_t loaded; /* rows up to this seq are, or were, in memory */
    struct buf record;
};

/* --- engine/outbox_queue.c --- */

void outbox_item_free(struct outbox *o, struct outbox_item *item);
void item_list_init(struct item_list *list);
/* To the end of the list, which owns the item from now on. */
void item_list_add(struct item_list *list, struct outbox_item *item);
struct outbox_item *item_list_take(struct item_list *list);
/* All of `from` to the front of `to`. */
void item_list_prepend(struct item_list *to, struct item_list *from);
/* It is in flight under that number from now on; and the number's item, which no longer is. */
void outbox_flies(struct outbox *o, int mid, struct outbox_item *item);
struct outbox_item *outbox_landed(struct outbox *o, int mid);
/* Nothing is in memory any more. */
void outbox_forget(struct outbox *o);
/* What was held behind a row of this owner may go. */
void outbox_release(struct outbox *o, uint64_t owner);

/* --- engine/outbox.c --- */

/* The broker refused it (reason 0: by closing when it was in flight, else it cannot be carried). */
void outbox_refuse(struct outbox *o, struct outbox_item *item, int64_t now_ms, uint8_t reason,
                   const char *why);
/* Its topic is refused: no need to ask the broker again. */
void outbox_refuse_untried(struct outbox *o, struct outbox_item *item, int64_t now_ms);

/* --- engine/outbox_rows.c --- */

/* A row of the service was written. ERR_MEMORY. */
int outbox_keep(struct outbox *o, uint16_t service, size_t record);
int outbox_item_new(struct outbox *o, uint64_t seq, struct slice record, struct outbox_item **out);
/* Whether another row that is not blocked may come into memory: of `most`, and of half a share. */
bool outbox_fits(const struct outbox *o, size_t most);
/* Its row is deleted, the item freed. */
int outbox_discard_item(struct outbox *o, struct outbox_item *item);

/* --- engine/outbox_blocked.c --- */

uint64_t blocked_topic_hash(struct slice topic);
void blocked_add(struct blocked *b, struct outbox_item *item, enum item_state state);
void blocked_move(struct blocked *b, struct outbox_item *item, enum item_state state);
void blocked_out(struct blocked *b, struct outbox_item *item, bool out);
void blocked_remove(struct blocked *b, struct outbox_item *item);
void blocked_clear(struct blocked *b); /* they are gone */
/* An earlier row of the item's owner is blocked; with `out_passes` those in flight do not count. */
bool blocked_holds(const struct blocked *b, const struct outbox_item *item, bool out_passes);
/* The next row held behind `owner` that nothing holds any more; NULL = none. */
struct outbox_item *blocked_freed(const struct blocked *b, uint64_t owner);

/* The broker refused it: it is tried again at growing intervals, and its topic with it when
 * `by_topic`. */
void blocked_refuse(struct blocked *b, struct outbox_item *item, int64_t now_ms, bool by_topic);
/* Put off for a moment. */
void blocked_put_off(struct blocked *b, struct outbox_item *item, int64_t now_ms);
/* The reason may pass by itself. */
bool blocked_is_passing(uint8_t reason);
/* Others of the topic would be refused as well: not authorized, topic name invalid, a passing
 * reason that did not pass, or the connection closed, which is how Mosquitto and AWS say "not
 * authorized". */
bool blocked_is_about_topic(uint8_t reason, bool closed);
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

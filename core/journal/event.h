/*
 * event.h - events: the position of a waiting one, the history of its attempts, dead letters. Part
 * of the journal (journal.h): inside the current store transaction.
 */
#ifndef ZINGQ_JOURNAL_EVENT_H
#define ZINGQ_JOURNAL_EVENT_H

#include "journal/journal.h"

/* --- events --- */

int journal_event_put(struct journal *j, const struct event *event);
/* A copy on the heap; the caller frees it with event_free. ERR_NOTFOUND. */
int journal_event_get(struct journal *j, uint8_t partition, const struct uuid *id, uint16_t service,
                      struct event **out);
/* Its record as stored; points into the store. ERR_NOTFOUND. */
int journal_event_record(struct journal *j, uint8_t partition, const struct uuid *id,
                         uint16_t service, struct slice *record);
/* Whether a row says where the event waits, in ready or in lane. */
int journal_event_placed(struct journal *j, const struct event *event, bool *placed);
int journal_event_del(struct journal *j, uint8_t partition, const struct uuid *id,
                      uint16_t service);
/* Whether it is there: 0, or ERR_NOTFOUND. */
int journal_event_find(struct journal *j, uint8_t partition, const struct uuid *id,
                       uint16_t service);
/* The same of an event of that id, of any service, that has not ended. */
int journal_event_find_waiting(struct journal *j, uint8_t partition, const struct uuid *id);

struct event_place {
    uint8_t partition;
    uint16_t service;
    struct uuid id;
};

enum { EVENT_ROWS_PASSED = 64 };

/* The next event of any, in key order, after *at (zeroed at the start). A copy on the heap.
 * ERR_NOTFOUND. */
int journal_event_scan(struct journal *j, struct event_place *at, struct event **out);

/* The events of a group of partitions are stored together, in the order of (id, service,
 * partition): a walk goes through one group, which journal_event_groups counts. */
unsigned journal_event_groups(const struct journal *j);
uint8_t journal_event_group(const struct journal *j, uint8_t partition);

/* Which rows a walk passes over without decoding them: all but those. */
struct event_walk {
    uint8_t group;
    bool by_partition, by_service, by_state;
    uint8_t partition; /* in the group */
    uint8_t state;     /* enum event_state */
    uint16_t service;
    bool keys_only;        /* `at` goes from row to row, and no event is read */
    bool begun;            /* the event at `at` is not wanted any more */
    struct event_place at; /* zeroed for the first event; all ones for the last */
    unsigned passed;       /* out, of journal_event_prev: the rows it passed over */
};

/* The next event from walk->at on. A copy on the heap; NULL: rows were passed over, or only the key
 * was wanted. ERR_NOTFOUND. */
int journal_event_next(struct journal *j, struct event_walk *walk, struct event **out);
/* The same backward: the last event before walk->at. One call passes over EVENT_ROWS_PASSED rows at
 * most. */
int journal_event_prev(struct journal *j, struct event_walk *walk, struct event **out);

/* --- rows: where a waiting event stands --- */

enum lane_flags {
    LANE_BEHIND = 0,  /* runnable once it is at the head */
    LANE_WAITING = 1, /* at the head until its timer is due */
    LANE_PARKED = 2,  /* dead, and blocks the lane until a person decides */
    LANE_ASLEEP = 3,  /* as LANE_WAITING, but without a failure; possibly until a signal arrives */
    LANE_QUEUED = 4,  /* at the head, runnable, until its tenant has its turn: a row in tenant */
    LANE_HOLDS_KEY = 5, /* as LANE_ASLEEP: its key is throttled until then, other lanes, too */
};

struct row {
    uint8_t partition;
    uint16_t service;
    uint64_t lane;
    uint64_t seq;
    struct uuid id;
    uint8_t flags; /* lane rows: enum lane_flags */
    /* Hashes; 0 = none. Written only where one is given. */
    uint64_t key;    /* whose limits count for it */
    uint64_t tenant; /* with whose events it takes turns */
    uint8_t rank;    /* 1 + its priority; 0 = none */
};

/* Whether a head with these flags is put off: waiting or asleep. */
bool lane_waits(uint8_t flags);

int journal_ready_put(struct journal *j, const struct row *row);
int journal_ready_del(struct journal *j, const struct row *row);
/* The first ready row of (partition, service) with a seq above *row's; in/out. ERR_NOTFOUND. */
int journal_ready_next(struct journal *j, struct row *row);
/* The next ready row of any service, in key order, after *row (zeroed at the start). ERR_NOTFOUND.
 */
int journal_ready_scan(struct journal *j, struct row *row);
int journal_lane_put(struct journal *j, const struct row *row);
int journal_lane_del(struct journal *j, const struct row *row);
/* The first row of the lane with a seq above row->seq; in/out. ERR_NOTFOUND. */
int journal_lane_next(struct journal *j, struct row *row);
/* The next lane row of any lane, in key order, after *row (zeroed at the start). ERR_NOTFOUND. */
int journal_lane_scan(struct journal *j, struct row *row);

/* The tenants' rows: an index of the heads with LANE_QUEUED. */
int journal_tenant_put(struct journal *j, const struct row *row);
int journal_tenant_del(struct journal *j, const struct row *row);
/* The first row of (partition, service, tenant) with a seq above *row's; in/out. ERR_NOTFOUND. */
int journal_tenant_next(struct journal *j, struct row *row);
/* The same of (partition, service), after (tenant, seq). ERR_NOTFOUND. */
int journal_tenant_after(struct journal *j, struct row *row);

/* --- history --- */

#define ATTEMPT_END_LIST(X)                                                                        \
    X(ATTEMPT_ERROR, "error")                                                                      \
    X(ATTEMPT_TIMEOUT, "timeout")                                                                  \
    X(ATTEMPT_CRASH, "crash")                                                                      \
    X(ATTEMPT_REJECT, "reject")                                                                    \
    X(ATTEMPT_SNOOZE, "snooze")                                                                    \
    X(ATTEMPT_THROTTLE, "throttle")                                                                \
    X(ATTEMPT_REPLAY, "replay") /* not a run: a person asked for another round */                  \
    X(ATTEMPT_EDIT, "edit")     /* not a run: a person changed the payload; text = the original */ \
    X(ATTEMPT_CANCELLED, "cancelled") /* a person ended it while it ran */

enum attempt_end {
#define X(end, name) end,
    ATTEMPT_END_LIST(X)
#undef X
        ATTEMPT_END_COUNT
};

/* "error", "timeout"...; never NULL. */
const char *attempt_end_name(enum attempt_end end);

struct attempt {
    uint16_t n; /* position in the history, from 1 */
    enum attempt_end end;
    int64_t at_ms; /* when it started */
    uint32_t duration_us;
    uint64_t version;  /* of the handler */
    struct slice text; /* error with traceback; points into the store */
};

/* Appends; beyond HISTORY_MAX the second-oldest is dropped (the first failure is the most useful).
 */
int journal_history_add(struct journal *j, const struct event *event, const struct attempt *a);
/* The attempt after a->n; in/out, n = 0 to begin. ERR_NOTFOUND. */
int journal_history_next(struct journal *j, const struct event *event, struct attempt *a);
int journal_history_clear(struct journal *j, const struct event *event);

/* --- dead letters --- */

struct dead_row {
    uint8_t partition;
    uint16_t service;
    struct uuid id;
    int64_t dead_ms;
    uint64_t fingerprint; /* of the reason without its numbers and ids: identifies the group */
};

uint64_t journal_fingerprint(struct slice reason);
int journal_dead_put(struct journal *j, const struct dead_row *row);
int journal_dead_del(struct journal *j, const struct dead_row *row);
/* Completes the row of that partition, service and id. ERR_NOTFOUND. */
int journal_dead_get(struct journal *j, struct dead_row *row);
/* The next in key order after *row (zeroed at the start). ERR_NOTFOUND. */
int journal_dead_next(struct journal *j, struct dead_row *row);

#endif

/*
 * job.h - a job: many dead letters or events, found between turns, then commanded at a pace.
 * Part of the admin API; nobody else includes it.
 *
 * The code that begins a job decides what to search for and how: it sets kind, service and find,
 * and pushes what it finds.
 */
#ifndef ZINGQ_WEB_ADMIN_JOB_H
#define ZINGQ_WEB_ADMIN_JOB_H

#include "web/admin/impl.h"
#include "query/rerun.h"
#include "journal/event.h"

enum { GROUP_BYTES_MAX = 17 };

enum job_state { JOB_FINDING, JOB_WORKING, JOB_DONE, JOB_STOPPED, JOB_FAILED };

/* A letter or an event. */
struct job_item {
    uint64_t order, seq; /* arrival: by order, then by seq */
    struct uuid id;
    uint8_t partition;
};

struct job_slot {
    struct order order; /* first, so that a pointer to it is a pointer to its slot */
    struct job *job;
    bool busy;
};

/* Only used by a replay of events. */
struct job_rerun {
    struct rerun_filter filter;
    struct rerun_walk walk;
    struct rerun_tally tally;
    char key[KEY_BYTES_MAX + 1]; /* backs filter.key */
    bool dry;                    /* only counts */
    uint64_t confirmed;          /* the number of events that was confirmed; 0 = any number */
};

/* What only an erasure has. */
struct job_erase {
    struct uuid unfinished; /* the last event that has not ended */
    uint8_t state;          /* its state */
    size_t unfinished_count;
    uint64_t rows; /* of state, locks and signals that are gone */
};

struct job {
    uint64_t id;
    enum command_kind kind;
    enum job_state state;
    /* Examines one row, within a transaction. ERR_NOTFOUND: that was all. */
    int (*find)(struct admin *a, struct job *b, struct journal *j);
    /* Called when the search is complete: false ends the job. NULL = continue. */
    bool (*found_all)(struct admin *a, struct job *b);
    /* Adds the fields of this kind of job; false when out of memory. NULL = none. */
    bool (*add_figures)(const struct admin *a, const struct job *b, json_t *object);
    struct dead_filter filter;
    char group[GROUP_BYTES_MAX];
    struct dead_row row;    /* how far the search for letters has got */
    struct job_rerun rerun; /* an erasure has its filter and walk, too */
    struct job_erase erase;
    char service[NAME_BYTES_MAX + 1];
    double per_second; /* 0 = as fast as possible */
    bool force;
    bool without_compensation; /* of COMMAND_DISCARD */
    struct job_item *items;    /* a heap, the next one first; owned */
    size_t count, cap;
    bool cut;         /* there are more than JOB_LETTERS_MAX */
    uint64_t found;   /* found to match */
    uint64_t old;     /* left out: beyond idempotency_window, without force */
    uint64_t sent;    /* commands submitted */
    uint64_t good;    /* carried out */
    uint64_t gone;    /* handled by somebody else first */
    uint64_t refused; /* refused by the engine */
    size_t busy;
    int64_t started_ms, ended_ms; /* engine time */
    int64_t working_ms;           /* monotonic */
    int64_t started_us;           /* monotonic */
    char error[256];              /* of the last refusal or failure */
    struct job_slot slots[JOB_COMMANDS_MAX];
};

/* A new job, owned by the caller until it begins. NULL: there are too many, answered 503. */
struct job *admin_job_new(struct admin *a, struct gateway_request *request);
void admin_job_free(struct job *b);
/* Begins the job and answers the request; the API owns `b` from now on. */
void admin_job_begin(struct admin *a, struct job *b, struct gateway_request *request);
/* ERR_MEMORY. */
int admin_job_push(struct job *b, const struct event *event, uint64_t order);
/* The same for what else belongs to the key of an erasure; it comes last. */
int admin_job_push_rest(struct job *b);
/* Ends the job. */
void admin_job_end(struct admin *a, struct job *b, enum job_state state);
/* The same with a sentence. */
void admin_job_fail(struct admin *a, struct job *b, const char *text);
/* &rate= and &force= of the request. ERR_INVALID. */
int admin_job_pace(const struct gateway_request *request, struct job *b, struct report *r);

#endif

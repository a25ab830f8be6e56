/*
 * impl.h - what the admin API's files share; nobody else includes it.
 *
 *   web/admin/admin.c    the routes
 *   web/admin/answer.c   shared by all
 *   web/admin/names.c    the key or the id that a request is about
 *   web/admin/command.c  commands of the engine
 *   web/admin/status.c   the current state of the host
 *   web/admin/verdict.c  what of it needs a look
 *   web/admin/division.c a row of it for each host
 *   web/admin/reader.c   requests answered from the store, in pieces between turns
 *   web/admin/readings.c what they read: events, dead letters, keys, state
 *   web/admin/outgoing.c and the outbox, delayed publishes
 *   web/admin/ids.c      ids by their last digits
 *   web/admin/service.c  one service, and its part of topics.conf
 *   web/admin/job.c      jobs: replay and discard of many letters, paced
 *   web/admin/rerun.c    jobs: replay of events that are done
 *   web/admin/erase.c    jobs: erasure of everything that belongs to a key
 *   web/admin/try.c      a dry run
 *   web/admin/signal.c   a signal
 *   web/admin/peek.c     one state value, for a handler of another host
 *   web/admin/relay.c    requests about what another host has
 *   web/admin/gather.c   lists and changes of all hosts
 *   web/admin/follow.c   an event, and what became of it at any host
 *   web/admin/audit.c    the file of changes
 *   web/admin/changes.c  recording changes, and showing them
 *   web/admin/live.c     server-sent events
 *   web/admin/history.c  what the charts show, kept over restarts
 *   web/admin/sampling.c fills it
 *   web/admin/charts.c   shows it
 *   web/admin/forecast.c when something runs out, going by it
 */
#ifndef ZINGQ_WEB_ADMIN_IMPL_H
#define ZINGQ_WEB_ADMIN_IMPL_H

#include "web/admin/admin.h"
#include "web/admin/audit.h"
#include "web/admin/history.h"
#include "base/limits.h"
#include "query/dead.h"
#include "query/events.h"
#include "query/ids.h"
#include "query/keys.h"
#include "query/merge.h"
#include "query/outgoing.h"
#include "query/state.h"
#include "query/trace.h"
#include "journal/event.h"

#include <sys/queue.h>
#include <uv.h>

struct reading;
struct job;
struct relay;
struct follow;
struct find;
struct gather;
/* Oldest first. */
TAILQ_HEAD(reading_list, reading);
TAILQ_HEAD(relay_list, relay);
TAILQ_HEAD(follow_list, follow);
TAILQ_HEAD(find_list, find);
TAILQ_HEAD(gather_list, gather);

enum { CHANGE_ID_BYTES = 8 };

/* A request that changes something, until it is answered. */
struct change {
    LIST_ENTRY(change) link;
    struct admin *admin;
    char id[2 * CHANGE_ID_BYTES + 1];
};
LIST_HEAD(change_list, change);

struct admin {
    struct admin_options options;
    struct engine *engine;
    /* Calls from the lower files of this folder to the upper ones. */
    void (*request_here)(struct admin *a, struct gateway_request *request); /* admin_request */
    const struct route_table *routes;                                       /* admin_routes */
    bool (*find_letters)(struct admin *a, int64_t until_us);                /* admin_job_find */
    struct audit *audit;
    struct change_list changes; /* under way; owned */
    uv_idle_t reader;           /* runs while there are readings */
    uv_timer_t job_timer;       /* the next letters of a paced replay */
    uv_timer_t live_timer;      /* runs while a client is connected */
    uv_timer_t sampling_timer;  /* the next look for the charts */
    size_t handles;             /* libuv handles not yet closed; the last one frees the struct */
    struct reading_list readings;
    size_t reading_count;
    struct relay_list relays;   /* waiting for other hosts */
    struct follow_list follows; /* the same */
    struct find_list finds;     /* for all that may have the id */
    struct gather_list gathers; /* for all of them */
    struct job *jobs[JOBS_MAX]; /* oldest first; owned */
    size_t job_count;
    uint64_t last_job_id;
    struct gateway_stream *live[LIVE_CLIENTS_MAX];
    size_t live_count;
    uint64_t live_ticks;
    struct history *history;
    struct sampling *sampling;
};

/* A command in progress; its result goes to `done`, which owns it again. */
struct order {
    struct command command;
    void (*done)(struct admin *a, struct order *order);
};

/* web/admin/answer.c */
/* The HTTP status for a command's code. */
int admin_status_of(int code);
int64_t admin_now_ms(const struct admin *a); /* engine time */
/* A whole number in [least, most]; `otherwise` when the text is NULL. */
bool admin_number(const char *text, uint64_t least, uint64_t most, uint64_t otherwise,
                  uint64_t *out);
/* Of a place in a list: a number up to `max`, followed by `stop`; returns the position after it; NULL if
 * there is none, or if text is NULL. */
const char *admin_parse_number(const char *text, int base, uint64_t max, char stop, uint64_t *out);
/* The number of the query; when it is false, r says why. */
bool admin_option(const struct gateway_request *request, const char *name, uint64_t least,
                  uint64_t most, uint64_t otherwise, uint64_t *out, struct report *r);
/* Of the words of a request: a query or headers. NULL: there is no such pair. */
void admin_add_pair(struct buf *list, const char *name, const char *value);
/* ?limit= of a list; when it is false, r says why. */
bool admin_limit(const struct gateway_request *request, uint64_t otherwise, uint64_t *out,
                 struct report *r);
/* The service of ?service=; NULL = none was named. False: answered 404. */
bool admin_service(struct admin *a, struct gateway_request *request, const char *name,
                   bool *by_service, uint16_t *service);
/* Makes a terminated copy for a slice of a command to borrow; false when out of memory. */
bool admin_keep(char **own, struct slice *borrowed, struct slice text);

/* web/admin/names.c */
/* The service and the key that a request is about, borrowed from it: one host has all of it. False: it
 * names none. */
bool admin_names_key(const struct call *call, struct slice *service, struct slice *key);
/* Whether the path has an id, which any host may know. */
bool admin_names_id(const struct parts *parts);

/* web/admin/status.c */
json_t *admin_status_json(struct admin *a);
json_t *admin_services_json(struct admin *a);
json_t *admin_service_json(struct admin *a, const struct engine_service_status *s);

/* web/admin/division.c */
void admin_show_division(void *ctx, const struct call *call);

/* web/admin/command.c */
void admin_submit(struct admin *a, struct order *order);
/* Runs the command that the route's kind names. */
void admin_command(void *ctx, const struct call *call);
/* Like admin_publish, but always on this host. */
void admin_command_publish(struct admin *a, struct gateway_request *request, const char *topic,
                           const char *once, const char *priority);

/* web/admin/reader.c, web/admin/readings.c */

/* A read request in progress. */
struct reading {
    TAILQ_ENTRY(reading) link;
    struct gateway_request *request;
    const struct reading_kind *kind;
    struct journal *journal;
    int64_t now_ms;
    struct buf out;                /* the answer so far */
    uint64_t rows;                 /* rows examined */
    uint64_t items, limit;         /* in the answer */
    size_t bytes_max;              /* the same */
    bool is_part;                  /* of the list of all hosts */
    bool placed;                   /* each row with its place */
    int64_t begun_us;              /* clock_monotonic_us */
    bool collected;                /* the first pass is complete; for dlq, groups */
    size_t at;                     /* index in what it collected */
    char next[GATEWAY_NEXT_BYTES]; /* where the next page starts; "" = there is none */
    char *text[2];                 /* what the filter borrows; owned */
    union {
        struct {
            struct look_walk walk;
            bool with_steps;
        } events;
        struct {
            struct dead_walk walk;
            struct dead_newest newest;
            struct dead_row before;
            bool paged;
        } dead;
        struct {
            struct dead_groups groups;
        } groups;
        struct {
            struct dead_filter filter;
            struct uuid id;
        } letter;
        struct id_search ids;
        struct {
            struct held_walk walk;
            struct row head; /* of the key that was read last */
        } keys;
        struct {
            struct outbox_walk walk;
            uint64_t shown_seq; /* of the last row of the page before */
            bool refused_only;
        } outbox;
        struct uuid delayed; /* the row that was read last */
        struct {
            struct key_queue queue;
            struct slice key;
            json_t *events;
        } key;
        struct {
            struct state_walk walk;
            struct buf json;
        } state;
        struct {
            struct trace trace;
            struct uuid id;
            bool begun;
        } trace;
        struct {
            enum history_range range;
            uint32_t end; /* the step after the last */
        } history;
    } of;
};

enum reading_what {
    READING_EVENTS,
    READING_TRACE,
    READING_DEAD,
    READING_GROUPS,
    READING_LETTER,
    READING_KEYS,
    READING_KEY,
    READING_STATE,
};

/* How to answer one kind of read request. */
struct reading_kind {
    uint64_t limit;                  /* when ?limit= is not given */
    bool is_list;                    /* items in an array; else one document */
    const struct merge_order *order; /* of all hosts' together; NULL: it is about this host */
    /* 0, or an HTTP status with a sentence. `name` is the path's, terminated. */
    int (*begin)(struct admin *a, struct reading *r, const char *name, struct report *report);
    /* Examines about one row, within a transaction. 0: there is more. ERR_NOTFOUND: that was all; a
     * single document is then in r->out, or does not exist. */
    int (*step)(struct admin *a, struct reading *r);
    /* Writes to r->next where a list goes on that ends with the item read last. NULL: it has no
     * pages. */
    void (*mark)(struct reading *r);
    void (*clear)(struct reading *r);
};

/* Starts the reading that the route's kind names. */
void admin_read(void *ctx, const struct call *call);
void admin_read_as(struct admin *a, const struct reading_kind *kind, const struct call *call);
void admin_forget_readings(struct admin *a);
/* There is something to read between turns. */
void admin_start_reader(struct admin *a);
/* Adds to the answer; false when out of memory. Takes the object over. */
bool admin_read_add(struct reading *r, json_t *object);
/* True if nothing more fits into this answer. */
bool admin_read_full(const struct reading *r);

/* web/admin/outgoing.c */
void admin_read_outbox(void *ctx, const struct call *call);
void admin_read_delayed(void *ctx, const struct call *call);

/* web/admin/ids.c */
void admin_read_ids(void *ctx, const struct call *call);
/* True if the request has only the last digits of an id: it was taken over, and is served when the
 * whole one is known. */
bool admin_find(struct admin *a, const struct call *call);
void admin_forget_finds(struct admin *a);

/* web/admin/service.c */
void admin_show_service(void *ctx, const struct call *call);

/* web/admin/job.c */
void admin_job_start(void *ctx,
                     const struct call *call); /* the route's kind is that of its commands */
void admin_job_show(void *ctx, const struct call *call);
void admin_job_stop(void *ctx, const struct call *call);
json_t *admin_jobs_json(const struct admin *a);
/* Searches for letters for a job that is finding; false when there is none. Within a
 * transaction. */
bool admin_job_find(struct admin *a, int64_t until_us);
void admin_forget_jobs(struct admin *a);

/* web/admin/rerun.c */
void admin_rerun(void *ctx, const struct call *call);

/* web/admin/erase.c */
void admin_erase(void *ctx, const struct call *call);

/* web/admin/changes.c */
/* For gateway_on_answer: records what was requested, by whom, and how it was answered. */
/* Records that the change is about to begin, and later how it was answered. False: out of memory. */
bool admin_begin_change(struct admin *a, struct gateway_request *request);
void admin_forget_changes(struct admin *a);
void admin_show_audit(void *ctx, const struct call *call);

/* web/admin/try.c */
void admin_try(void *ctx, const struct call *call);

/* web/admin/signal.c */
void admin_signal(void *ctx, const struct call *call);

/* web/admin/peek.c */
void admin_peek(void *ctx, const struct call *call);

/* web/admin/relay.c */
/* True if another host answers the request, or may; then the request has been taken over. */
bool admin_relay(struct admin *a, const struct call *call);
/* The same for what an endpoint publishes on `topic` under the idempotency key `once`, or NULL. */
bool admin_relay_publish(struct admin *a, struct gateway_request *request, const char *topic,
                         const char *once, const char *priority);
void admin_forget_relays(struct admin *a);

/* web/admin/gather.c */
/* A list of which every host has a part. */
struct gather_kind {
    const struct merge_order *order;
    uint64_t limit; /* when ?limit= is not given */
    bool paged;     /* a part has the place of each row: {"at", "row"} */
};

/* True if the request is for such a list of all hosts: it was taken over. */
bool admin_gather(struct admin *a, const struct gather_kind *kind, const struct call *call);
/* True if this host is asked for its part of one; with the places of its rows. */
bool admin_is_part(const struct gateway_request *request);
/* Has all hosts make a change, and answers the request, which it takes over. */
void admin_gather_change(struct admin *a, struct gateway_request *request);
void admin_forget_gathers(struct admin *a);

/* web/admin/follow.c */
void admin_follow(struct admin *a, struct slice id, struct gateway_request *request);
void admin_forget_follows(struct admin *a);

/* web/admin/live.c */
void admin_live(void *ctx, const struct call *call);

/* web/admin/sampling.c */
int admin_start_sampling(struct admin *a); /* ERR_MEMORY */
void admin_stop_sampling(struct admin *a);

/* web/admin/charts.c */
void admin_show_history(void *ctx, const struct call *call);

#endif

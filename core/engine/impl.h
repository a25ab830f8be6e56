/*
 * impl.h - the engine as its files see it. Each file's own header says what it does for the others;
 * nobody outside engine/ includes any of these.
 *
 * Every function that returns int returns 0 or an error that fails the whole turn.
 */
#ifndef ZINGQ_ENGINE_IMPL_H
#define ZINGQ_ENGINE_IMPL_H

#include "engine/append.h"
#include "engine/attempt.h"
#include "engine/bury.h"
#include "engine/engine.h"
#include "engine/forwards.h"
#include "engine/lane.h"
#include "engine/outbox.h"
#include "engine/retention.h"
#include "engine/services.h"

enum { CALL_BUCKETS = 4096, NEW_BUCKETS = 1024 };

struct engine {
    const struct conf *conf;
    struct engine_doors doors;
    struct script_host *scripts;
    struct journal *journal;
    struct culprit *culprit; /* borrowed; NULL = nobody is named */
    struct run_view view;
    struct uuid_source ids;
    struct engine_service *services;
    size_t service_count;
    struct engine_schedule *schedules; /* as many as conf has; owned */
    uint64_t steps_followed;           /* of the wall clock, by them */
    struct inputs *inputs;
    struct lanes *lanes;
    struct outbox *outbox;
    struct append *append;
    struct forwards *forwards;
    struct forward_source *sources; /* of forwards that came, by number of host; owned */
    int64_t useless_told_ms;        /* when the last message that means nothing was told of */
    int64_t kept_told_ms;           /* and one for a service that is not here */

    /* the turn under way */
    int64_t now_ms;                         /* engine time: docs/time.md */
    int64_t wall_ms;                        /* the same moment by the wall clock */
    int64_t turn_us;                        /* monotonic, at its start */
    int64_t seen_us;                        /* monotonic, when it was looked at last */
    int64_t charged_us;                     /* processor time: what came before is charged */
    struct lane_item *new_head, *new_tail;  /* accepted in this turn, rows not yet written */
    struct lane_item *new_ids[NEW_BUCKETS]; /* the same by id */
    struct invocation *to_start;            /* calls to start after the commit */
    struct lane_item *current_item;         /* off its lane, in nobody's list: being decided */
    struct invocation *current;             /* the same for an invocation */
    struct deaths deaths;                   /* noted, to be settled */
    struct buf scratch;                     /* keys and texts; reused */
    struct buf properties;                  /* of the publication being made */
    struct buf publishes;                   /* of the event being ended */

    /* across turns */
    int64_t last_ms;                        /* engine time that was given out */
    int64_t ahead_of_boot_ms;               /* what engine time is ahead of CLOCK_BOOTTIME */
    int64_t wall_ahead_ms;                  /* what the wall clock was ahead of engine time */
    struct invocation *calls[CALL_BUCKETS]; /* waiting invocations by call id */
    size_t running;
    uint64_t last_call_id;
    size_t body_bytes;            /* of waiting events kept in memory */
    uint64_t waiting;             /* over all services: see engine_count */
    int64_t timer_ms[PARTITIONS]; /* the earliest timer; INT64_MAX = none */
    int64_t schedule_ms;          /* the earliest tick of a schedule; INT64_MAX = none */
    int64_t started_us;           /* monotonic */
    /* as timer_ms, of those by the wall clock */
    int64_t wall_timer_ms[PARTITIONS];
    struct trim trim;
    int64_t run_cost, admit_cost; /* of an event on average, in 64ths of a us */
    bool draining;
    bool store_low;
    bool full; /* a turn found no room: only tidying, in room that the store lends */
    int64_t full_since_ms;
    bool lost;    /* what is in memory is not what the store holds: nothing runs until it is */
    bool careful; /* after a crash: one event a turn, stored by an earlier one */
    struct uuid
        charged; /* the event that took the host down before this start, until it is put off */
    bool policy_suspect;   /* and none of a policy for what never ran: one took the host down */
    size_t unproven;       /* events still to run before the crashes of earlier starts are past */
    int64_t space_seen_ms; /* when the store's space was looked at */
    struct store_reader reader; /* of another process, the oldest, when it is behind */
    int64_t reader_since_ms, reader_told_ms;
    char space_words[SPACE_WORDS_MAX]; /* true while store_low: what fills it, what helps */
    uint64_t room;                     /* bytes that may be accepted before the next look */
    unsigned shrink; /* turns try so many times less, as a power of two: see engine_step */
    struct engine_status status;
    struct ending *endings; /* ENDINGS_MAX, owned; NULL = nobody watches */
    size_t ending_count;
    uint64_t endings_missed;
};

#endif

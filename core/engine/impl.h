/*
 * impl.h - the engine as its files see it. Each file's own header says what it does for the others;
 * nobody outside engine/ includes any of these.
 *
 * Every function that returns int returns 0 or an error that fails the whole turn.
 */
#ifndef ZINGQ_ENGINE_IMPL_H
#define ZINGQ_ENGINE_IMPL_H

#include "engine/engine.h"
#include "lua/run.h"

struct engine {
    const struct conf *conf;
    struct engine_doors doors;
    const char *const *only; /* names of the services that run; borrowed */
    size_t only_count;
    struct script_host *scripts;
    struct journal *journal;
    struct culprit *culprit; /* borrowed; NULL = nobody is named */
    struct memory *memory;   /* borrowed, or own_memory */
    struct memory own_memory;
    struct run_view view;
    struct uuid_source ids;
    uint64_t last_call_id;
    struct engine_status status;
    struct phases phases; /* see engine_enter */
    struct buf scratch;   /* keys and texts; reused */

    struct engine_service *services;
    size_t service_count;
    uint64_t waiting; /* over all services of topics.conf: see engine_count */

    int64_t started_us;             /* monotonic, when the engine was made */
    int64_t now_ms;                 /* of the turn under way, engine time: docs/time.md */
    int64_t wall_ms;                /* the same moment by the wall clock */
    int64_t turn_us;                /* monotonic, at its start */
    struct lane_item *current_item; /* off its lane, in nobody's list: being decided */
    bool draining;         /* starts nothing: the host stops, or changes its configuration */
    bool stopping;         /* the host stops: nothing is accepted either */
    int64_t drain_us;      /* when that began, monotonic */
    int64_t drain_most_ms; /* how long attempts may go on, unless stop_timeout is less */
    bool traces;           /* spans are wanted: engine/spans.c */
    bool lost; /* what is in memory is not what the store holds: nothing runs until it is */

    struct lanes *lanes;
    struct outbox *outbox;
    struct append *append;
    struct forwards *forwards;

    /* Each is known to the file of its name alone: attempts to attempt.c, items to item.c. */
    struct applying *applying;
    struct attempts *attempts;
    struct clock *clock;
    struct deaths *deaths; /* bury.c */
    struct inputs *inputs;
    struct files *files;
    struct items *items;
    struct moves *moves; /* move.c */
    struct marks *marks; /* mark.c */
    struct publishing *publishing;
    struct quotas *quotas;
    struct removed *removed; /* services */
    struct schedules *schedules;
    struct shares *shares;
    struct shortage *shortage; /* of memory: memory.c */
    struct sources *sources;   /* receive.c */
    struct space *space;
    struct spans *spans;
    struct suspects *suspects; /* crash.c */
    struct timers *timers;
    struct trim *trim; /* retention.c */
    struct watch *watch;
};

#endif

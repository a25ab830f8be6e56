/*
 * attempt.h - invocations: creating, waiting for calls, finding, releasing.
 */
#ifndef ZINGQ_ENGINE_ATTEMPT_H
#define ZINGQ_ENGINE_ATTEMPT_H

#include "engine/lane.h"
#include "engine/services.h"
#include "lua/run.h"

#include <sys/queue.h>

/* Several events that one invocation tries. */
struct batch {
    size_t count;
    struct event **events;     /* of the items, in this order */
    struct lane_item *items[]; /* owned, each taken off its lane; NULL = it has ended */
};

/* One attempt of an event, or of a batch, in progress. */
struct invocation {
    struct run *run;
    struct lane_item *item; /* owned; taken off its lane. Of a batch: its first, owned by it */
    struct batch *batch;    /* owned; NULL = one event */
    struct engine_service *service;
    uint64_t call_id; /* what it waits for; 0 = nothing */
    uint64_t session; /* the transaction that it has open at a database; 0 = none */
    bool call_started;
    bool continued; /* it continues an attempt that was counted before: it slept or waited */
    bool cut;       /* given up because the host stops: in no list of waiting ones */
    bool gave_way; /* its last wait was for others, and its events' records are as they were then */
    struct traced *traced; /* owned: engine/spans_within.c; NULL = nothing to tell so far */
    bool call_late;        /* its call did not fit the budget of memory, or does not yet */
    int64_t left_us;       /* of the attempt's time when it asked for the call */
    size_t staged_bytes, request_bytes; /* taken for it while it waits */
    int64_t started_us;                 /* monotonic */
    int64_t deadline_us; /* monotonic: neither a step nor a suspend cuts an attempt off */
    /* While it waits: */
    TAILQ_ENTRY(invocation) link;
    LIST_ENTRY(invocation) call_link;
    TAILQ_ENTRY(invocation) start_link; /* until its call is started */
};

/* The next step after an outcome; engine_conclude takes it. */
enum next {
    NEXT_ENDED, /* nothing: the invocation is over, and its event has an end or waits elsewhere */
    NEXT_WAIT,  /* the invocation continues after the commit: after its call, or immediately */
    NEXT_FAIL,  /* the attempt has failed, for the reason in run->error */
};

/* ERR_MEMORY. */
int engine_make_attempts(struct engine *e);
void engine_free_attempts(struct engine *e);
/* Creates an invocation and makes it current; the caller creates its run and batch. NULL: out of
 * memory. */
struct invocation *engine_new_invocation(struct engine *e, struct engine_service *s,
                                         struct lane_item *item);
/* The items it holds, one or a batch. */
struct lane_item **engine_items(struct invocation *inv, size_t *count);
/* Counts the attempt. */
void engine_begin_attempt(struct engine *e, struct engine_service *s, struct event *event);
/* The attempt is over, in run->outcome, and none of its events has ended: records its duration in
 * them, and tells its spans. */
void engine_note_over(struct engine *e, struct invocation *inv);
void engine_free_invocation(struct engine *e, struct invocation *inv);
/* Ends the invocation of one event, which is noted as over, and keeps its item. */
struct lane_item *engine_release(struct engine *e, struct invocation *inv);
/* Lets the invocation continue after the commit: when its call has ended, or immediately. */
int engine_await(struct engine *e, struct invocation *inv);
/* The invocation that tries the event, or a batch with it; NULL: none does. It waits, or was cut. */
struct invocation *engine_find_running(struct engine *e, const struct engine_service *s,
                                       const struct event *event);
/* The invocation that waits for the call; NULL: none does any more. */
struct invocation *engine_find_call(struct engine *e, uint64_t id);
/* Ends its transaction at a database, unless the run still has it. */
void engine_leave_session(struct engine *e, struct invocation *inv);
/* Ends its wait; with `cancel` a call still in progress is cancelled. One that was cut is as one
 * that waited. */
void engine_stop_waiting(struct engine *e, struct invocation *inv, bool cancel);
/* Whether an event is off its lane and in no list, or an invocation is: it is being decided. */
bool engine_decides(const struct engine *e);
/* Makes it current; if the turn is rolled back it is freed with its events. */
void engine_make_current(struct engine *e, struct invocation *inv);
/* Those whose calls are to be started are gone through: each is the next once, unless its call does
 * not fit the budget of memory; NULL: none is left. */
void engine_begin_starts(struct engine *e);
struct invocation *engine_next_to_start(struct engine *e);
/* The number of calls that wait for memory. */
size_t engine_late_calls(const struct engine *e);
/* Its call has not been started, for want of memory: that does not count as its time. */
bool engine_spare_late(struct engine *e, struct invocation *inv);
/* The service's invocation with the earliest deadline, or NULL; and the earliest deadline of all.
 */
struct invocation *engine_first_waiting(struct engine *e, const struct engine_service *s);
int64_t engine_earliest_deadline(struct engine *e);
/* The host stops: gives up those whose service's stop_timeout has passed, and cancels their
 * calls. */
void engine_cut_late(struct engine *e);
/* Marks the events of all waiting invocations, and of those that were cut, as ready in the store,
 * because the host stops: their attempts count as nothing. */
int engine_mark_ready(struct engine *e);
void engine_forget_invocations(struct engine *e);

#endif

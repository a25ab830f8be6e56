/*
 * attempt.h - invocations: made, waiting for what they asked for, found, released.
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

/* One try of an event, or of a batch, while it lasts. */
struct invocation {
    struct run *run;
    struct lane_item *item; /* owned; taken off its lane. Of a batch: its first, owned by it */
    struct batch *batch;    /* owned; NULL = one event */
    struct engine_service *service;
    uint64_t call_id; /* what it waits for; 0 = nothing */
    bool call_started;
    int64_t started_us;  /* monotonic */
    int64_t deadline_us; /* monotonic: neither a step nor a suspend cuts an attempt off */
    /* While it waits: */
    TAILQ_ENTRY(invocation) link;
    LIST_ENTRY(invocation) call_link;
    LIST_ENTRY(invocation) start_link; /* until its call is started */
};

/* What follows from an outcome; engine_conclude does it. */
enum next {
    NEXT_ENDED, /* nothing: the invocation is over, and its event has an end or waits elsewhere */
    NEXT_WAIT,  /* the invocation goes on after the commit: once its call has ended, or at once */
    NEXT_FAIL,  /* the attempt has failed, for the reason in run->error */
};

/* ERR_MEMORY. */
int engine_make_attempts(struct engine *e);
void engine_free_attempts(struct engine *e);
/* The current one from now on; its run and batch are the caller's to make. NULL: out of memory. */
struct invocation *engine_new_invocation(struct engine *e, struct engine_service *s,
                                         struct lane_item *item);
/* The items it holds, one or a batch. */
struct lane_item **engine_items(struct invocation *inv, size_t *count);
/* The attempt is counted. */
void engine_begin_attempt(struct engine *e, struct engine_service *s, struct event *event);
/* Its events, none of which has ended, know how long it took. */
void engine_note_duration(struct engine *e, struct invocation *inv);
void engine_free_invocation(struct engine *e, struct invocation *inv);
/* Ends the invocation of one event, keeps its item. */
struct lane_item *engine_release(struct engine *e, struct invocation *inv);
/* The invocation goes on after the commit: once its call has ended, or at once. */
int engine_await(struct engine *e, struct invocation *inv);
/* The one that waits for the call; NULL: nobody does any more. */
struct invocation *engine_find_call(struct engine *e, uint64_t id);
/* It no longer waits; its call is cancelled, with `cancel`, when it is still out. */
void engine_stop_waiting(struct engine *e, struct invocation *inv, bool cancel);
/* Whether an event is off its lane and in nobody's list, or an invocation is: it is being decided. */
bool engine_decides(const struct engine *e);
/* It is decided now; in a turn that is given up it goes with its events. */
void engine_make_current(struct engine *e, struct invocation *inv);
/* The next of those whose calls are to be started; NULL: none is left. */
struct invocation *engine_next_to_start(struct engine *e);
/* That of the service with the earliest deadline, or NULL; and when the earliest of all is due. */
struct invocation *engine_first_waiting(struct engine *e, const struct engine_service *s);
int64_t engine_earliest_deadline(struct engine *e);
/* The events of all that wait are ready, in the store: the host stops. */
int engine_mark_ready(struct engine *e);
void engine_forget_invocations(struct engine *e);

#endif

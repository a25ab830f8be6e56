/*
 * impl.h - what the engine's files share; nobody else includes it.
 *
 * engine/engine.c is the pipeline and the file to read first. Each arrow of it has a file:
 *
 *   engine/make.c     an engine is made, and loads what the store holds
 *   engine/input.c    what comes in is noted until the next turn
 *   engine/admit.c    a message becomes an event of one service: key, dedupe, place
 *   engine/item.c     a waiting event in memory: its body, what is new in a turn
 *   engine/place.c    where an event waits: memory, ready rows, lane rows
 *   engine/outcome.c      an event is tried: invocation, outcome
 *   engine/share.c    whose processor time it was, and how many messages a turn may take
 *   engine/batch.c    several events are tried in one invocation
 *   engine/end.c      how an attempt ends for an event: done, retry, put off, dead
 *   engine/crash.c    who took the host down, and what follows
 *   engine/bury.c     an event ends dead: policies, books, announcement
 *   engine/apply.c    the effects of a success: state, locks, publishes, hand-over
 *   engine/forward.c  what belongs to other hosts, and what comes from them
 *   engine/division.c whose keys the store holds
 *   engine/durable.c  steps that are kept, sleeps
 *   engine/signal.c   waits, and the signals that end them
 *   engine/saga.c     what failed for good is undone
 *   engine/cancel.c   a person ends what waits
 *   engine/time.c     what the clock brings: timers, time-outs, retention
 *   engine/expiry.c   locks whose time ran out
 *   engine/later.c    delayed publishes: put off, taken back
 *   engine/schedule.c schedules: a publish for each tick
 *   engine/command.c  what an operator asks for
 *   engine/once.c     what was asked for before
 *   engine/rerun.c    what has ended runs again
 *   engine/space.c    room in the store
 *   engine/load.c  after a turn that failed: back to what the store holds
 *   engine/mend.c     what could not be read in the store, and what follows
 *   engine/view.c     what a handler can look at; status
 *   engine/clock.c    engine time, steps of the wall clock
 *   engine/watch.c    attempts that ended, while somebody watches
 *
 * Every function that returns int returns 0 or an error that fails the whole turn.
 */
#ifndef ZINGQ_ENGINE_IMPL_H
#define ZINGQ_ENGINE_IMPL_H

#include "engine/append.h"
#include "engine/engine.h"
#include "engine/forward.h"
#include "engine/signal.h"
#include "engine/forwards.h"
#include "engine/lane.h"
#include "base/limits.h"
#include "engine/outbox.h"
#include "lua/run.h"
#include "journal/event.h"
#include "journal/later.h"
#include "journal/outbox.h"
#include "journal/keyed.h"

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
    struct invocation *prev, *next; /* in service->waiting, by deadline */
    struct invocation *hash_next;
    struct invocation *start_next; /* in engine->to_start */
};

/* One service as this host runs it. */
struct engine_service {
    const struct service_conf *conf;
    size_t index;    /* in conf->services */
    uint16_t number; /* in the store */
    struct slice name;
    bool active; /* this host runs it */
    bool paused; /* by an operator */
    bool held;   /* because of another host */
    bool books_dirty;
    struct books books;
    struct metrics metrics;
    struct histogram handler;
    uint64_t lane_rows;            /* rows in the lane table */
    uint64_t parked_rows;          /* of them, when the store was loaded: heads that are parked */
    uint64_t put_off;              /* of them: heads that wait for another try (LANE_WAITING) */
    uint64_t asleep;               /* heads put off without a failure (LANE_ASLEEP) */
    uint64_t unloaded[PARTITIONS]; /* ready rows not in memory */
    uint64_t unloaded_total;
    uint64_t loaded[PARTITIONS]; /* ready rows up to this seq are, or were, in memory */
    size_t next_partition;       /* where loading goes on */
    int64_t room_ms; /* when long lanes make room, if the window is still full; 0 = never */
    int64_t throttled_until_ms;
    struct invocation *waiting_head, *waiting_tail; /* for calls; oldest deadline first */
};

/* How an attempt ended for an event. */
struct verdict {
    enum outcome outcome; /* one that ends an attempt */
    enum attempt_end end; /* ERROR, RETRY: as the history tells it */
    const char *error;    /* why; the history keeps it */
    int64_t after_ms;     /* RETRY, SNOOZE, THROTTLE: see lua/run.h */
};

struct call_end {
    uint64_t id;
    struct call_result result;
    struct call_end *next;
};

/* One schedule of topics.conf. */
struct engine_schedule {
    const struct schedule_conf *conf;
    struct schedule_mark mark; /* cron and timezone point into conf */
    int64_t next_ms;           /* the first tick after mark.settled_ms; INT64_MAX = never */
};

enum { CALL_BUCKETS = 4096, NEW_BUCKETS = 1024, QOS0_TOPICS_MAX = 64 };

/* Where retention stands. */
struct trim {
    uint8_t partition;
    struct uuid id;
    uint16_t service;
    int64_t next_pass_ms;
};

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
    struct lanes *lanes;
    struct outbox *outbox;
    bool numbers_clash; /* of publishes: the connection is about to be dropped */
    struct append *append;
    struct forwards *forwards;
    struct forward_source *sources; /* of forwards that came, by number of host; owned */
    size_t forward_bytes;           /* of such messages in the inbox */
    int64_t useless_told_ms;        /* when the last message that means nothing was told of */
    int64_t kept_told_ms;           /* and one for a service that is not here */

    /* inputs not yet decided */
    struct event *inbox_head, *inbox_tail;
    struct call_end *ends_head, *ends_tail;
    struct command *commands_head, *commands_tail;

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
    struct command *answered_head, *answered_tail;
    struct buf scratch;    /* keys and texts; reused */
    struct buf properties; /* of the publication being made */
    unsigned telling;      /* deaths being told of, one within the other */
    struct buf publishes;  /* of the event being ended */

    /* across turns */
    int64_t last_ms;                        /* engine time that was given out */
    int64_t ahead_of_boot_ms;               /* what engine time is ahead of CLOCK_BOOTTIME */
    int64_t wall_ahead_ms;                  /* what the wall clock was ahead of engine time */
    struct invocation *calls[CALL_BUCKETS]; /* waiting invocations by call id */
    size_t running;
    uint64_t last_call_id;
    size_t body_bytes;            /* of waiting events kept in memory */
    uint64_t waiting;             /* over all services */
    int64_t timer_ms[PARTITIONS]; /* the earliest timer; INT64_MAX = none */
    int64_t schedule_ms;          /* the earliest tick of a schedule; INT64_MAX = none */
    int64_t started_us;           /* monotonic */
    /* as timer_ms, of those by the wall clock */
    int64_t wall_timer_ms[PARTITIONS];
    struct trim trim;
    size_t window;                /* of the broker; 0 = not connected */
    int64_t acked_ms;             /* when an acknowledged row began to wait */
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
    char *qos0_topics[QOS0_TOPICS_MAX]; /* warned of once each */
    size_t qos0_topic_count;
    struct engine_status status;
    struct ending *endings; /* ENDINGS_MAX, owned; NULL = nobody watches */
    size_t ending_count;
    uint64_t endings_missed;
};

/* engine/clock.c */
int engine_start_clock(struct engine *e);    /* begins and ends its own transaction */
void engine_look_at_clock(struct engine *e); /* now_ms, wall_ms; a step is told */
bool engine_clock_stepped(struct engine *e); /* since the last look */
int engine_mark_clock(struct engine *e);

/* engine/input.c */
/* Takes it over, for the next turn. */
void engine_add_input(struct engine *e, struct event *event);
void engine_forget_inputs(struct engine *e);

/* engine/engine.c */
void engine_answer_commands(struct engine *e);
/* Whether it takes events for itself; our own forwards came before them. */
bool engine_has_room(const struct engine *e);

/* engine/make.c */
/* Everything in memory is made from the store again. */
int engine_load(struct engine *e);
struct engine_service *engine_service_of(struct engine *e, uint16_t number); /* NULL: not in conf */
struct engine_service *engine_service_named(struct engine *e, struct slice name); /* the same */

/* engine/admit.c */

/* Where an event comes from decides whether it may go to another host. */
enum admit {
    ADMIT_MESSAGE,   /* from the broker: to whoever its key or identity makes responsible */
    ADMIT_PUBLISH,   /* published here: the same, but its id is news to everybody */
    ADMIT_FORWARDED, /* from another host, which saw that it is ours */
    ADMIT_OWN,       /* of something that is here: it stays */
};

/* Takes the event over. `key` data NULL = by the service's rule. */
int engine_admit(struct engine *e, struct engine_service *s, struct event *event, enum admit from,
                 bool *duplicate);

/* A message that cannot become work is a dead letter; takes the event over. */
int engine_admit_dead(struct engine *e, struct engine_service *s, struct event *event,
                      const char *reason);
/* A dead event that never ran gets its key, lane and partition anew. ERR_INVALID (r): it still has
 * none; nothing has changed. */
int engine_rekey(struct engine *e, struct engine_service *s, struct event *event, struct report *r);

/* engine/load.c */
/* Nothing of the turn happened: back to what the store holds. Commands are told. `least`: the turn
 * tried as little as a turn can. */
void engine_start_over(struct engine *e, int code, bool least);
/* Loads the store, with what helps when that fails. On an error the engine is lost until it is
 * called again. */
int engine_recover(struct engine *e);
/* Before a turn. *turned_away: there were messages that a full store cannot take. */
int engine_make_ready(struct engine *e, bool *turned_away);

/* engine/item.c */
/* An item for the row, without a lane; it takes the event over (NULL: its body is on disk). NULL:
 * out of memory. */
struct lane_item *engine_item_new(struct engine *e, const struct row *row, struct event *event,
                                  enum lane_place place);
/* With its event; the item is not new. */
void engine_item_free(struct engine *e, struct lane_item *item);
/* The item, which is in a lane or taken off it, gets its body / leaves it to the disk. */
int engine_load_body(struct engine *e, struct engine_service *s, struct lane_item *item);
void engine_drop_body(struct engine *e, struct lane_item *item);
/* The row of an item, of an event; flags 0. */
struct row engine_item_row(const struct lane_item *item, const struct engine_service *s);
struct row engine_row(const struct event *event);
/* The item was accepted in this turn; and it is new no more. */
void engine_link_new(struct engine *e, struct lane_item *item);
void engine_unlink_new(struct engine *e, struct lane_item *item);
/* Whether an event of the service has the id already, stored or accepted in this turn. */
bool engine_id_taken(struct engine *e, const struct engine_service *s, uint8_t partition,
                     const struct uuid *id);
/* The turn is given up: nothing is new any more. The items are freed with what holds them. */
void engine_forget_new(struct engine *e);

/* engine/place.c */
/* A waiting event finds its place, in memory or on disk; takes it over. stored: its record is on
 * disk already and up to date. */
int engine_place(struct engine *e, struct engine_service *s, struct event *event);
/* Its record and its row, if it is new, are written; memory over its budget is given back. */
int engine_seal_new(struct engine *e);
/* The event record is written, unless the seal will do it. */
int engine_save(struct engine *e, struct lane_item *item);
/* Takes the row away wherever it is; the item is no longer new. */
int engine_unplace(struct engine *e, struct lane_item *item);
/* The lane's taken event has ended (or gone): the next may come. Frees the item and its event. */
int engine_lane_next(struct engine *e, struct lane_item *item);
/* The lane's taken event stays at its head with `flags`; what is behind goes to disk and the lane
 * leaves memory. Frees the item and its event. */
int engine_lane_block(struct engine *e, struct lane_item *item, uint8_t flags);
/* Whether the row is the head of its lane, out of memory, until something wakes it; its flags are
 * set then. */
int engine_head_waits(struct engine *e, struct row *row, bool *waits);
/* The head of a blocked lane goes for good: its row, and what stands behind it may run. */
int engine_lane_drop_head(struct engine *e, struct engine_service *s, const struct row *head);
/* A blocked lane on disk may go on: its head is loaded. */
int engine_lane_wake(struct engine *e, struct engine_service *s, const struct row *head);
/* Ready rows come into memory while there is room. */
int engine_refill(struct engine *e);
bool engine_wants_refill(const struct engine *e);
int64_t engine_earliest_room(const struct engine *e);
int engine_load_rows(struct engine *e); /* counts rows, wakes lanes: at the start */
/* The stored event, whose row was lost, gets one; while the store is loaded. */
int engine_place_again(struct engine *e, struct engine_service *s, const struct event *event);

/* engine/outcome.c */
/* Takes a lane's head off, its body in memory. *out NULL: it ended without a run (too many crashes,
 * a stale lock expiry). */
int engine_take(struct engine *e, struct lane *lane, struct lane_item **out);
/* Runs a taken event to its first outcome and does what that means. */
int engine_start(struct engine *e, struct lane_item *item);
int engine_resume(struct engine *e, struct call_end *end);
int engine_time_out(struct engine *e, struct invocation *inv);
/* e->current from now on; its run and batch are the caller's to make. NULL: out of memory. */
struct invocation *engine_new_invocation(struct engine *e, struct engine_service *s,
                                         struct lane_item *item);
/* The attempt is counted. */
void engine_begin_attempt(struct engine *e, struct engine_service *s, struct event *event);
/* The run has come to an outcome: does what that means. */
int engine_conclude(struct engine *e, struct invocation *inv);
/* The items it holds, one or a batch. */
struct lane_item **engine_items(struct invocation *inv, size_t *count);
/* Its events, none of which has ended, know how long it took. */
void engine_note_duration(struct engine *e, struct invocation *inv);
void engine_free_invocation(struct engine *e, struct invocation *inv);
/* Ends the invocation of one event, keeps its item. */
struct lane_item *engine_release(struct engine *e, struct invocation *inv);
/* The attempt failed for the reason in run->error. */
int engine_fail(struct engine *e, struct invocation *inv, enum attempt_end end);
/* The invocation goes on after the commit: once its call has ended, or at once. */
int engine_await(struct engine *e, struct invocation *inv);
/* Applies the effects; the event knows what it published. */
int engine_take_effects(struct engine *e, struct engine_service *s, struct event *event,
                        const struct effects *effects);
/* *found: what these effects take another invocation took meanwhile, and the attempt has failed. */
int engine_conflict(struct engine *e, struct invocation *inv, const struct effects *effects,
                    bool *found);
void engine_forget_invocations(struct engine *e);

/* engine/share.c */
/* Begins to measure: what came before is charged to nobody. */
void engine_watch_clock(struct engine *e);
/* What went by since then, or since the last charge, is charged to the lane, whether or not it is
 * still there, and its service; `alone` false: to the service only. */
void engine_charge(struct engine *e, size_t service, uint64_t lane, bool alone);
/* The same for a batch that is not concluded yet: each of its lanes has a part. */
void engine_charge_batch(struct engine *e, const struct invocation *inv);
/* So many messages were admitted since engine_watch_clock. */
void engine_note_admitted(struct engine *e, size_t count);

/* engine/batch.c */
/* engine_start for a taken event and what may run together with it; *count: how many they were. */
int engine_start_batch(struct engine *e, struct lane_item *item, size_t *count);
/* The batch's run is over: each of its events ends. `end` is for those that failed. */
int engine_end_batch(struct engine *e, struct invocation *inv, enum attempt_end end);

/* engine/end.c */
/* Takes over the item, which is e->current_item. */
int engine_end_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                    const struct verdict *verdict);
/* An attempt failed: counted, and in the event's history. event->errors is the caller's. */
int engine_note_failure(struct engine *e, struct engine_service *s, struct event *event,
                        enum attempt_end end, const char *text);
/* The taken event failed and comes back after the delay. */
int engine_try_again(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const char *error, int64_t delay_ms);
/* The taken event waits at the head of its lane, out of memory; due_ms 0: until it is woken. An
 * event whose saga is undone is compensating, whatever `state` says. */
int engine_put_off(struct engine *e, struct lane_item *item, enum event_state state,
                   int64_t due_ms);

/* engine/durable.c */
/* The step that run->durable names is stored with its effects. */
int engine_keep(struct engine *e, struct invocation *inv);
int engine_sleep(struct engine *e, struct invocation *inv);
/* Saga steps of which nothing came are not to be undone. */
int engine_note_failed_steps(struct engine *e, struct invocation *inv);

/* engine/saga.c */
/* Whether the event has saga steps that are not undone; their names, with commas, are appended to
 * `names` (NULL: not asked for). */
int engine_saga_open(struct engine *e, const struct event *event, struct buf *names, bool *open);
/* From now on the event undoes; then it ends as `undo` says, with the reason. Storing it, and its
 * place, are the caller's. */
int engine_turn_round(struct engine *e, struct engine_service *s, struct event *event,
                      enum event_undo undo, const char *reason);
/* The taken event failed for good: it is undone in runs to come, then dead with the reason. */
int engine_undo(struct engine *e, struct engine_service *s, struct lane_item *item,
                const char *reason);
/* A run that undid came to its end, or failed. */
int engine_undo_ended(struct engine *e, struct invocation *inv);
int engine_undo_failed(struct engine *e, struct invocation *inv, enum attempt_end end);
/* A person asked for another round of an event that has ended: what needed a person goes on
 * undoing, a dead letter goes on behind the steps it finished, the rest begins anew. */
int engine_renew_steps(struct engine *e, struct event *event);

/* engine/once.c */
/* Whether this was asked for before, under c->once, about the same thing; c->made is what it was
 * given then, or what it is given now. ERR_EXISTS in the command: something else was, under the same
 * key. */
int engine_asked_before(struct engine *e, struct command *c, uint8_t partition, struct slice about,
                        bool *before);
/* A signal that came under an idempotency key: a second one is none, unless the first was refused.
 * ERR_EXISTS (r): it came with another value. */
int engine_signal_once(struct engine *e, struct engine_service *s, const struct signal *signal,
                       struct report *r);

/* engine/cancel.c */
/* The live event the command names is ended. *found false: there is none. */
int engine_cancel_event(struct engine *e, struct command *c, bool *found);

/* engine/crash.c */
/* In the transaction that loads the store: what a crash left named is charged. */
int engine_charge_crash(struct engine *e);
/* Whether the item is to be put off, because it took the host down before this start: others come
 * first, as after an attempt that failed. Once. */
bool engine_must_put_off(struct engine *e, const struct lane_item *item);
/* So many events ran, and the host did not go down. */
void engine_note_proven(struct engine *e, size_t events);
/* Its events are on the processor now. */
void engine_name_culprit(struct engine *e, struct invocation *inv);

/* engine/bury.c */
int engine_note_attempt(struct engine *e, const struct event *event, enum attempt_end end,
                        const char *text);
/* The event's state becomes an end; the service's book of that end is the caller's to count. */
void engine_note_end(struct engine *e, struct engine_service *s, struct event *event,
                     enum event_state state);
/* An event that was taken off its lane failed for good: its saga is undone first, if it has one;
 * while it is undone already, it needs a person. */
int engine_bury_item(struct engine *e, struct engine_service *s, struct lane_item *item,
                     const char *reason);
/* engine_bury for an event that was taken off its lane, as EVENT_DEAD or EVENT_NEEDS_PERSON: its
 * row goes, its lane goes on or is held. */
int engine_bury_as(struct engine *e, struct engine_service *s, struct lane_item *item,
                   enum event_state state, const char *reason);
/* Ends an event dead (or in need of a person): policies, books, announcement. The event is off its
 * lane and has no row; *parked tells whether its lane must be held. */
int engine_bury(struct engine *e, struct engine_service *s, struct event *event,
                enum event_state state, const char *reason, bool *parked);

/* engine/apply.c */
struct cell engine_cell(const struct event *event, struct slice name);
int engine_apply(struct engine *e, struct engine_service *s, struct event *event,
                 const struct effects *effects);
/* Whether what the handler was told is not true any more: another invocation took a lock meanwhile
 * (unordered services), or a delayed publish left that it cancels. `why` gets the sentence. */
int engine_conflicts(struct engine *e, struct engine_service *s, const struct event *event,
                     const struct effects *effects, struct buf *why, bool *found);
int engine_publish(struct engine *e, const struct publication *p);
int engine_timer_put(struct engine *e, const struct timer *timer);

/* engine/later.c */
/* The publish leaves at due_ms, of the wall clock or engine time, from the partition's timers. */
int engine_publish_later(struct engine *e, uint8_t partition, const struct publication *p,
                         int64_t due_ms, bool by_wall);
/* Notes for whoever asks what became of it. To be called just before it is published or put off:
 * its outbox row, unless services of this host take it, gets the number after the note's. */
int engine_note_publish(struct engine *e, const struct uuid *id, int64_t due_ms);
/* Takes a delayed publish back. ERR_NOTFOUND: none waits under that id. */
int engine_cancel_publish(struct engine *e, const struct uuid *id);

/* engine/schedule.c */
/* How far each schedule has come; a new or changed one begins now. */
int engine_load_schedules(struct engine *e);
/* The wall clock has stepped: what it makes of each of them. */
void engine_step_schedules(struct engine *e);
/* Publishes what is due. */
int engine_fire_schedules(struct engine *e);

/* engine/expiry.c */
/* The timer of a lock is due. */
int engine_fire_lock(struct engine *e, const struct timer *timer);
/* Whether the event tells that just this lock has run out. */
bool engine_is_expired_lock(const struct event *event, struct slice name, const struct lock *lock);
/* The lock whose end the event tells, if it stands still, is free. */
int engine_free_expired_lock(struct engine *e, const struct event *event);
/* Whether the event tells of what is not so any more, and has done nothing yet. */
int engine_expiry_is_stale(struct engine *e, const struct event *event, bool *stale);

/* engine/time.c */
/* What wakes the event of that row at that time. */
struct timer engine_wake_timer(const struct row *row, int64_t due_ms);
/* The event, which is put off, comes back at once; stored. By a timer that is due now, so that it
 * comes within the bounds that timers keep. */
int engine_wake_now(struct engine *e, struct event *event);
/* A stored event whose row waits gets a timer, and knows when it is due: whoever wakes it sooner
 * takes that timer away. */
int engine_put_wake(struct engine *e, const struct row *row, int64_t due_ms);
/* No timer wakes the event, which is put off, any more. */
int engine_drop_wake(struct engine *e, const struct event *event);
int engine_fire_timers(struct engine *e);
int engine_expire_waits(struct engine *e);
int engine_trim(struct engine *e);
/* Deletes the record of an event that has ended, its steps and its history. */
int engine_let_go(struct engine *e, const struct event *event);
int engine_load_timers(struct engine *e);
int64_t engine_earliest_timer(const struct engine *e);
/* The same, in engine time, of what follows the wall clock: `at` and schedules. */
int64_t engine_earliest_by_wall(struct engine *e);
int64_t engine_earliest_deadline(struct engine *e);

/* engine/space.c */
/* Counts what is free, when it is time to. */
int engine_look_at_space(struct engine *e);
/* Of a full store: what was freed is enough to run what waits, if not for more. */
bool engine_can_work_off(const struct engine *e);
/* Writes e->space_words: how full, what fills it, and what helps. */
void engine_tell_space(struct engine *e, uint64_t used, uint64_t max);
/* The reader that stays, once it is older than READER_OLD_MS; 0 = none. */
long engine_old_reader(const struct engine *e, int64_t *since_ms);
/* So many bytes will be stored. */
void engine_take_bytes(struct engine *e, size_t bytes);
/* The event was accepted. */
void engine_take_room(struct engine *e, const struct event *event);
/* How the turn ended: with a commit, or for want of room. */
void engine_turn_found_room(struct engine *e, bool found);
/* How much of `most` a turn may try; at least 1. */
size_t engine_step(const struct engine *e, size_t most);
/* When space must be looked at though nothing happens; INT64_MAX = never. */
int64_t engine_next_look_ms(const struct engine *e);

/* engine/command.c */
/* Its lanes start nothing while an operator, another host or the lack of a script is against it. */
void engine_hold(struct engine *e, const struct engine_service *s);
/* The event of that id for which `wanted` is true, from whichever partition, in the service the
 * command names or any; to be freed. ERR_NOTFOUND. */
int engine_find_event(struct engine *e, const struct command *c,
                      bool (*wanted)(enum event_state state), struct engine_service **s,
                      struct event **out);
int engine_carry_out(struct engine *e, struct command *command);

/* engine/rerun.c */
/* What a person did goes into the event's history. */
int engine_note_by_hand(struct engine *e, const struct event *event, enum attempt_end end,
                        struct slice text);
/* The event, which has ended, waits again: its failures are forgotten, its history is not. Books,
 * record and place are the caller's. */
int engine_revive(struct engine *e, struct event *event, bool forced);
/* When the event's round began: accepted, or replayed. */
int64_t engine_round_ms(const struct engine *e, const struct event *event);
/* Refuses the command, with a sentence, when they are forgotten and it is not forced. */
bool engine_refuse_forgotten(struct engine *e, const struct engine_service *s,
                             const struct event *event, struct command *c);
/* What the event published in earlier rounds goes before what it publishes now, within bounds. */
void engine_keep_publishes(struct engine *e, const struct event *event);
/* COMMAND_RERUN. */
int engine_rerun(struct engine *e, struct engine_service *s, struct command *c);

/* engine/watch.c */
/* An attempt ended and left the event in that state; `text` tells why, "" = it went well. */
void engine_note_ending(struct engine *e, const struct engine_service *s, const struct event *event,
                        enum event_state state, struct slice text);
/* The turn was dropped, and what ended in it did not. */
void engine_forget_endings(struct engine *e);

/* engine/mend.c */
/* While the store is loaded, after rows were counted and timers looked at: waiting events without a
 * row get one, heads and locks their timers, the books their figures. */
int engine_mend(struct engine *e);
/* What belongs to events whose records cannot be read goes: their rows as dead letters, histories,
 * steps. Before the books are written. */
int engine_clear_lost(struct engine *e);
/* The taken item's record cannot be read: it is let go, and counted as discarded. */
int engine_lose(struct engine *e, struct engine_service *s, struct lane_item *item);

/* engine/view.c */
void engine_view_init(struct engine *e);

#endif

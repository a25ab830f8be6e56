/*
 * engine.h - the engine: every decision, in turns.
 *
 * A turn collects the inputs (messages, finished calls, commands, due timers), decides inside one
 * store transaction, commits, and only then acts: publishes, starts calls, answers commands.
 * Everything visible from outside is durable.
 *
 * The engine is deterministic: its inputs are the functions below, a clock and a seed; its outputs
 * are a commit and the calls on its doors. It opens no socket and reads no clock of its own.
 */
#ifndef ZINGQ_ENGINE_ENGINE_H
#define ZINGQ_ENGINE_ENGINE_H

#include "event/call.h"
#include "base/clock.h"
#include "conf/conf.h"
#include "base/culprit.h"
#include "base/error.h"
#include "base/memory.h"
#include "event/event.h"
#include "engine/forwards.h"
#include "journal/journal.h"
#include "journal/outbox.h"
#include "engine/metrics.h"
#include "engine/phases.h"
#include "lua/effects.h"
#include "lua/script.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct engine;
struct command;

/* The engine's outputs, called only after a commit. None may call back into the engine. */
struct engine_doors {
    void *ctx;
    void (*read_clocks)(void *ctx, struct clock_reading *out);
    int64_t (*monotonic_us)(void *ctx); /* for durations and budgets */
    int64_t (*processor_us)(void *ctx); /* of the engine's thread, for shares */
    int64_t (*idle_us)(void *ctx);      /* how long its loop has slept so far; NULL = never */
    /* Passes a publish to the connection; 0 and *mid, or an error: it is offered again later. */
    int (*publish)(void *ctx, const struct publication *p, int *mid);
    /* Passes a message to the connection for that host's topic; 0 or an error: it is offered again.
     * NULL if hosts.count is 1, like the next one. */
    int (*forward)(void *ctx, uint16_t host, struct slice message);
    /* The same for a receipt; a lost one only causes a repetition. */
    int (*receipt)(void *ctx, uint16_t host, struct slice receipt);
    /* The request stays valid until engine_call_done or call_cancel. */
    int (*call_start)(void *ctx, uint64_t id, const struct call_request *request);
    void (*call_cancel)(void *ctx, uint64_t id);
    /* Spans of the turn, JSON objects of OTLP with commas between; `dropped`: as many more had no
     * room. NULL = none are wanted. */
    void (*spans)(void *ctx, struct slice spans, size_t count, uint64_t dropped);
    /* The command was executed (see its code) or refused; the caller owns it again. */
    void (*command_done)(void *ctx, struct command *command);
};

struct engine_options {
    const struct conf *conf;          /* borrowed */
    struct store *store;              /* borrowed, writable */
    struct script_host *scripts;      /* borrowed, loaded; NULL is not allowed */
    const struct engine_doors *doors; /* copied */
    struct culprit *culprit;          /* borrowed; NULL = crashes are not charged */
    struct memory *memory;            /* borrowed; NULL = a budget of the engine's own */
    uint64_t seed;
    const char *const *only; /* run these services, borrowed for its life; NULL = all */
    size_t only_count;
};

/* Loads the store. ERR_MEMORY, ERR_FULL, ERR_DISK, ERR_CORRUPT; ERR_INVALID if `only` names a
 * service that is not in conf. */
int engine_new(struct engine **out, const struct engine_options *options, struct report *r);
/* Ends every invocation without a trace. */
void engine_free(struct engine *e);

/* The store's own id, part of the default MQTT client id; borrowed. */
const char *engine_host_id(const struct engine *e);

/* The stored number of a service, which stays the same when topics.conf is reordered; subscription
 * identifiers are derived from it. And the reverse: false if the number is that of no service of conf
 * and of none that was removed from it. */
uint16_t engine_service_number(const struct engine *e, size_t service);
bool engine_service_by_number(const struct engine *e, uint32_t number, size_t *service);

enum { ENGINE_MARK_NAME_BYTES = 33 };

/* The options of a service: of topics.conf, or, past its last one, of a service that was removed
 * from it. Borrowed. */
const struct service_conf *engine_service_conf(const struct engine *e, size_t service);
/* The group at the broker in which hosts share its messages: the first name that it had. Borrowed. */
const char *engine_service_group(const struct engine *e, size_t service);

/* Names the secret that this host marks its messages with (engine/mark.c), without telling it. */
void engine_mark_name(const struct engine *e, char out[ENGINE_MARK_NAME_BYTES]);
/* Whether messages without a mark that can be checked are believed, because hosts are there that
 * have another secret. Only for a host that does not want proof (hosts_are_proven); at first it
 * trusts if keys are divided, or all hosts are to be believed. */
void engine_trust_hosts(struct engine *e, bool trusts);

/* The same for what hosts send each other: appends the mark to a message's properties; and whether
 * a message that came is to be believed. */
void engine_mark_message(const struct engine *e, struct slice topic, struct slice correlation,
                         struct slice payload, struct buf *properties);
bool engine_believes_message(const struct engine *e, struct slice topic, struct slice correlation,
                             struct slice payload, struct slice properties);
/* The same for a presence, whose mark counts whenever hosts.secret is set. */
bool engine_believes_presence(const struct engine *e, struct slice topic, struct slice payload,
                              struct slice properties);
/* A message came that is not: it is counted, and logged once a minute. */
void engine_refuse_message(struct engine *e);

/* A text that the host stores for its next run; between turns only. `out` is appended to.
 * ERR_NOTFOUND; engine_remember is durable when it returns. */
int engine_recall(struct engine *e, const char *name, struct buf *out);
int engine_remember(struct engine *e, const char *name, struct slice text);

/* --- inputs: noted now, decided in the next turn --- */

/* How a message came. */
struct offer {
    uint8_t qos;
    bool retained;
    bool everywhere; /* every host of the division gets it: there is no shared subscription */
    /* The number of the host, which is down, whose copy this is; 0 = our own. */
    uint16_t host;
};

/* A message for a service (index in conf->services). Copied. With bytes->reason the message cannot
 * be handled and becomes a dead letter for that reason. The caller acknowledges it after a turn
 * that returned 0. ERR_MEMORY. */
int engine_offer(struct engine *e, size_t service, const struct event_bytes *bytes,
                 struct offer how);
/* A message on zingq/signal/<service>/<key>/<name> for that service. The same otherwise. Every host
 * of a division gets a copy; this is that of the host with the number `host`, or with 0 our own. */
int engine_offer_signal(struct engine *e, size_t service, const struct event_bytes *bytes,
                        uint16_t host);
/* A message from another host, with events that belong to this one. Copied, or dropped if there is
 * no room: then it is sent again. ERR_MEMORY. */
int engine_offer_forward(struct engine *e, struct slice message);
/* A receipt from another host: which forwards it has stored. */
void engine_offer_receipt(struct engine *e, struct slice receipt);
/* Another host of the division came up or went down: forwards to it are sent, or kept. Until this
 * is called all are assumed to be up. */
void engine_member(struct engine *e, uint16_t host, bool up);
/* A call ended; the result's buffers are taken over (the original is emptied). */
void engine_call_done(struct engine *e, uint64_t id, struct call_result *result);
/* Whose attempt waits for the call; of a batch, its first event. False: none does any more. */
bool engine_caller(struct engine *e, uint64_t id, struct uuid *event);
/* The broker answered a publish. */
void engine_published(struct engine *e, int mid, uint8_t reason);
/* window: the number of unacknowledged publishes that the broker accepts; packet_bytes_max: the
 * largest packet that the broker and the other hosts accept. */
void engine_connected(struct engine *e, size_t window, size_t packet_bytes_max);
/* Returns whether the loss is attributed to a publish that the broker refuses, and not to the
 * broker. */
bool engine_disconnected(struct engine *e);
/* A publish that is not from the outbox was sent on the outbox's connection: it may also be the
 * cause of a loss. */
void engine_published_beside(struct engine *e);
/* The broker has answered after all of these: they are not the cause. */
void engine_beside_proven(struct engine *e);
/* Offers committed publishes to doors.publish; between turns only, as often as desired. ERR_BUSY:
 * doors.publish returned a packet id that is still in use: the connection must be dropped. */
int engine_send(struct engine *e);
/* The same for forwards to other hosts, through doors.forward. */
void engine_send_forwards(struct engine *e);

enum command_kind {
    COMMAND_PUBLISH,    /* topic, payload, properties, qos, retain, after_ms */
    COMMAND_REPLAY,     /* id of a dead letter (service or NULL = wherever it is dead), force */
    COMMAND_DISCARD,    /* the same */
    COMMAND_EDIT,       /* the same, payload: the new one; the original is kept in the history.
                           ERR_EXISTS: with that payload it is a duplicate */
    COMMAND_PAUSE,      /* service */
    COMMAND_RESUME,     /* service */
    COMMAND_KEY_RESUME, /* service, key, force: the parked event runs again */
    COMMAND_KEY_SKIP,   /* service, key: it stays dead, the lane continues */
    COMMAND_RERUN,  /* service, partition, id of an event that is done or discarded, ended_by_ms,
                       force: it runs again. ERR_EXISTS: it waits, or has run once more */
    COMMAND_CANCEL, /* id of a delayed publish: it is not sent; or of an event that has not ended
                       (service or NULL = the first that has it), who, and compensate /
                       without_compensation: it is discarded, and ends where it runs */
    COMMAND_SIGNAL, /* service, key, name, payload, once */
    COMMAND_OUTBOX_RETRY,   /* id of a refused publish, or none (zero): all. ERR_NOTFOUND */
    COMMAND_OUTBOX_DISCARD, /* id of a refused publish, or of one held behind it */
    COMMAND_ERASE, /* service, key; partition, id of an event of it that has ended; or no id (zero):
                      some of its state, locks and signals; `erased` 0 = none is left */
    COMMAND_MOVE,  /* service: one that topics.conf no longer has; name: the one that takes it over.
                      Answered once the move has begun; see struct engine_service_status */
};

struct command {
    enum command_kind kind;
    struct slice service, key, topic; /* borrowed from the owner until command_done; terminated */
    struct slice name;                /* SIGNAL, MOVE */
    struct slice who;                 /* CANCEL: who asks; len 0 = an operator */
    struct slice payload, properties, content_type;
    struct slice once; /* PUBLISH: an idempotency key within the topic; len 0 = none. A second
                          publish under it makes nothing and gets the first one's id; with another
                          payload it is ERR_EXISTS */
    struct uuid id;
    uint8_t qos;
    uint8_t partition;
    bool retain;
    bool compensate;           /* CANCEL: run its compensations first */
    bool publish_only;         /* CANCEL: leave events alone */
    bool without_compensation; /* CANCEL, DISCARD: although its saga is not undone */
    bool force;                /* even if the peers may have forgotten its Idempotency-Keys */
    int64_t after_ms;          /* 0 = at once */
    int64_t ended_by_ms;       /* only if it had ended by then; 0 = at any time */
    int code;                  /* out: 0, ERR_NOTFOUND, ERR_INVALID, ERR_FULL... */
    struct report report;      /* out: the message if code is not 0 */
    struct uuid made;          /* out: the id of the publish */
    size_t erased;             /* out: ERASE without an id: how many rows */
    struct buf
        *notes;  /* out: EDIT, REPLAY, CANCEL: what the operator should know, a sentence on each
                                  line; the submitter's; NULL = not asked for */
    void *owner; /* the submitter's */
    STAILQ_ENTRY(command) link;
};

/* The command's memory belongs to the caller; the engine uses it until doors.command_done. */
void engine_submit(struct engine *e, struct command *command);

/* Scripts were loaded: services that had none may have one now. Between turns. */
void engine_scripts_changed(struct engine *e);

/* A held service starts no events; new ones are accepted and wait. It is like a pause, but made by
 * the host and not stored. Between turns. */
void engine_hold_service(struct engine *e, size_t service, bool held);

/* --- the turn --- */

/* 0: all collected inputs are decided and durable (or there was nothing to do). ERR_FULL,
 * ERR_DISK...: nothing of the turn is stored. The engine has returned to the state of the store;
 * the caller must drop the broker connection without acknowledging, so that unacknowledged messages
 * are delivered again. */
int engine_turn(struct engine *e);
/* Whether a turn would have something to do now. */
bool engine_due(struct engine *e);
/* Engine time (docs/time.md), which only goes forward; and the amount to add to it to get the wall
 * clock. */
int64_t engine_now_ms(struct engine *e);
int64_t engine_wall_ahead_ms(struct engine *e);
/* When a turn becomes due by time alone, in engine time; INT64_MAX = never. */
int64_t engine_next_ms(struct engine *e);
/* Back-pressure: false while the backlog is at its limit or the store nearly full. */
bool engine_accepts(struct engine *e);

/* Bytes of messages that the next turn has room for, in the store and in memory; a few more are
 * harmless. 0: what comes must wait. */
size_t engine_room(const struct engine *e);
/* The number of messages that the next turn should take so that it can also run them; a few more
 * are harmless. */
size_t engine_intake(const struct engine *e);

/* No new invocations from now on (SIGTERM), and no new messages; waiting invocations may end. */
void engine_drain(struct engine *e);
/* No new invocations for now; waiting ones may end within most_ms, or their service's stop_timeout
 * if that is less. Messages and commands are still accepted. engine_reconfigure ends it. */
void engine_rest(struct engine *e, int64_t most_ms);
/* Ends that rest without a change. */
void engine_go_on(struct engine *e);
size_t engine_running(const struct engine *e);
/* Marks events that are still running as ready; one last commit. After an error nothing of it is
 * stored, and the engine has returned to the state of the store. */
int engine_stop(struct engine *e);
/* The configuration, which is still the same struct, has changed in what may change while a host
 * runs (conf/change.h), and its scripts are these. Between turns, after engine_stop: builds the
 * engine anew from the store. What leaves the host goes on as it was: publishes in flight, lines of
 * files, forwards. ERR_INVALID (r): the names of the services do not fit the store. ERR_MEMORY (r):
 * memory or the store failed when the old services were gone already; the engine is of no use any
 * more, and what is stored is complete. After any other error restore the configuration and call it
 * again. If the store cannot be read later on, the turns try again. */
int engine_reconfigure(struct engine *e, struct script_host *scripts, struct report *r);

/* --- watching it --- */

enum { ENDINGS_MAX = 10, ENDING_TEXT_MAX = 160 };

/* An attempt that ended, cut to what fits on a line. */
struct ending {
    size_t service; /* index in conf->services */
    struct uuid id;
    uint8_t state; /* enum event_state, after it */
    uint32_t attempts;
    uint32_t duration_us;
    int64_t at_ms;
    size_t topic_bytes, key_bytes, reason_bytes; /* in the texts below */
    char topic[ENDING_TEXT_MAX], key[ENDING_TEXT_MAX], reason[ENDING_TEXT_MAX];
};

/* While watched the engine keeps the last few attempts that ended, preferring failures. ERR_MEMORY.
 */
int engine_watch(struct engine *e, bool watched);
/* Between turns: takes up to ENDINGS_MAX of them; *missed: how many more ended. */
size_t engine_endings(struct engine *e, struct ending *out, uint64_t *missed);

/* --- looking at it --- */

/* For reading the store between turns, within a transaction that is aborted. */
struct journal *engine_journal(struct engine *e);

struct engine_service_status {
    const char *name;
    bool active, paused;
    bool removed;     /* from topics.conf */
    bool taking;      /* it takes over another one, and runs nothing until it has */
    const char *heir; /* of a removed one: what takes it over, or NULL */
    uint64_t taken_events, taken_values; /* from others, since the start */
    uint64_t taken_left;                 /* of these: they stay, this one has its own */
    bool held;                           /* because of another host */
    bool starved;                        /* its events wait for memory */
    bool held_back;             /* they wait because its publishes fill their part of the store */
    uint64_t kept[RUN_QUOTAS];  /* bytes in the store */
    bool kept_full[RUN_QUOTAS]; /* and there is no room for more */
    struct books books;
    uint64_t running;
    uint64_t retrying;  /* put off after a failure: a retry, a compensation */
    uint64_t sleeping;  /* put off without a failure: a sleep, a wait, a snooze, a throttle */
    uint64_t queued;    /* heads that wait on disk until it is their turn */
    uint64_t tenants;   /* with events in memory; without `fair`: keys, if they are told apart */
    uint64_t keys_held; /* keys whose limits forbid a start now */
    bool ranks;         /* it has, or had, events with priorities */
    uint64_t by_priority[PRIORITIES]; /* events that wait in memory */
    uint64_t bad_priorities;          /* that could not be read, since the start */
    int64_t throttled_until_ms;
    int64_t oldest_ms; /* how long the oldest waiting event has waited; 0 = none waits */
    struct metrics_summary lately;
    struct histogram handler; /* attempts, waits included */
    uint64_t version;
    const char *script_error; /* of the last refused reload, or NULL */
};

struct engine_status {
    uint64_t waiting; /* over all services of topics.conf */
    uint64_t outbox, outbox_refused;
    uint64_t outbox_held;       /* behind a refused one of their key */
    uint64_t outbox_discarded;  /* refused, and past the quota: since the start */
    const char *refused_topic;  /* of the first refused, until the next turn; NULL = none */
    uint64_t delayed;           /* publishes waiting for their time */
    uint64_t forwards_waiting;  /* for other hosts, without a receipt */
    uint64_t forwards_taken;    /* from other hosts, since the start, as the next two */
    uint64_t forwards_repeated; /* repeated, or too early */
    uint64_t forwards_refused;  /* messages from other hosts that were not understood */
    uint64_t qos0;              /* messages that came with QoS 0 since the start */
    uint64_t turns, commits;
    uint64_t append_waiting; /* lines of zing.append whose files cannot be written */
    const char *append_file; /* one of these, until the next turn; NULL = none */
    int append_error;        /* errno of its last write */
    uint64_t clock_steps;    /* of the wall clock, of a second or more */
    int64_t commit_us_last, commit_us_max;
    struct histogram commit;
    size_t lua_bytes;
    uint64_t file_bytes;            /* of zing.append: a part of store_used */
    size_t starved, calls_starved;  /* services, calls that wait for memory */
    uint64_t store_used, store_max; /* readers that keep freed pages count as use */
    uint64_t store_room;            /* bytes until nothing more is accepted */
    const char *store_low; /* what fills it and what helps, until the next turn; NULL = room */
    uint64_t set_aside;    /* records of the store that cannot be read */
    long old_reader;      /* a process with a read transaction of READER_OLD_MS or more; 0 = none */
    int64_t old_reader_s; /* and for how long */
    bool accepts;
};

/* Between turns only. */
void engine_status(struct engine *e, struct engine_status *out);

/* Where the time goes. */
struct engine_turns {
    struct phases_second lately; /* PHASES_SECONDS */
    uint64_t total_us[PHASES];   /* since the start */
    uint64_t waiting, outbox;    /* now */
    size_t in_flight, window; /* publishes sent and not acknowledged; how many may be; 0 = down */
};

/* A phase begins; returns the time, monotonic. engine_turn enters its own and leaves PHASE_SEND. */
int64_t engine_enter(struct engine *e, enum phase phase);
void engine_look_at_turns(struct engine *e, struct engine_turns *out);
/* What waits for that host of the division, from 1. */
void engine_look_at_forwards(const struct engine *e, uint16_t host, struct forwards_state *out);
/* Whether a replay of the event, which has ended, would be refused without `force`: it made a call
 * longer ago than its service's idempotency_window. */
bool engine_needs_force(struct engine *e, const struct event *event);
struct engine_schedule_status {
    const char *name, *cron, *timezone, *topic; /* topics.conf's */
    uint16_t host;                              /* the one of the division that fires it */
    int64_t next_ms;                            /* the next tick; INT64_MAX = never */
    int64_t last_ms;                            /* the tick of the last run; 0 = none yet */
    struct uuid last_id;                        /* of its publish */
    uint64_t runs;                              /* since the store was made */
};

/* ERR_NOTFOUND past the last schedule of conf. */
int engine_schedule_status(const struct engine *e, size_t schedule,
                           struct engine_schedule_status *out);
/* Whether this host runs the service. */
bool engine_runs(const struct engine *e, size_t service);
/* Between turns only: it looks into the store. ERR_NOTFOUND past the last service of conf,
 * and of those removed from it. */
int engine_service_status(struct engine *e, size_t service, struct engine_service_status *out);
/* The same for the next one that is to be shown, from *service on, and after that: one that was
 * removed from topics.conf is shown while events of it wait or are dead. False past the last. */
bool engine_shown_service(struct engine *e, size_t *service, struct engine_service_status *out);
/* "state", "publishes". */
const char *engine_quota_name(enum run_quota kind);

#endif

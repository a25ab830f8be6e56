/*
 * run.h - one invocation: a coroutine, its staged effects, its outcome. The only place that calls
 * lua_resume.
 *
 * A handler reads what `struct run_view` shows (the current transaction) plus its own staged
 * effects. It ends in one of a fixed list of outcomes; the engine decides what that means for the
 * event.
 */
#ifndef ZINGQ_LUA_RUN_H
#define ZINGQ_LUA_RUN_H

#include "event/call.h"
#include "lua/effects.h"
#include "base/error.h"
#include "event/event.h"
#include "base/limits.h"
#include "lua/script.h"
#include "event/step.h"

#include <stdbool.h>
#include <stdint.h>

enum outcome {
    OUTCOME_DONE,     /* returned */
    OUTCOME_CALL,     /* waits for run->request; resume with run_resume_call */
    OUTCOME_ERROR,    /* raised; run->error has message and traceback */
    OUTCOME_RETRY,    /* zing.retry: like an error, with its own delay (after_ms >= 0) or the
                         policy's (after_ms < 0) */
    OUTCOME_SNOOZE,   /* zing.snooze: again after after_ms, uses up no attempt */
    OUTCOME_THROTTLE, /* zing.throttle: the whole service, or key, backs off for after_ms */
    OUTCOME_REJECT,   /* zing.reject, bad JSON in event.json, SMTP 5xx, an error of a database that
                         stays: dead at once, see error */
    OUTCOME_DISCARD,  /* a dead-letter policy returned "discard" */
    OUTCOME_KEEP,     /* durable->step is to be stored, and the step's effects with it; resume with
                         run_resume once that is on disk */
    OUTCOME_SLEEP,    /* out of memory until durable->step.due_ms; then a new run */
    OUTCOME_WAIT,     /* for the signal durable->signal; durable->step is its record. Resume when it
                         is there already, else as SLEEP */
    OUTCOME_YIELD,    /* gives way to others, and stays; resume with run_resume in a later turn */
};

/* Which of the service's functions runs. */
enum run_entry {
    RUN_EVENT,        /* the handler for event->topic, or on_lock_expired for EVENT_LOCK_EXPIRED */
    RUN_UNDO,         /* the handler once more, up to where it came, to learn the compensations of
                         its saga; then those, the last first */
    RUN_ON_DEAD,      /* on_dead(event, reason) of the handler's table; must not wait */
    RUN_DEAD_POLICY,  /* the dead_letter script; must not wait */
    RUN_RETRY_POLICY, /* run_retry_policy's own; must neither wait nor stage effects */
};

/* What a handler can read. Slices are valid until the next call. Functions return ERR_NOTFOUND when
 * there is nothing. `event` names lane and service of the invocation. */
struct lock_view {
    struct slice owner, data;
    int64_t expires_ms;
};

struct run_view {
    void *ctx;
    int64_t (*now_ms)(void *ctx);   /* the turn's engine time */
    int64_t (*wall_ms)(void *ctx);  /* the same moment by the wall clock */
    struct uuid (*uuid)(void *ctx); /* for publishes and zing.uuid */
    double (*random)(void *ctx);
    int (*state_get)(void *ctx, const struct event *event, struct slice name, struct slice *value);
    /* Calls each(arg, name, value) for the names that begin with prefix, in byte order; stops when
     * each returns non-zero. */
    int (*state_list)(void *ctx, const struct event *event, struct slice prefix, void *arg,
                      int (*each)(void *arg, struct slice name, struct slice value));
    int (*peek)(void *ctx, struct slice service, struct slice key, struct slice name,
                struct slice *value);
    /* An expired lock whose on_lock_expired has not run yet counts as held. */
    int (*lock_get)(void *ctx, const struct event *event, struct slice name,
                    struct lock_view *lock);
    /* The event's record of that step; it must be used before anything else is called. */
    int (*step_get)(void *ctx, const struct event *event, enum step_kind kind, struct slice name,
                    struct step *step);
    /* Whether a publish of that id waits for its time: 0; ERR_EXISTS: it did, on this host; or
     * ERR_NOTFOUND. */
    int (*delayed)(void *ctx, const struct uuid *id);
    /* The other service that owns a file of zing.append; ERR_NOTFOUND: the event's may write to it;
     * ERR_FULL: it has used up its share of the store. NULL: any service may write. */
    int (*file_owner)(void *ctx, const struct event *event, struct slice file,
                      const char **service);
    /* How many bytes of the kind the event's service may add; of PUBLISHES, which wait instead, one
     * attempt. NULL: any number. */
    uint64_t (*room)(void *ctx, const struct event *event, enum run_quota kind);
    /* What zing.sql.once of the event's service did before then may have been trimmed although it is within
     * idempotency_window, which was shorter. NULL: it was not. */
    int64_t (*forgotten_ms)(void *ctx, const struct event *event);
    /* Whether a run that can should let others go first, because it has had a turn's time. NULL: it
     * need not. */
    bool (*is_long)(void *ctx);
};

enum { STEP_LABEL_BYTES_MAX = STATE_NAME_BYTES_MAX + 16 /* a name and how often it was used */ };

/* Additional state of a handler that uses steps, sleeps or waits; created by the first of them. */
struct run_durable {
    /* KEEP, SLEEP, WAIT: the record to store; while a step is open: that step's. Its name and
     * value point to what follows. */
    struct step step;
    char name[STEP_LABEL_BYTES_MAX + 1];
    struct buf value;
    char signal[STATE_NAME_BYTES_MAX + 1]; /* WAIT: what it waits for */
    uint32_t wanted;                       /* WAIT: how many of them, as a list; 0: one, as it is */
    bool open;                             /* the function of `step` is running */
    bool touched;           /* one of its calls had, or may have had, an effect: see saga:step */
    uint32_t calls;         /* asked for in it */
    uint32_t statements;    /* the same of zing.sql */
    struct buf asked;       /* their keys as buf_add_lv; what only reads has none */
    uint32_t sleeps;        /* without a name, in this run */
    struct effects effects; /* staged in the open step: for the commit that stores its result */
    struct buf failed; /* saga steps of this run whose action did nothing: names as buf_add_lv */
};

/* The result of the service's retry script. */
struct retry_verdict {
    bool dead;        /* give up now: `reason` */
    int64_t after_ms; /* otherwise: the delay */
    char reason[512];
};

/* The result that the handler of a batch returned for one of its events. */
struct run_failure {
    char *reason; /* owned; NULL = it is done */
    bool dead;    /* for good */
};

struct run {
    struct event *event;         /* borrowed until run_free; in a batch, the first one */
    struct event *const *events; /* the same; what the handler was given */
    size_t event_count;          /* 1, or the size of a batch */
    bool listed;                 /* the handler was given a list, even if of one event */
    /* DONE, of several events: one for each, owned; NULL = all succeeded */
    struct run_failure *failures;
    size_t culprit; /* REJECT, of several events: which one it concerns, from 1; 0 = all */
    size_t service; /* index in conf->services */
    struct effects effects;
    enum outcome outcome; /* of the last step */
    int64_t after_ms;     /* RETRY, SNOOZE, THROTTLE */
    bool cancelled;       /* a person has ended the attempt: event.cancelled() says so */
    bool key_only;        /* THROTTLE: the event's key alone backs off */
    struct buf error;     /* ERROR, RETRY, REJECT: why; message, then the traceback */
    int lacks; /* ERROR: the host did not have what was asked for, ERR_MEMORY or ERR_DISK; 0 = it is
                  the script's own */
    struct call_request *request; /* CALL: what to ask for; owned by the run, freed on resume */
    struct call_request *held;    /* a call of unknown outcome, while its reconcile runs; owned */
    struct run_durable *durable;  /* owned; NULL = no step, sleep or wait so far */
    uint32_t calls;               /* asked for so far in this attempt, outside steps */
    uint32_t statements;          /* the same of zing.sql */
    uint64_t session;             /* of zing.sql.once, while its transaction is open; 0 = none */
    const char *session_of;       /* the name of its database; borrowed */
    uint32_t log_lines;           /* written so far in this attempt */
    int64_t cpu_us;               /* spent in Lua so far in this attempt */
    struct script_host *host;     /* borrowed */
    struct script_state *state;   /* the generation it began in; NULL = the service has no code */
    const struct run_view *view;  /* borrowed */
    void *owner;                  /* the engine's record of the invocation */

    /* Private to the Lua host. */
    enum run_entry entry;
    struct script_thread thread;      /* the coroutine; L NULL once it is gone */
    int function;                     /* the function that runs, in the registry */
    const char *reason;               /* RUN_ON_DEAD, RUN_DEAD_POLICY, the retry policy's error;
                                         borrowed during run_start */
    bool yielded;                     /* it yielded through the API, which set outcome */
    bool discard;                     /* the dead-letter policy returned "discard" */
    bool noted;                       /* has a table of notes in the registry, under its address */
    const void **event_tables;        /* identities of the event objects */
    const void *event_table;          /* used instead when there is only one */
    size_t event_seen;                /* the last one accessed */
    const struct call_result *result; /* of the call, during run_resume_call */
    struct retry_verdict *verdict;    /* for the result of a retry policy */
};

/* Creates an invocation and runs it to its first outcome (see run->outcome). `reason` is for
 * RUN_ON_DEAD and RUN_DEAD_POLICY. ERR_MEMORY: nothing was created. */
int run_start(struct run **out, struct script_host *host, size_t service, enum run_entry entry,
              struct event *event, const char *reason, const struct run_view *view);
/* The same with RUN_EVENT for several events at once, of a service with batches; the list is
 * borrowed until run_free, the events until run_stop. The outcomes are DONE, for the events that
 * run->failures does not name, CALL, and those that end an attempt. */
int run_start_batch(struct run **out, struct script_host *host, size_t service,
                    struct event *const *events, size_t count, const struct run_view *view);
/* Continues after OUTCOME_CALL, KEEP, YIELD, or a WAIT whose signal is there; `result`: of the call, NULL
 * for the others; it is read during the call only. */
void run_resume(struct run *run, const struct call_result *result);
/* Before run_resume: its call, `id`, is answered. Keeps run->session: a transaction begins with the call that
 * opened it, and is named by its id; with the commit it is over, whatever became of that. */
void run_note_session(struct run *run, uint64_t id, const struct call_result *result);
/* The attempt has used up its time: an error that says so. */
void run_time_out(struct run *run, int64_t timeout_ms);
/* run->durable, created if there was none; NULL when out of memory. */
struct run_durable *run_durable(struct run *run);
/* The open step failed: drops what was staged in it. `itself`: because of its own error, not
 * because the run was dropped; then a saga step that had no effect is recorded as failed. */
void run_fail_step(struct run *run, bool itself);
/* Ends it wherever it is, closing to-be-closed variables: nothing of it runs any more. */
void run_stop(struct run *run);
/* Drops it outside a turn: nothing of it runs any more, and to-be-closed variables are not
 * closed. */
void run_abandon(struct run *run);
/* Sets run->error, cut at ERROR_BYTES_MAX. */
void run_set_error(struct run *run, struct slice text);
/* Bytes of what it has staged. */
static inline size_t run_staged(const struct run *run) {
    return run->effects.bytes + (run->durable == NULL ? 0 : run->durable->effects.bytes);
}

/* run_stop, and frees everything it owns. */
void run_free(struct run *run);

/* ERR_NOTFOUND when the service has no retry script; ERR_SCRIPT (r) when it fails or returns
 * something invalid: the caller then uses the numbers. ERR_MEMORY, ERR_DISK (r): as run->lacks. */
int run_retry_policy(struct script_host *host, size_t service, struct event *event,
                     const char *error, const struct run_view *view, struct retry_verdict *verdict,
                     struct report *r);

#endif

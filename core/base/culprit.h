/*
 * culprit.h - records which event is on the processor, for the start after a crash.
 *
 * A page in the data folder (DATA/processor), mapped and never synced, names what the engine's
 * thread is doing, by a write to memory without a system call. It survives the process, however
 * that ends, and is ignored after a reboot. The record that a crash leaves is kept as a debt until
 * the store has it, so that a second crash does not lose the first.
 *
 * Without a page, as in tests and tools, the pointer is NULL: every function accepts that and does
 * nothing, except those that open a page, and culprit_now.
 */
#ifndef ZINGQ_BASE_CULPRIT_H
#define ZINGQ_BASE_CULPRIT_H

#include "base/error.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum culprit_phase {
    CULPRIT_STOPPED, /* stopped cleanly, or a new page */
    CULPRIT_IDLE,    /* no event in particular */
    CULPRIT_LOAD,    /* the text of a script is run */
    CULPRIT_ADMIT,
    CULPRIT_RUN,
    CULPRIT_APPLY,  /* the outcome of a run is being written */
    CULPRIT_POLICY, /* a service's policies for a dead event */
    CULPRIT_ANSWER,
    CULPRIT_SEND,
    CULPRIT_COMMIT,
};

enum {
    CULPRIT_EVENTS = 120, /* of a batch as many as fit */
    CULPRIT_LOAD_BYTES = 16,
    CULPRIT_LOADS = 16, /* versions that are refused; the oldest is forgotten */
    CULPRIT_BYTES = 4096,
};

struct culprit_event {
    uint16_t service; /* the store's number */
    uint8_t partition;
    struct uuid id;
};

/* The work in progress: a phase, and the events of one run. */
struct culprit_record {
    uint32_t phase;
    uint32_t hung; /* 1: the watchdog ends the process because of it */
    uint32_t count;
    struct culprit_event events[CULPRIT_EVENTS];
};

struct culprit;

/* Opens the page in the folder, makes it when there is none. `boot` is 16 bytes, all zero if
 * unknown: then the record of an earlier process is ignored. ERR_MEMORY, ERR_DISK. */
int culprit_open(struct culprit **out, const char *folder, const uint8_t boot[16],
                 struct report *r);
/* The same without writing to the page: entries stay in memory. ERR_NOTFOUND: there is no page. */
int culprit_peek(struct culprit **out, const char *folder, const uint8_t boot[16],
                 struct report *r);
/* Leaves the page as it is; culprit_stopped records a clean end. */
void culprit_close(struct culprit *c);
void culprit_stopped(struct culprit *c);

/* --- while it runs --- */

/* The phase; CULPRIT_IDLE and CULPRIT_COMMIT name no event. */
void culprit_enter(struct culprit *c, enum culprit_phase phase);
/* The current contents of the page, for a signal handler of the engine's thread; and a number that
 * stays the same while one run, or another named piece of work, is on the processor; 0 = none. */
const struct culprit_record *culprit_now(const struct culprit *c);
unsigned culprit_turn(const struct culprit *c);
/* CULPRIT_RUN for this event; culprit_join: and for this one. */
void culprit_run(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id);
void culprit_join(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id);
/* CULPRIT_POLICY for this event, within the work in progress, which is saved in *within and
 * restored by culprit_leave. */
void culprit_policy(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id,
                    struct culprit_record *within);
void culprit_leave(struct culprit *c, const struct culprit_record *within);
/* CULPRIT_SEND of the publish, an event without a service. */
void culprit_send(struct culprit *c, const struct uuid *id);
/* The process ends because the work in progress cannot be interrupted; for a signal handler. */
void culprit_hung(struct culprit *c);
/* CULPRIT_LOAD of a version, by its hash, until culprit_enter. False: it crashed the host twice in
 * a row, in this boot, and must not run; nothing is entered. */
bool culprit_load(struct culprit *c, const uint8_t version[CULPRIT_LOAD_BYTES]);

/* --- after a crash --- */

/* The events of the run, or the publish, that a crash ended; not settled yet, count 0 = none. */
const struct culprit_record *culprit_debt(const struct culprit *c);
/* Tells the debt from all others of this boot: a process may end after the store has it, and before
 * culprit_settle. */
uint64_t culprit_debt_number(const struct culprit *c);
/* The store has it. */
void culprit_settle(struct culprit *c);
/* Whether two starts in a row found a crash in a commit, or without a culprit; until culprit_trust.
 */
bool culprit_unknown(const struct culprit *c);
void culprit_trust(struct culprit *c);

#endif

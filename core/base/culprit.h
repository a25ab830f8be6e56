/*
 * culprit.h - who is on the processor, for whoever comes after a crash.
 *
 * A page in the data folder (DATA/processor), mapped and never synced, names what the engine's
 * thread is doing: a write to memory, no system call. It outlives the process, however that ends,
 * and means nothing after a reboot. What a crash leaves in it is kept as a debt until the store
 * knows of it, so that a second crash does not lose the first.
 *
 * Where there is no page, as in tests and tools, it is NULL: every function takes that and does
 * nothing, but those that open one, and culprit_now.
 */
#ifndef ZINGQ_BASE_CULPRIT_H
#define ZINGQ_BASE_CULPRIT_H

#include "base/error.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum culprit_phase {
    CULPRIT_STOPPED, /* in good order; a page without a past, too */
    CULPRIT_IDLE,    /* nobody in particular */
    CULPRIT_LOAD,    /* the text of a script is run */
    CULPRIT_ADMIT,
    CULPRIT_RUN,
    CULPRIT_APPLY,  /* what the run came to is being written */
    CULPRIT_POLICY, /* what a service wants done about a dead event */
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

/* What was under way: a phase, and the events of one run. */
struct culprit_record {
    uint32_t phase;
    uint32_t count;
    struct culprit_event events[CULPRIT_EVENTS];
};

struct culprit;

/* Opens the page in the folder, makes it when there is none. `boot` is 16 bytes, all zero when
 * unknown: then nothing that an earlier process left is believed. ERR_MEMORY, ERR_DISK. */
int culprit_open(struct culprit **out, const char *folder, const uint8_t boot[16],
                 struct report *r);
/* The same without a trace: what is entered stays in memory. ERR_NOTFOUND: there is no page. */
int culprit_peek(struct culprit **out, const char *folder, const uint8_t boot[16],
                 struct report *r);
/* Leaves the page as it is: culprit_stopped tells a good end. */
void culprit_close(struct culprit *c);
void culprit_stopped(struct culprit *c);

/* --- while it runs --- */

/* The phase; CULPRIT_IDLE and CULPRIT_COMMIT name no event. */
void culprit_enter(struct culprit *c, enum culprit_phase phase);
/* What the page says at this moment, for a signal handler of the engine's thread; and a number that
 * is the same as long as one run, or whatever else has a name, is on the processor; 0 = nobody. */
const struct culprit_record *culprit_now(const struct culprit *c);
unsigned culprit_turn(const struct culprit *c);
/* CULPRIT_RUN for this event; culprit_join: and for this one. */
void culprit_run(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id);
void culprit_join(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id);
/* CULPRIT_POLICY for this event, within whatever is under way: that is kept in *within, and is
 * entered again by culprit_leave. */
void culprit_policy(struct culprit *c, uint16_t service, uint8_t partition, const struct uuid *id,
                    struct culprit_record *within);
void culprit_leave(struct culprit *c, const struct culprit_record *within);
/* CULPRIT_SEND of the publish, an event without a service. */
void culprit_send(struct culprit *c, const struct uuid *id);
/* CULPRIT_LOAD of a version, by its hash, until culprit_enter. False: it took the host down twice in
 * a row, in this boot, and must not run; nothing is entered. */
bool culprit_load(struct culprit *c, const uint8_t version[CULPRIT_LOAD_BYTES]);

/* --- after a crash --- */

/* The events of the run, or the publish, that a crash ended; not settled yet, count 0 = none. */
const struct culprit_record *culprit_debt(const struct culprit *c);
/* The store has it. */
void culprit_settle(struct culprit *c);
/* Whether two starts in a row found that the host went down in a commit, or with nobody named;
 * until culprit_trust. */
bool culprit_unknown(const struct culprit *c);
void culprit_trust(struct culprit *c);

#endif

/*
 * effects.h - the effects of an invocation, kept until it succeeds. Pure data.
 *
 * A handler's writes, locks, publishes and file lines are collected here while it runs; the engine
 * applies them in the commit that also ends the event, or drops them all when the attempt fails.
 */
#ifndef ZINGQ_LUA_EFFECTS_H
#define ZINGQ_LUA_EFFECTS_H

#include "base/buf.h"
#include "base/error.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum effect_kind {
    EFFECT_PUBLISH,
    EFFECT_STATE_SET,
    EFFECT_STATE_DELETE,
    EFFECT_STATE_INCR, /* a difference, so that unordered invocations never lose a count */
    EFFECT_LOCK,       /* take or extend */
    EFFECT_UNLOCK,
    EFFECT_DEAD_LETTER, /* add something else to this service's dead letters */
    EFFECT_APPEND,      /* a line to a file */
    EFFECT_SIGNAL,      /* for an event that waits for it in (service, key) */
    EFFECT_CANCEL,      /* cancel a delayed publish: its id, and that id as text in `name` */
};

struct effect {
    enum effect_kind kind;
    struct slice name; /* of a state, lock or signal; topic or file name (terminated) */
    /* state value, signal (event/value.h form), lock data (JSON), payload, line */
    struct slice value;
    struct slice owner;      /* lock owner; dead letter: the reason; signal: the service;
                                publish: the name that it replaces, data NULL = none */
    struct slice key;        /* publish: explicit key, data NULL = none; signal: of that service */
    struct slice properties; /* publish: user properties as property_add writes them */
    struct slice content_type, response_topic, correlation; /* publish */
    int64_t due_ms;      /* publish: when, 0 = at once; state, lock: when it expires, 0 = never */
    bool by_wall;        /* publish: due_ms is on the wall clock (`at`), not engine time */
    int64_t max_wait_ms; /* publish: after the first one under that name; 0 = no limit */
    double delta;        /* STATE_INCR of a float */
    int64_t delta_int;   /* STATE_INCR of an integer */
    bool delta_is_int;
    uint8_t qos;
    bool retain;
    struct uuid id; /* publish, dead letter: its future id, or the name's; cancel: what to cancel */
};

/* What a service keeps in the store beyond its events. */
enum run_quota {
    RUN_QUOTA_STATE, /* and locks */
    RUN_QUOTA_SIGNALS,
    RUN_QUOTA_PUBLISHES,
    RUN_QUOTA_DELAYED,
    RUN_QUOTA_LETTERS, /* of zing.dead_letter */
    RUN_QUOTAS
};

struct effects_block; /* memory the slices point into; never moves */

struct effects {
    struct effect *items;
    size_t count, cap;
    size_t bytes;              /* copied so far; bounded by EFFECTS_BYTES_MAX */
    uint64_t kept[RUN_QUOTAS]; /* about what they add to the store; counted where room is short */
    struct effects_block *blocks;
    uint32_t *index; /* positions by state or lock name; NULL while there are few effects */
    size_t index_cap;
};

void effects_init(struct effects *effects);
void effects_clear(struct effects *effects); /* frees all; may be used again */
void effects_reset(struct effects *effects); /* drops all, keeps the memory of a usual run */

/* Adds a copy of `effect`, its slices copied and terminated. ERR_LIMIT beyond EFFECTS_MAX or
 * EFFECTS_BYTES_MAX, ERR_MEMORY, ERR_INVALID for an INCR of a staged value that is not a number;
 * then nothing was added. */
int effects_add(struct effects *effects, const struct effect *effect);
/* The last staged effect on state `name` (SET, DELETE or INCR), or NULL. INCRs of one name are
 * merged, also into a preceding SET, so the last one is enough. */
const struct effect *effects_state(const struct effects *effects, struct slice name);
/* The last staged effect on lock `name` (LOCK or UNLOCK), or NULL. */
const struct effect *effects_lock(const struct effects *effects, struct slice name);

/* The first staged publish with that id, or NULL. */
const struct effect *effects_publish(const struct effects *effects, const struct uuid *id);
/* Removes the first staged publish with that id; false when there is none. Pointers to effects are invalid
 * afterwards. */
bool effects_withdraw(struct effects *effects, const struct uuid *id);
/* True if a cancel of that id is staged. */
bool effects_cancels(const struct effects *effects, const struct uuid *id);

#endif

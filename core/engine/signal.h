/*
 * signal.h - signals and their waiters.
 */
#ifndef ZINGQ_ENGINE_SIGNAL_H
#define ZINGQ_ENGINE_SIGNAL_H

#include "engine/services.h"
#include "journal/keyed.h"

/* A signal on its way to whoever waits for it. */
struct signal {
    struct slice key, name, value;
    struct slice once;              /* an idempotency key; "" = none */
    struct slice said;              /* with it: what must be the same under the same key */
    struct slice topic, properties; /* as a message for another host: it looks for duplicates */
};

struct cell engine_signal_cell(const struct engine_service *s, struct slice key, struct slice name);
/* Delivers it to its waiter in (service, key), or keeps it for a later one; a signal of another
 * host's key is forwarded. ERR_INVALID (r): it is invalid, and nothing has changed. */
int engine_signal(struct engine *e, struct engine_service *s, const struct signal *signal,
                  struct report *r);
/* A signal has come into the cell from another service: somebody who waits there looks again, and
 * waits on if there are too few. *passed: how many were looked at, counted on. */
int engine_wake_waiter(struct engine *e, const struct cell *cell, size_t *passed);
/* ERR_INVALID (r): it cannot be. */
int engine_check_signal(const struct signal *signal, struct report *r);

#endif

/*
 * flags.h - the numbers that are kept for each service, by its name: meta "flag/<flag>/<service>".
 *
 * One table in flags.c says of each what becomes of it when the service is renamed, and when stores
 * are divided anew.
 */
#ifndef ZINGQ_JOURNAL_FLAGS_H
#define ZINGQ_JOURNAL_FLAGS_H

#include "journal/journal.h"

#include <stdint.h>

enum service_flag {
    FLAG_PAUSED,    /* 1: by a person, or because its scripts hung */
    FLAG_RATE,      /* when its rate has its full burst again */
    FLAG_THROTTLED, /* until when */
    FLAG_HANGS,     /* engine/crash.c */
    FLAG_WINDOW,    /* idempotency_window when it last ran, in ms */
    FLAG_FORGOTTEN, /* what zing.sql.once did before then was trimmed */
    FLAG_MOVE,      /* engine/move.c */
    FLAG_MOVING,    /* the same */
};

/* ERR_NOTFOUND. */
int flags_get(struct journal *j, enum service_flag flag, const char *service, uint64_t *value);
int flags_put(struct journal *j, enum service_flag flag, const char *service, uint64_t value);
/* The service has another name from now on. */
int flags_rename(struct journal *j, const char *from, const char *to);
/* Events of the service come from one store into the other one, which joins what both say. */
int flags_join(struct journal *to, struct journal *from, const char *service);

#endif

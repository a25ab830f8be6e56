/*
 * watch.h - waits until somebody has saved a script or topics.conf.
 */
#ifndef ZINGQ_TRIAL_WATCH_H
#define ZINGQ_TRIAL_WATCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* A watch over some folders. */
struct watch;

/* Notes changes from now on. ERR_MEMORY, ERR_SYSTEM with a sentence. */
int watch_new(struct watch **out, const char *const *folders, size_t count, struct report *r);
void watch_free(struct watch *w);
/* Waits for a change since the last time, and until a moment has passed without another one. False:
 * SIGINT or SIGTERM came. */
bool watch_wait(struct watch *w);

#endif

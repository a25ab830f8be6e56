/*
 * sync.h - how long the disk takes for a small write that lasts, and what that means for a busy
 * host.
 */
#ifndef ZINGQ_DOCTOR_SYNC_H
#define ZINGQ_DOCTOR_SYNC_H

#include <stddef.h>
#include <stdint.h>

/* Times `count` small writes with fsync in the folder, as the store makes them; us[] is sorted. 0
 * or errno. Leaves nothing behind. */
int sync_measure(const char *folder, int64_t *us, size_t count);

enum { SYNCS_OF_START = 5 }; /* as many as a host measures when it starts */

/* The choice of store.linger = "auto", for a sync that takes so long. */
int64_t sync_linger_ms(int64_t sync_us);

#endif

/*
 * copy.h - a store's file copied while it is in use: what `zingq compact` and `zingq backup` have in
 * common.
 */
#ifndef ZINGQ_STORE_COPY_H
#define ZINGQ_STORE_COPY_H

#include "store/store.h"

/* Writes `folder`/data.mdb: the last commit, without free pages. Makes the folder, which must not
 * exist. A reader of the store meanwhile; no transaction of `s` may be open. The copy is not synced,
 * and has the umask's mode. ERR_FULL: the disk has no room. ERR_CORRUPT: pages that do not add up.
 * ERR_DISK. A sentence in r. */
int store_copy(const struct store *s, const char *folder, struct report *r);
/* Makes such a copy a store of its own, if `s` is the copy of a log (store/log.h). ERR_BUSY: it was
 * being loaded, and lacks rows. ERR_DISK, ERR_FULL. With a sentence in r. */
int store_copy_leaves_log(struct store *s, const char *folder, struct report *r);
/* Syncs a file. ERR_DISK with a sentence in r. */
int store_sync_file(const char *path, struct report *r);

#endif

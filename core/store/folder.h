/*
 * folder.h - the data folder of a store: made, locked against a second host, and known to
 * have held a store, so that one that has gone is not taken for one that is new.
 */
#ifndef ZINGQ_STORE_FOLDER_H
#define ZINGQ_STORE_FOLDER_H

#include "base/error.h"

#include <stdbool.h>

enum { STORE_PATH_BYTES = 4096 };

/* The name of a file in the folder. ERR_INVALID: too long. */
int store_folder_file(const char *path, const char *file, char out[STORE_PATH_BYTES],
                      struct report *r);
/* That of the store's file. */
int store_data_file(const char *path, char out[STORE_PATH_BYTES], struct report *r);
/* How many hosts' folders it holds, 1 to so many, with a store in the last; 0 = it is no folder of
 * several hosts. */
unsigned store_folder_hosts(const char *path);
/* With the folders above it. ERR_INVALID, ERR_DISK. */
int store_folder_make(const char *path, struct report *r);
/* A lock on PATH/zingq.lock, which names this process; *fd is -1 or to be closed in every case.
 * ERR_BUSY: another host has it. ERR_INVALID, ERR_DISK. */
int store_folder_lock(const char *path, int *fd, struct report *r);
/* Whether the process that PATH/zingq.lock names lives, and is not this one. A guess: it may be
 * another process by now. */
bool store_folder_in_use(const char *path);
/* Leaves PATH/zingq.store, durably, unless it is there: this folder has a store. ERR_DISK. */
int store_folder_mark(const char *path, struct report *r);
/* The folder in which `zingq compact` makes a new file. */
#define STORE_COMPACT_FOLDER "compacting"
/* The folder in which `zingq reshard` makes a new file, */
#define STORE_RESHARD_FOLDER "resharding"
/* and the mark that it was stopped while new files took the places of old ones. */
#define STORE_RESHARD_MARK "zingq.reshard"
/* ERR_BUSY: the mark is there; ERR_DISK: that cannot be told. */
int store_folder_is_settled(const char *path, struct report *r);
/* Durably: the folder's list of names. ERR_DISK. */
int store_folder_sync(const char *path, struct report *r);
/* Removes what was left by a compaction that was killed, or by a reshard that left no mark. The
 * folder must be locked. */
void store_folder_tidy(const char *path);
/* Removes the store's own files, and the folder if nothing else is in it. Nobody has it open. */
void store_folder_remove(const char *path);
/* ERR_CORRUPT when the folder had a store and its data.mdb is missing or empty. */
int store_folder_check(const char *path, struct report *r);

#endif

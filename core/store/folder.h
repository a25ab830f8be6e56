/*
 * folder.h - the data folder of a store: creates it, locks it against a second host, and marks that
 * it has held a store, so that a lost store is not mistaken for a new one.
 */
#ifndef ZINGQ_STORE_FOLDER_H
#define ZINGQ_STORE_FOLDER_H

#include "base/error.h"

#include <stdbool.h>

enum { STORE_PATH_BYTES = 4096 };

/* The name of a file in the folder. ERR_INVALID: too long. */
int store_folder_file(const char *path, const char *file, char out[STORE_PATH_BYTES],
                      struct report *r);
/* The name of the socket on which its host answers commands. */
int store_folder_socket(const char *path, char out[STORE_PATH_BYTES], struct report *r);
/* The same as a gateway is told it: unix:NAME. */
int store_folder_door(const char *path, char out[STORE_PATH_BYTES], struct report *r);
/* The name of the store's file. */
int store_data_file(const char *path, char out[STORE_PATH_BYTES], struct report *r);
/* If it is a folder of several hosts, their number: 1 to that number, with a store in the last;
 * else 0. */
unsigned store_folder_hosts(const char *path);
/* Creates PATH/zingq.cluster, unless it exists: the folders of hosts in it are of shards of a cluster, which
 * come and go. ERR_DISK. */
int store_folder_mark_cluster(const char *path, struct report *r);
bool store_folder_is_cluster(const char *path);
/* The folder of a shard: `number`, or `number`.loss1 and so on after so many losses. False: its name is
 * too long. */
bool store_folder_shard(const char *path, unsigned number, unsigned losses,
                        char out[STORE_PATH_BYTES]);
/* That of its running process, which can be asked; one that follows is none. False: there is none. */
bool store_folder_of_shard(const char *path, unsigned number, char out[STORE_PATH_BYTES]);
/* Creates it and the folders above it. ERR_INVALID, ERR_DISK. */
int store_folder_make(const char *path, struct report *r);
/* Locks PATH/zingq.lock, which then names this process; *fd is -1 or must be closed, in every case.
 * ERR_BUSY: another host has it. ERR_INVALID, ERR_DISK. */
int store_folder_lock(const char *path, int *fd, struct report *r);
/* True if the process named in PATH/zingq.lock is alive, and is not this one. Only a guess: the
 * number may belong to another process by now. */
bool store_folder_in_use(const char *path);
/* Writes PATH/file anew, durably: at any moment it has what it had or all of this. ERR_DISK. */
int store_folder_write(const char *path, const char *file, const char *text, struct report *r);
/* The same into the file that is there, which stays the same inode, and may be left with a part of it. */
int store_folder_rewrite(const char *path, const char *file, const char *text, struct report *r);
/* Creates PATH/zingq.store durably, unless it exists: this folder has a store. ERR_DISK. */
int store_folder_mark(const char *path, struct report *r);
/* The file that says that data.mdb is not synced: store/unsynced.c. */
#define STORE_UNSYNCED_MARK "zingq.unsynced"
/* What that was before its machine went down, until the store is loaded again. */
#define STORE_TORN_FILE "data.mdb.torn"
/* Removes the mark, before another file takes its place, which is synced. ERR_DISK. */
int store_folder_unmark_unsynced(const char *path, struct report *r);
/* The folder in which `zingq compact` builds a new file. */
#define STORE_COMPACT_FOLDER "compacting"
/* The folder in which `zingq reshard` builds a new file */
#define STORE_RESHARD_FOLDER "resharding"
/* and the mark that it was interrupted while new files replaced the old ones. */
#define STORE_RESHARD_MARK "zingq.reshard"
/* ERR_BUSY: the mark exists; ERR_DISK: this cannot be determined. */
int store_folder_is_settled(const char *path, struct report *r);
/* Syncs the directory itself. ERR_DISK. */
int store_folder_sync(const char *path, struct report *r);
/* Removes leftovers of a compaction, a copy or an import that was killed, or of a reshard that left no
 * mark. The folder must be locked. */
void store_folder_tidy(const char *path);
/* Removes the store's own files, and the folder if it is empty then. Nobody may have it open. */
void store_folder_remove(const char *path);
/* ERR_CORRUPT when the folder had a store and its data.mdb is missing or empty. */
int store_folder_check(const char *path, struct report *r);

#endif

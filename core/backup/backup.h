/*
 * backup.h - a data folder copied into another: `zingq backup`, and back again: `zingq restore`.
 *
 * A copy has the store as of one commit, the files of zing.append, the audit log, and the secret of
 * hosts that share a folder. The store is copied first: a file's lines that are younger than it are
 * cut off when a host opens the copy, as after a crash, and written again by it. Left out: the token of
 * the dashboard and the socket, which belong to a machine; and that the store is the copy of a log
 * (store/log.h): a backup is a store of its own.
 */
#ifndef ZINGQ_BACKUP_BACKUP_H
#define ZINGQ_BACKUP_BACKUP_H

#include "base/error.h"

#include <stdint.h>

struct backup_sizes {
    uint64_t store_bytes; /* of data.mdb, of all hosts together */
    uint64_t file_bytes;  /* of all other files */
    unsigned files, hosts;
};

/* Copies the data folder `from`, or each of those of several hosts below it, to `to`, which is made
 * and may not hold a store. A host may run on `from`. Only when all of a host's files are on disk
 * does its store appear in `to`: what is interrupted is no store, and can be begun again. Files get
 * the owner of `to`. ERR_NOTFOUND: no store in `from`. ERR_EXISTS: one in `to`. ERR_BUSY: a host
 * runs on `to`. ERR_FULL, ERR_CORRUPT, ERR_SCHEMA, ERR_DISK, ERR_INVALID. A sentence in r. */
int backup_copy(const char *from, const char *to, struct backup_sizes *sizes, struct report *r);

/* Only a folder without a store is written to: ERR_EXISTS if `to` holds one; ERR_DISK. */
int backup_refuse_store(const char *to, struct report *r);

struct backup_owner;

/* Builds a store in the folder `building`, which is not there yet, and the files beside it, with that
 * owner. */
typedef int backup_maker(void *ctx, const char *building, const struct backup_owner *owner,
                         struct report *r);
/* In the same way: `to` gets what `make` makes, or no store. The codes of backup_copy, and make's. */
int backup_make(const char *to, backup_maker *make, void *ctx, struct report *r);

/* Copies what is beside a store: the files of zing.append and the audit log. The codes of
 * backup_copy. */
int backup_beside(const char *from, const char *building, const struct backup_owner *owner,
                  struct backup_sizes *sizes, struct report *r);

#endif

/* files.h - the files next to a store, copied or moved one by one. */
#ifndef ZINGQ_BACKUP_FILES_H
#define ZINGQ_BACKUP_FILES_H

#include "backup/backup.h"

#include "base/buf.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Who owns what is made. */
struct backup_owner {
    uid_t user;
    gid_t group;
};

/* Copies `from`/`name`, as long as it is now, to `to`/`name`, and syncs it. What is not a regular
 * file, or does not exist, is left out. ERR_DISK, ERR_FULL, ERR_INVALID with a sentence in r. */
int backup_file(const char *from, const char *to, const char *name,
                const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r);
/* The same of an open file, whose path is `source`, as long as `st` says. */
int backup_file_open(int in, const struct stat *st, const char *source, const char *to,
                     const char *name, const struct backup_owner *owner, struct backup_sizes *sizes,
                     struct report *r);
/* The same for all files of a folder. */
int backup_folder(const char *from, const char *to, const char *name,
                  const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r);
/* Renames `from`/`name`, if it exists, to `to`/`name`, in whose place it comes. ERR_DISK, ERR_FULL,
 * ERR_INVALID with a sentence in r. */
int backup_move(const char *from, const char *to, const char *name, struct report *r);
/* The same for all files of a folder; the names are on disk then. */
int backup_move_folder(const char *from, const char *to, const char *name,
                       const struct backup_owner *owner, struct report *r);
/* What the steps of this are made of. */
int backup_make_folder(const char *path, const struct backup_owner *owner, struct report *r);
/* A descriptor to read a regular file from, and what it is; -1 if it is none, or with *code set. */
int backup_open(const char *path, struct stat *st, int *code, struct report *r);
/* False: errno says why. */
bool backup_write(int fd, struct slice bytes);
/* "cannot WHAT PATH: ...". ERR_FULL, ERR_DISK. */
int backup_fail(const char *what, const char *path, int error, struct report *r);
/* Gives a file or folder its owner, and the mode of what only its owner may read. ERR_DISK. */
int backup_own(const char *path, const struct backup_owner *owner, struct report *r);

#endif

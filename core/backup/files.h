/* files.h - the files next to a store, copied one by one. */
#ifndef ZINGQ_BACKUP_FILES_H
#define ZINGQ_BACKUP_FILES_H

#include "backup/backup.h"

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
/* The same for all files of a folder. */
int backup_folder(const char *from, const char *to, const char *name,
                  const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r);
/* Gives a file or folder its owner, and the mode of what only its owner may read. ERR_DISK. */
int backup_own(const char *path, const struct backup_owner *owner, struct report *r);

#endif

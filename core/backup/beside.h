/* beside.h - the two files of the audit log next to a store: the newer one takes the place of the older one when it is full. */
#ifndef ZINGQ_BACKUP_BESIDE_H
#define ZINGQ_BACKUP_BESIDE_H

#include "store/folder.h"

#include <sys/stat.h>

enum { BESIDE_COUNT = 2 };

struct beside {
    char path[STORE_PATH_BYTES];
    int fd; /* to read; -1 = it is not there */
    struct stat st;
};

/* The older one first. */
const char *beside_name(size_t i);
/* Opens those of the folder, both as of one moment, whatever its host does meanwhile. beside_close, also after an
 * error. ERR_DISK, ERR_INVALID with a sentence in r. */
int beside_open(const char *folder, struct beside out[BESIDE_COUNT], struct report *r);
void beside_close(struct beside files[BESIDE_COUNT]);

#endif

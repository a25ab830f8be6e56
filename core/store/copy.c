/* copy.c - see store/copy.h. */
#include "store/copy.h"

#include "store/impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int store_copy(const struct store *s, const char *folder, struct report *r) {
    assert(s->txn == NULL);
    if (mkdir(folder, 0700) != 0) {
        return report(r, ERR_DISK, "cannot make %s: %s", folder, strerror(errno));
    }
    int rc = mdb_env_copy2(s->env, folder, MDB_CP_COMPACT);
    if (rc == MDB_INCOMPATIBLE) {
        return report(r, ERR_CORRUPT,
                      "the pages of %s/data.mdb do not add up: `zingq doctor --store` "
                      "gives the details",
                      s->path);
    }
    if (rc != 0) {
        return report(r, error_of_file(rc), "cannot write %s/data.mdb: %s", folder,
                      mdb_strerror(rc));
    }
    return 0;
}

int store_sync_file(const char *path, struct report *r) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc == 0 ? 0 : report(r, ERR_DISK, "cannot sync %s: %s", path, strerror(error));
}

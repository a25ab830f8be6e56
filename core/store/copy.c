/* copy.c - see store/copy.h. */
#include "store/copy.h"

#include "store/folder.h"
#include "store/impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOM_BYTES = 16 << 20 /* for the few pages that are written */ };

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

static int leave_log(const char *folder, uint64_t max_bytes, struct report *r) {
    const struct store_options options = {.path = folder, .max_bytes = max_bytes, .logged = true};
    struct store *s = NULL;
    int code = store_open(&s, &options, r);
    if (code == 0) {
        code = store_leave_log(s);
        code = code == 0 ? 0
               : code == ERR_BUSY
                   ? report(r, code,
                            "the store was being loaded from its log (store.url) when it was "
                            "copied, and lacked rows: try again when its host has started")
                   : report(r, code, "cannot write %s: %s", folder, error_text(code));
    }
    store_close(s);
    return code;
}

int store_copy_leaves_log(struct store *s, const char *folder, struct report *r) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    struct position at = {0};
    bool bare = false;
    int code = store_look(s, &at, &bare, r);
    if (code != 0 || !at.known) {
        return code;
    }
    code = store_data_file(folder, file, r);
    if (code == 0 && stat(file, &st) != 0) {
        return report(r, ERR_DISK, "cannot look at %s: %s", file, strerror(errno));
    }
    return code == 0 ? leave_log(folder, (uint64_t)st.st_size + ROOM_BYTES, r) : code;
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

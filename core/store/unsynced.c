/*
 * unsynced.c - the copy of a log does not wait for the disk: what lasts is the log.
 *
 * A process that ends, however, leaves its file to the kernel, which has all of it. A machine that goes
 * down leaves some pages of it and not others, and nothing in the file would say so. So before the
 * first commit that does not wait, the file zingq.unsynced is written, and synced, with the id of
 * this boot. It is removed when the store's file has been synced. Whoever finds it with the id of
 * another boot has a file that is worth nothing (INV-STORE-15).
 *
 * Where the kernel tells no id of the boot, commits wait as ever.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/uuid.h"
#include "store/folder.h"
#include "store/impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct uuid unknown;

static struct uuid this_boot(void) {
    struct clock_reading now;
    struct uuid boot;
    clock_read(&now);
    memcpy(boot.bytes, now.boot.id, sizeof boot.bytes);
    return boot;
}

/* --- the mark --- */

static int write_mark(const char *folder, const struct uuid *boot, struct report *r) {
    char path[STORE_PATH_BYTES];
    char text[UUID_TEXT_BYTES + 1];
    int code = store_folder_file(folder, STORE_UNSYNCED_MARK, path, r);
    if (code != 0) {
        return code;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && write(fd, uuid_text(boot, text), UUID_TEXT_BYTES) == UUID_TEXT_BYTES &&
                fsync(fd) == 0;
    code = good ? store_folder_sync(folder, r)
                : report(r, ERR_DISK, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

int store_remove_unsynced_mark(const char *folder, struct report *r) {
    char path[STORE_PATH_BYTES];
    int code = store_folder_file(folder, STORE_UNSYNCED_MARK, path, r);
    if (code == 0 && unlink(path) != 0) {
        return errno == ENOENT ? 0
                               : report(r, ERR_DISK, "cannot remove %s: %s", path, strerror(errno));
    }
    return code == 0 ? store_folder_sync(folder, r) : code;
}

/* The boot that the mark names; unknown if it cannot be read. ERR_NOTFOUND: there is no mark. */
static int read_mark(const char *folder, struct uuid *boot, struct report *r) {
    char path[STORE_PATH_BYTES];
    char text[UUID_TEXT_BYTES];
    *boot = unknown;
    int code = store_folder_file(folder, STORE_UNSYNCED_MARK, path, r);
    int fd = code == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return code != 0         ? code
               : errno == ENOENT ? ERR_NOTFOUND
                                 : report(r, ERR_DISK, "cannot open %s: %s", path, strerror(errno));
    }
    ssize_t len = read(fd, text, sizeof text);
    (void)close(fd);
    if (len != UUID_TEXT_BYTES || !uuid_parse((struct slice){text, sizeof text}, boot)) {
        *boot = unknown;
    }
    return 0;
}

/* --- before the file is opened --- */

static int throw_away(const struct store *s, struct report *r) {
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[STORE_PATH_BYTES];
    log_warn("store",
             "%s was not synced when its machine went down: it is loaded again from its log",
             s->path);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int code = store_folder_file(s->path, files[i], path, r);
        if (code == 0 && unlink(path) != 0 && errno != ENOENT) {
            code = report(r, ERR_DISK, "cannot remove %s: %s", path, strerror(errno));
        }
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

int store_check_synced(const struct store *s, struct report *r) {
    const struct uuid now = this_boot();
    struct uuid then;
    int code = read_mark(s->path, &then, r);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (uuid_equal(&then, &now) && !uuid_is_zero(&then)) {
        return 0;
    }
    return s->rebuilt ? throw_away(s, r)
                      : report(r, ERR_BUSY,
                               "%s was not synced when its machine went down, and may be torn: its "
                               "host loads it again from its log (store.url) when it starts",
                               s->path);
}

/* --- while it is open --- */

void store_stop_syncing(struct store *s) {
    const struct uuid boot = this_boot();
    struct report r = {""};
    if (uuid_is_zero(&boot)) {
        return;
    }
    if (write_mark(s->path, &boot, &r) != 0) {
        log_warn("store", "%s: each commit waits for the disk", r.text);
        return;
    }
    s->unsynced = mdb_env_set_flags(s->env, MDB_NOSYNC, 1) == 0;
}

int store_sync(struct store *s) {
    struct report r = {""};
    if (!s->unsynced || s->env == NULL) {
        return 0;
    }
    int rc = mdb_env_sync(s->env, 1);
    if (rc != 0) { /* the kernel may have dropped what it could not write */
        (void)write_mark(s->path, &unknown, NULL);
        return store_tell(s, "syncing", rc);
    }
    rc = mdb_env_set_flags(s->env, MDB_NOSYNC, 0);
    s->unsynced = rc != 0;
    int code = rc == 0 ? store_remove_unsynced_mark(s->path, &r) : store_tell(s, "syncing", rc);
    if (rc == 0 && code != 0) {
        log_warn("store", "%s", r.text);
    }
    return code;
}

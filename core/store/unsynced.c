/*
 * unsynced.c - the copy of a log does not wait for the disk: what lasts is the log.
 *
 * A process that ends, however, leaves its file to the kernel, which has all of it. A machine that goes
 * down leaves some pages of it and not others, and nothing in the file would say so. So before the
 * first commit that does not wait, the file zingq.unsynced is written, and synced, with the ids of
 * this boot and of the log. It is removed when the store's file has been synced. Whoever finds it with
 * the id of another boot has a file that is not used (INV-STORE-15); the store that is loaded in its
 * place is a copy of that log and of no other. Until it is loaded the file is kept, as data.mdb.torn.
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

/* What the mark says; of what it does not say, unknown. */
struct mark {
    struct uuid boot, log;
};

enum { MARK_BYTES = 2 * UUID_TEXT_BYTES + 2 }; /* a line for each */

static struct uuid this_boot(void) {
    struct clock_reading now;
    struct uuid boot;
    clock_read(&now);
    memcpy(boot.bytes, now.boot.id, sizeof boot.bytes);
    return boot;
}

/* --- the mark --- */

static int write_mark(const struct store *s, const struct uuid *boot, struct report *r) {
    char boot_text[UUID_TEXT_BYTES + 1];
    char log_text[UUID_TEXT_BYTES + 1];
    char text[MARK_BYTES + 1];
    struct uuid log;
    memcpy(log.bytes, s->log_state.id, sizeof log.bytes);
    (void)snprintf(text, sizeof text, "%s\n%s\n", uuid_text(boot, boot_text),
                   uuid_text(&log, log_text));
    return store_folder_write(s->path, STORE_UNSYNCED_MARK, text, r);
}

int store_folder_unmark_unsynced(const char *folder, struct report *r) {
    char path[STORE_PATH_BYTES];
    int code = store_folder_file(folder, STORE_UNSYNCED_MARK, path, r);
    if (code == 0 && unlink(path) != 0) {
        return errno == ENOENT ? 0
                               : report(r, ERR_DISK, "cannot remove %s: %s", path, strerror(errno));
    }
    return code == 0 ? store_folder_sync(folder, r) : code;
}

/* A line of the mark. Unknown if it cannot be read. */
static struct uuid read_line(const char *text, size_t len, size_t at) {
    struct uuid id;
    bool good =
        len >= at + UUID_TEXT_BYTES && uuid_parse((struct slice){text + at, UUID_TEXT_BYTES}, &id);
    return good ? id : unknown;
}

/* ERR_NOTFOUND: there is no mark. */
static int read_mark(const char *folder, struct mark *out, struct report *r) {
    char path[STORE_PATH_BYTES];
    char text[MARK_BYTES];
    *out = (struct mark){.boot = unknown, .log = unknown};
    int code = store_folder_file(folder, STORE_UNSYNCED_MARK, path, r);
    int fd = code == 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return code != 0         ? code
               : errno == ENOENT ? ERR_NOTFOUND
                                 : report(r, ERR_DISK, "cannot open %s: %s", path, strerror(errno));
    }
    ssize_t len = read(fd, text, sizeof text);
    (void)close(fd);
    out->boot = read_line(text, len < 0 ? 0 : (size_t)len, 0);
    out->log = read_line(text, len < 0 ? 0 : (size_t)len, UUID_TEXT_BYTES + 1);
    return 0;
}

int store_marked_log(const struct store *s, uint8_t id[LOG_ID_BYTES], struct report *r) {
    struct mark mark;
    int code = read_mark(s->path, &mark, r);
    memcpy(id, mark.log.bytes, LOG_ID_BYTES);
    return code == ERR_NOTFOUND ? 0 : code;
}

/* --- before the file is opened --- */

static int take_away(const struct store *s, const char *file, struct report *r) {
    char path[STORE_PATH_BYTES];
    int code = store_folder_file(s->path, file, path, r);
    return code != 0 ? code
           : unlink(path) == 0 || errno == ENOENT
               ? 0
               : report(r, ERR_DISK, "cannot remove %s: %s", path, strerror(errno));
}

/* One that is kept already has more than the load that was to take its place. */
static int put_aside(const struct store *s, struct report *r) {
    char file[STORE_PATH_BYTES];
    char torn[STORE_PATH_BYTES];
    int code = store_data_file(s->path, file, r);
    code = code == 0 ? store_folder_file(s->path, STORE_TORN_FILE, torn, r) : code;
    if (code != 0 || access(torn, F_OK) == 0) {
        return code != 0 ? code : take_away(s, "data.mdb", r);
    }
    return rename(file, torn) == 0 || errno == ENOENT
               ? 0
               : report(r, ERR_DISK, "cannot rename %s: %s", file, strerror(errno));
}

static int begin_anew(const struct store *s, struct report *r) {
    log_warn("store",
             "%s was not synced when its machine went down: it is loaded again from its log",
             s->path);
    int code = put_aside(s, r);
    return code == 0 ? take_away(s, "lock.mdb", r) : code;
}

void store_drop_torn(const struct store *s) {
    struct report r = {""};
    if (take_away(s, STORE_TORN_FILE, &r) != 0) {
        log_warn("store", "%s", r.text);
    }
}

int store_check_synced(const struct store *s, struct report *r) {
    const struct uuid now = this_boot();
    struct mark mark;
    int code = read_mark(s->path, &mark, r);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    if (uuid_equal(&mark.boot, &now) && !uuid_is_zero(&now)) {
        return 0;
    }
    return s->rebuilt ? begin_anew(s, r)
                      : report(r, ERR_BUSY,
                               "%s was not synced when its machine went down, and may be torn: its "
                               "host loads it again from its log (store.url) when it starts",
                               s->path);
}

/* --- while it is open --- */

int store_sync_killed(struct store *s, struct report *r) {
    struct mark mark;
    int code = read_mark(s->path, &mark, r);
    if (code != 0) {
        return code == ERR_NOTFOUND ? 0 : code;
    }
    int rc = mdb_env_sync(s->env, 1);
    return rc == 0 ? store_folder_unmark_unsynced(s->path, r)
                   : report(r, store_code(rc), "cannot sync %s: %s", s->path, store_words(rc));
}

void store_stop_syncing(struct store *s) {
    const struct uuid boot = this_boot();
    struct report r = {""};
    if (s->unsynced || s->doubted || uuid_is_zero(&boot)) {
        return;
    }
    if (write_mark(s, &boot, &r) != 0) {
        log_warn("store", "%s: each commit waits for the disk", r.text);
        s->unsynced = true; /* what is there of the mark goes when all is on the disk */
        (void)store_sync(s);
        return;
    }
    s->unsynced = mdb_env_set_flags(s->env, MDB_NOSYNC, 1) == 0;
}

int store_unsynced_file(const struct store *s) {
    int fd = -1;
    return s->unsynced && s->env != NULL && mdb_env_get_fd(s->env, &fd) == 0
               ? fcntl(fd, F_DUPFD_CLOEXEC, 0)
               : -1;
}

/* The kernel drops what it could not write, and says so once: later syncs end well. */
void store_doubt_file(struct store *s) {
    struct report r = {""};
    s->doubted = true;
    if (write_mark(s, &unknown, &r) != 0) {
        log_error("store", "%s", r.text);
    }
}

int store_sync(struct store *s) {
    struct report r = {""};
    if (s->doubted) {
        return ERR_DISK;
    }
    if (!s->unsynced || s->env == NULL) {
        return 0;
    }
    int rc = mdb_env_sync(s->env, 1);
    if (rc != 0) {
        store_doubt_file(s);
        return store_tell(s, "syncing", rc);
    }
    rc = mdb_env_set_flags(s->env, MDB_NOSYNC, 0);
    s->unsynced = rc != 0;
    int code = rc == 0 ? store_folder_unmark_unsynced(s->path, &r) : store_tell(s, "syncing", rc);
    if (rc == 0 && code != 0) {
        log_warn("store", "%s", r.text);
    }
    return code;
}

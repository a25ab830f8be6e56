/*
 * folder.c - see store/folder.h.
 *
 * The mark is a separate file, written after the first commit: LMDB creates a new store wherever it
 * finds an empty file or none, which is also what an aborted copy or a file system repair leaves
 * behind. A start that was killed before its first commit leaves an empty file, too, but no mark:
 * the next start creates the store.
 */
#include "store/folder.h"

#include "base/limits.h"
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { LOSSES_LOOKED_FOR = 100 };

static const char lock_name[] = "zingq.lock";
static const char mark_name[] = "zingq.store";
static const char socket_name[] = "zingq.sock";
static const char cluster_name[] = "zingq.cluster";
static const char cluster_text[] =
    "This folder is that of a host of a cluster: 1, 2 and so on in it are copies of shards, which "
    "the\n"
    "database has. With no shard running here they may be removed.\n";
static const char mark_text[] =
    "This folder contains a zingq store, in data.mdb. If that file is missing or empty, restore a\n"
    "complete copy of the folder; to start from scratch, remove this file as well.\n";

int store_folder_file(const char *path, const char *file, char out[STORE_PATH_BYTES],
                      struct report *r) {
    int len = snprintf(out, STORE_PATH_BYTES, "%s/%s", path, file);
    return len > 0 && len < STORE_PATH_BYTES
               ? 0
               : report(r, ERR_INVALID, "the data folder's name is too long: %s", path);
}

int store_data_file(const char *path, char out[STORE_PATH_BYTES], struct report *r) {
    return store_folder_file(path, "data.mdb", out, r);
}

int store_folder_socket(const char *path, char out[STORE_PATH_BYTES], struct report *r) {
    return store_folder_file(path, socket_name, out, r);
}

int store_folder_door(const char *path, char out[STORE_PATH_BYTES], struct report *r) {
    char name[STORE_PATH_BYTES];
    int code = store_folder_socket(path, name, r);
    int len = code == 0 ? snprintf(out, STORE_PATH_BYTES, "unix:%s", name) : 0;
    return len < STORE_PATH_BYTES ? code
                                  : report(r, ERR_INVALID, "%s is too long for a socket", name);
}

unsigned store_folder_hosts(const char *path) {
    unsigned last = 0;
    for (unsigned i = 1; i <= PARTITIONS; i++) {
        char name[STORE_PATH_BYTES];
        struct stat st;
        int len = snprintf(name, sizeof name, "%s/%u/data.mdb", path, i);
        if (len > 0 && len < STORE_PATH_BYTES && stat(name, &st) == 0) {
            last = i;
        }
    }
    return last;
}

int store_folder_make(const char *path, struct report *r) {
    char part[STORE_PATH_BYTES];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        return report(r, ERR_INVALID, "store.path is empty or too long");
    }
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return report(r, ERR_DISK, "cannot make the data folder %s: %s", part, strerror(errno));
        }
        part[i] = kept;
    }
    return 0;
}

/* INV-STORE-7 */
int store_folder_lock(const char *path, int *fd, struct report *r) {
    char name[STORE_PATH_BYTES];
    *fd = -1;
    int code = store_folder_file(path, lock_name, name, r);
    if (code != 0) {
        return code;
    }
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0) {
        return report(r, ERR_DISK, "cannot open %s: %s", name, strerror(errno));
    }
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        char pid[32] = "?";
        ssize_t got = pread(*fd, pid, sizeof pid - 1, 0);
        pid[got > 0 ? got : 1] = '\0';
        return report(r, ERR_BUSY,
                      "another host (process %s) runs on the data folder %s: stop it, or give this "
                      "one its own with --data",
                      pid, path);
    }
    char pid[32];
    int pid_len = snprintf(pid, sizeof pid, "%ld", (long)getpid());
    if (ftruncate(*fd, 0) != 0 || pwrite(*fd, pid, (size_t)pid_len, 0) != pid_len) {
        return report(r, ERR_DISK, "cannot write %s: %s", name, strerror(errno));
    }
    return 0;
}

bool store_folder_in_use(const char *path) {
    char name[STORE_PATH_BYTES];
    char text[32] = "";
    int fd =
        store_folder_file(path, lock_name, name, NULL) == 0 ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    (void)close(fd);
    long pid = got > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 && pid != (long)getpid() && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static int sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    int rc = fsync(fd);
    (void)close(fd);
    return rc;
}

static int write_whole(const char *name, const char *text) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t len = (ssize_t)strlen(text);
    bool good = fd >= 0 && write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return good ? 0 : -1;
}

int store_folder_rewrite(const char *path, const char *file, const char *text, struct report *r) {
    char name[STORE_PATH_BYTES];
    int code = store_folder_file(path, file, name, r);
    return code != 0 || write_whole(name, text) == 0
               ? code
               : report(r, ERR_DISK, "cannot write %s: %s", name, strerror(errno));
}

int store_folder_write(const char *path, const char *file, const char *text, struct report *r) {
    char name[STORE_PATH_BYTES];
    char draft[STORE_PATH_BYTES];
    char draft_file[NAME_MAX];
    (void)snprintf(draft_file, sizeof draft_file, "%s.new", file);
    int code = store_folder_file(path, file, name, r);
    code = code == 0 ? store_folder_file(path, draft_file, draft, r) : code;
    if (code != 0) {
        return code;
    }
    return write_whole(draft, text) == 0 && rename(draft, name) == 0 && sync_folder(path) == 0
               ? 0
               : report(r, ERR_DISK, "cannot write %s: %s", name, strerror(errno));
}

static int leave_mark(const char *path, const char *mark, const char *text, struct report *r) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(path, mark, name, r);
    return code != 0 || stat(name, &st) == 0 ? code : store_folder_write(path, mark, text, r);
}

int store_folder_mark(const char *path, struct report *r) {
    return leave_mark(path, mark_name, mark_text, r);
}

int store_folder_mark_cluster(const char *path, struct report *r) {
    return leave_mark(path, cluster_name, cluster_text, r);
}

bool store_folder_is_cluster(const char *path) {
    char name[STORE_PATH_BYTES];
    return store_folder_file(path, cluster_name, name, NULL) == 0 && access(name, F_OK) == 0;
}

bool store_folder_shard(const char *path, unsigned number, unsigned losses,
                        char out[STORE_PATH_BYTES]) {
    int len = losses == 0 ? snprintf(out, STORE_PATH_BYTES, "%s/%u", path, number)
                          : snprintf(out, STORE_PATH_BYTES, "%s/%u.loss%u", path, number, losses);
    return len > 0 && len < STORE_PATH_BYTES;
}

/* Whether a process listens on the socket of a host in that folder, or one that we may not ask. */
static bool has_listener(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[STORE_PATH_BYTES];
    if (store_folder_socket(path, name, NULL) != 0 || strlen(name) >= sizeof address.sun_path) {
        return false;
    }
    memcpy(address.sun_path, name, strlen(name) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    bool is = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ||
              (errno != ENOENT && errno != ECONNREFUSED);
    (void)close(fd);
    return is;
}

/* The process that an old lock file names may be another one by now, and one that follows answers
 * nobody. So it must listen as well; and a later folder comes first. */
bool store_folder_of_shard(const char *path, unsigned number, char out[STORE_PATH_BYTES]) {
    for (unsigned losses = LOSSES_LOOKED_FOR; losses-- > 0;) {
        if (store_folder_shard(path, number, losses, out) && store_folder_in_use(out) &&
            has_listener(out)) {
            return true;
        }
    }
    return false;
}

int store_folder_check(const char *path, struct report *r) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(path, mark_name, name, r);
    if (code != 0 || stat(name, &st) != 0) {
        return code; /* no store yet, or one of an older version */
    }
    code = store_data_file(path, name, r);
    if (code != 0) {
        return code;
    }
    bool there = stat(name, &st) == 0;
    if (there && st.st_size > 0) {
        return 0;
    }
    return report(
        r, ERR_CORRUPT,
        "the store has gone: %s is %s, though the folder had a store; nothing was "
        "changed: restore a complete copy of the data folder, or remove %s to start from scratch",
        name, there ? "empty" : "missing", mark_name);
}

int store_folder_is_settled(const char *path, struct report *r) {
    char name[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(path, STORE_RESHARD_MARK, name, r);
    bool there = code == 0 && stat(name, &st) == 0;
    if (code == 0 && !there && errno != ENOENT) {
        return report(r, ERR_DISK, "cannot look at %s: %s", name, strerror(errno));
    }
    if (!there) {
        return code;
    }
    return report(
        r, ERR_BUSY,
        "a reshard of %s was stopped halfway: run `zingq reshard` once more with the same "
        "folders, it ends it the one way or the other",
        path);
}

int store_folder_sync(const char *path, struct report *r) {
    return sync_folder(path) == 0
               ? 0
               : report(r, ERR_DISK, "cannot sync %s: %s", path, strerror(errno));
}

void store_folder_tidy(const char *path) {
    static const char *const folders[] = {STORE_COMPACT_FOLDER, STORE_RESHARD_FOLDER};
    char name[STORE_PATH_BYTES];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (store_folder_file(path, folders[i], name, NULL) == 0) {
            (void)temp_folder_remove(name);
        }
    }
}

void store_folder_remove(const char *path) {
    static const char *const files[] = {"data.mdb", "lock.mdb",          lock_name,
                                        mark_name,  STORE_UNSYNCED_MARK, STORE_TORN_FILE};
    char name[STORE_PATH_BYTES];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (store_folder_file(path, files[i], name, NULL) == 0) {
            (void)unlink(name);
        }
    }
    (void)rmdir(path);
}

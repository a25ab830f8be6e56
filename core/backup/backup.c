/*
 * backup.c - see backup/backup.h.
 *
 * The copy is made in a folder of its own in `to`, which the start of a host, and the next try,
 * remove. The files are renamed before the store, and then comes the mark.
 */
#include "backup/backup.h"

#include "backup/beside.h"
#include "backup/files.h"
#include "store/copy.h"
#include "store/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    const char *to;
    backup_maker *make;
    void *ctx;
    struct backup_owner owner;
    char building[STORE_PATH_BYTES]; /* the folder of the new store */
};

/* What copy_host copies. */
struct copy {
    const char *from;
    struct store *store; /* to read */
    struct backup_sizes *sizes;
};

int backup_refuse_store(const char *to, struct report *r) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    int code = store_data_file(to, file, r);
    if (code != 0) {
        return code;
    }
    if (lstat(file, &st) == 0) {
        return report(r, ERR_EXISTS,
                      "%s holds a store, which is never overwritten: name another folder, or move "
                      "this one away",
                      to);
    }
    return errno == ENOENT || errno == ENOTDIR
               ? 0
               : report(r, ERR_DISK, "cannot look at %s: %s", file, strerror(errno));
}

static int copy_store(const struct copy *copy, const char *building, struct report *r) {
    char file[STORE_PATH_BYTES];
    struct stat st;
    int code = store_copy(copy->store, building, r);
    code = code == 0 ? store_copy_leaves_log(copy->store, building, r) : code;
    code = code == 0 ? store_data_file(building, file, r) : code;
    if (code == 0 && stat(file, &st) != 0) {
        return report(r, ERR_DISK, "cannot look at %s: %s", file, strerror(errno));
    }
    copy->sizes->store_bytes += code == 0 ? (uint64_t)st.st_size : 0;
    return code;
}

int backup_beside(const char *from, const char *building, const struct backup_owner *owner,
                  struct backup_sizes *sizes, struct report *r) {
    int code = backup_folder(from, building, "files", owner, sizes, r);
    if (code != 0) {
        return code;
    }
    struct beside files[BESIDE_COUNT];
    code = beside_open(from, files, r);
    for (size_t i = 0; i < BESIDE_COUNT && code == 0; i++) {
        if (files[i].fd >= 0) {
            code = backup_file_open(files[i].fd, &files[i].st, files[i].path, building,
                                    beside_name(i), owner, sizes, r);
        }
    }
    beside_close(files);
    return code;
}

/* A backup_maker. */
static int make_copy(void *ctx, const char *building, const struct backup_owner *owner,
                     struct report *r) {
    const struct copy *copy = ctx;
    int code = copy_store(copy, building, r);
    return code == 0 ? backup_beside(copy->from, building, owner, copy->sizes, r) : code;
}

static int put_files_in_place(const struct job *job, struct report *r) {
    int code = backup_move_folder(job->building, job->to, "files", &job->owner, r);
    for (size_t i = 0; i < BESIDE_COUNT && code == 0; i++) {
        code = backup_move(job->building, job->to, beside_name(i), r);
    }
    return code;
}

/* The moment from which `to` is a store. A lock file of an earlier store in the folder must not be
 * believed. */
static int put_in_place(const struct job *job, struct report *r) {
    char built[STORE_PATH_BYTES];
    char file[STORE_PATH_BYTES];
    char lock[STORE_PATH_BYTES];
    int code = store_data_file(job->building, built, r);
    code = code == 0 ? backup_own(built, &job->owner, r) : code;
    code = code == 0 ? store_sync_file(built, r) : code;
    code = code == 0 ? store_data_file(job->to, file, r) : code;
    code = code == 0 ? store_folder_file(job->to, "lock.mdb", lock, r) : code;
    if (code == 0 && unlink(lock) != 0 && errno != ENOENT) {
        return report(r, ERR_DISK, "cannot remove %s: %s", lock, strerror(errno));
    }
    code = code == 0 ? put_files_in_place(job, r) : code;
    code = code == 0 ? store_folder_unmark_unsynced(job->to, r) : code;
    code = code == 0 ? store_folder_sync(job->to, r) : code;
    if (code == 0 && rename(built, file) != 0) {
        return report(r, ERR_DISK, "cannot rename %s: %s", built, strerror(errno));
    }
    code = code == 0 ? store_folder_sync(job->to, r) : code;
    return code == 0 ? store_folder_mark(job->to, r) : code;
}

static int make_locked(struct job *job, struct report *r) {
    int code = backup_refuse_store(job->to, r);
    if (code != 0) {
        return code;
    }
    store_folder_tidy(job->to);
    code = store_folder_file(job->to, STORE_COMPACT_FOLDER, job->building, r);
    code = code == 0 ? job->make(job->ctx, job->building, &job->owner, r) : code;
    code = code == 0 ? put_in_place(job, r) : code;
    store_folder_tidy(job->to);
    return code;
}

/* What opening and locking the folder made. */
static int own_small_files(const struct job *job, struct report *r) {
    static const char *const names[] = {"zingq.lock", "zingq.store"};
    char file[STORE_PATH_BYTES];
    int code = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && code == 0; i++) {
        code = store_folder_file(job->to, names[i], file, r);
        code = code == 0 ? backup_own(file, &job->owner, r) : code;
    }
    return code;
}

static int lock_and_make(struct job *job, struct report *r) {
    int fd = -1;
    int code = store_folder_lock(job->to, &fd, r);
    code = code == 0 ? make_locked(job, r) : code;
    code = code == 0 ? own_small_files(job, r) : code;
    if (fd >= 0) {
        (void)close(fd);
    }
    return code;
}

static int find_owner(const char *path, struct backup_owner *owner, struct report *r) {
    struct stat st;
    if (stat(path, &st) != 0) {
        return report(r, ERR_DISK, "cannot look at %s: %s", path, strerror(errno));
    }
    *owner = (struct backup_owner){.user = st.st_uid, .group = st.st_gid};
    return 0;
}

int backup_make(const char *to, backup_maker *make, void *ctx, struct report *r) {
    struct job job = {.to = to, .make = make, .ctx = ctx};
    int code = backup_refuse_store(to, r);
    code = code == 0 ? store_folder_make(to, r) : code;
    code = code == 0 ? find_owner(to, &job.owner, r) : code;
    return code == 0 ? lock_and_make(&job, r) : code;
}

/* Nothing is made in `to` before the store to copy is open. */
static int copy_host(const char *from, const char *to, struct backup_sizes *sizes,
                     struct report *r) {
    struct copy copy = {.from = from, .sizes = sizes};
    const struct store_options options = {.path = from, .read_only = true};
    int code = backup_refuse_store(to, r);
    code = code == 0 ? store_open(&copy.store, &options, r) : code;
    if (code != 0) {
        return code;
    }
    code = backup_make(to, make_copy, &copy, r);
    sizes->hosts += code == 0;
    store_close(copy.store);
    return code;
}

/* The owner of the folder of all hosts has those of each. */
static int copy_hosts(const char *from, const char *to, unsigned hosts, struct backup_sizes *sizes,
                      struct report *r) {
    struct backup_owner owner = {0};
    int code = store_folder_make(to, r);
    code = code == 0 ? find_owner(to, &owner, r) : code;
    for (unsigned i = 1; i <= hosts && code == 0; i++) {
        char name[16];
        char source[STORE_PATH_BYTES];
        char target[STORE_PATH_BYTES];
        (void)snprintf(name, sizeof name, "%u", i);
        code = store_folder_file(from, name, source, r);
        code = code == 0 ? store_folder_file(to, name, target, r) : code;
        code = code == 0 ? store_folder_make(target, r) : code;
        code = code == 0 ? backup_own(target, &owner, r) : code;
        code = code == 0 ? copy_host(source, target, sizes, r) : code;
    }
    return code == 0 ? backup_file(from, to, "secret", &owner, sizes, r) : code;
}

int backup_copy(const char *from, const char *to, struct backup_sizes *sizes, struct report *r) {
    unsigned hosts = store_folder_hosts(from);
    *sizes = (struct backup_sizes){0};
    return hosts == 0 ? copy_host(from, to, sizes, r) : copy_hosts(from, to, hosts, sizes, r);
}

/* files.c - see backup/files.h. */
#include "backup/files.h"

#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 << 10 };

int backup_fail(const char *what, const char *path, int error, struct report *r) {
    return report(r, error_of_file(error), "cannot %s %s: %s", what, path, strerror(error));
}

int backup_own(const char *path, const struct backup_owner *owner, struct report *r) {
    struct stat st;
    if (lstat(path, &st) != 0) {
        return backup_fail("look at", path, errno, r);
    }
    bool theirs = st.st_uid != owner->user || st.st_gid != owner->group;
    if ((theirs && chown(path, owner->user, owner->group) != 0) ||
        chmod(path, S_ISDIR(st.st_mode) ? 0700 : 0600) != 0) {
        return backup_fail("give its owner and mode to", path, errno, r);
    }
    return 0;
}

int backup_open(const char *path, struct stat *st, int *code, struct report *r) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool known = fd >= 0 && fstat(fd, st) == 0;
    if (known && S_ISREG(st->st_mode)) {
        return fd;
    }
    bool absent = known || (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO));
    *code = absent ? 0 : backup_fail("read", path, errno, r);
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

bool backup_write(int fd, struct slice bytes) {
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes = (struct slice){bytes.data + n, bytes.len - (size_t)n};
    }
    return true;
}

/* What is added meanwhile is left out; a file that shrinks meanwhile is copied to its end. */
static int copy_bytes(int in, int out, uint64_t bytes, const char *from, const char *to,
                      struct report *r) {
    char chunk[CHUNK_BYTES];
    while (bytes > 0) {
        ssize_t n = read(in, chunk, bytes < sizeof chunk ? (size_t)bytes : sizeof chunk);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return backup_fail("read", from, errno, r);
        }
        if (n == 0) {
            break;
        }
        if (!backup_write(out, (struct slice){chunk, (size_t)n})) {
            return backup_fail("write", to, errno, r);
        }
        bytes -= (uint64_t)n;
    }
    return fsync(out) == 0 ? 0 : backup_fail("sync", to, errno, r);
}

int backup_file_open(int in, const struct stat *st, const char *source, const char *to,
                     const char *name, const struct backup_owner *owner, struct backup_sizes *sizes,
                     struct report *r) {
    char target[STORE_PATH_BYTES];
    uint64_t bytes = (uint64_t)st->st_size;
    int code = store_folder_file(to, name, target, r);
    if (code != 0) {
        return code;
    }
    int out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    code = out < 0 ? backup_fail("create", target, errno, r)
                   : copy_bytes(in, out, bytes, source, target, r);
    if (out >= 0 && close(out) != 0 && code == 0) {
        code = backup_fail("write", target, errno, r);
    }
    code = code == 0 ? backup_own(target, owner, r) : code;
    sizes->files += code == 0;
    sizes->file_bytes += code == 0 ? bytes : 0;
    return code;
}

int backup_file(const char *from, const char *to, const char *name,
                const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r) {
    char source[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(from, name, source, r);
    int in = code == 0 ? backup_open(source, &st, &code, r) : -1;
    if (in < 0) {
        return code;
    }
    code = backup_file_open(in, &st, source, to, name, owner, sizes, r);
    (void)close(in);
    return code;
}

int backup_make_folder(const char *path, const struct backup_owner *owner, struct report *r) {
    return mkdir(path, 0700) == 0 || errno == EEXIST ? backup_own(path, owner, r)
                                                     : backup_fail("make", path, errno, r);
}

int backup_move(const char *from, const char *to, const char *name, struct report *r) {
    char source[STORE_PATH_BYTES];
    char target[STORE_PATH_BYTES];
    int code = store_folder_file(from, name, source, r);
    code = code == 0 ? store_folder_file(to, name, target, r) : code;
    return code != 0 || rename(source, target) == 0 || errno == ENOENT
               ? code
               : backup_fail("rename", source, errno, r);
}

/* Without sizes they are moved. */
static int take_entries(DIR *dir, const char *from, const char *to,
                        const struct backup_owner *owner, struct backup_sizes *sizes,
                        struct report *r) {
    const struct dirent *entry;
    int code = 0;
    while (code == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        bool dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
        code = dots            ? 0
               : sizes == NULL ? backup_move(from, to, name, r)
                               : backup_file(from, to, name, owner, sizes, r);
    }
    return code == 0 && errno != 0 ? backup_fail("read", from, errno, r) : code;
}

static int take_folder(const char *from, const char *to, const char *name,
                       const struct backup_owner *owner, struct backup_sizes *sizes,
                       struct report *r) {
    char source[STORE_PATH_BYTES];
    char target[STORE_PATH_BYTES];
    int code = store_folder_file(from, name, source, r);
    code = code == 0 ? store_folder_file(to, name, target, r) : code;
    DIR *dir = code == 0 ? opendir(source) : NULL;
    if (dir == NULL) {
        return code != 0 || errno == ENOENT ? code : backup_fail("read", source, errno, r);
    }
    code = backup_make_folder(target, owner, r);
    code = code == 0 ? take_entries(dir, source, target, owner, sizes, r) : code;
    (void)closedir(dir);
    return code == 0 ? store_folder_sync(target, r) : code;
}

int backup_folder(const char *from, const char *to, const char *name,
                  const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r) {
    return take_folder(from, to, name, owner, sizes, r);
}

int backup_move_folder(const char *from, const char *to, const char *name,
                       const struct backup_owner *owner, struct report *r) {
    return take_folder(from, to, name, owner, NULL, r);
}

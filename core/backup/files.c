/* files.c - see backup/files.h. */
#include "backup/files.h"

#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 << 10 };

static int fail(const char *what, const char *path, int error, struct report *r) {
    bool full = error == ENOSPC || error == EDQUOT;
    return report(r, full ? ERR_FULL : ERR_DISK, "cannot %s %s: %s", what, path, strerror(error));
}

int backup_own(const char *path, const struct backup_owner *owner, struct report *r) {
    struct stat st;
    if (lstat(path, &st) != 0) {
        return fail("look at", path, errno, r);
    }
    bool theirs = st.st_uid != owner->user || st.st_gid != owner->group;
    if ((theirs && chown(path, owner->user, owner->group) != 0) ||
        chmod(path, S_ISDIR(st.st_mode) ? 0700 : 0600) != 0) {
        return fail("give its owner and mode to", path, errno, r);
    }
    return 0;
}

/* A descriptor to read from; -1 if it is no regular file, which is no error, or with *code set. */
static int open_source(const char *path, uint64_t *bytes, int *code, struct report *r) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool known = fd >= 0 && fstat(fd, &st) == 0;
    if (known && S_ISREG(st.st_mode)) {
        *bytes = (uint64_t)st.st_size;
        return fd;
    }
    bool absent = known || (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO));
    *code = absent ? 0 : fail("read", path, errno, r);
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

static bool write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
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
            return fail("read", from, errno, r);
        }
        if (n == 0) {
            break;
        }
        if (!write_all(out, chunk, (size_t)n)) {
            return fail("write", to, errno, r);
        }
        bytes -= (uint64_t)n;
    }
    return fsync(out) == 0 ? 0 : fail("sync", to, errno, r);
}

int backup_file(const char *from, const char *to, const char *name,
                const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r) {
    char source[STORE_PATH_BYTES];
    char target[STORE_PATH_BYTES];
    uint64_t bytes = 0;
    int code = store_folder_file(from, name, source, r);
    code = code == 0 ? store_folder_file(to, name, target, r) : code;
    int in = code == 0 ? open_source(source, &bytes, &code, r) : -1;
    if (in < 0) {
        return code;
    }
    int out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    code =
        out < 0 ? fail("create", target, errno, r) : copy_bytes(in, out, bytes, source, target, r);
    (void)close(in);
    if (out >= 0 && close(out) != 0 && code == 0) {
        code = fail("write", target, errno, r);
    }
    code = code == 0 ? backup_own(target, owner, r) : code;
    sizes->files += code == 0;
    sizes->file_bytes += code == 0 ? bytes : 0;
    return code;
}

static int copy_entries(DIR *dir, const char *from, const char *to,
                        const struct backup_owner *owner, struct backup_sizes *sizes,
                        struct report *r) {
    const struct dirent *entry;
    int code = 0;
    while (code == 0 && (errno = 0, entry = readdir(dir)) != NULL) {
        bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
        code = dots ? 0 : backup_file(from, to, entry->d_name, owner, sizes, r);
    }
    return code == 0 && errno != 0 ? fail("read", from, errno, r) : code;
}

int backup_folder(const char *from, const char *to, const char *name,
                  const struct backup_owner *owner, struct backup_sizes *sizes, struct report *r) {
    char source[STORE_PATH_BYTES];
    char target[STORE_PATH_BYTES];
    int code = store_folder_file(from, name, source, r);
    code = code == 0 ? store_folder_file(to, name, target, r) : code;
    DIR *dir = code == 0 ? opendir(source) : NULL;
    if (dir == NULL) {
        return code != 0 || errno == ENOENT ? code : fail("read", source, errno, r);
    }
    code = mkdir(target, 0700) == 0 || errno == EEXIST ? backup_own(target, owner, r)
                                                       : fail("make", target, errno, r);
    code = code == 0 ? copy_entries(dir, source, target, owner, sizes, r) : code;
    (void)closedir(dir);
    return code == 0 ? store_folder_sync(target, r) : code;
}

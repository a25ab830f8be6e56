/*
 * append_files.c - the files that lines are appended to: one write and one fdatasync each.
 */
#include "engine/append_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096 + STATE_NAME_BYTES_MAX };

static int path_of(const struct append *a, const char *name, char path[PATH_BYTES_MAX]) {
    int len = snprintf(path, PATH_BYTES_MAX, "%s/%s", a->folder, name);
    errno = ENAMETOOLONG;
    return len < 0 || len >= PATH_BYTES_MAX ? -1 : 0;
}

int append_stat_file(const struct append *a, const char *name, struct stat *out) {
    char path[PATH_BYTES_MAX];
    return path_of(a, name, path) == 0 ? lstat(path, out) : -1;
}

static int open_file(const struct append *a, const char *name) {
    char path[PATH_BYTES_MAX];
    if (path_of(a, name, path) != 0) {
        return -1;
    }
    if (mkdir(a->folder, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    /* Non-blocking: a pipe in the file's place would block the whole host until somebody reads
     * it. */
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

static int write_all(int fd, const char *data, size_t len, uint64_t at) {
    while (len > 0) {
        ssize_t n = pwrite(fd, data, len, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return -1;
        }
        data += n;
        len -= (size_t)n;
        at += (size_t)n;
    }
    return 0;
}

static int write_lines(struct append *a, struct written_file *file, int fd, uint64_t *at) {
    if (ftruncate(fd, (off_t)*at) != 0) {
        return -1;
    }
    file->torn = true;
    struct line *line;
    TAILQ_FOREACH(line, &a->staged, link) {
        if (line->file != file) {
            continue;
        }
        if (write_all(fd, line->text, line->len, *at) != 0) {
            return -1;
        }
        *at += line->len;
    }
    return fdatasync(fd);
}

int append_write_file(struct append *a, struct written_file *file) {
    int fd = open_file(a, file->name);
    if (fd < 0) {
        return -1;
    }
    struct stat st;
    int failed = fstat(fd, &st);
    uint64_t at = file->length;
    if (failed == 0 && !S_ISREG(st.st_mode)) {
        errno = EOPNOTSUPP;
        failed = -1;
    }
    if (failed == 0) {
        /* Shorter than noted: somebody has just rotated it away. */
        at = (uint64_t)st.st_size < at ? (uint64_t)st.st_size : at;
        failed = write_lines(a, file, fd, &at);
    }
    int saved = errno;
    if (close(fd) != 0 && failed == 0) {
        return -1;
    }
    errno = saved;
    if (failed == 0) {
        file->length = at;
        file->grown = true;
        file->torn = false;
    }
    return failed;
}

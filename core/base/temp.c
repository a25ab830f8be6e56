/* temp.c - see base/temp.h. */
#include "base/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDERS_OPEN_MAX = 8 };

static const char *root(void) {
    const char *tmp = getenv("TMPDIR");
    return tmp == NULL || tmp[0] == '\0' ? "/tmp" : tmp;
}

/* The template for mkdtemp; false with errno set: it does not fit. */
static bool write_path(const char *name, char *out, size_t size) {
    int len = snprintf(out, size, "%s/zingq-%s-XXXXXX", root(), name);
    errno = ENAMETOOLONG;
    return len > 0 && (size_t)len < size;
}

static int refuse(const char *what, char *out, struct report *r) {
    out[0] = '\0';
    return report(r, ERR_SYSTEM, "cannot make a %s in %s: %s", what, root(), strerror(errno));
}

int temp_folder_new(const char *name, char *out, size_t size, struct report *r) {
    return write_path(name, out, size) && mkdtemp(out) != NULL ? 0 : refuse("folder", out, r);
}

int temp_file_new(const char *name, char *out, size_t size, struct report *r) {
    int fd = write_path(name, out, size) ? mkostemp(out, O_CLOEXEC) : -1;
    return fd >= 0 ? fd : refuse("file", out, r);
}

static _Thread_local int first_error; /* nftw takes no context */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at) {
    (void)st;
    (void)kind;
    (void)at;
    if (remove(path) != 0 && first_error == 0) {
        first_error = errno;
    }
    return 0;
}

int temp_folder_remove(const char *path) {
    first_error = 0;
    int code = nftw(path, remove_one, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (first_error != 0) {
        errno = first_error;
    }
    return code == 0 && first_error == 0 ? 0 : -1;
}

/*
 * files.c - the files of the scripts folder, and how to tell that they have changed.
 *
 * Changes are detected in two steps: the file's stamp (inode, size, time), then the hash of its
 * bytes.
 */
#include "lua/host.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_path(const struct script_host *host, const char *name, char out[4096]) {
    int len = snprintf(out, 4096, "%s/%s", host->conf->scripts_dir, name);
    return len > 0 && len < 4096 ? 0 : ERR_INVALID;
}

static void take_stamp(const struct stat *st, int64_t stamp[4]) {
    stamp[0] = (int64_t)st->st_ino;
    stamp[1] = (int64_t)st->st_size;
    stamp[2] = (int64_t)st->st_mtim.tv_sec;
    stamp[3] = (int64_t)st->st_mtim.tv_nsec;
}

static int read_all(int fd, struct buf *out) {
    char chunk[16384];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ERR_SYSTEM;
        }
        if (got == 0) {
            return 0;
        }
        buf_add(out, chunk, (size_t)got);
        if (out->failed || out->len > SCRIPT_BYTES_MAX) {
            return ERR_LIMIT;
        }
    }
}

static int read_open_file(int fd, const char *name, struct script_file *file, struct buf *out,
                          struct report *r) {
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return report(r, ERR_SYSTEM, "scripts/%s: not a readable file", name);
    }
    take_stamp(&st, file->stamp);
    int rc = read_all(fd, out);
    if (rc == ERR_LIMIT) {
        return report(r, rc, "scripts/%s: larger than %d bytes", name, SCRIPT_BYTES_MAX);
    }
    if (rc != 0) {
        return report(r, rc, "scripts/%s: cannot read: %s", name, strerror(errno));
    }
    (void)crypto_generichash(file->hash, sizeof file->hash, (const unsigned char *)out->data,
                             out->len, NULL, 0);
    file->missing = false;
    return 0;
}

/* Whether the open file is the one at this path, with all links followed, below the scripts folder.
 * Whoever may put a link there must not read the host's own files through the compiler's errors. */
static bool is_inside(const struct script_host *host, const char *path, int fd) {
    char *folder = realpath(host->conf->scripts_dir, NULL);
    char *real = realpath(path, NULL);
    struct stat opened;
    struct stat found;
    bool inside = false;
    if (folder != NULL && real != NULL) {
        size_t len = strlen(folder);
        inside = strncmp(real, folder, len) == 0 && real[len] == '/' && fstat(fd, &opened) == 0 &&
                 stat(real, &found) == 0 && opened.st_dev == found.st_dev &&
                 opened.st_ino == found.st_ino;
    }
    free(folder);
    free(real);
    return inside;
}

int script_file_read(const struct script_host *host, struct script_file *file, struct buf *out,
                     struct report *r) {
    char path[4096];
    buf_reset(out);
    file->missing = true;
    if (file_path(host, file->name, path) != 0) {
        return report(r, ERR_INVALID, "scripts/%s: the path is too long", file->name);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for its writer */
    if (fd < 0) {
        return report(r, ERR_SYSTEM, "scripts/%s: cannot open: %s", file->name, strerror(errno));
    }
    int rc = is_inside(host, path, fd)
                 ? read_open_file(fd, file->name, file, out, r)
                 : report(r, ERR_INVALID,
                          "scripts/%s: it is a link to a file outside of the scripts folder",
                          file->name);
    (void)close(fd); /* opened for reading: nothing can be lost */
    return rc;
}

static int compare_files(const void *a, const void *b) {
    return strcmp(((const struct script_file *)a)->name, ((const struct script_file *)b)->name);
}

uint64_t script_files_hash(struct script_code *code) {
    qsort(code->files, code->file_count, sizeof *code->files, compare_files);
    crypto_generichash_state state;
    unsigned char hash[32];
    (void)crypto_generichash_init(&state, NULL, 0, sizeof hash);
    for (size_t i = 0; i < code->file_count; i++) {
        const struct script_file *file = &code->files[i];
        (void)crypto_generichash_update(&state, (const unsigned char *)file->name,
                                        strlen(file->name) + 1);
        (void)crypto_generichash_update(&state, file->hash, sizeof file->hash);
    }
    (void)crypto_generichash_final(&state, hash, sizeof hash);
    uint64_t version = 0;
    for (size_t i = 0; i < sizeof version; i++) {
        version = version << 8 | hash[i];
    }
    return version;
}

bool script_files_lack(const struct script_code *code) {
    bool lacks = false;
    for (size_t i = 0; i < code->file_count; i++) {
        lacks = lacks || code->files[i].missing;
    }
    return lacks;
}

bool script_file_changed(struct script_host *host, struct script_file *file) {
    char path[4096];
    struct stat st;
    if (file_path(host, file->name, path) != 0 || stat(path, &st) != 0) {
        return !file->missing;
    }
    int64_t stamp[4];
    take_stamp(&st, stamp);
    if (!file->missing && memcmp(stamp, file->stamp, sizeof stamp) == 0) {
        return false;
    }
    struct script_file now = {.name = file->name};
    if (script_file_read(host, &now, &host->scratch, NULL) != 0) {
        return !file->missing;
    }
    bool changed = file->missing || memcmp(now.hash, file->hash, sizeof now.hash) != 0;
    if (!changed) { /* touched, not changed: the next check is cheap again */
        memcpy(file->stamp, now.stamp, sizeof file->stamp);
    }
    return changed;
}

/*
 * files.c - the files beside a store, in an export: those of zing.append, and the audit log.
 *
 * They are read after the store. Lines that are younger than it are cut off when a host opens what was
 * imported, as after a crash, and written again by it.
 */
#include "export/impl.h"

#include "export/record.h"
#include "query/json.h"
#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE_BYTES = 48 << 10 };

#define FILES "files"

static const char *const beside[] = {"audit.1.jsonl", "audit.jsonl"};

static int fail(const char *what, const char *path, struct report *r) {
    bool full = errno == ENOSPC || errno == EDQUOT;
    return report(r, full ? ERR_FULL : ERR_DISK, "cannot %s %s: %s", what, path, strerror(errno));
}

/* --- writing --- */

static json_t *piece_json(const char *name, uint64_t at, struct slice bytes) {
    json_t *object =
        json_pack("{s:s, s:s, s:I}", "kind", EXPORT_FILE, "name", name, "at", (json_int_t)at);
    if (object != NULL && !look_json_bytes(object, "data", bytes)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* An empty file is one empty piece. */
static int write_pieces(struct export_writer *w, int fd, const char *path, const char *name,
                        struct report *r) {
    char piece[PIECE_BYTES];
    uint64_t at = 0;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail("read", path, r);
        }
        if (n == 0 && at > 0) {
            return 0;
        }
        int code = export_line(w, piece_json(name, at, (struct slice){piece, (size_t)n}));
        if (code != 0 || n == 0) {
            return code;
        }
        at += (uint64_t)n;
    }
}

/* What is no regular file, or is not there, is left out. */
static int write_file(struct export_writer *w, const char *folder, const char *name,
                      struct report *r) {
    char path[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(folder, name, path, r);
    int fd = code == 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    if (code != 0 || (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))) {
        return code;
    }
    if (fd < 0) {
        return fail("read", path, r);
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        code = write_pieces(w, fd, path, name, r);
    }
    (void)close(fd);
    return code;
}

static int not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int write_folder(struct export_writer *w, const char *folder, struct report *r) {
    char path[STORE_PATH_BYTES];
    struct dirent **entries = NULL;
    int code = store_folder_file(folder, FILES, path, r);
    int count = code == 0 ? scandir(path, &entries, not_dots, alphasort) : 0;
    if (count < 0) {
        return errno == ENOENT ? 0 : fail("read", path, r);
    }
    for (int i = 0; i < count; i++) {
        char name[sizeof FILES + sizeof entries[i]->d_name];
        (void)snprintf(name, sizeof name, FILES "/%s", entries[i]->d_name);
        code = code == 0 ? write_file(w, folder, name, r) : code;
        free(entries[i]);
    }
    free(entries);
    return code;
}

int export_files(struct export_writer *w, const char *folder, struct report *r) {
    int code = write_folder(w, folder, r);
    for (size_t i = 0; code == 0 && i < sizeof beside / sizeof *beside; i++) {
        code = write_file(w, folder, beside[i], r);
    }
    return code;
}

/* --- reading --- */

/* Only a name that an export gives a file: it comes from anywhere, and must not lead anywhere else. */
static bool is_name(const char *name) {
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        if (strcmp(name, beside[i]) == 0) {
            return true;
        }
    }
    const char *below = strncmp(name, FILES "/", sizeof FILES) == 0 ? name + sizeof FILES : "";
    return below[0] != '\0' && strchr(below, '/') == NULL && strcmp(below, ".") != 0 &&
           strcmp(below, "..") != 0 && strlen(below) < sizeof((struct export_file *)0)->name / 2;
}

static int make_files_folder(const struct export_file *file, struct report *r) {
    char path[STORE_PATH_BYTES];
    int code = store_folder_file(file->folder, FILES, path, r);
    if (code != 0 || strncmp(file->name, FILES, sizeof FILES - 1) != 0) {
        return code;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? backup_own(path, file->owner, r)
                                                     : fail("make", path, r);
}

static int open_file(struct export_file *file, const char *name, struct report *r) {
    char path[STORE_PATH_BYTES];
    int code = export_file_close(file, r);
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = 0;
    code = code == 0 ? make_files_folder(file, r) : code;
    code = code == 0 ? store_folder_file(file->folder, name, path, r) : code;
    if (code == 0) {
        file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        code = file->fd < 0 ? fail("create", path, r) : backup_own(path, file->owner, r);
    }
    return code;
}

static int write_piece(struct export_file *file, struct slice bytes, struct report *r) {
    while (bytes.len > 0) {
        ssize_t n = write(file->fd, bytes.data, bytes.len);
        if (n < 0 && errno != EINTR) {
            return fail("write", file->name, r);
        }
        size_t done = n < 0 ? 0 : (size_t)n;
        bytes = (struct slice){bytes.data + done, bytes.len - done};
        file->bytes += done;
    }
    return 0;
}

int export_file_add(struct export_file *file, const json_t *line, struct report *r) {
    const char *name = json_string_value(json_object_get(line, "name"));
    const json_t *at = json_object_get(line, "at");
    struct buf data;
    size_t used = 0;
    if (name == NULL || !is_name(name)) {
        return report(r, ERR_INVALID, "field \"name\" is no file that an export has");
    }
    bool begins = json_is_integer(at) && json_integer_value(at) == 0;
    bool goes_on = json_is_integer(at) && file->fd >= 0 && strcmp(name, file->name) == 0 &&
                   json_integer_value(at) == (json_int_t)file->bytes;
    if (!begins && !goes_on) {
        return report(r, ERR_INVALID, "field \"at\" does not go on where the file ends");
    }
    buf_init(&data, EXPORT_LINE_BYTES_MAX);
    int code = record_bytes(line, "data", &data, &used, r);
    if (code == 0 && json_object_size(line) != 3 + used) {
        code = report(r, ERR_INVALID, "it has fields that this zingq does not know");
    }
    code = code == 0 && begins ? open_file(file, name, r) : code;
    code = code == 0 ? write_piece(file, buf_slice(&data), r) : code;
    buf_clear(&data);
    return code;
}

int export_file_close(struct export_file *file, struct report *r) {
    int code = file->fd < 0 || fsync(file->fd) == 0 ? 0 : fail("sync", file->name, r);
    if (file->fd >= 0 && close(file->fd) != 0 && code == 0) {
        code = fail("write", file->name, r);
    }
    file->fd = -1;
    return code;
}

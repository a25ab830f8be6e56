/*
 * files.c - the files beside a store, in an export: those of zing.append, and the audit log.
 *
 * They are read after the store. Lines that are younger than it are cut off when a host opens what was
 * imported, as after a crash, and written again by it.
 */
#include "export/impl.h"

#include "backup/beside.h"

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

/* --- writing --- */

static json_t *piece_json(const char *name, uint64_t at, struct slice bytes) {
    json_t *object = json_pack("{s:s}", "kind", EXPORT_FILE);
    bool ok = object != NULL && look_json_bytes(object, "name", slice_of(name)) &&
              json_object_set_new(object, "at", json_integer((json_int_t)at)) == 0 &&
              look_json_bytes(object, "data", bytes);
    if (!ok) {
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
            return backup_fail("read", path, errno, r);
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

static int write_file(struct export_writer *w, const char *folder, const char *name,
                      struct report *r) {
    char path[STORE_PATH_BYTES];
    struct stat st;
    int code = store_folder_file(folder, name, path, r);
    int fd = code == 0 ? backup_open(path, &st, &code, r) : -1;
    if (fd >= 0) {
        code = write_pieces(w, fd, path, name, r);
        (void)close(fd);
    }
    return code;
}

static int not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int write_folder(struct export_writer *w, const char *folder, struct report *r) {
    char path[STORE_PATH_BYTES];
    struct dirent **entries = NULL;
    int code = store_folder_file(folder, EXPORT_FILES, path, r);
    int count = code == 0 ? scandir(path, &entries, not_dots, alphasort) : 0;
    if (count < 0) {
        return errno == ENOENT ? 0 : backup_fail("read", path, errno, r);
    }
    for (int i = 0; i < count; i++) {
        char name[sizeof EXPORT_FILES "/" + NAME_MAX];
        (void)snprintf(name, sizeof name, EXPORT_FILES "/%s", entries[i]->d_name);
        code = code == 0 ? write_file(w, folder, name, r) : code;
        free(entries[i]);
    }
    free(entries);
    return code;
}

static int write_beside(struct export_writer *w, const char *folder, struct report *r) {
    struct beside files[BESIDE_COUNT];
    int code = beside_open(folder, files, r);
    for (size_t i = 0; i < BESIDE_COUNT && code == 0; i++) {
        if (files[i].fd >= 0) {
            code = write_pieces(w, files[i].fd, files[i].path, beside_name(i), r);
        }
    }
    beside_close(files);
    return code;
}

int export_files(struct export_writer *w, const char *folder, struct report *r) {
    int code = write_folder(w, folder, r);
    return code == 0 ? write_beside(w, folder, r) : code;
}

/* --- reading --- */

/* Only a name that an export gives a file: it comes from anywhere, and must not lead anywhere else. */
static bool is_name(struct slice name) {
    for (size_t i = 0; i < BESIDE_COUNT; i++) {
        if (slice_is(name, beside_name(i))) {
            return true;
        }
    }
    size_t above = strlen(EXPORT_FILES "/");
    if (name.len <= above || memcmp(name.data, EXPORT_FILES "/", above) != 0) {
        return false;
    }
    struct slice below = {name.data + above, name.len - above};
    return memchr(below.data, '/', below.len) == NULL &&
           memchr(below.data, '\0', below.len) == NULL && !slice_is(below, ".") &&
           !slice_is(below, "..");
}

static int make_files_folder(const struct export_file *file, struct report *r) {
    char path[STORE_PATH_BYTES];
    int code = store_folder_file(file->folder, EXPORT_FILES, path, r);
    bool below = strncmp(file->name, EXPORT_FILES "/", strlen(EXPORT_FILES "/")) == 0;
    return code == 0 && below ? backup_make_folder(path, file->owner, r) : code;
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
        code =
            file->fd < 0 ? backup_fail("create", path, errno, r) : backup_own(path, file->owner, r);
    }
    return code;
}

static int add_piece(struct export_file *file, const char *name, const json_t *at,
                     struct slice bytes, struct report *r) {
    bool begins = json_is_integer(at) && json_integer_value(at) == 0;
    bool goes_on = json_is_integer(at) && file->fd >= 0 && strcmp(name, file->name) == 0 &&
                   json_integer_value(at) == (json_int_t)file->bytes;
    if (!begins && !goes_on) {
        return report(r, ERR_INVALID, "field \"at\" does not go on where the file ends");
    }
    int code = begins ? open_file(file, name, r) : 0;
    if (code == 0 && !backup_write(file->fd, bytes)) {
        return backup_fail("write", file->name, errno, r);
    }
    file->bytes += bytes.len;
    return code;
}

int export_file_add(struct export_file *file, const json_t *line, struct report *r) {
    struct buf name;
    struct buf data;
    size_t named = 0;
    size_t used = 0;
    buf_init(&name, sizeof file->name - 1);
    buf_init(&data, EXPORT_LINE_BYTES_MAX);
    int code = record_bytes(line, "name", &name, &named, r);
    if (code == 0 && !is_name(buf_slice(&name))) {
        code = report(r, ERR_INVALID, "field \"name\" is no file that an export has");
    }
    code = code == 0 ? record_bytes(line, "data", &data, &used, r) : code;
    if (code == 0 && json_object_size(line) != 2 /* kind, at */ + named + used) {
        code = report(r, ERR_INVALID, "it has fields that this zingq does not know");
    }
    if (code == 0) {
        code = add_piece(file, buf_str(&name), json_object_get(line, "at"), buf_slice(&data), r);
    }
    buf_clear(&name);
    buf_clear(&data);
    return code;
}

int export_file_close(struct export_file *file, struct report *r) {
    int code = file->fd < 0 || fsync(file->fd) == 0 ? 0 : backup_fail("sync", file->name, errno, r);
    if (file->fd >= 0 && close(file->fd) != 0 && code == 0) {
        code = backup_fail("write", file->name, errno, r);
    }
    file->fd = -1;
    return code;
}

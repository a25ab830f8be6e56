/*
 * audit.c - see web/admin/audit.h.
 *
 * The log is next to the store, not in it: it outlives a store that is damaged, salvaged or
 * restored, and log shippers can ship a text file. Readers skip a line torn by a crash; the next
 * record begins on a new line.
 */
#include "web/admin/audit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "query/json.h"
#include "store/folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

struct audit {
    char folder[PATH_BYTES], path[PATH_BYTES], older[PATH_BYTES];
    int fd; /* -1 = it could not be reopened */
    uint64_t bytes;
};

static bool name_file(const char *folder, const char *name, char path[PATH_BYTES]) {
    int len = snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return len > 0 && len < PATH_BYTES;
}

/* ---- writing ---- */

static int open_file(struct audit *a) {
    struct stat info;
    a->fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (a->fd < 0 || fstat(a->fd, &info) != 0) {
        return ERR_DISK;
    }
    char last = '\n';
    a->bytes = (uint64_t)info.st_size;
    if (info.st_size > 0 && pread(a->fd, &last, 1, info.st_size - 1) != 1) {
        return ERR_DISK;
    }
    return last == '\n' || write(a->fd, "\n", 1) == 1 ? 0 : ERR_DISK;
}

int audit_open(struct audit **out, const char *folder, struct report *r) {
    struct audit *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    a->fd = -1;
    if (!name_file(folder, ".", a->folder) || !name_file(folder, "audit.jsonl", a->path) ||
        !name_file(folder, "audit.1.jsonl", a->older)) {
        audit_close(a);
        return report(r, ERR_DISK, "the path of the data folder is too long");
    }
    if (open_file(a) != 0) {
        int code = report(r, ERR_DISK, "cannot write %s: %s", a->path, strerror(errno));
        audit_close(a);
        return code;
    }
    *out = a;
    return 0;
}

void audit_close(struct audit *a) {
    if (a != NULL && a->fd >= 0) {
        (void)close(a->fd);
    }
    free(a);
}

static int begin_file(struct audit *a) {
    (void)close(a->fd);
    a->fd = -1;
    return rename(a->path, a->older) == 0 ? open_file(a) : ERR_DISK;
}

static int append(struct audit *a, const char *line, size_t len) {
    int code = a->fd < 0 ? open_file(a) : 0;
    if (code == 0 && a->bytes + len > AUDIT_BYTES_MAX) {
        code = begin_file(a);
    }
    if (code != 0 || write(a->fd, line, len) != (ssize_t)len || fdatasync(a->fd) != 0) {
        return ERR_DISK;
    }
    a->bytes += len;
    return 0;
}

void audit_note(struct audit *a, json_t *record) {
    int64_t now_ms = clock_wall_ms();
    struct buf line;
    buf_init(&line, AUDIT_BYTES_MAX);
    if (record != NULL && look_json_wall_time(record, "at", now_ms)) {
        (void)json_object_set_new(record, "at_ms", json_integer(now_ms));
    }
    char *text = record == NULL ? NULL : json_dumps(record);
    buf_add_str(&line, text == NULL ? "" : text);
    buf_add_u8(&line, '\n');
    if (text == NULL || line.failed || append(a, line.data, line.len) != 0) {
        log_error("audit", "cannot write %s: %s record=%s", a->path, strerror(errno),
                  text == NULL ? "" : text);
    }
    free(text);
    buf_clear(&line);
    json_decref(record);
}

/* ---- hiding ---- */

void audit_hash(const char *key, char out[AUDIT_HASH_BYTES]) {
    static const char prefix[] = "sha256:";
    uint8_t hash[crypto_hash_sha256_BYTES];
    static_assert(sizeof prefix + 2 * sizeof hash == AUDIT_HASH_BYTES, "it is full");
    (void)crypto_hash_sha256(hash, (const uint8_t *)key, strlen(key));
    memcpy(out, prefix, sizeof prefix);
    (void)sodium_bin2hex(out + sizeof prefix - 1, 2 * sizeof hash + 1, hash, sizeof hash);
}

/* Whether the record is about the service: by its query, or as a part of its path. */
static bool is_about(const json_t *record, const char *service) {
    const char *named =
        json_string_value(json_object_get(json_object_get(record, "query"), "service"));
    const char *path = json_string_value(json_object_get(record, "path"));
    size_t len = strlen(service);
    if (named != NULL) {
        return strcmp(named, service) == 0;
    }
    for (const char *at = path; at != NULL && (at = strstr(at, service)) != NULL; at++) {
        if (at > path && at[-1] == '/' && (at[len] == '/' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

/* The line with the key hidden, to be freed; NULL: it stays as it is. */
static char *hide_in_line(const char *line, size_t len, const char *service, const char *key) {
    char hash[AUDIT_HASH_BYTES];
    json_t *record = memmem(line, len, "\"key\":", 6) == NULL
                         ? NULL
                         : json_read((struct slice){line, len}, "line", NULL);
    json_t *query = json_object_get(record, "query");
    const char *named = json_string_value(json_object_get(query, "key"));
    char *hidden = NULL;
    if (named != NULL && strcmp(named, key) == 0 && is_about(record, service)) {
        audit_hash(key, hash);
        (void)json_object_set_new(query, "key", json_string(hash));
        hidden = json_dumps(record);
    }
    json_decref(record);
    return hidden;
}

/* Copies the lines; *changed: one of them is another now. */
static bool copy_lines(FILE *from, FILE *to, const char *service, const char *key, bool *changed) {
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    bool good = true;
    *changed = false;
    while (good && (len = getline(&line, &room, from)) > 0) {
        char *hidden = hide_in_line(line, (size_t)len, service, key);
        *changed = *changed || hidden != NULL;
        good = hidden == NULL ? fwrite(line, 1, (size_t)len, to) == (size_t)len
                              : fputs(hidden, to) >= 0 && fputc('\n', to) == '\n';
        free(hidden);
    }
    free(line);
    return good && ferror(from) == 0 && fflush(to) == 0 && fdatasync(fileno(to)) == 0;
}

static int hide_in_file(const char *path, const char *service, const char *key) {
    char other[PATH_BYTES];
    bool changed = false;
    FILE *from = fopen(path, "re");
    if (from == NULL) {
        return errno == ENOENT ? 0 : ERR_DISK;
    }
    int len = snprintf(other, sizeof other, "%s.new", path);
    int fd = len < PATH_BYTES
                 ? open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)
                 : -1;
    FILE *to = fd < 0 ? NULL : fdopen(fd, "w");
    bool good = to != NULL && copy_lines(from, to, service, key, &changed);
    (void)fclose(from);
    if (to == NULL && fd >= 0) {
        (void)close(fd);
    }
    good = (to == NULL || fclose(to) == 0) && good;
    if (good && changed) {
        return rename(other, path) == 0 ? 0 : ERR_DISK;
    }
    (void)unlink(other);
    return good ? 0 : ERR_DISK;
}

void audit_hide_key(struct audit *a, const char *service, const char *key) {
    struct report r = {""};
    int code = hide_in_file(a->older, service, key);
    code = code == 0 ? hide_in_file(a->path, service, key) : code;
    if (code != 0) {
        log_error("audit", "cannot hide an erased key in %s: %s", a->path, strerror(errno));
    } else if (store_folder_sync(a->folder, &r) != 0) { /* a power cut could bring it back */
        log_error("audit", "an erased key may come back into %s: %s", a->path, r.text);
    }
    if (a->fd >= 0) {
        (void)close(a->fd);
    }
    if (open_file(a) != 0) {
        log_error("audit", "cannot write %s: %s", a->path, strerror(errno));
    }
}

/* ---- reading ---- */

struct audit_reader {
    int64_t since_ms;
    void *ctx;
    bool (*each)(void *ctx, json_t *record);
    bool ended;
    bool passed;      /* there was an older one */
    bool counting;    /* the first of two passes, in which only ids are noted */
    json_t *answered; /* ids of answered changes */
};

/* Whether the record is the second one of its change, or the first one of a change without. */
static bool is_last(const struct audit_reader *reader, const json_t *record) {
    const char *id = json_string_value(json_object_get(record, "id"));
    bool asked = json_object_get(record, "asked") != NULL;
    return !asked || id == NULL || json_object_get(reader->answered, id) == NULL;
}

static void note_answered(struct audit_reader *reader, const json_t *record) {
    const char *id = json_string_value(json_object_get(record, "id"));
    if (id != NULL && json_object_get(record, "asked") == NULL) {
        reader->ended = json_object_set_new(reader->answered, id, json_true()) != 0;
    }
}

static void read_line(struct audit_reader *reader, const char *line, size_t len) {
    json_t *record = json_read((struct slice){line, len}, "line", NULL);
    bool older = json_integer_value(json_object_get(record, "at_ms")) < reader->since_ms;
    if (!json_is_object(record) || older) {
        reader->passed = reader->passed || json_is_object(record);
        json_decref(record);
        return;
    }
    if (reader->counting) {
        note_answered(reader, record);
    } else if (is_last(reader, record)) {
        reader->ended = !reader->each(reader->ctx, record);
    }
    json_decref(record);
}

static int read_file(struct audit_reader *reader, const char *path, uint64_t tail,
                     struct report *r) {
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    if (file == NULL) {
        return errno == ENOENT ? 0
                               : report(r, ERR_DISK, "cannot read %s: %s", path, strerror(errno));
    }
    if (tail > 0 && fseek(file, -(long)tail, SEEK_END) == 0) {
        (void)getline(&line, &room, file); /* skip a partial line */
    }
    while (!reader->ended && (len = getline(&line, &room, file)) > 0) {
        read_line(reader, line, (size_t)len);
    }
    bool failed = ferror(file) != 0;
    free(line);
    (void)fclose(file);
    return failed ? report(r, ERR_DISK, "cannot read %s", path) : 0;
}

/* What of the tail the newer file does not fill is of the older one. */
static int read_files(struct audit_reader *reader, const char *folder, uint64_t tail, bool *whole,
                      struct report *r) {
    char older[PATH_BYTES];
    char path[PATH_BYTES];
    struct stat info;
    if (!name_file(folder, "audit.1.jsonl", older) || !name_file(folder, "audit.jsonl", path)) {
        return report(r, ERR_DISK, "the path of the data folder is too long");
    }
    uint64_t bytes = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    uint64_t older_bytes = stat(older, &info) == 0 ? (uint64_t)info.st_size : 0;
    uint64_t rest = tail > bytes ? tail - bytes : 0;
    int code = tail == 0 || rest > 0 ? read_file(reader, older, rest, r) : 0;
    *whole = tail == 0 || tail > bytes + older_bytes;
    return code == 0 ? read_file(reader, path, tail, r) : code;
}

int audit_read(const char *folder, int64_t since_ms, uint64_t tail, bool *whole, void *ctx,
               bool (*each)(void *ctx, json_t *record), struct report *r) {
    struct audit_reader reader = {.since_ms = since_ms,
                                  .ctx = ctx,
                                  .each = each,
                                  .counting = true,
                                  .answered = json_object()};
    int code = reader.answered == NULL ? report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY)) : 0;
    code = code == 0 ? read_files(&reader, folder, tail, whole, r) : code;
    if (code == 0 && reader.ended) {
        code = report(r, ERR_MEMORY, "%s", error_text(ERR_MEMORY));
    }
    reader.counting = false;
    code = code == 0 ? read_files(&reader, folder, tail, whole, r) : code;
    *whole = *whole || reader.passed;
    json_decref(reader.answered);
    return code;
}

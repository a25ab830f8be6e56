/*
 * append.c - staged lines in memory, one write and one fdatasync per file and turn.
 *
 *   meta flag "file/<name>" -> the file's length at the last settled commit
 */
#include "append.h"

#include "log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct line {
    uint8_t partition;
    uint64_t seq;
    char *file;
    char *text; /* with its newline */
    size_t len;
    struct line *next;
};

struct written_file {
    char *name;
    uint64_t length; /* bytes that count; what lies behind them is a write that was cut off */
    int error;       /* errno of the last write, logged once; 0 = it went well */
    struct written_file *next;
};

struct append {
    struct journal *journal;
    char *folder;
    struct line *staged, *staged_tail; /* rows stored, not yet written */
    struct line *written;              /* written, rows to be deleted */
    struct written_file *files;        /* of the lines above */
};

static void free_line(struct line *line) {
    free(line->file);
    free(line->text);
    free(line);
}

static void free_lines(struct line **list) {
    while (*list != NULL) {
        struct line *line = *list;
        *list = line->next;
        free_line(line);
    }
}

static void free_files(struct append *a) {
    while (a->files != NULL) {
        struct written_file *file = a->files;
        a->files = file->next;
        free(file->name);
        free(file);
    }
}

int append_new(struct append **out, struct journal *journal, const char *data) {
    struct append *a = calloc(1, sizeof *a);
    char folder[4096];
    int len = snprintf(folder, sizeof folder, "%s/files", data);
    if (a == NULL || len < 0 || (size_t)len >= sizeof folder) {
        free(a);
        return ERR_MEMORY;
    }
    a->journal = journal;
    a->folder = slice_dup(slice_of(folder));
    if (a->folder == NULL) {
        free(a);
        return ERR_MEMORY;
    }
    *out = a;
    return 0;
}

void append_free(struct append *a) {
    if (a == NULL) {
        return;
    }
    free_lines(&a->staged);
    free_lines(&a->written);
    free_files(a);
    free(a->folder);
    free(a);
}

static int stage(struct append *a, uint8_t partition, uint64_t seq, struct slice file,
                 struct slice text) {
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL) {
        return ERR_MEMORY;
    }
    line->partition = partition;
    line->seq = seq;
    line->file = slice_dup(file);
    line->text = slice_dup(text);
    if (line->file == NULL || line->text == NULL) {
        free_line(line);
        return ERR_MEMORY;
    }
    line->len = text.len;
    line->text[line->len++] = '\n'; /* in the place of slice_dup's NUL */
    if (a->staged == NULL) {
        a->staged = line;
    } else {
        a->staged_tail->next = line;
    }
    a->staged_tail = line;
    return 0;
}

enum { PATH_BYTES_MAX = 4096 + STATE_NAME_BYTES_MAX };

static int path_of(const struct append *a, const char *name, char path[PATH_BYTES_MAX]) {
    int len = snprintf(path, PATH_BYTES_MAX, "%s/%s", a->folder, name);
    errno = ENAMETOOLONG;
    return len < 0 || len >= PATH_BYTES_MAX ? -1 : 0;
}

static int open_file(const struct append *a, const char *name) {
    char path[PATH_BYTES_MAX];
    if (path_of(a, name, path) != 0) {
        return -1;
    }
    if (mkdir(a->folder, 0700) != 0 && errno != EEXIST) {
        return -1;
    }
    return open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void flag_name(const char *file, char out[256]) {
    (void)snprintf(out, 256, "file/%s", file);
}

/* The noted length; 0 for a file not written before. */
static int noted_length(struct append *a, const char *file, uint64_t *length) {
    char name[256];
    flag_name(file, name);
    *length = 0;
    int code = journal_flag_get(a->journal, name, length);
    return code == ERR_NOTFOUND ? 0 : code;
}

static struct written_file *file_find(struct append *a, const char *name) {
    struct written_file *file = a->files;
    while (file != NULL && strcmp(file->name, name) != 0) {
        file = file->next;
    }
    return file;
}

static struct written_file *file_enter(struct append *a, const char *name, uint64_t length) {
    struct written_file *file = file_find(a, name);
    if (file != NULL) {
        return file;
    }
    file = calloc(1, sizeof *file);
    char *copy = slice_dup(slice_of(name));
    if (file == NULL || copy == NULL) {
        free(file);
        free(copy);
        return NULL;
    }
    file->name = copy;
    file->length = length;
    file->next = a->files;
    a->files = file;
    return file;
}

/* Before the first line of a round: how long the file is now is noted with the line, so that after
 * a crash it is known where the line's bytes begin, also in a file that was rotated away or that
 * had bytes of somebody else's. */
static int enter_and_note(struct append *a, const char *name) {
    char path[PATH_BYTES_MAX];
    struct stat st;
    uint64_t noted;
    char flag[256];
    if (file_find(a, name) != NULL) {
        return 0;
    }
    bool there = path_of(a, name, path) == 0 && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
    uint64_t length = there ? (uint64_t)st.st_size : 0;
    int code = noted_length(a, name, &noted);
    if (code == 0 && noted != length) {
        flag_name(name, flag);
        code = journal_flag_put(a->journal, flag, length);
    }
    if (code == 0 && file_enter(a, name, length) == NULL) {
        code = ERR_MEMORY;
    }
    return code;
}

int append_add(struct append *a, uint8_t partition, int64_t now_ms, struct slice file,
               struct slice line) {
    uint64_t seq = journal_next_seq(a->journal, now_ms);
    int code = journal_append_put(a->journal, partition, seq, file, line);
    if (code == 0) {
        code = stage(a, partition, seq, file, line);
    }
    return code == 0 ? enter_and_note(a, a->staged_tail->file) : code;
}

int append_load(struct append *a) {
    free_lines(&a->staged);
    free_lines(&a->written);
    free_files(a);
    uint8_t partition = 0;
    uint64_t seq = 0;
    struct slice file;
    struct slice line;
    int code;
    while ((code = journal_append_next(a->journal, &partition, &seq, &file, &line)) == 0) {
        code = stage(a, partition, seq, file, line);
        if (code != 0) {
            return code;
        }
        const char *name = a->staged_tail->file;
        uint64_t length;
        code = noted_length(a, name, &length);
        if (code != 0) {
            return code;
        }
        if (file_enter(a, name, length) == NULL) {
            return ERR_MEMORY;
        }
    }
    return code == ERR_NOTFOUND ? 0 : code;
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

static int write_lines(struct append *a, const struct written_file *file, int fd, uint64_t *at) {
    if (ftruncate(fd, (off_t)*at) != 0) {
        return -1;
    }
    for (struct line *line = a->staged; line != NULL; line = line->next) {
        if (strcmp(line->file, file->name) != 0) {
            continue;
        }
        if (write_all(fd, line->text, line->len, *at) != 0) {
            return -1;
        }
        *at += line->len;
    }
    return fdatasync(fd);
}

/* Writes every staged line of the file at its end. 0, or -1 with errno: then the file's length is
 * what it was and the lines stay staged. */
static int write_file(struct append *a, struct written_file *file) {
    int fd = open_file(a, file->name);
    if (fd < 0) {
        return -1;
    }
    struct stat st;
    int failed = fstat(fd, &st);
    uint64_t at = file->length;
    if (failed == 0) {
        /* Shorter than noted: somebody rotated it away just now. */
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
    }
    return failed;
}

/* Moves the file's lines from staged to written. */
static void mark_written(struct append *a, const char *name) {
    struct line **link = &a->staged;
    a->staged_tail = NULL;
    while (*link != NULL) {
        struct line *line = *link;
        if (strcmp(line->file, name) != 0) {
            a->staged_tail = line;
            link = &line->next;
            continue;
        }
        *link = line->next;
        line->next = a->written;
        a->written = line;
    }
}

static bool has_staged(const struct append *a, const char *name) {
    const struct line *line = a->staged;
    while (line != NULL && strcmp(line->file, name) != 0) {
        line = line->next;
    }
    return line != NULL;
}

void append_write(struct append *a) {
    for (struct written_file *file = a->files; file != NULL; file = file->next) {
        if (!has_staged(a, file->name)) {
            continue;
        }
        if (write_file(a, file) == 0) {
            file->error = 0;
            mark_written(a, file->name);
        } else if (file->error != errno) {
            file->error = errno;
            log_error("files", "cannot write %s/%s: %s: the lines wait in the store", a->folder,
                      file->name, strerror(errno));
        }
    }
}

int append_settle(struct append *a) {
    if (a->written == NULL) {
        return 0;
    }
    for (struct written_file *file = a->files; file != NULL; file = file->next) {
        char name[256];
        flag_name(file->name, name);
        int code = journal_flag_put(a->journal, name, file->length);
        if (code != 0) {
            return code;
        }
    }
    while (a->written != NULL) {
        struct line *line = a->written;
        int code = journal_append_del(a->journal, line->partition, line->seq);
        if (code != 0) {
            return code;
        }
        a->written = line->next;
        free_line(line);
    }
    if (a->staged == NULL) {
        free_files(a);
    }
    return 0;
}

bool append_wants_settle(const struct append *a) {
    return a->written != NULL;
}

bool append_wants_write(const struct append *a) {
    return a->staged != NULL;
}

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
    uint64_t length; /* once all written lines are settled */
    struct written_file *next;
};

struct append {
    struct journal *journal;
    char *folder;
    struct line *staged, *staged_tail; /* rows stored, not yet written */
    struct line *written;              /* written, rows to be deleted */
    struct written_file *files;        /* whose length changed since the last settle */
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

int append_add(struct append *a, uint8_t partition, int64_t now_ms, struct slice file,
               struct slice line) {
    uint64_t seq = journal_next_seq(a->journal, now_ms);
    int code = journal_append_put(a->journal, partition, seq, file, line);
    return code != 0 ? code : stage(a, partition, seq, file, line);
}

static int open_file(const struct append *a, const char *name) {
    char path[4096 + NAME_BYTES_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", a->folder, name);
    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
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

/* Notes how long the file is now, before a line of this round is written to it. */
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
        /* Cut when the first line is written: file_enter holds where to write. */
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

/* Writes every staged line of the file at its end. 0, or -1 with errno: then the file's length is
 * what it was and the lines stay staged. */
static int write_file(struct append *a, const char *name) {
    int fd = open_file(a, name);
    if (fd < 0) {
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        (void)close(fd);
        return -1;
    }
    struct written_file *file = file_enter(a, name, (uint64_t)st.st_size);
    uint64_t at = file == NULL ? 0 : file->length;
    bool failed = file == NULL || ftruncate(fd, (off_t)at) != 0;
    for (struct line *line = a->staged; !failed && line != NULL; line = line->next) {
        if (strcmp(line->file, name) == 0) {
            failed = write_all(fd, line->text, line->len, at) != 0;
            at += line->len;
        }
    }
    failed = failed || fdatasync(fd) != 0;
    int saved = errno;
    failed = close(fd) != 0 || failed;
    errno = saved;
    if (!failed) {
        file->length = at;
    }
    return failed ? -1 : 0;
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

void append_write(struct append *a) {
    while (a->staged != NULL) {
        char *name = slice_dup(slice_of(a->staged->file));
        if (name == NULL || write_file(a, name) != 0) {
            log_error("files", "cannot write %s/%s: %s: the lines wait in the store", a->folder,
                      a->staged->file, strerror(errno));
            free(name);
            return;
        }
        mark_written(a, name);
        free(name);
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

/*
 * append.c - staged lines in memory, one write and one fdatasync per file and turn.
 *
 *   meta flag "file/<name>" -> the file's length at the last settled commit
 *
 * A line is staged in memory together with its row, and written after the commit. A line stays on
 * disk only if there is no room in memory, if its file could not be written, or if the file already
 * has lines on disk, which come first. Those lines are collected by a pass over the rows in order
 * of their sequence numbers, a bounded part per turn, for all files whose retry is due when the
 * pass begins. So a file that cannot be written takes no memory except for its name, and delays no
 * other file.
 *
 * A pass runs only while nothing is staged or unsettled: then every row it sees is neither in
 * memory nor in its file.
 */
#include "engine/append_impl.h"

#include "base/limits.h"
#include "base/log.h"
#include "journal/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void free_line(struct line *line) {
    free(line->text);
    free(line);
}

static void free_lines(struct lines *lines) {
    struct line *line;
    while ((line = TAILQ_FIRST(lines)) != NULL) {
        TAILQ_REMOVE(lines, line, link);
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
    TAILQ_INIT(&a->staged);
    TAILQ_INIT(&a->written);
    a->data = slice_dup(slice_of(data));
    a->folder = slice_dup(slice_of(folder));
    if (a->data == NULL || a->folder == NULL) {
        append_free(a);
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
    free(a->data);
    free(a->folder);
    free(a);
}

static bool has_room(const struct append *a, size_t len) {
    return a->staged_lines < APPEND_LINES_MAX && a->staged_bytes + len <= APPEND_BYTES_MAX;
}

static int stage(struct append *a, uint8_t partition, uint64_t seq, struct written_file *file,
                 struct slice text) {
    struct line *line = calloc(1, sizeof *line);
    char *copy = slice_dup(text);
    if (line == NULL || copy == NULL) {
        free(line);
        free(copy);
        return ERR_MEMORY;
    }
    *line = (struct line){
        .partition = partition, .seq = seq, .file = file, .text = copy, .len = text.len + 1};
    line->text[text.len] = '\n'; /* replaces slice_dup's NUL */
    TAILQ_INSERT_TAIL(&a->staged, line, link);
    a->staged_lines++;
    a->staged_bytes += line->len;
    file->staged++;
    return 0;
}

static void flag_name(const char *file, char out[256]) {
    (void)snprintf(out, 256, "file/%s", file);
}

/* The noted length; 0 for a file that was never written. */
static int noted_length(struct append *a, const char *file, uint64_t *length) {
    char name[256];
    flag_name(file, name);
    *length = 0;
    int code = journal_flag_get(a->journal, name, length);
    return code == ERR_NOTFOUND ? 0 : code;
}

static bool is_named(const struct written_file *file, struct slice name) {
    return strlen(file->name) == name.len && memcmp(file->name, name.data, name.len) == 0;
}

static struct written_file *file_find(struct append *a, struct slice name) {
    struct written_file *file = a->files;
    while (file != NULL && !is_named(file, name)) {
        file = file->next;
    }
    return file;
}

static struct written_file *file_new(struct append *a, struct slice name) {
    struct written_file *file = calloc(1, sizeof *file);
    char *copy = slice_dup(name);
    if (file == NULL || copy == NULL) {
        free(file);
        free(copy);
        return NULL;
    }
    file->name = copy;
    file->next = a->files;
    a->files = file;
    return file;
}

/* The length of a file before the first line of a round is noted with that line. So after a crash
 * we know where the line's bytes begin, also in a file that was rotated away or that contains bytes
 * of others. A file that cannot be examined is noted as such: nothing may be cut from it. */
static int note_length(struct append *a, struct written_file *file) {
    struct stat st = {.st_size = 0};
    uint64_t noted;
    char flag[256];
    int failed = append_stat_file(a, file->name, &st);
    file->length = failed == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    if (failed != 0 && errno != ENOENT) {
        file->length = LENGTH_UNKNOWN;
    }
    int why = errno;
    int code = noted_length(a, file->name, &noted);
    if (code == 0 && noted != file->length) {
        flag_name(file->name, flag);
        code = journal_flag_put(a->journal, flag, file->length);
    }
    errno = why;
    return code;
}

int append_add(struct append *a, uint8_t partition, int64_t now_ms, struct slice file,
               struct slice line) {
    uint64_t seq = journal_next_seq(a->journal, now_ms);
    struct written_file *its = file_find(a, file);
    int code = journal_append_put(a->journal, partition, seq, file, line);
    if (code == 0 && its == NULL) {
        its = file_new(a, file);
        code = its == NULL ? ERR_MEMORY : note_length(a, its);
    }
    if (code != 0) {
        return code;
    }
    if (its->length == LENGTH_UNKNOWN || its->on_disk > 0 || !has_room(a, line.len + 1)) {
        its->on_disk++;
        return 0;
    }
    return stage(a, partition, seq, its, line);
}

/* ---- lines that are only on disk ---- */

static void put_off(struct append *a, struct written_file *file, int error, int64_t now_ms) {
    if (file->error != error || now_ms - file->said_ms >= APPEND_RETRY_MS_MAX) {
        file->error = error;
        file->said_ms = now_ms;
        log_error("files", "cannot write %s/%s: %s: the lines wait in the store", a->folder,
                  file->name, strerror(error));
    }
    int64_t pause_ms = file->pause_ms == 0 ? APPEND_RETRY_MS_MIN : 2 * file->pause_ms;
    file->pause_ms = pause_ms > APPEND_RETRY_MS_MAX ? APPEND_RETRY_MS_MAX : pause_ms;
    file->retry_ms = now_ms + file->pause_ms;
    file->in_pass = false;
}

/* Decides whether this pass collects the file's lines. Notes its length again, because others may
 * have changed it, unless it is torn: then the length known here is the better one. */
static int join_pass(struct append *a, struct written_file *file, int64_t now_ms) {
    assert(file->staged == 0);
    file->in_pass = file->on_disk > 0 && file->retry_ms <= now_ms;
    if (!file->in_pass || file->torn) {
        return 0;
    }
    int code = note_length(a, file);
    if (code == 0 && file->length == LENGTH_UNKNOWN) {
        put_off(a, file, errno, now_ms);
    }
    return code;
}

static int start_pass(struct append *a, int64_t now_ms) {
    int code = 0;
    memset(a->passed, 0, sizeof a->passed);
    for (struct written_file *file = a->files; code == 0 && file != NULL; file = file->next) {
        code = join_pass(a, file, now_ms);
        a->passing = a->passing || file->in_pass;
    }
    return code;
}

static void end_pass(struct append *a) {
    for (struct written_file *file = a->files; file != NULL; file = file->next) {
        file->on_disk = file->in_pass ? 0 : file->on_disk;
        file->in_pass = false;
    }
    a->passing = false;
}

struct append_row {
    uint64_t seq;
    struct slice file, line;
};

/* The partition's next row for the pass; ERR_NOTFOUND. */
static int next_row(struct append *a, uint8_t partition, struct append_row *row) {
    uint8_t found = partition;
    row->seq = a->passed[partition];
    int code = journal_append_next(a->journal, &found, &row->seq, &row->file, &row->line);
    return code == 0 && found != partition ? ERR_NOTFOUND : code;
}

static int next_seq(struct append *a, uint8_t partition, uint64_t *seq) {
    struct append_row row;
    int code = next_row(a, partition, &row);
    *seq = code == 0 ? row.seq : UINT64_MAX;
    return code == ERR_NOTFOUND ? 0 : code;
}

/* Stages the row if its file is part of the pass. *full: there is no room for it. */
static int pass_row(struct append *a, uint8_t partition, bool *full) {
    struct append_row row;
    int code = next_row(a, partition, &row);
    struct written_file *file = code == 0 ? file_find(a, row.file) : NULL;
    if (file != NULL && file->in_pass) {
        /* The first one always fits, however large. */
        *full = a->staged_lines > 0 && !has_room(a, row.line.len + 1);
        code = *full ? 0 : stage(a, partition, row.seq, file, row.line);
        file->on_disk -= code == 0 && !*full && file->on_disk > 0 ? 1 : 0;
    }
    if (code == 0 && !*full) {
        a->passed[partition] = row.seq;
    }
    return code;
}

/* A bounded part of the pass, over the rows of all partitions in order of their sequence
 * numbers. */
static int go_on_passing(struct append *a) {
    uint64_t seqs[PARTITIONS];
    int code = 0;
    bool full = false;
    for (uint8_t p = 0; code == 0 && p < PARTITIONS; p++) {
        code = next_seq(a, p, &seqs[p]);
    }
    for (size_t rows = 0; code == 0 && !full && rows < APPEND_PASS_ROWS; rows++) {
        uint8_t first = 0;
        for (uint8_t p = 1; p < PARTITIONS; p++) {
            first = seqs[p] < seqs[first] ? p : first;
        }
        if (seqs[first] == UINT64_MAX) {
            end_pass(a);
            return 0;
        }
        code = pass_row(a, first, &full);
        if (code == 0 && !full) {
            code = next_seq(a, first, &seqs[first]);
        }
    }
    return code;
}

/* Which files have lines that are only on disk, and how many. `home`: their noted lengths are of these. */
static int find_files(struct append *a, bool home) {
    uint8_t partition = 0;
    uint64_t seq = 0;
    struct slice name;
    struct slice line;
    int code;
    while ((code = journal_append_next(a->journal, &partition, &seq, &name, &line)) == 0) {
        struct written_file *file = file_find(a, name);
        if (file == NULL) {
            file = file_new(a, name);
            code = file == NULL ? ERR_MEMORY : noted_length(a, file->name, &file->length);
        }
        if (code != 0) {
            return code;
        }
        file->torn = home && file->length != LENGTH_UNKNOWN;
        file->on_disk++;
    }
    return code == ERR_NOTFOUND ? 0 : code;
}

static void forget(struct append *a) {
    free_lines(&a->staged);
    free_lines(&a->written);
    free_files(a);
    a->staged_lines = a->staged_bytes = 0;
    a->passing = false;
}

int append_load(struct append *a) {
    bool home = false;
    forget(a);
    int code = append_is_home(a, &home);
    code = code == 0 ? find_files(a, home) : code;
    if (code == 0) {
        code = start_pass(a, 0);
    }
    return code == 0 && a->passing ? go_on_passing(a) : code;
}

/* ---- writing ---- */

/* Removes the file's lines from the staged ones: to the written ones, or, if they must stay on
 * disk, only from memory. */
static void unstage(struct append *a, struct written_file *file, bool written) {
    struct line *next = NULL;
    for (struct line *line = TAILQ_FIRST(&a->staged); line != NULL; line = next) {
        next = TAILQ_NEXT(line, link);
        if (line->file != file) {
            continue;
        }
        TAILQ_REMOVE(&a->staged, line, link);
        a->staged_lines--;
        a->staged_bytes -= line->len;
        file->staged--;
        if (written) {
            TAILQ_INSERT_HEAD(&a->written, line, link);
        } else {
            file->on_disk++;
            free_line(line);
        }
    }
    assert(file->staged == 0);
}

void append_write(struct append *a, int64_t now_ms) {
    for (struct written_file *file = a->files; file != NULL; file = file->next) {
        if (file->staged == 0) {
            continue;
        }
        if (append_write_file(a, file) != 0) {
            put_off(a, file, errno, now_ms);
            unstage(a, file, false);
            continue;
        }
        if (file->error != 0) {
            log_info("files", "%s/%s can be written again", a->folder, file->name);
        }
        file->error = 0;
        file->pause_ms = file->retry_ms = 0;
        unstage(a, file, true);
    }
}

static int note_lengths(struct append *a) {
    int code = 0;
    for (struct written_file *file = a->files; code == 0 && file != NULL; file = file->next) {
        if (file->grown) {
            char name[256];
            flag_name(file->name, name);
            code = journal_flag_put(a->journal, name, file->length);
            file->grown = false;
        }
    }
    return code;
}

static int delete_written(struct append *a) {
    struct line *line;
    while ((line = TAILQ_FIRST(&a->written)) != NULL) {
        int code = journal_append_del(a->journal, line->partition, line->seq);
        if (code != 0) {
            return code;
        }
        TAILQ_REMOVE(&a->written, line, link);
        assert(TAILQ_FIRST(&a->written) != line);
        free_line(line);
    }
    return 0;
}

/* Frees files that no line waits for. */
static void forget_files(struct append *a) {
    struct written_file **link = &a->files;
    while (*link != NULL) {
        struct written_file *file = *link;
        if (file->staged > 0 || file->on_disk > 0) {
            link = &file->next;
            continue;
        }
        *link = file->next;
        free(file->name);
        free(file);
    }
}

int append_settle(struct append *a, int64_t now_ms) {
    int code = TAILQ_EMPTY(&a->written) ? 0 : note_lengths(a);
    if (code == 0) {
        code = delete_written(a);
    }
    if (code != 0 || a->staged_lines > 0) {
        return code;
    }
    forget_files(a);
    if (!a->passing) {
        code = start_pass(a, now_ms);
    }
    return code == 0 && a->passing ? go_on_passing(a) : code;
}

bool append_wants_settle(const struct append *a) {
    return !TAILQ_EMPTY(&a->written);
}

bool append_wants_write(const struct append *a) {
    return a->staged_lines > 0;
}

int64_t append_next_ms(const struct append *a) {
    if (a->staged_lines > 0 || a->passing) {
        return 0;
    }
    int64_t next = INT64_MAX;
    for (const struct written_file *file = a->files; file != NULL; file = file->next) {
        if (file->on_disk > 0 && file->retry_ms < next) {
            next = file->retry_ms;
        }
    }
    return next;
}

void append_look(const struct append *a, struct append_state *out) {
    *out = (struct append_state){.waiting = 0};
    for (const struct written_file *file = a->files; file != NULL; file = file->next) {
        if (file->error != 0) {
            out->waiting += file->staged + file->on_disk;
            out->file = file->name;
            out->error = file->error;
        }
    }
}

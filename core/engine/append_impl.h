/*
 * append_impl.h - what engine/append.c (lines, and the rows they come from) and
 * engine/append_files.c (the files they go to) share.
 */
#ifndef ZINGQ_ENGINE_APPEND_IMPL_H
#define ZINGQ_ENGINE_APPEND_IMPL_H

#include "engine/append.h"

#include <sys/queue.h>

struct line {
    uint8_t partition;
    uint64_t seq;
    struct written_file *file;
    char *text; /* with its newline */
    size_t len;
    TAILQ_ENTRY(line) link;
};

/* In the order of their rows. */
TAILQ_HEAD(lines, line);

struct written_file {
    char *name;
    uint64_t length;  /* bytes that count; what lies behind them is a write that was cut off */
    size_t staged;    /* lines in memory, not yet written */
    uint64_t on_disk; /* lines that are nowhere else */
    bool torn;        /* behind `length` may be a write of ours that was cut off */
    bool grown;       /* `length` is to be noted */
    bool in_pass;     /* its lines on disk are being taken up */
    int error;        /* errno of the last write, logged once a minute; 0 = it went well */
    int64_t retry_ms; /* no try before */
    int64_t pause_ms; /* the last one */
    int64_t said_ms;  /* when it was logged */
    struct written_file *next;
};

struct append {
    struct journal *journal;
    char *data;          /* the host's folder, */
    char *folder;        /* and that of the files in it */
    struct lines staged; /* rows stored, not yet written */
    size_t staged_lines, staged_bytes;
    struct lines written;       /* written, rows to be deleted */
    struct written_file *files; /* of the lines above, and of those on disk */
    bool passing;
    uint64_t passed[PARTITIONS]; /* the last row the pass has seen */
};

/* As a file's length. */
#define LENGTH_UNKNOWN UINT64_MAX

/* --- engine/append_files.c --- */

struct stat;

/* What the file is. -1 with errno. */
int append_stat_file(const struct append *a, const char *name, struct stat *out);
/* Writes every staged line of the file at its end. 0, or -1 with errno: then the file's length is
 * what it was and the lines stay staged. */
int append_write_file(struct append *a, struct written_file *file);

/* --- engine/append_home.c --- */

/* Whether the noted lengths are of the files in this folder; from now on they are. Inside a transaction. */
int append_is_home(struct append *a, bool *home);

#endif

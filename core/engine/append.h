/*
 * append.h - lines for files under DATA/files/, each written exactly once.
 *
 * A line is a journal row from the commit that asked for it. After the commit it is written and
 * synced; the next transaction deletes the row and notes the file's new length. After a crash in
 * between, the file is cut to the noted length and the rows are written again.
 */
#ifndef ZINGQ_ENGINE_APPEND_H
#define ZINGQ_ENGINE_APPEND_H

#include "journal/journal.h"

#include <stdbool.h>
#include <stdint.h>

struct append;

/* `data` is the data folder. ERR_MEMORY, ERR_DISK. */
int append_new(struct append **out, struct journal *journal, const char *data);
void append_free(struct append *a);
/* After a crash or a dropped transaction: cuts files to their noted lengths and takes the rows up
 * again; inside a transaction. */
int append_load(struct append *a);

/* Stores a line (without its newline); inside a transaction. `now_ms` here and below is engine
 * time.
 */
int append_add(struct append *a, uint8_t partition, int64_t now_ms, struct slice file,
               struct slice line);
/* After the commit: writes and syncs what was staged. A file that cannot be written is logged and
 * tried again after a pause, from APPEND_RETRY_MS_MIN on, twice as long each time. */
void append_write(struct append *a, int64_t now_ms);
/* Deletes the rows of written lines, notes the lengths, takes up rows there was no room for in
 * memory; inside a transaction. */
int append_settle(struct append *a, int64_t now_ms);
bool append_wants_settle(const struct append *a);
/* Lines staged that are not written yet. */
bool append_wants_write(const struct append *a);
/* When append_write or append_settle has something to do though nothing new comes; INT64_MAX =
 * never. The bound on what is kept in memory is APPEND_LINES_MAX and APPEND_BYTES_MAX. */
int64_t append_next_ms(const struct append *a);

struct append_state {
    uint64_t waiting; /* lines of files that could not be written */
    const char *file; /* one of these files, until the next call; NULL = none */
    int error;        /* errno of its last write */
};

/* What waits, for status and metrics. */
void append_look(const struct append *a, struct append_state *out);

#endif

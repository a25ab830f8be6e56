/*
 * append.h - lines for files under DATA/files/, each written exactly once.
 *
 * A line is a journal row from the commit that asked for it. After the commit it is written and
 * synced; the next transaction deletes the row and notes the file's new length. After a crash in
 * between, the file is cut to the noted length and the rows are written again.
 */
#ifndef ZINGQ_APPEND_H
#define ZINGQ_APPEND_H

#include "journal.h"

#include <stdbool.h>
#include <stdint.h>

struct append;

/* `data` is the data folder. ERR_MEMORY, ERR_DISK. */
int append_new(struct append **out, struct journal *journal, const char *data);
void append_free(struct append *a);
/* After a crash or a dropped transaction: cuts files to their noted lengths and takes the rows up
 * again; inside a transaction. */
int append_load(struct append *a);

/* Stores a line (without its newline); inside a transaction. */
int append_add(struct append *a, uint8_t partition, int64_t now_ms, struct slice file,
               struct slice line);
/* After the commit: writes and syncs what was staged. A file that cannot be written is logged and
 * tried again at the next call. */
void append_write(struct append *a);
/* Deletes the rows of written lines, notes the lengths; inside a transaction. */
int append_settle(struct append *a);
bool append_wants_settle(const struct append *a);
/* Lines staged that could not be written yet. */
bool append_wants_write(const struct append *a);

#endif

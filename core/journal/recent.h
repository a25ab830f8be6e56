/*
 * recent.h - what journal/dedupe.c stands on: the record of an idempotency key, the keys noted
 * lately, and the secrets. For the journal's own files.
 */
#ifndef ZINGQ_JOURNAL_RECENT_H
#define ZINGQ_JOURNAL_RECENT_H

#include "journal/impl.h"

/* --- the record of a key: journal/note.c --- */

/* As journal_taker; a row of a bucket. */
int journal_take_note(struct slice key, struct slice value, void *out);
/* Writes it under the row's key. */
int journal_write_note(struct journal *j, enum store_table t, const struct key *row,
                       const struct dedupe_note *note);
/* Whether the event that has the key has not ended: 0, or ERR_NOTFOUND. */
int journal_note_find_holder(struct journal *j, const struct key *k,
                             const struct dedupe_note *note);
/* Whether it is younger than keep_ms, or its event has not ended: 0, or ERR_NOTFOUND. */
int journal_note_counts(struct journal *j, struct dedupe_time time, const struct key *k,
                        const struct dedupe_note *note);

/* Where the note of a key is. */
struct note_place {
    enum store_table table;
    struct key row;
};

/* --- keys noted lately: journal/recent.c --- */

/* Nothing in memory is valid any more: the rows are read again when they are needed. */
void recent_forget(struct journal *j);
/* The note of the key, if it counts. ERR_NOTFOUND. */
int recent_find(struct journal *j, struct dedupe_time time, const struct key *k,
                struct note_place *at, struct dedupe_note *note);
/* Appends it. ERR_LIMIT: there is no room until those of the full table have gone on. */
int recent_add(struct journal *j, const struct key *k, const struct dedupe_note *note);

/* The keys of the full table, in the order in which their buckets have them; a table counts as full
 * at last when its first note is `full_ms` old. ERR_NOTFOUND: none is full, or *emptied: all of its
 * rows have gone on, and it is empty now. */
int recent_go_on(struct journal *j, int64_t now_ms, int64_t full_ms, struct key *k,
                 struct dedupe_note *note);
/* When there is more to go on: now, at a later time, or INT64_MAX. */
int64_t recent_due_ms(const struct journal *j, int64_t now_ms, int64_t full_ms);
/* Whether there are keys to go on, in a table that is full. */
bool recent_is_full(const struct journal *j);
/* Rows to let go on now, so that there is room when the next table is full. */
size_t recent_rows_due(struct journal *j, size_t rows);
int journal_check_recent(struct slice key, struct slice value);

/* --- secrets of other stores: journal/secret.c --- */

int journal_secret_write(struct journal *j, size_t n);
/* Moves the last secret into the place of number n. */
int journal_secret_drop(struct journal *j, size_t n);

#endif

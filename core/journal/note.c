/*
 * note.c - the record of an idempotency key: which event has it, since when.
 *
 *   id128 | (hash128 mark) | i64 noted_ms
 *
 * noted_ms is missing in rows of earlier versions.
 */
#include "journal/recent.h"

#include "journal/event.h"

#include <string.h>

int journal_take_note(struct slice key, struct slice value, void *out) {
    struct dedupe_note *note = out;
    struct reader r = reader_of(value.data, value.len);
    note->id = read_uuid(&r);
    note->marked = value.len >= UUID_BYTES + sizeof note->mark.bytes;
    if (note->marked) {
        struct slice mark = read_bytes(&r, sizeof note->mark.bytes);
        if (mark.data != NULL) {
            memcpy(note->mark.bytes, mark.data, mark.len);
        }
    }
    note->noted_ms = r.at < r.end ? (int64_t)read_u64(&r) : 0;
    return r.failed || r.at != r.end || key.len != DEDUPE_KEY_BYTES ? ERR_CORRUPT : 0;
}

int journal_write_note(struct journal *j, enum store_table t, const struct key *row,
                       const struct dedupe_note *note) {
    buf_reset(&j->record);
    buf_add(&j->record, note->id.bytes, UUID_BYTES);
    if (note->marked) {
        buf_add(&j->record, note->mark.bytes, sizeof note->mark.bytes);
    }
    buf_add_u64(&j->record, (uint64_t)note->noted_ms);
    return journal_put_record(j, t, row);
}

int journal_note_find_holder(struct journal *j, const struct key *k,
                             const struct dedupe_note *note) {
    return journal_event_find_waiting(j, k->bytes[0] & ~DEDUPE_OWN, &note->id);
}

int journal_note_counts(struct journal *j, struct dedupe_time time, const struct key *k,
                        const struct dedupe_note *note) {
    return note->noted_ms + time.keep_ms > time.now_ms ? 0 : journal_note_find_holder(j, k, note);
}

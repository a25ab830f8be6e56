/*
 * letter.c - see journal/letter.h.
 *
 *   letter   p8 service16 kind8 dead_ms64 id128 -> bytes64 (made8 (fingerprint64)), which an older
 *            zingq did not write
 */
#include "journal/letter.h"

#include "journal/impl.h"

#include <assert.h>

enum { PREFIX_BYTES = 4 };

static const char ALL_FLAG[] = "letters";
/* 1: all but those of LETTER_HELD; 2: all, but of schema 4, whose other programs cannot read them */
enum { ALL = 3 };

bool journal_letter_time(int64_t dead_ms) {
    return dead_ms >= 0 && is_time(dead_ms);
}

/* INV-JOURNAL-19, of what is written and of what is read. */
static bool is_sound(const struct letter_row *row) {
    return row->partition < PARTITIONS && row->kind < LETTER_KINDS &&
           journal_letter_time(row->dead_ms);
}

static void letter_key(struct key *k, const struct letter_row *row) {
    k->len = 0;
    key_u8(k, row->partition);
    key_u16(k, row->service);
    key_u8(k, row->kind);
    key_u64(k, (uint64_t)row->dead_ms);
    key_uuid(k, &row->id);
}

static int take_letter(struct slice key, struct slice value, void *out) {
    struct letter_row *row = out;
    struct reader r = reader_of(key.data, key.len);
    row->partition = read_u8(&r);
    row->service = read_u16_be(&r);
    row->kind = read_u8(&r);
    row->dead_ms = (int64_t)read_u64_be(&r);
    row->id = read_uuid(&r);
    struct reader v = reader_of(value.data, value.len);
    row->bytes = read_u64(&v);
    row->made = !v.failed && v.at < v.end && read_u8(&v) != 0;
    row->fingerprint = !v.failed && v.at < v.end ? read_u64(&v) : 0;
    bool whole = !r.failed && r.at == r.end && !v.failed && v.at == v.end;
    return whole && is_sound(row) ? 0 : ERR_CORRUPT;
}

int journal_letter_put(struct journal *j, const struct letter_row *row) {
    assert(is_sound(row));
    struct key k;
    struct letter_row before = *row;
    int code = journal_letter_del(j, &before);
    if (code != 0 && code != ERR_NOTFOUND) {
        return code;
    }
    letter_key(&k, row);
    buf_reset(&j->record);
    buf_add_u64(&j->record, row->bytes);
    buf_add_u8(&j->record, row->made ? 1 : 0);
    buf_add_u64(&j->record, row->fingerprint);
    code = journal_put_record(j, TABLE_LETTER, &k);
    return code == 0 ? journal_kept_letter(j, row, true) : code;
}

int journal_letter_get(struct journal *j, struct letter_row *row) {
    struct key k;
    letter_key(&k, row);
    return journal_take(j, TABLE_LETTER, &k, take_letter, row);
}

int journal_letter_del(struct journal *j, struct letter_row *row) {
    struct key k;
    letter_key(&k, row);
    int code = journal_letter_get(j, row);
    code = code == 0 ? store_del(j->store, TABLE_LETTER, key_slice(&k)) : code;
    return code == 0 ? journal_kept_letter(j, row, false) : code;
}

static int next(struct journal *j, size_t prefix_len, struct letter_row *row) {
    struct key k;
    struct letter_row found;
    letter_key(&k, row);
    int code = journal_take_next(j, TABLE_LETTER, &k, prefix_len, true, take_letter, &found);
    if (code == 0) {
        *row = found;
    }
    return code;
}

int journal_letter_next(struct journal *j, struct letter_row *row) {
    return next(j, PREFIX_BYTES, row);
}

int journal_letter_scan(struct journal *j, struct letter_row *row) {
    return next(j, 0, row);
}

int journal_letter_before(struct journal *j, struct letter_row *row) {
    struct key k;
    letter_key(&k, row);
    for (;;) {
        struct slice key;
        struct slice value;
        int code = store_seek_back(j->store, TABLE_LETTER, key_slice(&k), &key, &value);
        code = code == 0 ? take_letter(key, value, row) : code;
        if (code != ERR_CORRUPT) {
            return code;
        }
        journal_broken(j, TABLE_LETTER, key, value);
        key_set(&k, key);
    }
}

int journal_letters_all(struct journal *j, bool *all) {
    uint64_t flag = 0;
    int code = journal_flag_get(j, ALL_FLAG, &flag);
    *all = flag == ALL;
    return code == ERR_NOTFOUND ? 0 : code;
}

int journal_letters_have_all(struct journal *j) {
    return journal_flag_put(j, ALL_FLAG, ALL);
}

int journal_check_letter(struct slice key, struct slice value) {
    struct letter_row row;
    return take_letter(key, value, &row);
}

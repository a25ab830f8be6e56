/*
 * dead.c - the rows of dead letters, and the groups they are in.
 */
#include "journal/impl.h"

#include "journal/event.h"
#include "journal/letter.h"

#include <assert.h>
#include <ctype.h>
#include <sodium.h>

static bool is_id_byte(unsigned char c) {
    return isxdigit(c) || c == '-';
}

/* Length of the run of hex digits and hyphens at `at` if it looks like an id or a hash: eight bytes
 * or more, including a digit, not part of a word. 0 otherwise. */
static size_t id_length(struct slice reason, size_t at) {
    size_t len = 0;
    bool digit = false;
    if (at > 0 && isalnum((unsigned char)reason.data[at - 1])) {
        return 0;
    }
    while (at + len < reason.len && is_id_byte((unsigned char)reason.data[at + len])) {
        digit = digit || isdigit((unsigned char)reason.data[at + len]);
        len++;
    }
    bool word_follows = at + len < reason.len && isalnum((unsigned char)reason.data[at + len]);
    return digit && len >= 8 && !word_follows ? len : 0;
}

/* Numbers, ids and hashes differ between occurrences of one fault; words and places do not. Only
 * the first line counts, because tracebacks vary with the path taken. */
uint64_t journal_fingerprint(struct slice reason) {
    static const uint8_t fixed[crypto_shorthash_siphash24_KEYBYTES] = "zingq reason   ";
    uint8_t text[512];
    size_t len = 0;
    for (size_t i = 0; i < reason.len && len < sizeof text && reason.data[i] != '\n';) {
        unsigned char c = (unsigned char)reason.data[i];
        size_t id = id_length(reason, i);
        bool variable = id > 0 || isdigit(c);
        if (!variable) {
            text[len++] = c;
        } else if (len == 0 || text[len - 1] != '#') {
            text[len++] = '#';
        }
        i += id > 0 ? id : 1;
    }
    uint8_t out[8];
    (void)crypto_shorthash_siphash24(out, text, len, fixed);
    struct reader r = reader_of(out, sizeof out);
    return read_u64(&r);
}

/* INV-JOURNAL-14, of what is written and of what is read. */
static bool is_sound(const struct dead_row *row) {
    return row->partition < PARTITIONS && journal_letter_time(row->dead_ms);
}

static void dead_key(struct key *k, const struct dead_row *row) {
    k->len = 0;
    key_u8(k, row->partition);
    key_u16(k, row->service);
    key_uuid(k, &row->id);
}

int journal_dead_put(struct journal *j, const struct dead_row *row) {
    assert(is_sound(row));
    struct key k;
    dead_key(&k, row);
    buf_reset(&j->record);
    buf_add_u64(&j->record, (uint64_t)row->dead_ms);
    buf_add_u64(&j->record, row->fingerprint);
    return journal_put_record(j, TABLE_DEAD, &k);
}

int journal_dead_del(struct journal *j, const struct dead_row *row) {
    struct key k;
    dead_key(&k, row);
    return store_del(j->store, TABLE_DEAD, key_slice(&k));
}

static int take_dead(struct slice key, struct slice value, void *out) {
    struct dead_row *row = out;
    struct reader r = reader_of(key.data, key.len);
    row->partition = read_u8(&r);
    row->service = read_u16_be(&r);
    row->id = read_uuid(&r);
    struct reader v = reader_of(value.data, value.len);
    row->dead_ms = (int64_t)read_u64(&v);
    row->fingerprint = read_u64(&v);
    bool whole = !r.failed && r.at == r.end && !v.failed && v.at == v.end;
    return whole && is_sound(row) ? 0 : ERR_CORRUPT;
}

int journal_dead_get(struct journal *j, struct dead_row *row) {
    struct key k;
    dead_key(&k, row);
    return journal_take(j, TABLE_DEAD, &k, take_dead, row);
}

int journal_dead_next(struct journal *j, struct dead_row *row) {
    struct key k;
    dead_key(&k, row);
    return journal_take_next(j, TABLE_DEAD, &k, 0, true, take_dead, row);
}

int journal_check_dead(struct slice key, struct slice value) {
    struct dead_row row;
    return take_dead(key, value, &row);
}

/*
 * fuzz_record.c - any bytes as a row of the store: what a damaged disk gives back.
 *
 * Input: a table, the length of a key, the key, the value. Promises: a row decodes or it is damage;
 * one that decodes can be told in words; what decodes as a publish or a forward is written as the
 * same bytes, and so reaches no assertion of the writer.
 */
#include "journal/forward.h"
#include "journal/journal.h"
#include "journal/outbox.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 20 };

static void write_again(enum store_table t, struct slice value) {
    struct publication p;
    struct forward f;
    struct publication p_again;
    struct forward f_again;
    struct buf bytes;
    buf_init(&bytes, ROOM);
    if (t == TABLE_OUTBOX && publication_decode(value, &p) == 0) {
        publication_encode(&p, &bytes);
        assert(publication_decode(buf_slice(&bytes), &p_again) == 0);
        assert(slice_equal(p.topic, p_again.topic) && slice_equal(p.payload, p_again.payload));
    }
    if (t == TABLE_FORWARD && forward_decode(value, &f) == 0) {
        forward_encode(&f, &bytes);
        assert(forward_decode(buf_slice(&bytes), &f_again) == 0);
        assert(slice_equal(f.topic, f_again.topic) && slice_equal(f.payload, f_again.payload));
    }
    buf_clear(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { KEY_BYTES_MOST = 511 };
    if (size < 3) {
        return 0;
    }
    enum store_table t = (enum store_table)(data[0] % TABLE_COUNT);
    size_t most = size - 2 < KEY_BYTES_MOST ? size - 2 : KEY_BYTES_MOST;
    size_t key_len = data[1] == 0 || data[1] > most ? most : data[1];
    struct slice key = {(const char *)data + 2, key_len};
    struct slice value = {key.data + key_len, size - 2 - key_len};
    struct buf words;
    int code = journal_check_row(t, key, value);
    assert(code == 0 || code == ERR_CORRUPT || code == ERR_MEMORY || code == ERR_SCHEMA);
    buf_init(&words, ROOM);
    journal_key_text(NULL, t, key, &words);
    assert(!words.failed && words.len > 0);
    (void)journal_row_fits(t, key, value);
    write_again(t, value);
    buf_clear(&words);
    return 0;
}

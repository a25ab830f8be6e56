/*
 * hash.c - the lane of a key, and the partition of a lane.
 */
#include "journal/journal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static_assert(crypto_shorthash_siphash24_BYTES == 8, "a lane is 64 bits");

/* --- hashing --- */

uint64_t journal_lane(struct slice service, struct slice key) {
    /* A fixed key: every host must find the same partition for the same (service, key). */
    static const uint8_t fixed[crypto_shorthash_siphash24_KEYBYTES] = "zingq partition";
    uint8_t text[NAME_BYTES_MAX + 1 + KEY_BYTES_MAX];
    assert(service.len <= NAME_BYTES_MAX && key.len <= KEY_BYTES_MAX); /* INV-JOURNAL-18 */
    if (service.len > 0) {
        memcpy(text, service.data, service.len);
    }
    text[service.len] = 0;
    if (key.len > 0) {
        memcpy(text + service.len + 1, key.data, key.len);
    }
    uint8_t out[8];
    (void)crypto_shorthash_siphash24(out, text, service.len + 1 + key.len, fixed);
    struct reader r = reader_of(out, sizeof out);
    return read_u64(&r);
}

uint8_t journal_partition(uint64_t lane) {
    return (uint8_t)(lane % PARTITIONS);
}

uint8_t journal_group(uint8_t partition) {
    return partition / (PARTITIONS / EVENT_GROUPS);
}

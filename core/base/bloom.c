/*
 * bloom.c - see base/bloom.h.
 */
#include "base/bloom.h"

#include <stdlib.h>

enum { WORDS = 8, BLOCK_BITS = WORDS * 32 };

struct bloom {
    uint64_t hashes, blocks;
    uint32_t words[][WORDS]; /* of each block */
};

/* Odd numbers; the specification gives them. */
static const uint32_t salts[WORDS] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                      0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

static uint64_t blocks_for(uint64_t hashes) {
    return hashes / (BLOCK_BITS / BLOOM_BITS) + 1;
}

size_t bloom_bytes(uint64_t hashes) {
    return sizeof(struct bloom) + blocks_for(hashes) * WORDS * sizeof(uint32_t);
}

struct bloom *bloom_new(uint64_t hashes) {
    struct bloom *b = blocks_for(hashes) > UINT32_MAX ? NULL : calloc(1, bloom_bytes(hashes));
    if (b != NULL) {
        b->hashes = hashes;
        b->blocks = blocks_for(hashes);
    }
    return b;
}

uint64_t bloom_hashes(const struct bloom *b) {
    return b->hashes;
}

/* The upper half of the hash chooses the block, the lower half a bit of each word. */
static size_t block_of(const struct bloom *b, uint64_t hash) {
    return (size_t)((hash >> 32) * b->blocks >> 32);
}

static uint32_t bit_of(uint64_t hash, size_t word) {
    return UINT32_C(1) << ((uint32_t)hash * salts[word] >> 27);
}

void bloom_add(struct bloom *b, uint64_t hash) {
    uint32_t *words = b->words[block_of(b, hash)];
    for (size_t i = 0; i < WORDS; i++) {
        words[i] |= bit_of(hash, i);
    }
}

bool bloom_may_have(const struct bloom *b, uint64_t hash) {
    const uint32_t *words = b->words[block_of(b, hash)];
    uint32_t missing = 0;
    for (size_t i = 0; i < WORDS; i++) {
        missing |= bit_of(hash, i) & ~words[i];
    }
    return missing == 0;
}

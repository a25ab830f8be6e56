/*
 * blocks.h - small blocks of memory that were given back and are kept for whoever asks next.
 *
 * A turn makes hundreds of events, lanes and publishes before it frees the first of them, and a
 * handler makes some ten strings and tables: more than malloc keeps at hand. Whoever gives a block
 * back knows its size; so a list for each size is all that is needed, at a fifth of malloc's
 * instructions.
 *
 * For one thread: the engine's. What is kept is at most BLOCKS_BYTES_MAX, and in no budget.
 */
#ifndef ZINGQ_BASE_BLOCKS_H
#define ZINGQ_BASE_BLOCKS_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { BLOCKS_BYTES_MAX = 0 }; /* the sanitizer sees each block */
#else
enum { BLOCKS_BYTES_MAX = 1 << 20 };
#endif

/* Class n is for sizes up to 16 (n + 1) bytes; larger ones are malloc's. */
enum { BLOCK_CLASS_BYTES = 16, BLOCK_CLASSES = 64 };

/* What is kept; for the functions below. */
extern struct blocks {
    void *first[BLOCK_CLASSES]; /* each holds the address of the next one */
    size_t bytes;               /* of all */
} blocks_kept;

static inline size_t blocks_class(size_t size) {
    return (size - 1) / BLOCK_CLASS_BYTES;
}

/* Bytes of unknown contents; NULL when out of memory. size > 0. */
static inline void *blocks_take(size_t size) {
    size_t class = blocks_class(size);
    if (class >= BLOCK_CLASSES) {
        return malloc(size);
    }
    void *block = blocks_kept.first[class];
    if (block == NULL) {
        return malloc((class + 1) * BLOCK_CLASS_BYTES);
    }
    memcpy(&blocks_kept.first[class], block, sizeof(void *));
    blocks_kept.bytes -= (class + 1) * BLOCK_CLASS_BYTES;
    return block;
}

/* `block` is one of blocks_take of that size. */
static inline void blocks_give(void *block, size_t size) {
    size_t class = blocks_class(size);
    if (class >= BLOCK_CLASSES || blocks_kept.bytes + size > BLOCKS_BYTES_MAX) {
        free(block);
        return;
    }
    memcpy(block, &blocks_kept.first[class], sizeof(void *));
    blocks_kept.first[class] = block;
    blocks_kept.bytes += (class + 1) * BLOCK_CLASS_BYTES;
}

/* As realloc, for blocks of blocks_take. Both sizes > 0. NULL: the block is as it was. */
void *blocks_resize(void *block, size_t old_size, size_t new_size);
/* Frees what is kept. */
void blocks_clear(void);

#endif

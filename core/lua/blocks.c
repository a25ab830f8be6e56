/*
 * blocks.c - small blocks of Lua's memory that were freed and are kept for the next allocation.
 *
 * An event makes and frees some ten strings and tables. Lua says how large a block is when it gives
 * it back, so a list for each size is all that is needed, at a tenth of what malloc costs. The
 * lists are short: what they keep is at most 278 KiB, and in no budget.
 */
#include "lua/host.h"

#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
enum { BLOCKS_KEPT = 0 }; /* the sanitizer sees each block */
#else
enum { BLOCKS_KEPT = 128 }; /* of a class */
#endif
enum { CLASS_BYTES = 16 };

/* Class n is for sizes up to 16 (n + 1) bytes. */
static size_t class_of(size_t size) {
    return (size - 1) / CLASS_BYTES;
}

static void *take(struct script_blocks *blocks, size_t size) {
    size_t class = class_of(size);
    if (class >= BLOCK_CLASSES) {
        return malloc(size);
    }
    void *block = blocks->first[class];
    if (block == NULL) {
        return malloc((class + 1) * CLASS_BYTES);
    }
    memcpy(&blocks->first[class], block, sizeof(void *));
    blocks->count[class]--;
    return block;
}

static void give(struct script_blocks *blocks, void *block, size_t size) {
    size_t class = class_of(size);
    if (class >= BLOCK_CLASSES || blocks->count[class] + 1 > BLOCKS_KEPT) {
        free(block);
        return;
    }
    memcpy(block, &blocks->first[class], sizeof(void *));
    blocks->first[class] = block;
    blocks->count[class]++;
}

void *script_blocks_resize(struct script_blocks *blocks, void *block, size_t old_size,
                           size_t new_size) {
    if (old_size > 0 && new_size > 0 && class_of(old_size) >= BLOCK_CLASSES &&
        class_of(new_size) >= BLOCK_CLASSES) {
        return realloc(block, new_size);
    }
    if (old_size > 0 && new_size > 0 && class_of(old_size) == class_of(new_size)) {
        return block;
    }
    void *moved = new_size == 0 ? NULL : take(blocks, new_size);
    if (old_size > 0 && (moved != NULL || new_size == 0)) {
        if (moved != NULL) {
            memcpy(moved, block, old_size < new_size ? old_size : new_size);
        }
        give(blocks, block, old_size);
    }
    return moved;
}

void script_blocks_clear(struct script_blocks *blocks) {
    for (size_t class = 0; class < BLOCK_CLASSES; class ++) {
        while (blocks->first[class] != NULL) {
            void *block = blocks->first[class];
            memcpy(&blocks->first[class], block, sizeof(void *));
            free(block);
        }
    }
    *blocks = (struct script_blocks){0};
}

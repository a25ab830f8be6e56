/*
 * blocks.c - see base/blocks.h.
 */
#include "base/blocks.h"

struct blocks blocks_kept;

void *blocks_resize(void *block, size_t old_size, size_t new_size) {
    size_t before = blocks_class(old_size);
    size_t after = blocks_class(new_size);
    if (before >= BLOCK_CLASSES && after >= BLOCK_CLASSES) {
        return realloc(block, new_size);
    }
    if (before == after) {
        return block;
    }
    void *moved = blocks_take(new_size);
    if (moved != NULL) {
        memcpy(moved, block, old_size < new_size ? old_size : new_size);
        blocks_give(block, old_size);
    }
    return moved;
}

void blocks_clear(void) {
    for (size_t class = 0; class < BLOCK_CLASSES; class ++) {
        while (blocks_kept.first[class] != NULL) {
            void *block = blocks_kept.first[class];
            memcpy(&blocks_kept.first[class], block, sizeof(void *));
            free(block);
        }
    }
    blocks_kept.bytes = 0;
}

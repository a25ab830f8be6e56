/*
 * heap.c - see impl.h. The program's own malloc, in front of libc's for all libraries. A sanitizer has its own, and says
 * itself what leaks.
 */
#include "impl.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

void heap_watch(bool on) {
    (void)on;
}

void heap_forget(bool stacks) {
    (void)stacks;
}

size_t heap_left(void) {
    return 0;
}

void heap_tell(void) {
}

#else

#include <assert.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 1 << 17, SLOT_SHIFT = 64 - 17, DEPTH = 16, TOLD = 8 };

#define GONE ((void *)1)

static void *blocks[SLOTS]; /* by address; NULL: free; GONE: was freed, the search goes on */
static struct {
    void *at[DEPTH];
    int depth;
} allocated_by[SLOTS];    /* if that is remembered */
static size_t used, left; /* slots that are not free; blocks */
static bool stacks_kept;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool watched;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

void heap_watch(bool on) {
    watched = on;
}

static size_t slot_of(const void *block) {
    return (size_t)((((uintptr_t)block >> 4) * UINT64_C(0x9E3779B97F4A7C15)) >> SLOT_SHIFT);
}

static void note(void *block) {
    if (!watched || block == NULL) {
        return;
    }
    watched = false; /* backtrace may allocate */
    (void)pthread_mutex_lock(&mutex);
    size_t i = slot_of(block);
    while (blocks[i] > GONE) {
        i = (i + 1) % SLOTS;
    }
    used += blocks[i] == NULL;
    assert(used < SLOTS);
    blocks[i] = block;
    allocated_by[i].depth = stacks_kept ? backtrace(allocated_by[i].at, DEPTH) : 0;
    left++;
    (void)pthread_mutex_unlock(&mutex);
    watched = true;
}

/* What was allocated before fault_on is not found, and of no interest. */
static void forget(const void *block) {
    if (block == NULL || __atomic_load_n(&left, __ATOMIC_RELAXED) == 0) {
        return;
    }
    (void)pthread_mutex_lock(&mutex);
    for (size_t i = slot_of(block); blocks[i] != NULL; i = (i + 1) % SLOTS) {
        if (blocks[i] == block) {
            blocks[i] = GONE;
            left--;
            break;
        }
    }
    (void)pthread_mutex_unlock(&mutex);
}

void heap_forget(bool stacks) {
    (void)pthread_mutex_lock(&mutex);
    if (used > 0) {
        memset(blocks, 0, sizeof blocks);
    }
    used = left = 0;
    stacks_kept = stacks;
    (void)pthread_mutex_unlock(&mutex);
}

size_t heap_left(void) {
    return left;
}

void heap_tell(void) {
    for (size_t i = 0, told = 0; i < SLOTS && told < TOLD; i++) {
        if (blocks[i] > GONE && allocated_by[i].depth > 0) {
            static const char head[] = "left over, allocated by\n";
            (void)!write(STDERR_FILENO, head, sizeof head - 1);
            backtrace_symbols_fd(allocated_by[i].at, allocated_by[i].depth, STDERR_FILENO);
            told++;
        }
    }
}

void *malloc(size_t size) {
    void *block = __libc_malloc(size);
    note(block);
    return block;
}

void *calloc(size_t count, size_t size) {
    void *block = __libc_calloc(count, size);
    note(block);
    return block;
}

void *realloc(void *old, size_t size) {
    forget(old);
    void *block = __libc_realloc(old, size);
    note(block != NULL || size == 0 ? block : old);
    return block;
}

void free(void *block) {
    forget(block);
    __libc_free(block);
}

#endif

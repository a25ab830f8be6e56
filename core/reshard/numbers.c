/*
 * numbers.c - sets of numbers: sorted arrays, queried when they are complete.
 */
#include "reshard/impl.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static const uint64_t *find(const struct numbers *n, uint64_t number) {
    return n->count == 0 ? NULL : bsearch(&number, n->at, n->count, sizeof number, compare);
}

bool numbers_have(const struct numbers *n, uint64_t number) {
    return find(n, number) != NULL;
}

uint64_t reshard_seq(const struct folder *f, uint64_t seq) {
    const uint64_t *at = find(&f->strays, seq);
    return at == NULL ? seq : f->base + (uint64_t)(at - f->strays.at);
}

int numbers_add(struct numbers *n, uint64_t number) {
    if (n->count == n->room) {
        size_t room = n->room * 2 + 1024;
        uint64_t *at = realloc(n->at, room * sizeof *at);
        if (at == NULL) {
            return ERR_MEMORY;
        }
        n->at = at;
        n->room = room;
    }
    n->at[n->count++] = number;
    return 0;
}

void numbers_sort(struct numbers *n) {
    size_t count = 0;
    if (n->count > 0) {
        qsort(n->at, n->count, sizeof *n->at, compare);
    }
    for (size_t i = 0; i < n->count; i++) {
        if (i == 0 || n->at[i] != n->at[i - 1]) {
            n->at[count++] = n->at[i];
        }
    }
    n->count = count;
}

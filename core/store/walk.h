/*
 * walk.h - walks the trees of pages in a store's file without LMDB; only store/pages.c and
 * store/survey.c include it.
 */
#ifndef ZINGQ_STORE_WALK_H
#define ZINGQ_STORE_WALK_H

#include "base/buf.h"
#include "base/error.h"
#include "store/pages.h"

#include <stdbool.h>
#include <stdint.h>

enum { WALK_TREE_BYTES = 48 };

struct walk {
    int fd;
    uint64_t pages; /* complete ones in the file */
    uint64_t txn;
    uint64_t last;                     /* the last page LMDB has ever used */
    uint8_t trees[2][WALK_TREE_BYTES]; /* free pages, tables */
    uint32_t page_size;
    int64_t bytes; /* of the file */
    uint8_t *seen; /* one bit per page */
    bool free_list;
    struct slice table;   /* the table that the leaves belong to; "" = the names of tables */
    int depth;            /* of the current tree */
    uint64_t rows, flaws; /* in the current tree */
    const struct store_survey *survey; /* NULL = the first flaw ends the walk */
};

/* Opens the file of the folder. ERR_NOTFOUND: there is none. ERR_DISK, ERR_INVALID. */
int walk_open(struct walk *w, const char *folder, struct report *r);
/* Reads the newer of the first two pages; true if both, or in a survey one, can be read. */
bool walk_read_meta(struct walk *w);
/* Determines the length of the file. ERR_DISK. */
int walk_measure(struct walk *w, const char *folder, struct report *r);
/* Walks the free pages, then the tables; after walk_read_meta and walk_measure. ERR_CORRUPT,
 * ERR_MEMORY, and errors of a survey's functions. */
int walk_file(struct walk *w);
/* After walk_file: true if nothing that was reached refers to the page, and it is a valid leaf. If
 * `each` is given, it gets the rows; its error ends the walk. */
typedef int walk_row(void *ctx, struct slice key, struct slice value);
bool walk_is_stray(struct walk *w, uint64_t number);
int walk_stray(struct walk *w, uint64_t number, walk_row *each, void *ctx);

#endif

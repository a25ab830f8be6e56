/*
 * walk.h - the trees of pages in a store's file, walked without LMDB; store/pages.c and
 * store/survey.c alone include it.
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
    uint64_t pages; /* whole ones in the file */
    uint64_t txn;
    uint64_t last;                     /* the last page LMDB has ever used */
    uint8_t trees[2][WALK_TREE_BYTES]; /* free pages, tables */
    uint32_t page_size;
    int64_t bytes; /* of the file */
    uint8_t *seen; /* a bit a page */
    bool free_list;
    struct slice table;                /* whose rows the leaves have; "" = the names of tables */
    int depth;                         /* of the tree being walked */
    uint64_t rows, flaws;              /* found in it */
    const struct store_survey *survey; /* NULL = the first flaw ends it */
};

/* The file of the folder. ERR_NOTFOUND: there is none. ERR_DISK, ERR_INVALID. */
int walk_open(struct walk *w, const char *folder, struct report *r);
/* The newer of both first pages; whether both can be read, or, in a survey, one. */
bool walk_read_meta(struct walk *w);
/* How long the file is. ERR_DISK. */
int walk_measure(struct walk *w, const char *folder, struct report *r);
/* The free pages, then the tables; after walk_read_meta and walk_measure. ERR_CORRUPT, ERR_MEMORY,
 * and what a survey's functions return. */
int walk_file(struct walk *w);
/* After walk_file: whether the page belongs to nothing that was reached, and is a sound leaf. Its
 * rows, when `each` is given, go there; what each returns ends it. */
typedef int walk_row(void *ctx, struct slice key, struct slice value);
bool walk_is_stray(struct walk *w, uint64_t number);
int walk_stray(struct walk *w, uint64_t number, walk_row *each, void *ctx);

#endif

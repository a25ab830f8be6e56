/*
 * pages.h - the pages of a store's file, read without LMDB.
 *
 * LMDB maps the file and believes it: to touch a page beyond its end is SIGBUS, and a page of
 * garbage may end the process, too. So the file is read with pread before it is opened; and what a
 * damaged one still holds is read the same way.
 */
#ifndef ZINGQ_STORE_PAGES_H
#define ZINGQ_STORE_PAGES_H

#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* The file `folder`/data.mdb. 0 when all pages that its last commit reaches are there, and when
 * there is no file; ERR_CORRUPT with a sentence when one is missing or damaged. `whole`: a file
 * that is long enough is walked, too, up to STORE_WALK_BYTES_MAX. ERR_DISK, ERR_MEMORY. */
int store_check_pages(const char *folder, bool whole, struct report *r);

/* What a survey finds, in the order of the tables' names and of the keys. The table is the name in
 * the file ("event"), the slices live until the function returns. A code other than 0 ends it. */
struct store_survey {
    int (*on_row)(void *ctx, struct slice table, struct slice key, struct slice value);
    /* A page, or a large value, that cannot be read; `text` says what of it is lost. */
    int (*on_flaw)(void *ctx, struct slice table, const char *text);
    /* Whether it may be a row of the table; NULL = what lay below a lost page is not looked for. */
    bool (*fits)(enum store_table table, struct slice key, struct slice value);
    /* So many pages of it were found that way, and their rows handed out; NULL = do not tell. */
    void (*on_found)(void *ctx, const char *table, uint64_t pages);
    void *ctx;
};

/* Every row of the last commit that can be read; at the end those of pages that lay below a lost
 * one, each page as rows of the first damaged table which all of them fit. Beside a running host
 * the state surveyed is kept from being written over. ERR_NOTFOUND: no file. ERR_CORRUPT: not even its first pages can be
 * read. ERR_DISK, ERR_MEMORY, and what the functions return. A sentence in r. */
int store_survey(const char *folder, const struct store_survey *survey, struct report *r);

#endif

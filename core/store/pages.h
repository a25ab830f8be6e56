/*
 * pages.h - the pages of a store's file, read without LMDB.
 *
 * LMDB maps the file and trusts it: touching a page beyond its end causes SIGBUS, and a damaged
 * page may also end the process. So the file is checked with pread before it is opened; and what a
 * damaged file still contains is read the same way.
 */
#ifndef ZINGQ_STORE_PAGES_H
#define ZINGQ_STORE_PAGES_H

#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* Checks `folder`/data.mdb. 0 when all pages that its last commit reaches exist, or if there is no
 * file; ERR_CORRUPT with a sentence when one is missing or damaged. A file that is long enough is
 * walked as well, if it has at most `bytes_max`. ERR_DISK, ERR_MEMORY. */
int store_check_pages(const char *folder, uint64_t bytes_max, struct report *r);

/* The rows that a survey finds, in the order of tables' names and of keys. The table is the name in
 * the file ("event"); slices live until the function returns. A code other than 0 ends the
 * survey. */
struct store_survey {
    int (*on_row)(void *ctx, struct slice table, struct slice key, struct slice value);
    /* A page, or a large value, that cannot be read; `text` says what is lost. */
    int (*on_flaw)(void *ctx, struct slice table, const char *text);
    /* True if it may be a row of the table; NULL = do not look for pages below lost ones. */
    bool (*fits)(enum store_table table, struct slice key, struct slice value);
    /* How many of the table's pages were found that way, and their rows passed on; NULL = no
     * report. */
    void (*on_found)(void *ctx, const char *table, uint64_t pages);
    void *ctx;
};

/* Reports every readable row of the last commit; at the end also the rows of pages below lost ones,
 * each page for the first damaged table that all its rows fit. Next to a running host, the surveyed
 * state is protected from being overwritten. ERR_NOTFOUND: no file. ERR_CORRUPT: not even its first
 * pages can be read. ERR_DISK, ERR_MEMORY, and errors of the functions. A sentence in r. */
int store_survey(const char *folder, const struct store_survey *survey, struct report *r);

#endif

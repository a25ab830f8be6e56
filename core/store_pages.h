/*
 * store_pages.h - the pages of a store's file, read without LMDB.
 *
 * LMDB maps the file and believes it: to touch a page beyond its end is SIGBUS, and a page of
 * garbage may end the process, too. So the file is read with pread before it is opened.
 */
#ifndef ZINGQ_STORE_PAGES_H
#define ZINGQ_STORE_PAGES_H

#include "error.h"

#include <stdbool.h>

/* The file `folder`/data.mdb. 0 when all pages that its last commit reaches are there, and when
 * there is no file; ERR_CORRUPT with a sentence when one is missing or damaged. `whole`: a file
 * that is long enough is walked, too, up to STORE_WALK_BYTES_MAX. ERR_DISK, ERR_MEMORY. */
int store_check_pages(const char *folder, bool whole, struct report *r);

#endif
